# SPDX-License-Identifier: MIT
"""A thread that has the lock gets it again (S23), and locks that are counted.
"""
import errno
import fcntl
import itertools
import os
import resource

import pytest

from harness.locks import locks, wait_for_locks
from lock_help import (EX, EXCLUSIVE, IOC_LOCK, IOC_UNLOCK, LOCK_ARG, NB,
                       NOWAIT, SH, SHARED, UN, ioc_lock, ioc_unlock, is_free,
                       lock_arg, refused, result_of, until,
                       wait_until_waiting, waiting_tids)

R, RW = os.O_RDONLY, os.O_RDWR
# First and second lock: POSIX locks are the process's anyway.
PAIRS = [("flock", "flock"), ("ofd", "ofd"), ("posix", "ofd"),
         ("ofd", "posix")]
pairs = pytest.mark.parametrize("first, second", PAIRS,
                                ids=["-".join(p) for p in PAIRS])
modes = pytest.mark.parametrize(
    "one, two", list(itertools.product((SH, EX), repeat=2)),
    ids=["SH-SH", "SH-EX", "EX-SH", "EX-EX"])


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_bytes(b"content")
    return path


def free_for(peer, f, kind):
    """The strongest mode that somebody else gets at once."""
    for mode in (EX, SH):
        if is_free(peer, f, kind, mode):
            return mode
    return None


# ---- the thread itself ---------------------------------------------------

@pairs
@modes
@pytest.mark.parametrize("order", ["first", "last"])
def test_again(f, a, b, first, second, one, two, order):
    """S23: through another descriptor; others are excluded until both were
    given up, whichever is given up first."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock(first, x, one)
    a.lock(second, y, two | NB)
    want = None if EX in (one, two) else SH
    assert free_for(b, f, first) == want
    rest = [(first, x, one), (second, y, two)]
    if order == "last":
        rest.reverse()
    kind, fd, _ = rest[0]
    a.lock(kind, fd, UN)
    assert free_for(b, f, first) == (None if rest[1][2] == EX else SH)
    kind, fd, _ = rest[1]
    a.lock(kind, fd, UN)
    assert free_for(b, f, first) == EX
    a.close(x)
    a.close(y)


@pairs
@modes
def test_again_waiting(f, a, b, first, second, one, two):
    """S23: by a call that would wait, too: it would for ever."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock(first, x, one)
    a.start("lock", second, y, two)
    assert result_of(a) == 0
    assert free_for(b, f, first) == (None if EX in (one, two) else SH)
    a.close(y)
    a.close(x)
    assert free_for(b, f, first) == EX


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_ten_times(module_mount, f, a, b, kind):
    """S23: as deep as one likes, released in any order."""
    fds = [a.open(f, RW) for _ in range(10)]
    for n, fd in enumerate(fds):
        a.lock(kind, fd, (EX, SH)[n % 2] | NB)
    assert locks(module_mount)["held"] == 10
    for fd in fds[::2] + fds[1::4]:
        assert free_for(b, f, kind) is None or fd in fds[1::4]
        a.close(fd)
    assert free_for(b, f, kind) == SH  # shared ones are left
    for fd in fds[3::4]:
        a.close(fd)
    assert free_for(b, f, kind) == EX
    wait_for_locks(module_mount, held=0)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_many_descriptors(f, peer, kind):
    """S23: a process may have more open than the daemon cares to look at."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 4500:
        pytest.skip("needs 4,500 descriptors")
    fd = peer.open("/dev/null", R)
    for _ in range(4200):
        peer.dup(fd)
    x, y = peer.open(f, RW), peer.open(f, RW)
    peer.lock(kind, x, EX)
    peer.start("lock", kind, y, EX)
    assert result_of(peer) == 0


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_ranges_and_conversions(f, a, b, kind):
    """S23: conversions of one while the other is held."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock(kind, x, EX)
    a.lock(kind, y, SH | NB)
    a.lock(kind, x, SH | NB)
    assert free_for(b, f, kind) == SH
    a.lock(kind, y, EX | NB)
    assert free_for(b, f, kind) is None
    a.lock(kind, y, UN)
    assert free_for(b, f, kind) == SH
    a.close(x)
    a.close(y)


def test_parts(f, a, b):
    """S23: of ranges that overlap in a part, that part is held twice."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock("ofd", x, EX, 0, 10)
    a.lock("ofd", y, EX | NB, 5, 10)
    fd = b.open(f, RW)
    assert b.locked("ofd", fd, 18) == "W" * 15 + "..."
    a.lock("ofd", x, UN, 0, 0)
    assert b.locked("ofd", fd, 18) == "." * 5 + "W" * 10 + "..."
    a.lock("ofd", y, UN, 0, 0)
    assert b.locked("ofd", fd, 18) == "." * 18
    b.close(fd)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_exclusive_beside_others(module_mount, f, a, b, kind):
    """S23, S24: who has it shared, as others do, waits for those others only
    when he wants it exclusively through another descriptor."""
    x, y, z = a.open(f, RW), a.open(f, RW), b.open(f, RW)
    a.lock(kind, x, SH)
    b.lock(kind, z, SH)
    refused(errno.EAGAIN, a.lock, kind, y, EX | NB)
    a.start("lock", kind, y, EX)
    wait_until_waiting(module_mount, a)
    b.close(z)
    assert result_of(a) == 0
    assert free_for(b, f, kind) is None
    a.close(x)
    a.close(y)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_before_those_who_wait(module_mount, f, a, b, kind):
    """S23, S24: the holder does not queue behind those who wait for him."""
    x, y, z = a.open(f, RW), a.open(f, RW), b.open(f, RW)
    a.lock(kind, x, EX)
    b.start("lock", kind, z, EX)
    wait_until_waiting(module_mount, b)
    a.lock(kind, y, EX | NB)
    a.close(x)
    assert not b.finished() and b.pid in waiting_tids(module_mount)
    a.close(y)
    assert result_of(b) == 0
    b.close(z)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_publishes_at_the_last(f, a, b, kind):
    """S14, S23: the lock is given up when it was given up as often as it was
    got; then the update is published."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock(kind, x, EX)
    a.lock(kind, y, EX)
    a.pwrite(x, b"NEW", 0)
    a.lock(kind, x, UN)
    assert b.slurp(f) == b"content"
    a.lock(kind, y, UN)
    assert b.slurp(f) == b"NEWtent"
    a.close(x)
    a.close(y)


def test_other_versions(f, a, b):
    """S21, S23: the descriptors may have different versions open."""
    x = a.open(f, R)
    a.flock(x, EX)
    b.spew(f, b"new")
    y = a.open(f, R)
    a.flock(y, EX | NB)
    assert a.pread(y, 9, 0) == b"new"
    a.close(x)
    assert free_for(b, f, "flock") is None
    a.close(y)
    assert free_for(b, f, "flock") == EX


# ---- others --------------------------------------------------------------

@pairs
@modes
def test_another_thread(module_mount, f, a, first, second, one, two):
    """S23: waits, as on Linux."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock(first, x, one)
    if EX not in (one, two):
        a.within("t", "lock", second, y, two | NB)
        return
    with pytest.raises(BlockingIOError):
        a.within("t", "lock", second, y, two | NB)
    tid = a.begin("t", "lock", second, y, two)
    until(lambda: tid in waiting_tids(module_mount) or a.ended("t"),
          lambda: locks(module_mount))
    assert not a.ended("t")
    a.lock(first, x, UN)
    a.end("t")
    with pytest.raises(BlockingIOError):
        a.lock(first, x, EX | NB)
    a.within("t", "lock", second, y, UN)
    a.lock(first, x, EX | NB)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_thread_that_got_it_has_it(f, a, kind):
    """S23: whoever took it last may take it again; the thread that had it
    before may not."""
    x, y, z = a.open(f, RW), a.open(f, RW), a.open(f, RW)
    a.lock(kind, x, EX)
    a.within("t", "lock", kind, x, EX)  # the same open file: t's now
    a.within("t", "lock", kind, y, EX | NB)
    refused(errno.EAGAIN, a.lock, kind, z, SH | NB)
    a.close(x)
    a.close(y)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_thread_that_ended(f, a, kind):
    """S23: what an ended thread has locked stays locked, and is nobody's."""
    x, y = a.open(f, RW), a.open(f, RW)
    a.within("t", "lock", kind, x, EX)
    a.end_thread("t")
    refused(errno.EAGAIN, a.lock, kind, y, SH | NB)
    refused(errno.EAGAIN, a.within, "u", "lock", kind, y, SH | NB)
    a.close(x)
    a.lock(kind, y, EX | NB)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_child(f, a, kind):
    """S23: a child is another thread; what it inherits it shares."""
    x = a.open(f, RW)
    a.lock(kind, x, EX)
    child = a.fork()
    y = child.open(f, RW)
    refused(errno.EAGAIN, child.lock, kind, y, SH | NB)
    child.lock(kind, x, EX | NB)
    child.lock(kind, x, UN)
    child.lock(kind, y, EX | NB)
    refused(errno.EAGAIN, a.lock, kind, x, SH | NB)
    child.exit()


@pytest.mark.parametrize("kind", ["flock", "ofd"])
@pytest.mark.parametrize("first", [R, RW], ids=["reader", "updater"])
@pytest.mark.parametrize("then", [R, RW, RW | os.O_TRUNC],
                         ids=["reader", "updater", "replacer"])
def test_child_keeps_it(f, a, kind, first, then):
    """S23: what is closed here, and open only in a child, is no longer this
    thread's, in whichever way it asks again."""
    x = a.open(f, first)
    mode = EX if kind == "flock" or first != R else SH
    a.lock(kind, x, mode)
    child = a.fork()
    a.close(x)
    y = a.open(f, then)
    wanted = EX if kind == "flock" or then != R else SH
    if EX in (mode, wanted):
        refused(errno.EAGAIN, a.lock, kind, y, wanted | NB)
    child.exit()
    a.lock(kind, y, wanted | NB)
    a.close(y)


@pytest.mark.parametrize("kind", ["flock", "ofd"])
@pytest.mark.parametrize("flags", [R, RW], ids=["reader", "updater"])
def test_inherited_beside(f, a, b, kind, flags):
    """S23: what the process has inherited of the file, or others have open, is
    not in the way of getting it again."""
    a.open(f, flags)
    b.open(f, flags)
    child = a.fork()
    x, y = child.open(f, RW), child.open(f, RW)
    child.dup(y)
    child.lock(kind, x, EX)
    child.lock(kind, y, EX | NB)
    child.lock(kind, x, UN)
    assert free_for(b, f, kind) is None
    child.exit()


# ---- locks=strict --------------------------------------------------------

@pytest.mark.mount_options("locks=strict")
@pairs
@modes
def test_strict(mount, new_peer, first, second, one, two):
    """S23: locks=strict: what Linux says: EWOULDBLOCK; and EDEADLK instead of
    a wait for oneself."""
    f, a = mount / "f", new_peer()
    f.write_bytes(b"content")
    x, y = a.open(f, RW), a.open(f, RW)
    a.lock(first, x, one)
    if EX not in (one, two):
        a.lock(second, y, two | NB)
        return
    refused(errno.EWOULDBLOCK, a.lock, second, y, two | NB)
    a.start("lock", second, y, two)
    assert result_of(a) == errno.EDEADLK
    a.lock(first, x, UN)
    a.lock(second, y, two | NB)


# ---- counted -------------------------------------------------------------

def test_counted(module_mount, f, a, b):
    """S23: ATIO_IOC_LOCK: got twice, given up twice."""
    fd = a.open(f, R)
    assert ioc_lock(a, fd, EXCLUSIVE) == 1
    assert ioc_lock(a, fd, EXCLUSIVE, NOWAIT) == 2
    assert ioc_lock(a, fd, SHARED) == 3
    assert [one["count"] for one in locks(module_mount)["locks"]] == [3]
    for left in (2, 1):
        assert ioc_unlock(a, fd) == left
        assert free_for(b, f, "flock") is None
    assert ioc_unlock(a, fd) == 0
    assert free_for(b, f, "flock") == EX
    refused(errno.ENOLCK, ioc_unlock, a, fd)
    a.close(fd)


def test_unlocked_all_at_once(f, a, b):
    """S23: flock(LOCK_UN) undoes them all, as does the close."""
    fd = a.open(f, R)
    for end in ("unlock", "close"):
        for n in range(5):
            assert ioc_lock(a, fd, EXCLUSIVE) == n + 1
        assert free_for(b, f, "flock") is None
        a.flock(fd, UN) if end == "unlock" else a.close(fd)
        assert free_for(b, f, "flock") == EX


def test_flock_is_the_first(f, a, b):
    """S23: an ioctl on top of flock(2) counts on from it."""
    fd = a.open(f, R)
    a.flock(fd, EX)
    assert ioc_lock(a, fd, EXCLUSIVE) == 2
    assert ioc_unlock(a, fd) == 1
    assert free_for(b, f, "flock") is None
    assert ioc_unlock(a, fd) == 0
    assert free_for(b, f, "flock") == EX
    a.close(fd)


def test_counted_upgrade(module_mount, f, a, b):
    """S23: shared to exclusive keeps the shared lock while it waits, and
    stays exclusive until the last unlock."""
    fd, theirs = a.open(f, R), b.open(f, R)
    b.flock(theirs, SH)
    assert ioc_lock(a, fd, SHARED) == 1
    refused(errno.EAGAIN, ioc_lock, a, fd, EXCLUSIVE, NOWAIT)
    a.start("ioctl", fd, IOC_LOCK, lock_arg(EXCLUSIVE))
    wait_until_waiting(module_mount, a)
    assert wait_for_locks(module_mount, held=2, waiting=1)
    b.flock(theirs, UN)
    assert a.finished(20)
    assert LOCK_ARG.unpack(a.finish())[3] == 2
    assert ioc_unlock(a, fd) == 1
    refused(errno.EAGAIN, b.flock, theirs, SH | NB)
    assert ioc_unlock(a, fd) == 0
    b.flock(theirs, EX | NB)
    a.close(fd)
    b.close(theirs)


def test_counted_by_a_child(f, a, b):
    """S23: it is the open file's, so a child counts on."""
    fd = a.open(f, R)
    assert ioc_lock(a, fd, EXCLUSIVE) == 1
    child = a.fork()
    assert ioc_lock(child, fd, EXCLUSIVE) == 2
    child.exit()
    assert ioc_unlock(a, fd) == 1
    assert free_for(b, f, "flock") is None
    assert ioc_unlock(a, fd) == 0
    assert free_for(b, f, "flock") == EX
    a.close(fd)


def test_counted_and_recursive(f, a, b):
    """S23: counted through each of two descriptors."""
    x, y = a.open(f, R), a.open(f, R)
    assert ioc_lock(a, x, EXCLUSIVE) == 1
    assert ioc_lock(a, y, EXCLUSIVE, NOWAIT) == 1
    assert ioc_lock(a, y, EXCLUSIVE) == 2
    assert ioc_unlock(a, y) == 1
    assert ioc_unlock(a, x) == 0
    assert free_for(b, f, "flock") is None
    assert ioc_unlock(a, y) == 0
    assert free_for(b, f, "flock") == EX


def test_ioctl_excludes_flock(f, a, b):
    """S23: it is the same lock, each way round."""
    fd, theirs = a.open(f, R), b.open(f, R)
    assert ioc_lock(a, fd, SHARED) == 1
    b.flock(theirs, SH | NB)
    refused(errno.EAGAIN, b.flock, theirs, EX | NB)
    assert ioc_unlock(a, fd) == 0
    b.flock(theirs, EX | NB)
    refused(errno.EAGAIN, ioc_lock, a, fd, SHARED, NOWAIT)
    assert is_free(a, f, "posix") and is_free(a, f, "ofd")
    b.close(theirs)
    a.close(fd)


@pytest.mark.parametrize("flags", [R, os.O_WRONLY, RW, RW | os.O_TRUNC,
                                   RW | os.O_APPEND])
def test_any_descriptor(place, a, b, flags):
    """S23, S26: open in whichever way, of a file of any class."""
    for name in ("f", "f.log", "f.db"):
        (place / name).write_bytes(b"content")
        fd = a.open(place / name, flags)
        assert ioc_lock(a, fd, EXCLUSIVE) == 1
        assert free_for(b, place / name, "flock") is None
        a.close(fd)
        assert free_for(b, place / name, "flock") == EX


def test_bad_arguments(f, a):
    """S23: EINVAL, and nothing is locked."""
    fd = a.open(f, R)
    for fields in ((0, 0, 0, 0, 0), (3, 0, 0, 0, 0), (1, 2, 0, 0, 0),
                   (2, 1 << 31, 0, 0, 0), (1, 0, 0, 0, 1)):
        refused(errno.EINVAL, a.ioctl, fd, IOC_LOCK, LOCK_ARG.pack(*fields))
    refused(errno.ENOLCK, a.ioctl, fd, IOC_UNLOCK, bytes(4))
    # The count is what comes back.
    assert LOCK_ARG.unpack(a.ioctl(fd, IOC_LOCK, LOCK_ARG.pack(
        EXCLUSIVE, NOWAIT, 1, 77, 0)))[3] == 1
    a.close(fd)


def test_not_a_file_of_the_mount(module_mount, place, tmp_path):
    """S23: ENOTTY."""
    (tmp_path / "f").touch()
    for path in (place, tmp_path / "f", tmp_path,
                 module_mount / ".@ctl/locks.json"):
        fd = os.open(path, R)
        for request, arg in ((IOC_LOCK, lock_arg(SHARED)),
                             (IOC_UNLOCK, bytes(4))):
            refused(errno.ENOTTY, fcntl.ioctl, fd, request, arg)
        os.close(fd)
