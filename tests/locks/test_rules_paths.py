# SPDX-License-Identifier: MIT
"""A lock is held on the path: through publishes, renames, and in every view of
the file (S21, S25)."""
import ctypes
import errno
import fcntl
import json
import os
import time

import pytest

from harness.locks import locks, wait_for_locks
from harness.mount import unmount
from harness.tools import IOC_COMMIT, need, run
from lock_help import (EX, KINDS, NB, SH, UN, is_free, result_of,
                       wait_until_waiting)

OLD = b"old content\n"
R, W, RW = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
RENAME_EXCHANGE = 2
NAMESPACE = ("unshare", "--pid", "--fork", "--mount", "--mount-proc")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_bytes(OLD)
    return path


def is_refused(peer, kind, fd, mode):
    try:
        peer.lock(kind, fd, mode | NB)
    except OSError as e:
        assert e.errno in (errno.EAGAIN, errno.EACCES), e
        return True
    peer.lock(kind, fd, UN)
    return False


# ---- what a lock is held through -----------------------------------------

def by_replacement(f, data, peer, fd):
    peer.spew(f, data)


def by_update(f, data, peer, fd):
    their = peer.open(f, RW)
    peer.ftruncate(their, 0)
    peer.write(their, data)
    peer.close(their)


def by_append(f, data, peer, fd):
    peer.spew(f, data, os.O_APPEND)


def by_truncate(f, data, peer, fd):
    peer.truncate(f, len(data))


def by_rename(f, data, peer, fd):
    peer.spew(f"{f}.new", data, os.O_CREAT | os.O_EXCL)
    peer.rename(f"{f}.new", f)


def by_rename_before_close(f, data, peer, fd):
    new = peer.open(f"{f}.new", W | os.O_CREAT | os.O_EXCL)
    peer.write(new, data)
    peer.rename(f"{f}.new", f)
    peer.close(new)


def by_fsync(f, data, peer, fd):
    """... of the descriptor that is locked, if it is the peer's."""
    own = peer.open(f, RW) if fd is None else fd
    peer.pwrite(own, data, 0)
    peer.fsync(own)
    if fd is None:
        peer.close(own)


def by_commit(f, data, peer, fd):
    own = peer.open(f, RW) if fd is None else fd
    peer.pwrite(own, data, 0)
    peer.ioctl(own, IOC_COMMIT)
    if fd is None:
        peer.close(own)


def by_mv(f, data, peer, fd):
    run(["sh", "-c", 'printf "%s" "$0" > "$1.new"; mv "$1.new" "$1"',
         data.decode(), f])


def by_sed(f, data, peer, fd):
    run(["sed", "-i", "s/^/x/", f])


def by_vim(f, data, peer, fd, copy="no"):
    need("vim")
    run(["vim", "-u", "NONE", "-i", "NONE", "-N", "--cmd", "set directory=.",
         "-es", "-c", f"set backupcopy={copy}", "-c", "%s/^/x/", "-c", "wq",
         "f"], f.parent)


def by_vim_in_place(f, data, peer, fd):
    by_vim(f, data, peer, fd, "yes")


WAYS = [by_replacement, by_update, by_append, by_truncate, by_rename,
        by_rename_before_close, by_fsync, by_commit]
PROGRAMS = [by_mv, by_sed, by_vim, by_vim_in_place]
ways = pytest.mark.parametrize("way", WAYS + PROGRAMS,
                               ids=lambda w: w.__name__[3:])


@kinds
@ways
def test_others_publish(f, a, b, c, kind, way):
    """S21: whatever others do to the file, who opened it before, between or
    afterwards does not get the lock."""
    fd = a.open(f, R if kind == "flock" else RW)
    a.lock(kind, fd, EX)
    before = c.open(f, RW)
    for n in range(3):
        way(f, b"version %d\n" % n, b, None)
        assert f.read_bytes() != OLD
        assert not is_free(b, f, kind) and not is_free(c, f, kind, SH)
        assert is_refused(c, kind, before, SH)
    a.lock(kind, fd, UN)
    assert is_free(b, f, kind)
    b.lock(kind, theirs := b.open(f, RW), EX | NB)
    assert is_refused(a, kind, fd, SH) and is_refused(c, kind, before, SH)
    b.close(theirs)
    assert not is_refused(c, kind, before, EX)


# A process's POSIX lock goes when it closes another descriptor of the file, and
# a truncate of what it has open is a part of its update.
MINE = [(kind, way) for kind in KINDS for way in WAYS
        if (way != by_truncate if kind != "posix" else
            way in (by_rename, by_fsync, by_commit))]


@pytest.mark.parametrize("kind, way", MINE,
                         ids=[f"{k}-{w.__name__[3:]}" for k, w in MINE])
def test_holder_publishes(f, a, b, c, kind, way):
    """S21: so it is with what the holder does himself: lock, write a new
    file, rename it over, unlock is safe."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    before = c.open(f, R if kind == "flock" else RW)
    for n in range(3):
        way(f, b"version %d\n" % n, a, fd)
        assert f.read_bytes() != OLD
        assert not is_free(b, f, kind, SH)
        assert is_refused(c, kind, before, SH)
    a.lock(kind, fd, UN)
    assert is_free(b, f, kind)
    a.close(fd)


@kinds
def test_shared_by_versions(f, a, b, c, kind):
    """S21: shared locks of those who have different versions open."""
    peers = [(one, one.open(f, RW)) for one in (a, b)]
    for n, (one, fd) in enumerate(peers):
        one.lock(kind, fd, SH)
        by_rename(f, b"version %d\n" % n, c, None)
    assert is_free(c, f, kind, SH) and not is_free(c, f, kind)
    for one, fd in peers:
        assert is_refused(one, kind, fd, EX)
        one.lock(kind, fd, SH)  # refused flocks are lost
    a.close(peers[0][1])
    assert not is_free(c, f, kind)
    b.close(peers[1][1])
    assert is_free(c, f, kind)


@kinds
@pytest.mark.parametrize("way", [by_replacement, by_update, by_rename],
                         ids=lambda w: w.__name__[3:])
def test_waiter_of_an_old_version(module_mount, f, a, b, c, kind, way):
    """S21, S22, S24: who waits with the old version open gets the lock of the
    path, before those who came later with the new one."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    old = b.open(f, R if kind == "flock" else RW)
    b.start("lock", kind, old, EX)
    wait_until_waiting(module_mount, b)
    way(f, b"the new version", c, None)
    new = c.open(f, RW)
    c.start("lock", kind, new, EX)
    wait_until_waiting(module_mount, c)
    a.lock(kind, fd, UN)
    assert result_of(b) == 0
    assert not c.finished()
    assert b.pread(old, 99, 0) == b"the new version"
    by_rename(f, b"the newest version", b, None)
    assert not c.finished() and is_refused(a, kind, fd, SH)
    b.close(old)
    assert result_of(c) == 0
    assert c.pread(new, 99, 0) == b"the newest version"
    assert not is_free(b, f, kind, SH)
    c.close(new)


@kinds
def test_many_versions_later(f, a, b, kind):
    """S21: a hundred publishes and renames do not wear a lock out."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    for n in range(50):
        by_rename(f, b"%d" % n, b, None)
        b.spew(f, b"again %d" % n)
    assert not is_free(b, f, kind, SH)
    a.close(fd)
    assert is_free(b, f, kind)


# ---- renames -------------------------------------------------------------

@kinds
@pytest.mark.parametrize("who", ["holder", "another"])
def test_follows_its_file(place, f, a, b, c, kind, who):
    """S21: to a free name; the name it had is free for another file."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    mover = {"holder": a, "another": b}[who]
    mover.rename(f, place / "g")
    f.write_bytes(b"another file")
    assert not is_free(c, place / "g", kind, SH)
    assert is_free(c, f, kind)
    by_rename(place / "g", b"version\n", b, None)
    assert not is_free(c, place / "g", kind, SH)
    mover.rename(place / "g", place / "h")
    assert not is_free(c, place / "h", kind, SH)
    a.lock(kind, fd, UN)
    assert is_free(c, place / "h", kind)
    a.lock(kind, fd, EX)
    assert not is_free(c, place / "h", kind, SH) and is_free(c, f, kind)
    a.close(fd)


@kinds
def test_follows_while_others_wait(module_mount, place, f, a, b, c, kind):
    """S21, S24: who waits goes along, too."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    theirs = b.open(f, RW)
    b.start("lock", kind, theirs, EX)
    wait_until_waiting(module_mount, b)
    c.rename(f, place / "g")
    assert not b.finished()
    late = c.open(place / "g", RW)
    c.start("lock", kind, late, SH)
    wait_until_waiting(module_mount, c)
    a.close(fd)
    assert result_of(b) == 0
    assert not c.finished()
    b.close(theirs)
    assert result_of(c) == 0
    c.close(late)


@kinds
def test_follows_an_update(place, f, a, b, c, kind):
    """S15, S21: with a shadow that is renamed while it is open."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    a.pwrite(fd, b"NEW", 0)
    a.rename(f, place / "g")
    assert not is_free(b, place / "g", kind, SH)
    a.lock(kind, fd, UN)
    assert b.slurp(place / "g") == b"NEW" + OLD[3:]
    assert is_free(b, place / "g", kind)
    a.close(fd)
    assert c.listdir(place) == ["g"]


@kinds
def test_follows_a_new_file(place, a, b, kind):
    """S7, S15, S21: of a file that nobody sees yet."""
    fd = a.open(place / "tmp", RW | os.O_CREAT | os.O_EXCL)
    a.write(fd, b"new")
    a.lock(kind, fd, EX)
    a.rename(place / "tmp", place / "final")
    a.fsync(fd)
    assert b.slurp(place / "final") == b"new"
    assert not is_free(b, place / "final", kind, SH)
    a.close(fd)
    assert is_free(b, place / "final", kind)


@kinds
def test_follows_out_of_a_directory(place, a, b, kind):
    """S21: from directory to directory, and with one that moves."""
    (place / "d/e").mkdir(parents=True)
    (place / "d/e/f").write_bytes(OLD)
    fd = a.open(place / "d/e/f", RW)
    a.lock(kind, fd, EX)
    b.rename(place / "d", place / "x")
    assert not is_free(b, place / "x/e/f", kind, SH)
    by_rename(place / "x/e/f", b"version\n", b, None)
    assert not is_free(b, place / "x/e/f", kind, SH)
    b.rename(place / "x/e/f", place / "f")
    assert not is_free(b, place / "f", kind, SH)
    a.close(fd)
    assert is_free(b, place / "f", kind)


@kinds
def test_renamed_over_one_that_is_locked(place, f, a, b, c, kind):
    """S21: of two locked files one is renamed over the other: the lock of the
    name stays, and excludes newcomers, until its own holder gives it up."""
    (place / "g").write_bytes(b"g\n")
    fd, of_g = a.open(f, RW), b.open(place / "g", RW)
    a.lock(kind, fd, EX)
    b.lock(kind, of_g, EX)
    c.rename(place / "g", f)
    assert c.slurp(f) == b"g\n"
    assert not is_free(c, f, kind, SH)
    b.close(of_g)
    assert not is_free(c, f, kind, SH)
    a.close(fd)
    assert is_free(c, f, kind)


@kinds
def test_renamed_over_one_that_is_not(place, f, a, b, kind):
    """S21: a locked file, renamed over one that nobody has locked, is locked
    still."""
    (place / "g").write_bytes(b"g\n")
    fd = a.open(place / "g", RW)
    a.lock(kind, fd, EX)
    b.rename(place / "g", f)
    assert not is_free(b, f, kind, SH)
    a.close(fd)
    assert is_free(b, f, kind)


@kinds
def test_one_of_two_names_is_renamed_over(place, f, a, b, kind):
    """S6, S21, S25: the lock, and the update, go on under the name that is
    left; the one that was renamed over leads to another file."""
    os.link(f, place / "h")
    (place / "g").write_bytes(b"g\n")
    fd = b.open(place / "h", RW)
    b.lock(kind, fd, EX)
    a.rename(place / "g", place / "h")
    theirs = a.open(f, RW)
    assert is_refused(a, kind, theirs, SH)
    assert is_free(a, place / "h", kind)
    b.lock(kind, fd, UN)
    a.lock(kind, theirs, EX)
    a.pwrite(theirs, b"NEW", 0)
    a.lock(kind, theirs, UN)
    assert f.read_bytes() == b"NEW" + OLD[3:]
    assert (place / "h").read_bytes() == b"g\n"
    a.spew(f, b"replaced")
    assert f.read_bytes() == b"replaced"
    b.close(fd)
    a.close(theirs)


@kinds
def test_exchanged(place, f, a, b, kind):
    """S21, S27: of two that exchange their names each keeps its lock by
    path."""
    (place / "g").write_bytes(b"g\n")
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(-100, os.fsencode(f), -100,
                          os.fsencode(place / "g"), RENAME_EXCHANGE) == 0
    assert not is_free(b, f, kind, SH)
    assert is_free(b, place / "g", kind)
    a.close(fd)
    assert is_free(b, f, kind)


@kinds
def test_unlinked_and_renamed_to(place, f, a, b, kind):
    """S21: another file that gets the name of one that was unlinked is not
    locked by whoever has that open."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    b.unlink(f)
    (place / "g").write_bytes(b"g\n")
    b.rename(place / "g", f)
    assert is_free(b, f, kind)
    theirs = b.open(f, RW)
    b.lock(kind, theirs, EX)
    assert not is_refused(a, kind, fd, SH)
    a.close(fd)
    assert not is_free(a, f, kind, SH)
    b.close(theirs)


# ---- views ---------------------------------------------------------------

VIEWS = {
    "same": "d/f",
    "symlink": "link",
    "directory link": "linked/f",
    "dots": "d/../d/./f",
    "slashes": "d///f",
    "hard link": "d/hard",
}


@pytest.fixture
def views(place):
    (place / "d").mkdir()
    (place / "d/f").write_bytes(OLD)
    (place / "link").symlink_to("d/f")
    (place / "linked").symlink_to(place / "d")
    return place


@kinds
@pytest.mark.parametrize("view", list(VIEWS.values()), ids=list(VIEWS))
def test_spellings(views, a, b, kind, view):
    """S25: however the path is spelled, it is one lock, each way round and
    after a commit."""
    if view == "d/hard":
        os.link(views / "d/f", views / "d/hard")
    for one, two in (("d/f", view), (view, "d/f")):
        one, two = f"{views}/{one}", f"{views}/{two}"
        fd = a.open(one, RW)
        a.lock(kind, fd, EX)
        assert not is_free(b, two, kind, SH)
        b.spew(two, b"replaced\n")
        assert not is_free(b, two, kind, SH)
        a.close(fd)
        assert is_free(b, two, kind)


@kinds
def test_by_descriptor(views, a, b, kind):
    """S25: relative to a directory, and through /proc/self/fd."""
    fd = a.open(views / "d/f", R if kind == "flock" else RW)
    a.lock(kind, fd, EX)
    b.chdir(views / "d")
    directory = b.open(".", R | os.O_DIRECTORY)
    seen = b.open("f", os.O_PATH)
    for path in ("f", f"/proc/self/fd/{directory}/f", "/proc/self/cwd/f"):
        assert not is_free(b, path, kind, SH)
    if kind == "flock":
        again = b.open(f"/proc/self/fd/{seen}", R)
        assert is_refused(b, kind, again, SH)
        again = b.open(f"/proc/{a.pid}/fd/{fd}", R)
        assert is_refused(b, kind, again, SH)
    a.close(fd)
    assert is_free(b, "f", kind)
    b.chdir("/")


@needs_root
@kinds
@pytest.mark.parametrize("what", ["directory", "file"])
def test_bind_mount(views, tmp_path, a, b, kind, what):
    """S25, S28: a bind mount of the directory, and of the single file."""
    there = tmp_path / "there"
    there.mkdir() if what == "directory" else there.touch()
    run(["mount", "--bind", views / ("d" if what == "directory" else "d/f"),
         there])
    theirs = there / "f" if what == "directory" else there
    try:
        for one, two in ((views / "d/f", theirs), (theirs, views / "d/f")):
            # An open for writing of a file that is bound is refused while
            # others have it open, see "Limits".
            flags = R if kind == "flock" else RW
            fd, their = a.open(one, flags), b.open(two, R)
            a.lock(kind, fd, SH)
            b.lock(kind, their, SH | NB)
            if kind == "flock":
                assert is_refused(b, kind, their, EX)
                a.lock(kind, fd, EX)
                assert is_refused(b, kind, their, SH)
            else:
                b.lock(kind, their, UN)
                a.lock(kind, fd, EX)
                assert is_refused(b, kind, their, SH)
            a.close(fd)
            b.lock(kind, their, SH | NB)
            b.close(their)
    finally:
        unmount(there)


# ---- processes elsewhere -------------------------------------------------

@needs_root
@kinds
def test_other_namespaces(module_mount, f, make_peer, a, kind):
    """S21, S24: across containers: each with processes and mounts of its
    own."""
    need("unshare")
    inside = make_peer(wrapper=NAMESPACE)
    assert inside.getpid() < 100
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    assert not is_free(inside, f, kind, SH)
    theirs = inside.open(f, RW)
    inside.start("lock", kind, theirs, EX)
    wait_for_locks(module_mount, held=1, waiting=1)
    a.lock(kind, fd, UN)
    assert result_of(inside) == 0
    assert is_refused(a, kind, fd, SH)
    by_rename(f, b"version\n", a, None)
    assert not is_free(a, f, kind, SH)
    a.start("lock", kind, fd, EX)
    wait_for_locks(module_mount, held=1, waiting=1)
    inside.exit()
    assert result_of(a) == 0
    a.close(fd)


def test_locks_json(module_mount, place, f, a, b):
    """S21, S24, S25: what .@ctl/locks.json says of each, with a path from the
    root of the mount."""
    path = os.fspath(f.relative_to(module_mount.mnt))
    fd, theirs = a.open(f, RW), b.open(f, RW)
    a.lock("flock", fd, EX)
    a.lock("posix", fd, SH, 0, 10)
    a.lock("ofd", fd, EX, 20, 0)
    b.start("lock", "posix", theirs, EX, 5, 20)
    said = wait_for_locks(module_mount, held=3, waiting=1)
    by_kind = {one["kind"]: one for one in said["locks"]
               if one["state"] == "held"}
    waiting, = (one for one in said["locks"] if one["state"] == "waiting")
    assert {kind: (one["mode"], one["start"], one["end"])
            for kind, one in by_kind.items() if kind != "flock"} == {
                "posix": ("shared", 0, 9), "ofd": ("exclusive", 20, None)}
    assert by_kind["flock"]["mode"] == "exclusive"
    assert (waiting["kind"], waiting["mode"], waiting["start"],
            waiting["end"]) == ("posix", "exclusive", 5, 24)
    assert waiting["waits_for"] in (by_kind["posix"]["id"],
                                    by_kind["ofd"]["id"])
    assert len({one["id"] for one in said["locks"]}) == 4
    for one in said["locks"]:
        peer = b if one is waiting else a
        assert one["path"] == path
        assert one["pid"] == one["tid"] == peer.pid
        assert one["command"].startswith("python")
        assert one["age_ms"] >= 0
    a.close(fd)
    assert result_of(b) == 0
    assert wait_for_locks(module_mount, held=1, waiting=0)["locks"][0][
        "pid"] == b.pid
    b.rename(f, place / "moved")
    assert locks(module_mount)["locks"][0]["path"].endswith("/moved")
    b.close(theirs)


def test_locks_json_of_many(module_mount, place, f, a, b):
    """S24: others do not wait while the daemon writes down very many."""
    other, mine = place / "other", os.open(f, RW)
    other.touch()
    theirs = a.open(f, RW)
    for at in range(20_000):
        fcntl.lockf(mine, EX, 1, 2 * at)
    a.lock("posix", theirs, EX, 1, 1)
    shares = []
    while not shares or min(shares) > 0.15 and len(shares) < 10:
        worst, began = 0, time.monotonic()
        b.start("slurp", module_mount / ".@ctl/locks.json")
        while not b.finished():
            before = time.monotonic()
            os.close(os.open(other, R))
            worst = max(worst, time.monotonic() - before)
        text = b.finish()
        shares.append(worst / (time.monotonic() - began))
    os.close(mine)
    assert min(shares) <= 0.15, shares
    said = json.loads(text)
    assert (said["held"], said["waiting"]) == (20_001, 0)
    path = os.fspath(f.relative_to(module_mount.mnt))
    assert {one["path"] for one in said["locks"]} == {path}
    assert {(one["pid"], one["start"] % 2) for one in said["locks"]} == {
        (os.getpid(), 0), (a.pid, 1)}
    assert all(one["command"].startswith("python") for one in said["locks"])
    a.close(theirs)


def test_locks_json_with_odd_names(module_mount, place, a):
    """S21, S27: names that are no text."""
    for name in ("\udcff\udcfe", "new\nline", 'quote"', "n" * 255):
        fd = a.open(place / name, RW | os.O_CREAT)
        a.flock(fd, EX)
        one, = wait_for_locks(module_mount, held=1)["locks"]
        assert one["path"].startswith(place.name)
        a.close(fd)
    wait_for_locks(module_mount, held=0)
