# SPDX-License-Identifier: MIT
"""atomicio locks: who holds and who waits for which lock."""
import errno
import fcntl
import json
import os
import re
import subprocess

import pytest
from cli import atomicio, copied_tool, from_json, refused
from harness.locks import locks, wait_for_locks
from harness.mount import tool_path, unmount
from harness.tools import clean_env, need

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
COLUMNS = ["ID", "STATE", "KIND", "MODE", "RANGE", "PID", "AGE", "COMMAND",
           "WAITS FOR", "PATH"]
ODD = b"a\n\x1b[31m\xff\\\xe2\x80\xae\xc3\xa9"
TOLD = "lock [0-9]+ of 'f' .* was broken by root"


def table(*args, **kwargs):
    """The rows, as {column: text}."""
    heading, *lines = atomicio("locks", *args, **kwargs).splitlines()
    assert re.split("  +", heading.strip()) == COLUMNS
    rows = [re.split("  +", line.strip()) for line in lines]
    assert all(len(row) == len(COLUMNS) for row in rows), lines
    return [dict(zip(COLUMNS, row)) for row in rows]


def of(rows, *columns):
    return [tuple(row[column] for column in columns) for row in rows]


def hold(peer, path, kind="flock", mode=fcntl.LOCK_EX, *where):
    """Let @peer lock @path; its descriptor."""
    fd = peer.open(path, os.O_RDWR | os.O_CREAT)
    peer.lock(kind, fd, mode, *where)
    return fd


def want(peer, path, kind="flock", mode=fcntl.LOCK_EX, *where):
    """Let @peer wait for it; peer.finish() tells what has come of it."""
    fd = peer.open(path, os.O_RDWR | os.O_CREAT)
    peer.start("lock", kind, fd, mode, *where)
    return fd


# ---- the list ------------------------------------------------------------

def test_none(mount):
    assert atomicio("locks", mount.mnt) == "no locks\n"
    assert from_json("locks", mount.mnt) == {
        "held": 0, "waiting": 0, "locks": []}


def test_one(mount, peer):
    hold(peer, mount / "f")
    (row,) = table(mount.mnt)
    (lock,) = locks(mount)["locks"]
    command = lock["command"]
    assert command and re.match(r"\d+s$", row["AGE"])
    row.pop("AGE")
    assert row == {"ID": str(lock["id"]), "STATE": "held", "KIND": "flock",
                   "MODE": "exclusive", "RANGE": "all", "PID": str(peer.pid),
                   "COMMAND": command, "WAITS FOR": "-", "PATH": "f"}


def test_kinds_and_ranges(mount, peer):
    """S21: all three kinds."""
    hold(peer, mount / "a", "flock", fcntl.LOCK_SH)
    hold(peer, mount / "b", "posix", fcntl.LOCK_EX, 0, 100)
    hold(peer, mount / "c", "posix", fcntl.LOCK_SH, 100, 0)
    hold(peer, mount / "d", "ofd", fcntl.LOCK_EX, 7, 1)
    hold(peer, mount / "e", "ofd")
    assert of(table(mount.mnt), "PATH", "KIND", "MODE", "RANGE") == [
        ("a", "flock", "shared", "all"), ("b", "posix", "exclusive", "0-99"),
        ("c", "posix", "shared", "100-"), ("d", "ofd", "exclusive", "7-7"),
        ("e", "ofd", "exclusive", "all")]


def test_queue(mount, make_peer):
    """S24: who holds it, and below, in the order of the queue, who waits, and
    for whom."""
    one, two, three, other = (make_peer() for _ in range(4))
    hold(other, mount / "z")
    first = hold(one, mount / "f")
    want(two, mount / "f")
    wait_for_locks(mount, held=2, waiting=1)
    want(three, mount / "f", "flock", fcntl.LOCK_SH)
    wait_for_locks(mount, held=2, waiting=2)
    hold(other, mount / "a")
    rows = table(mount.mnt)
    assert of(rows, "PATH", "STATE", "MODE", "PID") == [
        ("a", "held", "exclusive", str(other.pid)),
        ("f", "held", "exclusive", str(one.pid)),
        ("f", "waiting", "exclusive", str(two.pid)),
        ("f", "waiting", "shared", str(three.pid)),
        ("z", "held", "exclusive", str(other.pid))]
    (holder,) = (lock for lock in locks(mount)["locks"]
                 if lock["pid"] == one.pid)
    for row in rows[2:4]:
        assert row["WAITS FOR"] == (f"{holder['id']} (pid {one.pid}, "
                                    f"{holder['command']})")
    one.close(first)
    two.finish()
    wait_for_locks(mount, held=3, waiting=1)
    rows = table(mount.mnt)
    assert of(rows, "STATE", "PID") == [
        ("held", str(other.pid)), ("held", str(two.pid)),
        ("waiting", str(three.pid)), ("held", str(other.pid))]
    assert f"(pid {two.pid}, " in rows[2]["WAITS FOR"]
    two.kill()
    three.finish()


def test_vanish(mount, peer):
    """S24: a lock goes with who had it."""
    hold(peer, mount / "f")
    hold(peer, mount / "f", "posix")
    assert len(table(mount.mnt)) == 2
    peer.kill()
    wait_for_locks(mount, held=0)
    assert atomicio("locks", mount.mnt) == "no locks\n"


def test_json(mount, make_peer):
    """The daemon's own object."""
    one, two = make_peer(), make_peer()
    fd = hold(one, mount / "f")
    want(two, mount / "f")
    wait_for_locks(mount, held=1, waiting=1)
    said = from_json("locks", mount.mnt)
    assert (said["held"], said["waiting"]) == (1, 1)
    assert set(said["locks"][0]) >= {
        "id", "path", "kind", "mode", "start", "end", "count", "state", "pid",
        "tid", "command", "age_ms", "waits_for"}
    now = locks(mount)
    for lock in said["locks"] + now["locks"]:
        assert lock.pop("age_ms") >= 0
    assert said == now
    one.close(fd)
    two.finish()


def test_odd_name(mount, peer):
    """No name does anything to a terminal."""
    hold(peer, os.path.join(os.fsencode(mount.mnt), ODD))
    (row,) = table(mount.mnt)
    assert row["PATH"] == r"a\x0a\x1b[31m\xff\\\xe2\x80\xae" + "é"
    (lock,) = from_json("locks", mount.mnt)["locks"]
    assert lock["path"] == "a%0A%1B[31m%FF\\%E2%80%AE%C3%A9"
    assert lock["path_escaped"] is True


def test_deleted(mount, peer):
    (mount / "d").mkdir()
    (mount / "d/f").touch()
    hold(peer, mount / "d/f")
    (mount / "d/f").unlink()
    assert of(table(mount.mnt), "PATH") == [("d/f (deleted)",)]


# ---- of which mount ------------------------------------------------------

def test_place(mount, peer, tmp_path):
    """The one that the path, or else the current directory, lies in."""
    (mount / "d").mkdir()
    (mount / "d/f").touch()
    hold(peer, mount / "d/f")
    for args, cwd in (([mount.mnt], "/"), ([mount / "d"], "/"),
                      ([mount / "d/f"], "/"), ([], mount.mnt),
                      ([], mount / "d"), (["."], mount / "d")):
        assert of(table(*args, cwd=cwd), "PATH") == [("d/f",)]
    assert "neither in an atomicfs mount" in refused("locks", cwd=tmp_path)
    assert "No such file" in refused("locks", tmp_path / "nothing")
    assert "is a source, not a mount" in refused("locks", mount.src)


@root_only
def test_other_user(mount, tmp_path):
    """Only root and the user who mounted may look."""
    said = refused("locks", mount.mnt, program=copied_tool(tmp_path),
                   user=1000, group=1000)
    assert "only root and the user who mounted" in said


def test_dead_daemon(mount):
    mount.proc.kill()
    mount.proc.wait()
    try:
        said = refused("locks", mount.mnt)
    finally:
        mount.kill9()
    assert "fusermount3 -uz" in said


# ---- breaking ------------------------------------------------------------

def break_lock(mount, lock, **kwargs):
    return atomicio("locks", "--break", str(lock["id"]), mount.mnt, **kwargs)


@root_only
def test_break_held(mount, make_peer):
    """Whoever waits for it gets it."""
    mount.expect_log(TOLD)
    one, two = make_peer(), make_peer()
    hold(one, mount / "f")
    want(two, mount / "f")
    lock, _ = wait_for_locks(mount, held=1, waiting=1)["locks"]
    said = break_lock(mount, lock)
    assert said == (f"took the lock {lock['id']} (flock, exclusive, all) of f "
                    f"from pid {one.pid} ({lock['command']})\n")
    two.finish()
    (row,) = table(mount.mnt)
    assert (row["STATE"], row["PID"]) == ("held", str(two.pid))


@root_only
def test_break_waiting(mount, make_peer):
    """S24: the waiting fails with ENOLCK; the lock stays."""
    mount.expect_log(TOLD)
    one, two = make_peer(), make_peer()
    hold(one, mount / "f", "posix", fcntl.LOCK_EX, 0, 10)
    want(two, mount / "f", "posix", fcntl.LOCK_EX, 5, 1)
    _, lock = wait_for_locks(mount, held=1, waiting=1)["locks"]
    said = break_lock(mount, lock)
    assert said == (f"ended the waiting {lock['id']} (posix, exclusive, 5-5) "
                    f"for f by pid {two.pid} ({lock['command']})\n")
    with pytest.raises(OSError) as caught:
        two.finish()
    assert caught.value.errno == errno.ENOLCK
    assert of(table(mount.mnt), "STATE", "PID") == [("held", str(one.pid))]


@root_only
def test_break_none(mount, peer):
    """One that is gone, or never was."""
    fd = hold(peer, mount / "f")
    (lock,) = locks(mount)["locks"]
    peer.close(fd)
    wait_for_locks(mount, held=0)
    for name in (str(lock["id"]), "18446744073709551615"):
        line = refused("locks", "--break", name, mount.mnt)
        assert line == f"atomicio: no lock with id {name} any more\n"


@root_only
def test_break_as_another_user(mount, peer, tmp_path):
    hold(peer, mount / "f")
    (lock,) = locks(mount)["locks"]
    os.chmod(mount.mnt, 0o755)
    line = refused("locks", "--break", str(lock["id"]), mount.mnt,
                   program=copied_tool(tmp_path), user=1000, group=1000)
    assert line == "atomicio: only root may break locks\n"
    assert len(locks(mount)["locks"]) == 1


@pytest.mark.parametrize("args", [
    ["a", "b"], ["--json", "--break", "1"], ["--break"], ["--break", ""],
    ["--break", "x"], ["--break", "-1"], ["--break", "1x"], ["--break=0x1"],
    ["--break", "18446744073709551616"], ["--break", "1", "a", "b"], ["-b"]],
    ids=" ".join)
def test_wrong(args):
    refused("locks", *args, code=2)


# ---- another daemon ------------------------------------------------------

@pytest.fixture
def fake(tmp_path):
    """A FUSE file system that says of its locks what the test tells it to."""
    need("bindfs")
    source, mnt = tmp_path / "source", tmp_path / "mnt"
    (source / ".@ctl").mkdir(parents=True)
    mnt.mkdir()
    subprocess.run(["bindfs", source, mnt], check=True)

    def tell(text, *flags):
        if not isinstance(text, str):
            text = json.dumps({"locks": text})
        (source / ".@ctl/locks.json").write_text(text)
    tell.mnt = mnt
    yield tell
    unmount(mnt)


def test_sorted(fake):
    """By file; holders first; else as the daemon says it."""
    fake([{"id": 9, "path": "b", "state": "waiting", "waits_for": 3},
          {"id": 1, "path": "a", "state": "held", "deleted": True},
          {"id": 4, "path": "b", "state": "waiting", "waits_for": 9},
          {"id": 8, "path": "b", "state": "held"},
          {"id": 3, "path": "b", "state": "held"},
          {"id": 7, "path": "a", "state": "waiting"}])
    assert of(table(fake.mnt), "ID", "PATH", "WAITS FOR") == [
        ("7", "a", "-"), ("1", "a (deleted)", "-"), ("8", "b", "-"),
        ("3", "b", "-"), ("9", "b", "3"), ("4", "b", "9")]


def test_aligned(fake):
    """Numbers stand right, all else left."""
    fake([{"id": 7, "path": "x", "state": "held", "pid": 1, "command": "é\t",
           "age_ms": 999, "kind": "flock", "mode": "shared"},
          {"id": 12345, "path": "x", "state": "waiting", "pid": 54321,
           "command": "long-command", "age_ms": 93784000, "kind": "flock",
           "mode": "exclusive", "waits_for": 7}])
    assert atomicio("locks", fake.mnt) == (
        "   ID  STATE    KIND   MODE       RANGE    PID  AGE    COMMAND       "
        "WAITS FOR         PATH\n"
        "    7  held     flock  shared     all        1  0s     é\\x09         "
        "-                 x\n"
        "12345  waiting  flock  exclusive  all    54321  1d 2h  long-command  "
        "7 (pid 1, é\\x09)  x\n")


def test_escaped_names(fake):
    """%XX is undone where it was done."""
    fake([{"id": 1, "path": "a%41%FF%0a%00%", "path_escaped": True,
           "state": "held", "pid": 2, "command": "%42%FE",
           "command_escaped": True},
          {"id": 2, "path": "a%41", "state": "waiting", "waits_for": 1}])
    rows = table(fake.mnt)
    assert of(rows, "PATH", "COMMAND", "WAITS FOR") == [
        ("a%41", "-", "1 (pid 2, B\\xfe)"),
        ("aA\\xff%0a%00%", "B\\xfe", "-")]


def test_says_less(fake):
    """What is not said, or is of another type, is a dash."""
    fake([{}, {"id": "x", "path": 1, "waits_for": 77, "start": "1",
               "end": "2", "pid": None, "state": []}])
    rows = table(fake.mnt)
    assert [list(row.values()) for row in rows] == [
        ["-", "-", "-", "-", "all", "-", "0s", "-", "-", "-"],
        ["-", "-", "-", "-", "all", "-", "0s", "-", "77", "-"]]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"locks": 1}'])
def test_not_readable(fake, text):
    fake(text)
    for flags in ([], ["--json"]):
        assert "the list of locks is not readable" in refused(
            "locks", *flags, fake.mnt)


def test_older_daemon(fake):
    assert "does not tell its locks" in refused("locks", fake.mnt)
    assert "cannot break locks" in refused("locks", "--break", "1", fake.mnt)


def test_out_full(fake):
    """A list that cannot be written is a failure."""
    fake([{"id": 1}])
    with open("/dev/full", "wb") as full:
        done = subprocess.run([tool_path(), "locks", fake.mnt], stdout=full,
                              stderr=subprocess.PIPE, env=clean_env())
    assert done.returncode == 1 and b"No space left" in done.stderr
