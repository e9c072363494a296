# SPDX-License-Identifier: MIT
"""How waiting for the lock of a document ends on a mount, other than by getting
it: exit code 5, and nothing was done."""
import contextlib
import json
import os
import subprocess
import sys

import pytest
from cli import atomicio
from documents import LOCK, SLOW, env
from harness.locks import wait_for_locks
from harness.mount import tool_path

WORDS = {"read": [], "write": ["2"], "update": ["2"], "append": ["2"]}

# Hold one file by flock, and then become a command.
HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
os.set_inheritable(fd, True)
print("held", flush=True)
sys.stdin.readline()
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def start():
    """Start a process, which ends with the test."""
    with contextlib.ExitStack() as stack:
        def popen(*argv):
            process = stack.enter_context(subprocess.Popen(
                argv, env=env(), text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            stack.callback(process.kill)
            return process
        yield popen


@pytest.fixture
def holder(start):
    """A process that has @path, and runs @command when it is given a line."""
    def hold(path, *command):
        process = start(sys.executable, "-c", HOLD, path, *command)
        assert process.stdout.readline() == "held\n"
        return process
    return hold


@pytest.fixture
def files(place):
    for name in ("a.json", "b.json"):
        (place / name).write_text("1")
    return place / "a.json", place / "b.json"


@pytest.mark.parametrize("word", WORDS)
def test_would_never_end(files, module_mount, holder, word):
    """Who has a waits for b, and whoever has b wants a."""
    a, b = files
    other = holder(a, "/usr/bin/flock", b, "true")
    tool = holder(b, tool_path(), word, a, *WORDS[word])
    other.stdin.write("\n")
    other.stdin.flush()
    wait_for_locks(module_mount, waiting=1)
    out, said = tool.communicate("\n", timeout=60 * SLOW)
    assert tool.returncode == LOCK
    assert (out, said.count("\n")) == ("", 1)
    assert said.startswith("atomicio: ") and str(a) in said
    assert other.communicate(timeout=60 * SLOW) == ("", "")
    assert other.returncode == 0
    assert a.read_text() == "1"


@pytest.mark.parametrize("word", WORDS)
def test_broken(files, module_mount, start, holder, word):
    """Root has taken the place in the queue away."""
    if os.getuid() != 0:
        pytest.skip("needs root, to break a lock")
    module_mount.expect_log("lock [0-9]+ of .* was broken by root")
    a, _ = files
    other = holder(a, "/bin/true")
    tool = start(tool_path(), word, a, *WORDS[word])
    found = wait_for_locks(module_mount, held=1, waiting=1)["locks"]
    lock, = [one for one in found if one["state"] == "waiting"]
    atomicio("locks", "--break", str(lock["id"]), module_mount.mnt)
    out, said = tool.communicate(timeout=60 * SLOW)
    assert tool.returncode == LOCK, said
    assert (out, said.count("\n")) == ("", 1)
    assert said.startswith("atomicio: ") and str(a) in said
    other.communicate("\n", timeout=60 * SLOW)
    assert json.loads(a.read_text()) == 1
