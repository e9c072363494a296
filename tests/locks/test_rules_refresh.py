# SPDX-License-Identifier: MIT
"""Who gets a lock reads what is current at that moment (S22), and nobody else
does (S1)."""
import errno
import itertools
import os

import pytest

from harness.locks import locks
from harness.loop import loop_mount, make_image
from lock_help import (EX, EXCLUSIVE, KINDS, NB, SH, SHARED, UN, ioc_lock,
                       refused, result_of, wait_until_waiting)

OLD = bytes(range(256)) * 40
R, W, RW = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
SIZES = {"empty": 0, "one": 1, "shorter": 5000, "same": len(OLD),
         "longer": 70_000, "3MiB": 3 << 20}
HANDLES = {"reader": R, "updater": RW, "appender": RW | os.O_APPEND}


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_bytes(OLD)
    return path


def replace(f, data, peer):
    peer.spew(f, data)


def update(f, data, peer):
    fd = peer.open(f, RW)
    peer.pwrite(fd, data, 0)
    peer.ftruncate(fd, len(data))
    peer.close(fd)


def rename(f, data, peer):
    peer.spew(f"{f}.new", data, os.O_CREAT | os.O_EXCL)
    peer.rename(f"{f}.new", f)


def under_a_lock(f, data, peer):
    """As update, published by the unlock; it stays open."""
    fd = peer.open(f, RW)
    peer.flock(fd, EX)
    peer.pwrite(fd, data, 0)
    peer.ftruncate(fd, len(data))
    peer.flock(fd, UN)


WAYS = [replace, update, rename, under_a_lock]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
handles = pytest.mark.parametrize("flags", list(HANDLES.values()),
                                  ids=list(HANDLES))


def locks_for(flags):
    """(name, how to lock with it) of all that a descriptor can do."""
    found = [("shared ioctl", lambda p, fd: ioc_lock(p, fd, SHARED)),
             ("exclusive ioctl", lambda p, fd: ioc_lock(p, fd, EXCLUSIVE))]
    for kind, mode in itertools.product(KINDS, (SH, EX)):
        if kind == "flock" or mode == SH or flags & RW:
            found.append((f"{kind} {mode}", lambda p, fd, k=kind, m=mode:
                          p.lock(k, fd, m | NB)))
    return found


def holds(peer, fd, data, what=""):
    """The descriptor reads exactly that, and has its size."""
    at = peer.lseek(fd, 0, os.SEEK_CUR)
    assert peer.fstat(fd).st_size == len(data), what
    assert peer.pread(fd, len(data) + 10, 0) == data, what
    assert peer.lseek(fd, 0, os.SEEK_END) == len(data), what
    peer.lseek(fd, at, os.SEEK_SET)


def content(n, size):
    return bytes((n + i) % 251 for i in range(min(size, 5000))).ljust(
        size, b"%d" % (n % 10))


# ---- what is refreshed ---------------------------------------------------

@ways
@handles
@pytest.mark.parametrize("size", list(SIZES.values()), ids=list(SIZES))
def test_content_and_size(f, a, b, way, flags, size):
    """S1, S22: the version of the open until the lock, then the current one,
    by every way to lock; it stays when the lock is given up."""
    for n, (name, lock) in enumerate(locks_for(flags)):
        f.write_bytes(OLD)
        fd = a.open(f, flags)
        holds(a, fd, OLD)
        new = content(n, size)
        way(f, new, b)
        if flags == R:  # an updater may be given it before (S5)
            holds(a, fd, OLD)
        lock(a, fd)
        holds(a, fd, new, name)
        a.flock(fd, UN)
        holds(a, fd, new)
        a.close(fd)
        b.reset()
    assert f.read_bytes() == new


@ways
@pytest.mark.parametrize("size", [5000, len(OLD), 70_000])
@pytest.mark.parametrize("when", ["before", "after"])
def test_mapped(f, a, b, io, way, size, when):
    """S1, S22: mappings, be they older than the lock or not (but see "Limits"
    for those that the daemon serves)."""
    fd = a.open(f, R)
    new = content(7, size)
    if when == "before":
        key = a.mmap(fd, len(OLD))
        assert a.map_read(key) == OLD
    way(f, new, b)
    if when == "before":
        assert a.map_read(key) == OLD
    a.flock(fd, SH)
    if when == "after":
        key = a.mmap(fd, 0)
    shown = min(len(OLD), size) if when == "before" else size
    if when == "after" or io == "passthrough":
        assert a.map_read(key, 0, shown) == new[:shown]
    holds(a, fd, new)
    a.map_close(key)
    a.close(fd)


@handles
def test_again_and_again(f, a, b, flags):
    """S22: one descriptor, locked for version after version."""
    fd = a.open(f, flags)
    for n in range(40):
        new = content(n, (n * 7919) % 20_000)
        WAYS[n % 3](f, new, b)
        a.flock(fd, (SH, EX)[n % 2])
        holds(a, fd, new)
        if n % 3:
            a.flock(fd, UN)
    a.close(fd)


@handles
def test_while_it_is_held(f, a, b, flags):
    """S1, S22: what others commit without asking for the lock is not seen
    until the next grant; an unlock is none."""
    new = content(1, 3000)
    replace(f, new, b)
    fd = a.open(f, R)
    a.flock(fd, SH)
    replace(f, content(2, 9000), b)
    holds(a, fd, new)
    a.flock(fd, UN)
    holds(a, fd, new)
    a.flock(fd, SH)
    holds(a, fd, content(2, 9000))
    a.close(fd)


@pytest.mark.parametrize("kind", KINDS)
@handles
def test_at_the_grant(module_mount, f, a, b, c, kind, flags):
    """S22, S24: current at the grant, not at the request: much is committed
    while it waits."""
    fd = b.open(f, RW)
    b.lock(kind, fd, EX)
    theirs = a.open(f, flags)
    a.start("lock", kind, theirs, SH)
    wait_until_waiting(module_mount, a)
    for n in range(3):
        WAYS[n](f, content(n, 4000 * n), c)
    b.close(fd)
    assert result_of(a) == 0
    holds(a, theirs, content(2, 8000))
    a.close(theirs)


@pytest.mark.parametrize("kind", ["posix", "ofd"])
def test_part_of_it(f, a, b, kind):
    """S22: the lock of a range refreshes all of the file."""
    fd = a.open(f, RW)
    replace(f, content(3, 30_000), b)
    a.lock(kind, fd, EX, 10, 1)
    holds(a, fd, content(3, 30_000))
    replace(f, content(4, 20), b)
    a.lock(kind, fd, SH, 20, 1)
    holds(a, fd, content(4, 20))
    a.close(fd)


def test_position(f, a, b):
    """S22: where a descriptor stands is not changed."""
    fd = a.open(f, R)
    assert a.read(fd, 100) == OLD[:100]
    new = content(5, 4000)
    rename(f, new, b)
    a.flock(fd, SH)
    assert a.read(fd, 100) == new[100:200]
    a.close(fd)


def test_copies_of_the_descriptor(f, a, b):
    """S22: dup and fork: it is one open file."""
    fd = a.open(f, R)
    other = a.dup(fd)
    child = a.fork()
    new = content(6, 6000)
    replace(f, new, b)
    child.flock(fd, SH)
    for one, of in ((child, fd), (a, fd), (a, other)):
        assert one.pread(of, 9999, 0) == new
    child.exit()
    a.close(fd)
    a.close(other)


def test_renamed(place, f, a, b):
    """S21, S22: current is what is at the path that the lock went to."""
    fd = a.open(f, R)
    b.rename(f, place / "g")
    f.write_bytes(b"another file")
    new = content(8, 2000)
    replace(place / "g", new, b)
    a.flock(fd, SH)
    holds(a, fd, new)
    a.close(fd)


def test_unlinked(f, a, b):
    """S15, S22: a file that is gone has no current version: what is open
    stays, and another file of that name is another."""
    fd = a.open(f, R)
    b.unlink(f)
    a.flock(fd, SH)
    holds(a, fd, OLD)
    a.flock(fd, UN)
    f.write_bytes(b"another file")
    a.flock(fd, EX)
    holds(a, fd, OLD)
    a.close(fd)


@pytest.mark.parametrize("way", [replace, update, under_a_lock],
                         ids=lambda w: w.__name__)
@handles
def test_hard_links(place, f, a, b, way, flags):
    """S17, S22: of a file with two names."""
    os.link(f, place / "g")
    for n, (name, lock) in enumerate(locks_for(flags)):
        fd = a.open(f, flags)
        new = content(n, 3000 * n)
        way(f if n % 2 else place / "g", new, b)
        lock(a, fd)
        holds(a, fd, new, name)
        a.close(fd)
        b.reset()


@pytest.mark.parametrize("name", ["f.log", "f.db"])
@handles
def test_other_classes(place, a, b, name, flags):
    """S22, S26: files that are not staged."""
    f = place / name
    f.write_bytes(OLD)
    fd = a.open(f, flags)
    for n, way in enumerate((update, under_a_lock)):
        new = content(n, 3000 + n)
        way(f, new, b)
        a.flock(fd, SH)
        holds(a, fd, new)
        a.flock(fd, UN)
    a.close(fd)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["read", "write"])
def test_not_for_the_daemon(make_mount, new_peer, kind, what):
    """S22, S24, S30: the daemon has no rights to read the current version, or
    to write the old one: the lock is granted, without any errno of that."""
    mount = make_mount(wrapper=[
        "setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"])
    for name in ("f", "g"):
        (mount.src / name).write_bytes(name.encode())
        if what == "write":
            os.chown(mount.src / name, 1000, 1000)
    if what == "read":
        os.chmod(mount.src / "g", 0o200)
    a = new_peer()
    fd = a.open(mount / "f", R)
    os.rename(mount / "g", mount / "f")
    a.lock(kind, fd, SH)
    holds(a, fd, b"f")
    a.close(fd)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a disk")
@pytest.mark.parametrize("kind", KINDS)
def test_no_room(make_mount, tmp_path, new_peer, kind):
    """S22: where the version that is current cannot be had, the lock is not
    either; but what was held before stays."""
    image = make_image(tmp_path / "image", 40 << 20, "mkfs.ext4", "-q")
    with loop_mount(image, tmp_path / "disk") as disk:
        mount = make_mount(source=disk)
        mount.expect_log("lock.*ENOSPC")
        a, b = new_peer(), new_peer()
        (mount / "f").write_bytes(b"old")
        fd, theirs = a.open(mount / "f", R), b.open(mount / "f", R)
        a.lock(kind, fd, SH)
        (mount / "g").write_bytes(b"new" * (4 << 20))
        os.rename(mount / "g", mount / "f")
        filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
        st = os.statvfs(disk)
        os.posix_fallocate(filler, 0, st.f_bavail * st.f_frsize - (9 << 20))
        refused(errno.ENOSPC, b.lock, kind, theirs, SH)
        refused(errno.ENOSPC, a.lock, kind, fd, SH)
        now, = locks(mount)["locks"]
        assert (now["pid"], now["start"], now["end"]) == (a.pid, 0, None)
        os.ftruncate(filler, 0)
        os.close(filler)
        a.lock(kind, fd, SH)
        holds(a, fd, b"new" * (4 << 20))
        a.close(fd)
        b.close(theirs)
        mount.stop()


# ---- updates -------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [replace, rename], ids=lambda w: w.__name__)
def test_update_goes_on(f, a, b, c, kind, way):
    """S20, S22: an update without changes is refreshed, so that what is
    written after the grant is no conflict."""
    fd = a.open(f, RW)
    way(f, b"the new version", b)
    a.lock(kind, fd, EX)
    holds(a, fd, b"the new version")
    a.pwrite(fd, b"THE", 0)
    a.lock(kind, fd, UN)
    assert c.slurp(f) == b"THE new version"
    way(f, b"the newest version", b)
    a.lock(kind, fd, EX)
    holds(a, fd, b"the newest version")
    a.pwrite(fd, b"THE", 0)
    a.close(fd)
    assert c.slurp(f) == f.read_bytes() == b"THE newest version"


def test_update_that_only_looked(module_mount, f, a, b):
    """S9, S22: an update that was refreshed and not written to publishes
    nothing.  (Its inode number is another one while it is open: "Limits".)"""
    def now():
        st = f.stat()
        return (st.st_mtime_ns, st.st_ctime_ns,
                module_mount.status()["transactions"]["commits"])
    fd = a.open(f, RW)
    for way in (replace, rename):
        way(f, content(9, 2000), b)
        inode, before = f.stat().st_ino, now()
        a.flock(fd, EX)
        holds(a, fd, content(9, 2000))
        a.flock(fd, UN)
        assert now() == before
    a.close(fd)
    module_mount.settle()
    assert now() == before and f.stat().st_ino == inode


def test_append_goes_to_the_end(f, a, b, c):
    """S10, S22: O_APPEND, after the file became shorter."""
    fd = a.open(f, W | os.O_APPEND)
    replace(f, b"new ", b)
    a.flock(fd, EX)
    assert a.fstat(fd).st_size == 4
    a.write(fd, b"end")
    a.flock(fd, UN)
    assert c.slurp(f) == b"new end"
    a.close(fd)
    assert c.slurp(f) == b"new end"


@pytest.mark.parametrize("kind", KINDS)
def test_dirty_update(mount, new_peer, kind):
    """S20, S22: one that was written to is not refreshed: it reads what it
    wrote, and is a conflict."""
    mount.expect_log("ESTALE")
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(b"old content")
    fd = a.open(f, RW)
    a.pwrite(fd, b"MINE", 0)
    replace(f, b"of another", b)
    try:
        a.lock(kind, fd, EX)
    except OSError as e:
        assert e.errno == errno.ESTALE
    assert a.pread(fd, 99, 0) == b"MINEcontent"
    refused(errno.ESTALE, a.close, fd)
    assert f.read_bytes() == b"of another"


def test_replacement(f, a, b, c):
    """S4, S22: a replacement is what it will be, whatever is current."""
    fd = a.open(f, RW | os.O_TRUNC)
    replace(f, b"of another", b)
    a.flock(fd, EX)
    holds(a, fd, b"")
    a.write(fd, b"mine")
    f.write_bytes(b"of another again")
    a.flock(fd, SH)
    holds(a, fd, b"mine")
    a.close(fd)
    assert c.slurp(f) == b"mine"


# ---- what is not ---------------------------------------------------------

@ways
def test_without_a_lock(f, a, b, way):
    """S1: who never locks keeps his version."""
    fd = a.open(f, R)
    key = a.mmap(fd, 0)
    for n in range(3):
        way(f, content(n, 8000 * n), b)
        holds(a, fd, OLD)
        assert a.map_read(key) == OLD
    a.map_close(key)
    a.close(fd)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flags", [R, RW], ids=["reader", "updater"])
def test_refused(f, a, b, c, kind, flags):
    """S1, S22: nor does a lock that is refused refresh anything."""
    fd = a.open(f, R)
    holder = c.open(f, RW)
    c.lock(kind, holder, EX)
    replace(f, b"new", b)
    refused(errno.EAGAIN, a.lock, kind, fd, SH | NB)
    holds(a, fd, OLD)
    c.lock(kind, holder, UN)
    holds(a, fd, OLD)
    a.lock(kind, fd, SH | NB)
    holds(a, fd, b"new")
    a.close(fd)
    c.close(holder)


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted(module_mount, f, a, b, c, kind):
    """S1, S24: nor one that did not come."""
    fd, holder = a.open(f, R), b.open(f, RW)
    b.lock(kind, holder, EX)
    a.on_signal(10)
    a.start("lock", kind, fd, SH)
    wait_until_waiting(module_mount, a)
    c.spew(f, b"new")
    a.send(10)
    assert result_of(a) == errno.EINTR
    holds(a, fd, OLD)
    a.close(fd)


def test_another_file(place, f, a, b):
    """S1, S22: the lock of another path refreshes that one only."""
    (place / "g").write_bytes(OLD)
    fd, other = a.open(f, R), a.open(place / "g", R)
    for path in (f, place / "g"):
        replace(path, b"new", b)
    a.flock(other, SH)
    holds(a, other, b"new")
    holds(a, fd, OLD)
    a.close(fd)
    a.close(other)
