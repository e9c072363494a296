# SPDX-License-Identifier: MIT
"""atomicio as its users call it."""
import fcntl
import json
import os
import subprocess

import pytest
from harness.mount import tool_path
from harness.tools import IOC_ABORT, clean_env

SECONDS = 60

# The directory .@ctl/quarantine shows the mode 0500, which the kernel holds
# everybody but root to.
drops_in_mount = pytest.mark.skipif(
    os.getuid() != 0, reason="only root removes items through a mount")


def call(*args, program=None, **kwargs):
    """Run it; the finished process, with its output as text."""
    kwargs.setdefault("env", clean_env())
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [program or tool_path(), *args], stderr=subprocess.PIPE, text=True,
        errors="surrogateescape", timeout=SECONDS, **kwargs)


def atomicio(*args, **kwargs):
    """What it prints; it must succeed, and in silence."""
    done = call(*args, **kwargs)
    assert (done.returncode, done.stderr) == (0, ""), (args, done)
    return done.stdout


def from_json(*args, **kwargs):
    return json.loads(atomicio(*args, "--json", **kwargs))


def refused(*args, code=1, **kwargs):
    """The one line it says when it ends with @code, and does nothing."""
    done = call(*args, **kwargs)
    assert done.returncode == code, (args, done)
    assert not done.stdout, (args, done)
    assert done.stderr.startswith("atomicio: "), done
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n"), done
    return done.stderr


def roll_back(mount, name, data, mode=0o644):
    """Put @data into the quarantine, as a version of @name; its id."""
    mount.expect_log("rolled back .*aborted")
    before = {item["id"] for item in mount.quarantine()}
    fd = os.open(os.path.join(os.fsencode(mount.mnt), os.fsencode(name)),
                 os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
        os.fchmod(fd, mode)
        fcntl.ioctl(fd, IOC_ABORT)
    finally:
        os.close(fd)
    new = {item["id"] for item in mount.quarantine()} - before
    assert len(new) == 1
    return new.pop()


def ids(mount):
    return [item["id"] for item in mount.quarantine()]


def copied_tool(directory):
    """A copy of it that any user can run."""
    program = directory / "atomicio"
    program.write_bytes(tool_path().read_bytes())
    program.chmod(0o755)
    return program
