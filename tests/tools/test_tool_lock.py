# SPDX-License-Identifier: MIT
"""atomicio lock: a command runs while a file is locked."""
import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time

import pytest
from cli import SECONDS, atomicio, call, copied_tool, refused
from harness.locks import locks, wait_for_locks
from harness.mount import tool_path
from harness.tools import clean_env, need

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
ENV = clean_env(A=os.fspath(tool_path()))
FAILED, USAGE, TIMEOUT, NEVER = 1, 2, 4, 5
TERMINAL = [signal.SIGINT, signal.SIGQUIT]
PASSED_ON = [*TERMINAL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1,
             signal.SIGUSR2]


@pytest.fixture
def f(mount):
    (mount / "f").write_bytes(b"old")
    return mount / "f"


@pytest.fixture
def run(mount):
    """Start it; whatever still runs in the end is killed."""
    with contextlib.ExitStack() as stack:
        def start(*args, **kwargs):
            one = subprocess.Popen(
                [tool_path(), "lock", *args], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=ENV, cwd=mount.mnt, **kwargs)
            stack.enter_context(one)
            stack.callback(one.kill)
            return one
        yield start


def finish(process, text=""):
    """Close its input, and wait; (exit code, output, errors)."""
    out, err = process.communicate(text, timeout=SECONDS)
    return process.returncode, out, err


@pytest.fixture
def held(f, run):
    """Somebody has the lock of f, until their input ends.  Their command runs:
    before it is started, the lock is the wrapper's alone."""
    one = run(f, "--", "sh", "-c", "echo runs; exec cat")
    assert one.stdout.readline() == "runs\n"
    return one


def say(process, word):
    process.stdin.write(word + "\n")
    process.stdin.flush()


def python(text):
    return [sys.executable, "-c", text]


# ---- the command ---------------------------------------------------------

def test_runs(f):
    assert atomicio("lock", f, "--", "echo", "a b", "c") == "a b c\n"
    assert atomicio("lock", "f", "cat", "f", cwd=f.parent) == "old"


@pytest.mark.parametrize("code", [0, 1, 5, 77, 255])
def test_exit_code(mount, f, code):
    done = call("lock", f, "sh", "-c", f"exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert locks(mount)["locks"] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM,
                                    signal.SIGINT, signal.SIGSEGV])
def test_killed_command(mount, f, number):
    """128 and the number, as in a shell."""
    done = call("lock", f, "sh", "-c", f"kill -{number.value} $$")
    assert (done.returncode, done.stderr) == (128 + number, "")
    assert locks(mount)["locks"] == []


def test_not_to_be_run(mount, f, tmp_path):
    """126 and 127, as in a shell; and nothing stays locked."""
    (tmp_path / "x").write_text("")
    for command, code, reason in (
            ("no-such-command", 127, "command not found"),
            (tmp_path / "nothing", 127, "command not found"),
            (tmp_path / "x", 126, "Permission denied"),
            (tmp_path, 126, "Permission denied"),
            ("", 127, "command not found")):
        line = refused("lock", f, "--", command, code=code)
        assert line == f"atomicio: {command}: {reason}\n"
    assert locks(mount)["locks"] == []


def test_options_of_the_command(f):
    """They are left alone, with -- and without."""
    for dashes in ([], ["--"]):
        said = atomicio("lock", "-s", f, *dashes, "echo", "-x", "--wait",
                        "--", "--json")
        assert said == "-x --wait -- --json\n"
    assert atomicio("lock", "--", f, "echo", "-n") == ""
    assert "-s: command not found" in refused("lock", f, "--", "-s", code=127)
    for args in ([f], [f, "--"], ["--", f, "--"]):
        refused("lock", *args, code=USAGE)


def test_input_and_output(f, run):
    assert finish(run(f, "tr", "a-z", "A-Z"), "text") == (0, "TEXT", "")


def test_ignored_children(f):
    """Whoever ignores their children hands that down."""
    done = call("lock", f, "sh", "-c", "exit 3", preexec_fn=lambda:
                signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert done.returncode == 3


# ---- the lock ------------------------------------------------------------

@pytest.mark.parametrize("flags, mode", [
    ([], "exclusive"), (["-x"], "exclusive"), (["--exclusive"], "exclusive"),
    (["-s"], "shared"), (["--shared"], "shared")], ids=str)
def test_mode(mount, f, run, flags, mode):
    """What others see, and that it is over with the command.  The lock is
    that of the command, and counted once."""
    one = run(*flags, f, "sh", "-c", "echo $$; cat")
    pid = int(one.stdout.readline())
    (lock,) = wait_for_locks(mount, held=1, waiting=0)["locks"]
    assert (lock["path"], lock["kind"], lock["mode"]) == ("f", "flock", mode)
    assert (lock["pid"], lock["count"]) == (pid, 1)
    assert (lock["start"], lock["end"]) == (0, None)
    assert finish(one) == (0, "", "")
    assert locks(mount)["locks"] == []


def test_shared(f, run, held):
    """S21: shared with shared, and else not."""
    assert finish(held)[0] == 0
    one = run("-s", f, "sh", "-c", "echo; cat")
    one.stdout.readline()
    assert atomicio("lock", "-s", "-n", f, "echo", "both") == "both\n"
    refused("lock", "-n", f, "echo", code=TIMEOUT)
    assert finish(one)[0] == 0
    assert atomicio("lock", "-n", f, "echo", "one") == "one\n"


def test_flock(f, held):
    """S21: it is the lock of flock(2), and not that of fcntl(2)."""
    need("flock")
    assert subprocess.run(["flock", "-n", f, "true"]).returncode == 1
    with open(f, "r+b") as mine:
        fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            fcntl.flock(mine, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finish(held)
        fcntl.flock(mine, fcntl.LOCK_SH | fcntl.LOCK_NB)
        refused("lock", "-n", f, "echo", code=TIMEOUT)


def test_path_is_locked(mount, f):
    """S21: the command may replace the file."""
    script = 'echo new > g; mv g f; "$A" lock -n f echo; echo $?'
    done = call("lock", "f", "sh", "-c", script, cwd=mount.mnt, env=ENV)
    assert (done.returncode, done.stdout) == (0, f"{TIMEOUT}\n")
    assert f.read_bytes() == b"new\n"


LOCKS_AGAIN = python("""
import fcntl, sys
for name in "ab":
    with open(sys.stdin.readline().rstrip(), "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print(name)""")


def test_again(f, run):
    """S23: the command can lock the file itself."""
    assert finish(run(f, *LOCKS_AGAIN), f"{f}\n" * 2) == (0, "a\nb\n", "")


@pytest.mark.mount_options("locks=strict")
def test_not_again(mount, f, run):
    """S23: but not where that is switched off."""
    code, out, err = finish(run(f, *LOCKS_AGAIN), f"{f}\n" * 2)
    assert (code, out) == (1, "") and "BlockingIOError" in err
    assert locks(mount)["locks"] == []


def test_count(mount, run):
    """S22: as the manual says."""
    script = '''for i in 1 2 3 4 5 6 7 8 9 10; do
        "$A" lock count -- sh -c 'echo $(($(cat count) + 1)) > count'
        done'''
    everybody = [subprocess.Popen(["sh", "-euc", script], cwd=mount.mnt,
                                  env=ENV) for _ in range(4)]
    assert [one.wait(SECONDS) for one in everybody] == [0] * 4
    assert (mount / "count").read_text() == "40\n"


def test_creates(mount):
    """Empty, and with what the umask leaves."""
    done = call("lock", "new", "stat", "-c", "%s %a", "new", cwd=mount.mnt,
                umask=0o027)
    assert (done.returncode, done.stdout) == (0, "0 640\n")
    (mount / "link").symlink_to("other")
    atomicio("lock", mount / "link", "true")
    assert (mount / "other").read_bytes() == b""


def test_changes_nothing(f):
    """S9: locked, not written."""
    before = os.stat(f)
    atomicio("lock", f, "true")
    after = os.stat(f)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino,
                                                   after.st_mtime_ns)


@root_only
def test_other_user(mount, f, tmp_path):
    """Who may read it may lock it; who may not create it is told so."""
    os.chmod(mount.mnt, 0o755)
    as_user = {"program": copied_tool(tmp_path), "user": 1000, "group": 1000}
    f.chmod(0o444)
    assert atomicio("lock", f, "echo", "mine", **as_user) == "mine\n"
    assert "new: Permission denied" in refused("lock", mount / "new", "echo",
                                               **as_user)
    f.chmod(0o400)
    assert "f: Permission denied" in refused("lock", f, "echo", **as_user)


# ---- not to be had -------------------------------------------------------

@pytest.mark.parametrize("flags, code", [
    (["-n"], TIMEOUT), (["--nonblock"], TIMEOUT), (["-w", "0"], TIMEOUT),
    (["-n", "-E", "0"], 0), (["-nE9"], 9), (["-n", "-E", "255"], 255),
    (["-n", "--conflict-exit-code=17"], 17)], ids=str)
def test_busy(mount, f, held, flags, code):
    line = refused("lock", *flags, f, "echo", code=code)
    assert line.startswith(f"atomicio: {f}: locked by somebody else")
    assert len(locks(mount)["locks"]) == 1
    assert finish(held)[0] == 0
    assert atomicio("lock", *flags, f, "echo", "mine") == "mine\n"


@pytest.mark.parametrize("flags, seconds, code", [
    (["-w", "0.3"], 0.3, TIMEOUT), (["--wait=.2", "-E", "9"], 0.2, 9),
    (["-w", "0.0000001"], 0, TIMEOUT)], ids=str)
def test_too_late(mount, f, held, flags, seconds, code):
    begin = time.monotonic()
    line = refused("lock", *flags, f, "echo", code=code)
    assert time.monotonic() - begin >= seconds
    assert "not unlocked in time" in line
    assert len(locks(mount)["locks"]) == 1
    assert finish(held)[0] == 0


@pytest.mark.mount_options("lock_timeout=0.2")
def test_limit_of_the_mount(f, held):
    """S24: ETIMEDOUT is told as any other time limit."""
    line = refused("lock", f, "echo", code=TIMEOUT)
    assert "not unlocked in time" in line
    assert finish(held)[0] == 0


def test_in_time(mount, f, run, held):
    one = run("-w", "60", f, "echo", "mine")
    wait_for_locks(mount, held=1, waiting=1)
    assert finish(held)[0] == 0
    assert finish(one) == (0, "mine\n", "")


def test_in_order(mount, f, run, held, tmp_path):
    """S24: whoever asked first."""
    waiting = []
    for i in range(4):
        waiting.append(run(f, "sh", "-c", f"echo {i} >> {tmp_path}/log"))
        wait_for_locks(mount, held=1, waiting=i + 1)
    assert finish(held)[0] == 0
    assert [finish(one)[0] for one in waiting] == [0] * 4
    assert (tmp_path / "log").read_text() == "0\n1\n2\n3\n"


def test_deadlock(mount, run):
    """S24: two commands that wait for each other.  One is told, and the other
    goes on."""
    chain = 'read go; exec "$A" lock %s -- echo "both"'
    one = run("a", "sh", "-c", chain % "b")
    two = run("b", "sh", "-c", chain % "a")
    wait_for_locks(mount, held=2)
    say(one, "go")
    wait_for_locks(mount, held=2, waiting=1)
    code, out, err = finish(two, "go\n")
    assert (code, out) == (NEVER, "")
    assert err.startswith("atomicio: a: whoever holds the lock waits for one")
    assert err.count("\n") == 1
    assert finish(one) == (0, "both\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGHUP, signal.SIGKILL])
def test_killed_while_waiting(mount, f, run, held, number):
    """S24: it ends at once, and leaves nothing."""
    one = run(f, "echo", "never")
    wait_for_locks(mount, held=1, waiting=1)
    one.send_signal(number)
    assert finish(one) == (-number, "", "")
    wait_for_locks(mount, held=1, waiting=0)
    assert finish(held)[0] == 0
    assert locks(mount)["locks"] == []


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def wait_for_state(pid, state):
    end = time.monotonic() + SECONDS
    while state_of(pid) != state:
        assert time.monotonic() < end
        select.select([], [], [], 0.002)


@pytest.mark.parametrize("flags", [[], ["-w", "60"]], ids=" ".join)
def test_stopped_while_waiting(mount, f, run, held, flags):
    """^Z and fg: it goes on waiting."""
    one = run(*flags, f, "echo", "mine")
    wait_for_locks(mount, held=1, waiting=1)
    one.send_signal(signal.SIGSTOP)
    wait_for_state(one.pid, "T")
    one.send_signal(signal.SIGCONT)
    wait_for_locks(mount, held=1, waiting=1)
    assert finish(held)[0] == 0
    assert finish(one) == (0, "mine\n", "")


def test_stopped_for_too_long(mount, f, run, held):
    """The time runs while it is stopped."""
    one = run("-w", "0.5", f, "echo", "mine")
    wait_for_locks(mount, held=1, waiting=1)
    one.send_signal(signal.SIGSTOP)
    wait_for_state(one.pid, "T")
    begin = time.monotonic()
    while time.monotonic() < begin + 0.6:
        assert not select.select([one.stderr], [], [], 0.1)[0]
    one.send_signal(signal.SIGCONT)
    code, out, err = finish(one)
    assert (code, out) == (TIMEOUT, "") and "not unlocked in time" in err
    assert finish(held)[0] == 0


@root_only
def test_broken_off(mount, f, run, held):
    """The waiting is ended by root: no lock, no command."""
    mount.expect_log("lock [0-9]+ of 'f' .* was broken by root")
    one = run(f, "echo", "mine")
    _, waiting = wait_for_locks(mount, held=1, waiting=1)["locks"]
    atomicio("locks", "--break", str(waiting["id"]), mount.mnt)
    code, out, err = finish(one)
    assert (code, out) == (NEVER, "")
    assert "the waiting for the lock was ended from outside" in err
    assert finish(held)[0] == 0


@pytest.mark.parametrize("number, reason", [
    (signal.SIGTERM, "was ended from outside"),
    (signal.SIGKILL, "the daemon of this mount is gone")])
def test_end_of_the_mount(mount, f, run, held, number, reason):
    """No lock, no command; who had the lock goes on."""
    one = run(f, "echo", "mine")
    wait_for_locks(mount, held=1, waiting=1)
    try:
        mount.proc.send_signal(number)
        code, out, err = finish(one)
        assert (code, out) == (NEVER, "") and reason in err
        assert finish(held)[0] == 0
        mount.proc.wait(SECONDS)
        if number == signal.SIGKILL:
            assert "is gone" in refused("lock", f, "echo")
    finally:
        mount.kill9()


def test_no_file_of_a_mount(mount, tmp_path):
    """Said so in one line, and no file is left."""
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    (mount / "d").mkdir()
    for path in (plain, tmp_path / "new", tmp_path / "fifo", tmp_path,
                 "/dev/null", mount.src / "f", mount / "d"):
        line = refused("lock", path, "echo")
        assert line == f"atomicio: {path}: not a file of an atomicfs mount\n"
    refused("lock", "new", "echo", cwd=tmp_path)
    assert not (tmp_path / "new").exists()
    for path, reason in ((mount / "no/f", "No such file"),
                         (mount / ("n" * 256), "File name too long")):
        assert reason in refused("lock", path, "echo")


@pytest.mark.parametrize("args", [
    [], ["f"], ["-w", "f", "true"], ["-w", "x", "f", "true"],
    ["-w", "-1", "f", "true"], ["-w", "1e3", "f", "true"],
    ["-w", "inf", "f", "true"], ["-w", "1.2.3", "f", "true"],
    ["-w", ".", "f", "true"], ["-w", "", "f", "true"],
    ["-w", "9999999999", "f", "true"], ["-w1", "-n", "f", "true"],
    ["-s", "-x", "f", "true"], ["-E", "256", "f", "true"],
    ["-E", "-1", "f", "true"], ["-E", "", "f", "true"],
    ["-E", "1x", "f", "true"], ["-y", "f", "true"],
    ["--shared=1", "f", "true"]], ids=" ".join)
def test_wrong(tmp_path, args):
    refused("lock", *args, code=USAGE, cwd=tmp_path)
    assert os.listdir(tmp_path) == []


# ---- who holds it --------------------------------------------------------

def test_killed_wrapper(mount, f, held):
    """The lock outlives it: it is held until the command has ended."""
    held.kill()
    assert held.wait(SECONDS) == -signal.SIGKILL
    refused("lock", "-n", f, "echo", code=TIMEOUT)
    held.stdin.close()
    wait_for_locks(mount, held=0)


def test_left_in_the_background(mount, f, run):
    """As with flock(1): until that has ended, too."""
    one = run(f, "sh", "-c", "cat <&3 >/dev/null 2>&1 & echo done",
              preexec_fn=lambda: os.dup2(0, 3), pass_fds=[3])
    assert one.stdout.read() == "done\n"
    assert one.wait(SECONDS) == 0
    refused("lock", "-n", f, "echo", code=TIMEOUT)
    one.stdin.close()
    wait_for_locks(mount, held=0)


def test_command_that_closes_all(mount, f, run):
    """As sudo(8) does: the file stays locked."""
    one = run(f, *python("""
import os
os.closerange(3, 1000)
print("closed", flush=True)
input()"""))
    assert one.stdout.readline() == "closed\n"
    refused("lock", "-n", f, "echo", code=TIMEOUT)
    assert finish(one, "\n") == (0, "", "")
    assert locks(mount)["locks"] == []


# ---- signals -------------------------------------------------------------

TELLS = python("""
import signal, sys
def handle(number, frame):
    sys.exit(100 + number)
for number in %r:
    signal.signal(number, handle)
print("ready", flush=True)
while True:
    signal.pause()""" % [int(number) for number in PASSED_ON])


@pytest.mark.parametrize("number", PASSED_ON)
def test_passed_on(mount, f, run, number):
    """What is sent to it reaches the command, whose exit code it waits for."""
    one = run(f, *TELLS)
    assert one.stdout.readline() == "ready\n"
    one.send_signal(number)
    assert finish(one) == (100 + number, "", "")
    assert locks(mount)["locks"] == []


def test_signals_of_the_command(f):
    """None is blocked or ignored that was not before."""
    show = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]
    plain = subprocess.run(show, stdout=subprocess.PIPE, text=True)
    assert atomicio("lock", f, *show) == plain.stdout


@pytest.mark.parametrize("number, key", [(signal.SIGINT, b"\x03"),
                                         (signal.SIGQUIT, b"\x1c")])
def test_terminal(mount, f, number, key):
    """^C ends the command, and is not the end of what waits for it."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
            [tool_path(), "lock", f, *TELLS], stdin=theirs, env=ENV,
            stdout=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as one:
        os.close(theirs)
        assert one.stdout.readline() == b"ready\n"
        os.write(ours, key)
        assert one.wait(SECONDS) == 100 + number
    os.close(ours)
    assert locks(mount)["locks"] == []
