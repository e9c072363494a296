# SPDX-License-Identifier: MIT
"""Giving up an exclusive lock publishes what was written under it (S14)."""
import errno
import fcntl
import mmap
import os

import pytest

from harness.locks import locks
from harness.tools import IOC_COMMIT
from lock_help import (EX, EXCLUSIVE, IOC_BREAK_LOCK, KINDS, NB, SH, UN,
                       ioc_lock, ioc_unlock, is_free, refused, result_of,
                       wait_until_waiting)

OLD = b"old content"
R, W, RW = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
RANGES = ("posix", "ofd")
MIB = 1 << 20


def each(*names):
    return pytest.mark.parametrize("kind", names)


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_bytes(OLD)
    return path


def locked(peer, path, kind, mode=EX, flags=RW):
    fd = peer.open(path, flags)
    peer.lock(kind, fd, mode)
    return fd


# ---- what publishes ------------------------------------------------------

@each(*KINDS)
def test_unlock(f, a, b, kind):
    """S6, S14: nobody sees it before the unlock, everybody after it; what is
    written then is published at close."""
    reader = b.open(f, R)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    assert b.slurp(f) == OLD
    a.lock(kind, fd, UN)
    assert b.slurp(f) == f.read_bytes() == b"NEW" + OLD[3:]
    assert b.pread(reader, 99, 0) == OLD
    a.pwrite(fd, b"LATER", 0)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.close(fd)
    assert b.slurp(f) == b"LATER" + OLD[5:]


@each(*KINDS)
def test_downgrade(f, a, b, kind):
    """S14: an exclusive lock that becomes a shared one is given up, too."""
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    a.lock(kind, fd, SH)
    assert is_free(b, f, kind, SH) and not is_free(b, f, kind)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.pwrite(fd, b"LATER", 0)
    a.lock(kind, fd, UN)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.close(fd)


@each(*RANGES)
def test_unlock_of_a_part(f, a, b, kind):
    """S14: who gets the part that is free sees what was written to it."""
    fd = a.open(f, RW)
    a.lock(kind, fd, EX, 0, 8)
    a.pwrite(fd, b"NEW", 0)
    a.lock(kind, fd, UN, 0, 4)
    theirs = b.open(f, RW)
    b.lock(kind, theirs, EX | NB, 0, 4)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    refused(errno.EAGAIN, b.lock, kind, theirs, EX | NB, 4, 4)
    a.close(fd)
    b.close(theirs)


@each("posix")
def test_close_of_another_descriptor(f, a, b, kind):
    """S14, S24: it takes the process's POSIX locks along; the update is
    published, though its descriptor stays open."""
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    a.close(a.open(f, R))
    assert is_free(b, f, kind)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.close(fd)


@each(*KINDS)
def test_close_of_one_of_two_updaters(f, a, b, new_peer, kind):
    """S5, S14: another process has the same shadow open, so that it stays: it
    is published with the lock nevertheless."""
    c = new_peer()
    other = b.open(f, RW)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    a.close(fd)
    assert c.slurp(f) == b"NEW" + OLD[3:]
    b.close(other)
    assert c.slurp(f) == b"NEW" + OLD[3:]


@each(*KINDS)
def test_exit(f, a, b, kind):
    """S14, S19: exit() is a close."""
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    a.exit()
    assert b.slurp(f) == b"NEW" + OLD[3:]
    assert is_free(b, f, kind)


@each("flock", "ofd")
def test_child_unlocks(f, a, b, kind):
    """S14: whoever has the open file gives its lock up."""
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    a.fork_and("lock", kind, fd, UN)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.close(fd)


def test_written_through_another_descriptor(f, a, b):
    """S14: the lock is the path's: what is written under it counts, whichever
    descriptor it is written through."""
    lock = locked(a, f, "flock", flags=R)
    fd = a.open(f, RW)
    a.pwrite(fd, b"NEW", 0)
    assert b.slurp(f) == OLD
    a.flock(lock, UN)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.close(fd)


def test_ioctl(f, a, b):
    """S14, S23: the last ATIO_IOC_UNLOCK publishes, not one before it."""
    fd = a.open(f, RW)
    assert ioc_lock(a, fd, EXCLUSIVE) == 1
    assert ioc_lock(a, fd, EXCLUSIVE) == 2
    a.pwrite(fd, b"NEW", 0)
    assert ioc_unlock(a, fd) == 1
    assert b.slurp(f) == OLD
    assert ioc_unlock(a, fd) == 0
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.close(fd)


@each(*KINDS)
def test_new_file(place, a, b, kind):
    """S7, S14: a file that is created without O_EXCL and O_TRUNC is an
    update, and seen by others from the unlock on."""
    fd = locked(a, place / "n", kind, flags=RW | os.O_CREAT)
    a.write(fd, b"new")
    assert b.listdir(place) == []
    a.lock(kind, fd, UN)
    assert b.slurp(place / "n") == b"new"
    a.close(fd)


@each(*KINDS)
@pytest.mark.parametrize("size", [0, 1, 5000, 3 * MIB])
def test_sizes(f, a, b, kind, size):
    """S14: shorter or longer than it was."""
    want = os.urandom(size)
    fd = locked(a, f, kind)
    a.ftruncate(fd, size)
    a.pwrite(fd, want, 0)
    a.lock(kind, fd, UN)
    assert b.stat(f).st_size == size
    assert b.slurp(f) == want
    a.close(fd)
    assert b.slurp(f) == want


@each(*KINDS)
def test_append(f, a, b, kind):
    """S14, S20: two who append, by turns."""
    fds = [(one, one.open(f, W | os.O_APPEND)) for one in (a, b)]
    want = OLD
    for n in range(6):
        one, fd = fds[n % 2]
        one.lock(kind, fd, EX | NB)
        one.write(fd, b"%d" % n)
        one.lock(kind, fd, UN)
        want += b"%d" % n
        assert f.read_bytes() == want
    for one, fd in fds:
        one.close(fd)
    assert f.read_bytes() == want


@each(*KINDS)
def test_mapped(f, a, b, kind):
    """S10, S14: what was written through a mapping, and synced."""
    fd = locked(a, f, kind)
    key = a.mmap(fd, 0, mmap.PROT_READ | mmap.PROT_WRITE)
    a.map_write(key, 0, b"NEW")
    a.map_sync(key)
    a.lock(kind, fd, UN)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    a.map_close(key)
    a.close(fd)


@each(*KINDS)
def test_hard_links(place, f, a, b, kind):
    """S14, S17: a file with two names."""
    os.link(f, place / "g")
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    assert b.slurp(place / "g") == OLD
    a.lock(kind, fd, UN)
    assert b.slurp(f) == b.slurp(place / "g") == b"NEW" + OLD[3:]
    assert f.stat().st_nlink == 2
    a.close(fd)


@each(*KINDS)
def test_version_after_version(f, a, b, kind):
    """S1, S14: each unlock is a commit; each reader has that of its open."""
    fd = a.open(f, RW)
    readers = []
    for n in range(10):
        a.lock(kind, fd, EX)
        a.pwrite(fd, b"%d" % n, n)
        a.lock(kind, fd, UN)
        readers.append(b.open(f, R))
    a.close(fd)
    for n, one in enumerate(readers):
        want = b"0123456789"[:n + 1]
        assert b.pread(one, 99, 0) == want + OLD[n + 1:]
        b.close(one)


# ---- who gets it next ----------------------------------------------------

@each(*KINDS)
@pytest.mark.parametrize("flags", [R, RW], ids=["reader", "writer"])
def test_who_waits_sees_it(module_mount, f, a, b, kind, flags):
    """S14, S22: through the descriptor that he locks, and by path."""
    mode = SH if flags == R else EX
    fd = locked(a, f, kind)
    theirs = b.open(f, flags)
    assert b.pread(theirs, 99, 0) == OLD or flags == RW
    b.start("lock", kind, theirs, mode)
    wait_until_waiting(module_mount, b)
    a.pwrite(fd, b"NEW and longer", 0)
    a.lock(kind, fd, UN)
    assert result_of(b) == 0
    assert b.pread(theirs, 99, 0) == b"NEW and longer"
    assert b.fstat(theirs).st_size == 14
    assert b.slurp(f) == b"NEW and longer"
    b.close(theirs)
    a.close(fd)


@each(*KINDS)
def test_by_turns(f, new_peer, kind):
    """S5, S14, S22: three who keep their descriptors open, and count in it."""
    peers = [new_peer() for _ in range(3)]
    f.write_bytes(b"0")
    fds = [one.open(f, RW) for one in peers]
    for n in range(30):
        one, fd = peers[n % 3], fds[n % 3]
        one.lock(kind, fd, EX | NB)
        assert one.pread(fd, 99, 0) == b"%d" % n
        one.pwrite(fd, b"%d" % (n + 1), 0)
        one.lock(kind, fd, UN)
        assert f.read_bytes() == b"%d" % (n + 1)
    for one, fd in zip(peers, fds):
        one.close(fd)
    assert f.read_bytes() == b"30"


# ---- what does not publish -----------------------------------------------

@each(*KINDS)
def test_replacement(f, a, b, kind):
    """S4, S14: a replacement waits for its close."""
    fd = locked(a, f, kind, flags=RW | os.O_TRUNC)
    a.write(fd, b"half")
    a.lock(kind, fd, UN)
    assert b.slurp(f) == OLD
    a.lock(kind, fd, EX)
    a.write(fd, b" and half")
    a.lock(kind, fd, UN)
    assert b.slurp(f) == OLD
    a.close(fd)
    assert b.slurp(f) == b"half and half"


@each(*KINDS)
@pytest.mark.parametrize("flags", [os.O_EXCL, os.O_TRUNC],
                         ids=["excl", "trunc"])
def test_new_replacement(place, a, b, kind, flags):
    """S4, S7, S14: so does a file that is created whole."""
    fd = locked(a, place / "n", kind, flags=RW | os.O_CREAT | flags)
    a.write(fd, b"new")
    a.lock(kind, fd, UN)
    assert b.listdir(place) == []
    a.close(fd)
    assert b.slurp(place / "n") == b"new"


@each(*KINDS)
def test_shared(f, a, b, kind):
    """S14: what is written under a shared lock is published at close."""
    fd = locked(a, f, kind, SH)
    a.pwrite(fd, b"NEW", 0)
    a.lock(kind, fd, UN)
    assert b.slurp(f) == OLD
    a.close(fd)
    assert b.slurp(f) == b"NEW" + OLD[3:]


def test_lock_of_another_file(place, f, a, b):
    """S14: the lock of another path is nothing to it."""
    (place / "lock").touch()
    lock = locked(a, place / "lock", "flock")
    fd = a.open(f, RW)
    a.pwrite(fd, b"NEW", 0)
    a.flock(lock, UN)
    assert b.slurp(f) == OLD
    a.close(fd)
    assert b.slurp(f) == b"NEW" + OLD[3:]


@each(*KINDS)
def test_refused_lock(f, a, b, kind):
    """S14: who did not get a lock gives none up."""
    fd = locked(a, f, kind, SH)
    theirs = b.open(f, RW)
    b.pwrite(theirs, b"NEW", 0)
    refused(errno.EAGAIN, b.lock, kind, theirs, EX | NB)
    b.lock(kind, theirs, UN)
    assert f.read_bytes() == OLD
    b.close(theirs)
    assert f.read_bytes() == b"NEW" + OLD[3:]
    a.close(fd)


@each(*KINDS)
def test_nothing_written(module_mount, f, a, kind):
    """S9, S14: nothing is published when there is nothing new."""
    def now():
        st = f.stat()
        return (st.st_ino, st.st_mtime_ns, st.st_ctime_ns,
                module_mount.status()["transactions"]["commits"])
    before = now()
    for flags in (R, RW):
        if flags == R and kind != "flock":
            continue
        fd = locked(a, f, kind, flags=flags)
        a.lock(kind, fd, UN)
        a.close(fd)
    fd = locked(a, f, kind)
    a.close(fd)
    module_mount.settle()
    assert now() == before


@each(*KINDS)
def test_killed(mount, new_peer, kind):
    """S14, S19: the locks of a killed process go, and publish nothing: who
    waits gets the lock, and the old content."""
    mount.expect_log("rolled back 'f'.*killed")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(OLD)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    theirs = b.open(f, R)
    b.start("lock", kind, theirs, SH)
    wait_until_waiting(mount, b)
    a.kill()
    assert result_of(b) == 0
    assert b.pread(theirs, 99, 0) == OLD
    assert b.slurp(f) == OLD
    mount.settle()
    assert b.slurp(f) == OLD
    assert [i["data"] for i in mount.quarantine()] == [b"NEW" + OLD[3:]]


@each(*KINDS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_beside_another_updater(mount, new_peer, kind, when):
    """S5, S14, S19, S22: who waits with the file open for writing shares the
    shadow of the killed process, but not its end: he gets the old content,
    and what he writes is published."""
    mount.expect_log("rolled back 'f'.*killed")
    f, a, b, c = mount / "f", new_peer(), new_peer(), new_peer()
    f.write_bytes(OLD)
    if when == "before":
        theirs = b.open(f, RW)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    if when == "after":
        theirs = b.open(f, RW)
    b.start("lock", kind, theirs, EX)
    wait_until_waiting(mount, b)
    a.kill()
    assert result_of(b) == 0
    assert b.pread(theirs, 99, 0) == OLD
    assert c.slurp(f) == OLD
    b.pwrite(theirs, b"MORE", 4)
    b.lock(kind, theirs, UN)
    assert c.slurp(f) == OLD[:4] + b"MORE" + OLD[8:]
    b.lock(kind, theirs, EX)
    b.pwrite(theirs, b"LAST", 0)
    b.close(theirs)
    assert c.slurp(f) == b"LASTMORE" + OLD[8:]


@each(*KINDS)
def test_killed_with_what_was_published(mount, new_peer, kind):
    """S14, S19: what was published at an unlock stays; what was written after
    it goes with its process."""
    mount.expect_log("rolled back 'f'.*killed")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(OLD)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"ONE", 0)
    a.lock(kind, fd, UN)
    a.lock(kind, fd, EX)
    a.pwrite(fd, b"TWO", 0)
    a.kill()
    mount.settle()
    assert b.slurp(f) == f.read_bytes() == b"ONE" + OLD[3:]


@each(*KINDS)
def test_conflict(mount, new_peer, kind):
    """S14, S20: somebody who does not care for locks replaces the file: his
    version stands, and ESTALE is said at the latest by close."""
    mount.expect_log("ESTALE")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(OLD)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"NEW", 0)
    b.spew(f, b"replaced")
    said = []
    for call in ((a.lock, kind, fd, UN), (a.close, fd)):
        try:
            call[0](*call[1:])
        except OSError as e:
            said.append(e.errno)
    assert said and set(said) == {errno.ESTALE}
    assert f.read_bytes() == b.slurp(f) == b"replaced"
    assert is_free(b, f, kind)


def test_commit_keeps_the_lock(f, a, b):
    """S14, S16, S21: an explicit commit publishes, too, and gives up
    nothing."""
    fd = locked(a, f, "flock")
    a.pwrite(fd, b"NEW", 0)
    a.ioctl(fd, IOC_COMMIT)
    assert b.slurp(f) == b"NEW" + OLD[3:]
    assert not is_free(b, f, mode=SH)
    a.pwrite(fd, b"LATER", 0)
    a.flock(fd, UN)
    assert b.slurp(f) == b"LATER" + OLD[5:]
    a.close(fd)


# ---- locks that are broken -----------------------------------------------

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def break_lock(mount, peer):
    """Root takes what @peer has locked."""
    lock, = (x for x in locks(mount)["locks"]
             if x["pid"] == peer.pid and x["state"] == "held")
    fd = os.open(mount.mnt, R)
    try:
        fcntl.ioctl(fd, IOC_BREAK_LOCK, lock["id"].to_bytes(8, "little"))
    finally:
        os.close(fd)


@needs_root
@each(*KINDS)
def test_broken(mount, new_peer, kind):
    """S14, S19: root breaks the lock of one who is in the middle of writing:
    nothing of that is published, now or by his close, and nothing lost."""
    mount.expect_log("lock [0-9]+ of 'f' .* broken .* not published")
    mount.expect_log("rolled back 'f'.*aborted")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(OLD)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"HALF", 0)
    break_lock(mount, a)
    theirs = locked(b, f, kind)
    assert f.read_bytes() == b.pread(theirs, 99, 0) == OLD
    a.pwrite(fd, b"MORE", 4)
    refused(errno.EIO, a.close, fd)
    b.pwrite(theirs, b"NEXT", 0)
    b.close(theirs)
    assert b.slurp(f) == f.read_bytes() == b"NEXT" + OLD[4:]
    item, = mount.quarantine()
    assert (item["reason"], item["data"]) == ("aborted",
                                              b"HALFMORE" + OLD[8:])


@needs_root
@each(*KINDS)
def test_broken_while_others_wait(mount, new_peer, kind):
    """S14, S19, S22: who waited for it, and has the file open since longer,
    finds what was there before."""
    mount.expect_log("rolled back 'f'.*aborted")
    mount.expect_log("lock [0-9]+ of 'f' .* broken .* not published")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(OLD)
    theirs = b.open(f, RW)
    fd = locked(a, f, kind)
    a.pwrite(fd, b"HALF", 0)
    b.start("lock", kind, theirs, EX)
    wait_until_waiting(mount, b)
    break_lock(mount, a)
    assert result_of(b) == 0
    assert f.read_bytes() == b.pread(theirs, 99, 0) == OLD
    b.pwrite(theirs, b"NEXT", 0)
    b.lock(kind, theirs, UN)
    assert b.slurp(f) == f.read_bytes() == b"NEXT" + OLD[4:]
    a.close(fd)
    b.close(theirs)
    assert b.slurp(f) == f.read_bytes() == b"NEXT" + OLD[4:]
    item, = mount.quarantine()
    assert (item["reason"], item["data"]) == ("aborted", b"HALF" + OLD[4:])


@needs_root
@each(*RANGES)
def test_broken_beside_others(mount, new_peer, kind):
    """S14: as long as others have locks of the file, what was written is
    theirs, too: it stays, and goes with theirs."""
    mount.expect_log("lock [0-9]+ of 'f' .* broken by root, pid [0-9]+$")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(OLD)
    fd, theirs = a.open(f, RW), b.open(f, RW)
    a.lock(kind, fd, EX, 0, 4)
    b.lock(kind, theirs, EX, 4, 4)
    b.pwrite(theirs, b"MINE", 4)
    break_lock(mount, a)
    b.lock(kind, theirs, UN)
    assert b.slurp(f) == OLD[:4] + b"MINE" + OLD[8:]
