# SPDX-License-Identifier: MIT
"""Containers that share a mount: processes with pid and mount namespaces of
their own (S21), of root and of an ordinary user (S30); and a daemon in one."""
import contextlib
import errno
import fcntl
import functools
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness import peer as peer_module
from harness.locks import wait_for_locks
from harness.mount import descendants, mountinfo, tool_path, unmount
from harness.peer import Peer
from harness.tools import clean_env, need, run
from lock_help import (EX, EXCLUSIVE, IOC_LOCK, KINDS, NB, NOWAIT, SH, UN,
                       ioc_lock, ioc_unlock, lock_arg, refused, result_of,
                       until, wait_until_waiting)
from support import Daemon

W, R, RW = os.O_WRONLY, os.O_RDONLY, os.O_RDWR
USER = 1000
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
TESTS = Path(peer_module.__file__).resolve().parents[1]
SYSTEM = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
          "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin",
          "--proc", "/proc", "--dev", "/dev"]
UNSHARE = ["unshare", "--pid", "--mount", "--fork", "--kill-child",
           "--mount-proc"]
OWN_USERS = ["--user", "--map-root-user"]

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@functools.cache
def can(*argv):
    """Whether this machine lets that be run."""
    return subprocess.run(argv, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def bwrap(*binds):
    """A container of bubblewrap, which sees only the system's programs, the
    tests and @binds, which are arguments."""
    need("bwrap")
    argv = ["bwrap", "--unshare-all", "--die-with-parent", *SYSTEM,
            "--ro-bind", TESTS, TESTS]
    if not sys.base_prefix.startswith("/usr"):
        argv += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    if not can(*argv, "true"):
        pytest.skip("bubblewrap cannot make a container here")
    return [*argv, *binds]


class Container(Peer):
    """A peer in a container; `data` is where it sees the mount."""

    def __init__(self, wrapper, data, **popen):
        self.data = Path(data)
        super().__init__(wrapper, **popen)

    @property
    def pid(self):
        """The pid it has out here."""
        return descendants(self.process.pid)[-1]

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)
        self.process.wait()
        self._close()


def container(how, directory, **popen):
    """One that has @directory, made by @how: "unshare" or "bwrap"."""
    if how == "unshare":
        if not can(*UNSHARE, "true"):
            pytest.skip("no namespaces can be made here")
        return Container(UNSHARE, directory, **popen)
    return Container(bwrap("--bind", directory, "/data"), "/data", **popen)


@pytest.fixture(params=["unshare", "bwrap"])
def two(mount, request):
    """Two containers that share the mount, with a file `f`."""
    (mount / "f").write_bytes(b"old")
    with (container(request.param, mount.mnt) as a,
          container(request.param, mount.mnt) as b):
        assert a.getpid() != a.pid and b.getpid() < 10
        yield a, b


def take(peer, kind, fd, mode):
    if kind == "ioctl":
        ioc_lock(peer, fd, EXCLUSIVE, NOWAIT if mode & NB else 0)
    else:
        peer.lock(kind, fd, mode)


def give(peer, kind, fd):
    if kind == "ioctl":
        ioc_unlock(peer, fd)
    else:
        peer.lock(kind, fd, UN)


def start_taking(peer, kind, fd, mode=EX):
    """Begin to wait for it."""
    if kind == "ioctl":
        peer.start("ioctl", fd, IOC_LOCK, lock_arg(EXCLUSIVE))
    else:
        peer.start("lock", kind, fd, mode)


# ---- sharing a mount -----------------------------------------------------

@pytest.mark.parametrize("kind", [*KINDS, "ioctl"])
def test_exclusion(mount, two, peer, kind):
    """S21: a lock that is held in one container is held for the other, and
    for whoever is in none."""
    a, b = two
    mine, theirs = a.open(a.data / "f", RW), b.open(b.data / "f", RW)
    outside = peer.open(mount / "f", RW)
    take(a, kind, mine, EX)
    refused(errno.EAGAIN, take, b, kind, theirs, EX | NB)
    refused(errno.EAGAIN, take, peer, kind, outside, EX | NB)
    start_taking(b, kind, theirs)
    wait_until_waiting(mount, b)
    start_taking(peer, kind, outside)
    wait_for_locks(mount, held=1, waiting=2)
    give(a, kind, mine)
    assert result_of(b) == 0
    refused(errno.EAGAIN, take, a, kind, mine, EX | NB)
    b.exit()
    assert result_of(peer) == 0
    assert wait_for_locks(mount, held=1, waiting=0)["locks"][0]["pid"] == (
        peer.pid)


def test_who_has_it(mount, two, peer):
    """S21: F_GETLK gives the holder's pid as the caller knows it, 0 where it
    knows of no such process."""
    a, b = two
    a.lock("posix", a.open(a.data / "f", RW), EX, 10, 20)
    outside, theirs = peer.open(mount / "f", RW), b.open(b.data / "f", RW)
    assert peer.getlk("posix", outside, SH) == (fcntl.F_WRLCK, 10, 20, a.pid)
    assert b.getlk("posix", theirs, SH) == (fcntl.F_WRLCK, 10, 20, 0)


def test_transactions(mount, two):
    """S6, S7, S14, S22: what is written in one container is seen in the other
    at close, or when the lock is given up."""
    a, b = two
    fd = a.open(a.data / "f", W | os.O_TRUNC)
    a.write(fd, b"new")
    new = a.open(a.data / "g", W | os.O_CREAT | os.O_EXCL)
    assert a.slurp(a.data / "f") == b"new"
    assert b.slurp(b.data / "f") == b"old" and b.listdir(b.data) == ["f"]
    a.close(fd)
    a.close(new)
    assert b.slurp(b.data / "f") == b"new"
    assert sorted(b.listdir(b.data)) == ["f", "g"]
    mine, theirs = a.open(a.data / "f", RW), b.open(b.data / "f", RW)
    a.lock("flock", mine, EX)
    start_taking(b, "flock", theirs)
    wait_until_waiting(mount, b)
    a.pwrite(mine, b"newer", 0)
    a.flock(mine, UN)
    assert result_of(b) == 0
    assert b.pread(theirs, 99, 0) == b"newer"


def command_of(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_killed_writer(mount, two):
    """S19, S24: a writer that is killed in its container is rolled back, known
    by the pid and the command it has out here, and holds no lock any more."""
    mount.expect_log("rolled back 'f'.*killed")
    a, b = two
    mine, theirs = a.open(a.data / "f", RW), b.open(b.data / "f", R)
    a.lock("flock", mine, EX)
    a.write(mine, b"half")
    start_taking(b, "flock", theirs)
    wait_until_waiting(mount, b)
    pid, command = a.pid, command_of(a.pid)
    a.kill()
    assert result_of(b) == 0
    assert b.pread(theirs, 99, 0) == b.slurp(b.data / "f") == b"old"
    item, = mount.quarantine()
    assert (item["pid"], item["command"]) == (pid, command)
    assert (item["path"], item["reason"], item["data"]) == (
        "f", "killed", b"half")
    assert pid != a.process.pid


def test_container_ends(mount, two):
    """S19, S24: its init is killed, and all that is in there with it."""
    mount.allow_log("rolled back 'f'.*killed")
    a, b = two
    mine, theirs = a.open(a.data / "f", RW), b.open(b.data / "f", R)
    a.lock("ofd", mine, EX)
    a.write(mine, b"half")
    start_taking(b, "posix", theirs, SH)
    wait_until_waiting(mount, b)
    pid = a.pid
    a.process.kill()
    a.process.wait()
    assert result_of(b) == 0
    mount.settle()
    assert b.slurp(b.data / "f") == b"old"
    assert [item["pid"] for item in mount.quarantine()] == [pid]


# ---- the tool ------------------------------------------------------------

def tool_in(directory, copied_to, *args, prefix=(), **kwargs):
    """What `atomicio ARGS` prints in a container that has nothing but the
    mount at @directory, which is where it is started."""
    program = copied_to / "atomicio"
    if not program.exists():
        program.write_bytes(tool_path().read_bytes())
        program.chmod(0o755)
    return run([*prefix, *bwrap("--bind", directory, "/data", "--ro-bind",
                                program, "/atomicio", "--chdir", "/data"),
                "/atomicio", *args], env=clean_env(ASAN_OPTIONS=os.environ.get(
                    "ASAN_OPTIONS", "")), **kwargs)


def test_tool(mount, two, tmp_path):
    """S21, S30: `atomicio locks`, `quarantine list` and `status` where only
    the mount is seen."""
    mount.expect_log("rolled back 'f'.*killed")
    a, b = two
    mine, theirs = a.open(a.data / "f", RW), b.open(b.data / "f", R)
    a.lock("flock", mine, EX)
    start_taking(b, "flock", theirs)
    wait_until_waiting(mount, b)
    said = json.loads(tool_in(mount.mnt, tmp_path, "locks", "--json"))
    held, waiting = said["locks"]
    assert (held["pid"], held["path"], held["state"]) == (a.pid, "f", "held")
    assert (waiting["pid"], waiting["waits_for"]) == (b.pid, held["id"])
    text = tool_in(mount.mnt, tmp_path, "locks")
    assert f" {a.pid} " in text and f" {b.pid} " in text
    a.write(mine, b"half")
    pid = a.pid
    a.kill()
    assert result_of(b) == 0
    mount.settle()
    text = tool_in(mount.mnt, tmp_path, "quarantine", "list")
    assert f" {pid} " in text and "killed" in text
    item, = json.loads(tool_in(mount.mnt, tmp_path, "quarantine", "list",
                               "--json"))
    assert (item["pid"], item["path"]) == (pid, "f")
    assert tool_in(mount.mnt, tmp_path, "quarantine", "show", "--content",
                   item["id"]) == "half"
    assert "passthrough" in tool_in(mount.mnt, tmp_path, "status")


def test_lock_by_tool(mount, two, tmp_path):
    """S21: `atomicio lock` in one container, flock in another."""
    a, _ = two
    fd = a.open(a.data / "f", R)
    a.flock(fd, EX)
    argv = [*bwrap("--bind", mount.mnt, "/data", "--ro-bind", tool_path(),
                   "/atomicio"), "/atomicio", "lock", "/data/f", "cat",
            "/data/f"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as program:
        wait_for_locks(mount, held=1, waiting=1)
        a.spew(a.data / "f", b"what it waits for")
        a.flock(fd, UN)
        assert program.communicate()[0] == b"what it waits for"
    assert program.returncode == 0


# ---- mounts that come later ----------------------------------------------

@pytest.fixture
def shared(tmp_path):
    """A directory that passes mounts on (rshared)."""
    path = tmp_path / "shared"
    path.mkdir()
    (path / "mnt").mkdir()
    run(["mount", "--bind", path, path])
    run(["mount", "--make-rshared", path])
    yield path
    while mountinfo(path / "mnt"):
        unmount(path / "mnt")
    unmount(path)


@pytest.mark.parametrize("how", ["unshare", "bwrap"])
def test_mounted_after_the_start(shared, make_mount, peer, how):
    """S21, S30: with propagation (rslave) a container sees a mount that was
    made out here after it had been started, and its locks."""
    if how == "unshare":
        one = Container([*UNSHARE, "--propagation", "slave"], shared)
    else:
        one = container(how, shared)
    with one:
        refused(errno.ENOENT, one.stat, one.data / "mnt/f")
        mount = make_mount(mountpoint=shared / "mnt")
        (mount / "f").write_bytes(b"old")
        assert one.slurp(one.data / "mnt/f") == b"old"
        theirs, mine = one.open(one.data / "mnt/f", RW), peer.open(
            mount / "f", RW)
        one.flock(theirs, EX)
        refused(errno.EAGAIN, peer.flock, mine, EX | NB)
        one.pwrite(theirs, b"new", 0)
        one.flock(theirs, UN)
        peer.flock(mine, EX)
        assert peer.pread(mine, 9, 0) == b"new"
        one.close(theirs)


# ---- the daemon in a container ---------------------------------------------

@pytest.fixture
def hidden(shared, make_mount):
    """A mount that a container has made (rshared) whose daemon sees none of
    the processes out here."""
    argv = [*UNSHARE, "--propagation", "shared"]
    if not can(*argv, "true"):
        pytest.skip("no namespaces can be made here")
    mount = make_mount(mountpoint=shared / "mnt", wrapper=argv)
    daemon = descendants(mount.proc.pid)[0]
    # unshare does not pass on a signal.
    mount.proc.send_signal = functools.partial(os.kill, daemon)
    (mount / "f").write_bytes(b"old")
    return mount


def test_pids_are_not_visible(hidden, mount):
    """S30: status.json says so."""
    assert hidden.status()["pids_visible"] is False
    assert mount.status()["pids_visible"] is True


@pytest.mark.parametrize("kind", [*KINDS, "ioctl"])
def test_locks_of_invisible_processes(hidden, make_peer, kind):
    """S21, S22, S24: they exclude each other, wait, and are given up by
    unlock, by close, and by whoever is killed."""
    a, b = make_peer(), make_peer()
    mine, theirs = a.open(hidden / "f", RW), b.open(hidden / "f", RW)
    for end in (give, lambda a, kind, fd: a.close(fd),
                lambda a, kind, fd: a.kill()):
        take(a, kind, mine, EX)
        refused(errno.EAGAIN, take, b, kind, theirs, EX | NB)
        start_taking(b, kind, theirs)
        wait_for_locks(hidden, held=1, waiting=1)
        end(a, kind, mine)
        assert result_of(b) == 0
        give(b, kind, theirs)
        mine = a.process.poll() is None and a.open(hidden / "f", RW)


def test_invisible_processes_in_lists(hidden, make_peer):
    """S24: they have no pid: 0 in locks.json, `-` in `atomicio locks`."""
    a, b = make_peer(), make_peer()
    a.flock(a.open(hidden / "f", R), EX)
    b.start("flock", b.open(hidden / "f", R), EX)
    said = wait_for_locks(hidden, held=1, waiting=1)["locks"]
    assert {(one["pid"], one["tid"], one["command"]) for one in said} == {
        (0, 0, "?")}
    first, *rows = run([tool_path(), "locks", hidden.mnt]).splitlines()
    at = slice(0, first.index("AGE")), slice(first.index("COMMAND"), None)
    held, waiting = sorted([row[part].split() for part in at]
                           for row in rows)
    assert (held[0][-1], held[1]) == ("-", ["?", "-", "f"])
    assert (waiting[0][-1], waiting[1][::2]) == ("-", ["?", "f"])
    assert waiting[1][1] == held[0][0]


def test_transactions_of_invisible_processes(hidden, make_peer):
    """S6, S14, S22: as ever, but that nobody sees who is killed (S19): what
    was written until then is published."""
    a, b = make_peer(), make_peer()
    mine, theirs = a.open(hidden / "f", RW), b.open(hidden / "f", R)
    a.flock(mine, EX)
    a.pwrite(mine, b"OLD", 0)
    assert b.slurp(hidden / "f") == b"old"
    start_taking(b, "flock", theirs)
    wait_for_locks(hidden, held=1, waiting=1)
    a.flock(mine, UN)
    assert result_of(b) == 0
    assert b.pread(theirs, 9, 0) == b"OLD"
    b.flock(theirs, UN)
    fd = a.open(hidden / "f", W | os.O_TRUNC)
    a.write(fd, b"half")
    a.kill()
    hidden.settle()
    assert b.slurp(hidden / "f") == b"half"
    assert hidden.quarantine() == []


def test_signal_of_an_invisible_process(hidden, make_peer):
    """S24: a signal ends its waiting."""
    a, b = make_peer(), make_peer()
    b.on_signal(signal.SIGUSR1)
    a.flock(a.open(hidden / "f", R), EX)
    theirs = b.open(hidden / "f", R)
    b.start("flock", theirs, EX)
    wait_for_locks(hidden, held=1, waiting=1)
    b.send(signal.SIGUSR1)
    assert result_of(b) == errno.EINTR
    wait_for_locks(hidden, held=1, waiting=0)


# ---- without root --------------------------------------------------------

@pytest.fixture
def dev_fuse():
    """/dev/fuse as udev makes it."""
    mode = stat.S_IMODE(os.stat("/dev/fuse").st_mode)
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


@pytest.fixture
def own(dev_fuse, make_mount, tmp_path):
    """A mount of a user, made by means of fusermount3."""
    base = tmp_path / "m0"
    for name in ("", "src", "mnt"):
        (base / name).mkdir(exist_ok=True)
        os.chown(base / name, USER, USER)
    return make_mount(wrapper=AS_USER)


def wait_for_users_locks(user, held, waiting):
    """As wait_for_locks, where root must not look."""
    def now():
        return json.loads(user.slurp(user.data / ".@ctl/locks.json"))
    until(lambda: (now()["held"], now()["waiting"]) == (held, waiting), now)


def users_container(how, directory):
    """A rootless container: its user is root in there."""
    if how == "bwrap":
        prefix = [*AS_USER, *bwrap("--bind", directory, "/data")]
        directory = "/data"
    else:
        prefix = [*AS_USER, *UNSHARE, *OWN_USERS]
    if not can(*prefix, "true"):
        pytest.skip("users cannot make namespaces here")
    return Container(prefix, directory)


@pytest.mark.parametrize("how", ["unshare", "bwrap"])
def test_rootless(own, tmp_path, how):
    """S21, S30: a user's containers on a user's mount: exclusion, visibility,
    a killed writer, the tool."""
    own.expect_log("rolled back 'f'.*killed")
    with contextlib.ExitStack() as stack:
        a, b, look = (stack.enter_context(users_container(how, own.mnt))
                      for _ in range(3))
        a.spew(a.data / "f", b"old")
        mine, theirs = a.open(a.data / "f", RW), b.open(b.data / "f", RW)
        for kind in KINDS:
            a.lock(kind, mine, EX)
            refused(errno.EAGAIN, b.lock, kind, theirs, EX | NB)
            start_taking(b, kind, theirs)
            wait_for_users_locks(look, 1, 1)
            a.pwrite(mine, kind.encode(), 0)
            a.lock(kind, mine, UN)
            assert result_of(b) == 0
            assert b.pread(theirs, len(kind), 0) == kind.encode()
            b.lock(kind, theirs, UN)
        a.flock(mine, EX)
        fd = a.open(a.data / "f", W | os.O_TRUNC)
        a.write(fd, b"half")
        text = tool_in(own.mnt, tmp_path, "locks", prefix=AS_USER)
        pid = a.pid
        assert f" {pid} " in text and "exclusive" in text
        a.kill()
        b.flock(theirs, EX)
        assert b.pread(theirs, 3, 0) == b"ofd"
        b.close(theirs)
        until(lambda: not json.loads(b.slurp(
            b.data / ".@ctl/status.json"))["shadows"], lambda: "shadows")
        text = tool_in(own.mnt, tmp_path, "quarantine", "list",
                       prefix=AS_USER)
        assert f" {pid} " in text and "killed" in text


@pytest.fixture
def inside(dev_fuse, daemon, tmp_path, io):
    """A daemon that a user has started in a rootless container, on a mount
    that only this container has: (process, directory)."""
    argv = [*AS_USER, *UNSHARE, *OWN_USERS]
    if not can(*argv, "true"):
        pytest.skip("users cannot make namespaces here")
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o711)
    for name in ("src", "mnt"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, USER, USER)
    script = tmp_path / "atomicfs"
    script.write_text(f"#!/bin/sh\nexec {' '.join(argv)} {daemon} \"$@\"\n")
    script.chmod(0o755)
    options = ["passthrough=off"] if io == "served" else []
    with Daemon(script, tmp_path / "src", tmp_path / "mnt", options) as one:
        assert one.alive, one.errors()
        assert not mountinfo(tmp_path / "mnt")
        yield one, tmp_path / "mnt"
        os.kill(descendants(one.process.pid)[0], signal.SIGTERM)
        assert one.process.wait(20) == 0
    assert "killed" in one.errors() and one.errors().count("\n") == 1


def test_daemon_in_a_rootless_container(inside):
    """S19, S21, S30: all of it in one: it sees who is in there with it."""
    one, directory = inside
    enter = ["nsenter", "--target", str(descendants(one.process.pid)[0]),
             "--user", "--mount", "--pid"]
    with (Container(enter, directory) as a, Container(enter, directory) as b,
          Container(enter, directory) as look):
        a.spew(directory / "f", b"old")
        status = json.loads(look.slurp(directory / ".@ctl/status.json"))
        assert status["io"]["path"] == "served"
        mine, theirs = a.open(directory / "f", RW), b.open(directory / "f", R)
        a.lock("ofd", mine, EX)
        refused(errno.EAGAIN, b.lock, "posix", theirs, SH | NB)
        start_taking(b, "posix", theirs, SH)
        wait_for_users_locks(look, 1, 1)
        a.write(mine, b"half")
        a.kill()
        assert result_of(b) == 0
        assert b.pread(theirs, 9, 0) == look.slurp(directory / "f") == b"old"
        b.spew(directory / "f", b"new")
        assert look.slurp(directory / "f") == b"new"
