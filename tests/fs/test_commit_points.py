# SPDX-License-Identifier: MIT
"""More of when a version is published, and when it is not: opens that change
nothing (S9), fsync (S13), names that move while they are open (S15), the
ioctls (S16), conflicts and appends (S20)."""
import errno
import fcntl
import mmap
import os
import struct

import pytest

from harness.tools import (IOC_ABORT, IOC_ABORT_NAME, IOC_COMMIT,
                           IOC_COMMIT_NAME)

W, R = os.O_WRONLY, os.O_RDONLY
REPLACE, APPEND = W | os.O_TRUNC, W | os.O_APPEND
MIB = 1 << 20
OLD = b"old content"


@pytest.fixture
def f(mount):
    path = mount / "f"
    path.write_bytes(OLD)
    return path


def refused(error, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == error, e.value


def identity(path):
    st = os.stat(path)
    return st.st_ino, st.st_mtime_ns, st.st_ctime_ns, st.st_size


# ---- nothing changed -----------------------------------------------------

def look_only(fd):
    assert os.read(fd, 99) == OLD


def map_only(fd):
    with mmap.mmap(fd, 0) as area:
        assert area[:] == OLD


def sync_only(fd):
    os.fsync(fd)
    os.fdatasync(fd)


def commit_only(fd):
    fcntl.ioctl(fd, IOC_COMMIT)


def lock_only(fd):
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.flock(fd, fcntl.LOCK_UN)


def write_nothing(fd):
    assert os.write(fd, b"") == 0


def move_only(fd):
    assert os.lseek(fd, 5, os.SEEK_END) == len(OLD) + 5


@pytest.mark.parametrize("call", [look_only, map_only, sync_only, commit_only,
                                  lock_only, write_nothing, move_only],
                         ids=lambda c: c.__name__)
def test_nothing_is_changed(mount, f, peer, call):
    """S9: what a program does that changes nothing publishes nothing."""
    before = identity(f), mount.status()["transactions"]["commits"]
    for _ in range(5):
        fd = os.open(f, os.O_RDWR)
        call(fd)
        os.close(fd)
    mount.settle()
    assert (identity(f), mount.status()["transactions"]["commits"]) == before
    assert peer.slurp(f) == OLD
    assert peer.stat(f).st_ino == before[0][0]


def test_one_of_two_changes_nothing(f, peer):
    """S5, S9: of two updaters one writes: its bytes are published, whoever
    closes last."""
    for last in ("mine", "theirs"):
        mine = os.open(f, os.O_RDWR)
        theirs = peer.open(f, os.O_RDWR)
        os.pwrite(mine, last.encode(), 0)
        if last == "mine":
            peer.close(theirs)
            os.close(mine)
        else:
            os.close(mine)
            peer.close(theirs)
        assert peer.slurp(f) == f.read_bytes() == (
            last.encode() + OLD[len(last):])
        f.write_bytes(OLD)


# ---- fsync ---------------------------------------------------------------

@pytest.mark.parametrize("how", ["fsync", "fdatasync"])
def test_each_fsync_is_a_version(mount, f, peer, how):
    """S1, S13: version after version by one descriptor; each reader has that
    of its open; a sync without a change makes none."""
    fd = os.open(f, REPLACE)
    readers = []
    for i in range(10):
        os.write(fd, b"%d" % i)
        getattr(os, how)(fd)
        before = mount.status()["transactions"]["commits"]
        getattr(os, how)(fd)
        assert mount.status()["transactions"]["commits"] == before
        assert peer.slurp(f) == b"0123456789"[:i + 1]
        readers.append(peer.open(f, R))
    os.pwrite(fd, b"X", 0)
    os.close(fd)
    for i, one in enumerate(readers):
        assert peer.pread(one, 99, 0) == b"0123456789"[:i + 1]
        peer.close(one)
    assert peer.slurp(f) == b"X123456789"


def test_fsync_by_another_updater(f, peer):
    """S5, S13: fsync publishes what all who share the shadow have written."""
    mine = os.open(f, os.O_RDWR)
    theirs = peer.open(f, os.O_RDWR)
    os.pwrite(mine, b"MINE", 0)
    peer.fsync(theirs)
    with open(f, "rb") as published:
        assert published.read() == b"MINE" + OLD[4:]
    peer.pwrite(theirs, b"THEIRS", 0)
    os.close(mine)
    peer.close(theirs)
    assert f.read_bytes() == peer.slurp(f) == b"THEIRS" + OLD[6:]


def test_fsync_by_a_child(f, peer):
    """S13: of an inherited descriptor."""
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"of the parent")
    peer.fork_and("fsync", fd)
    assert f.read_bytes() == b"of the parent"
    peer.close(fd)
    assert f.read_bytes() == b"of the parent"


@pytest.mark.parametrize("mib, visible", [(64, True), (65, False)])
@pytest.mark.parametrize("how", ["new", "replace", "update"])
def test_fsync_of_large_files(mount, peer, how, mib, visible):
    """S13: visible at once up to 64 MiB, above that at close only."""
    path = mount / "large"
    flags = {"new": os.O_CREAT | os.O_EXCL, "replace": os.O_TRUNC, "update": 0}
    if how != "new":
        path.write_bytes(OLD)
    fd = os.open(path, os.O_RDWR | flags[how])
    os.posix_fallocate(fd, 0, mib * MIB)
    os.pwrite(fd, b"end", mib * MIB - 3)
    os.fsync(fd)
    if visible:
        assert peer.stat(path).st_size == mib * MIB
    elif how == "new":
        assert peer.listdir(mount.mnt) == []
    else:
        assert peer.slurp(path) == OLD
    os.close(fd)
    assert peer.stat(path).st_size == mib * MIB
    reader = peer.open(path, R)
    assert peer.pread(reader, 9, mib * MIB - 3) == b"end"
    peer.close(reader)


# ---- names that move -----------------------------------------------------

def test_renamed_twice(mount, peer):
    """S15: from name to name, into another directory, over a file: published
    under the last one."""
    (mount / "d").mkdir()
    (mount / "d/final").write_bytes(OLD)
    reader = peer.open(mount / "d/final", R)
    fd = os.open(mount / "a", W | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"1")
    for i, (old, new) in enumerate([("a", "b"), ("b", "d/c"),
                                    ("d/c", "d/final")]):
        os.rename(mount / old, mount / new)
        os.write(fd, b"%d" % (i + 2))
        assert (mount / new).read_bytes() == b"1234"[:i + 2]
        assert peer.slurp(mount / "d/final") == OLD
        assert peer.listdir(mount.mnt) == ["d"]
    os.close(fd)
    assert peer.slurp(mount / "d/final") == b"1234"
    assert peer.listdir(mount / "d") == ["final"]
    assert peer.pread(reader, 99, 0) == OLD
    peer.close(reader)


def test_rename_is_refused(mount, f, peer):
    """S15: a rename that fails leaves the shadow where it is."""
    (mount / "dir").mkdir()
    (mount / "dir/in").touch()
    fd = os.open(f, REPLACE)
    os.write(fd, b"new")
    refused(errno.EISDIR, os.rename, f, mount / "dir")
    refused(errno.ENOENT, os.rename, f, mount / "nowhere/f")
    refused(errno.ENOTDIR, os.rename, f, mount / "dir/in/f")
    os.close(fd)
    assert peer.slurp(f) == b"new"
    assert sorted(peer.listdir(mount.mnt)) == ["dir", "f"]


def test_written_after_rename(mount, f, peer):
    """S13, S15: the careful way, with a descriptor that is closed last: what
    is synced before the rename is there after it."""
    fd = os.open(mount / "tmp", W | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"new")
    os.fsync(fd)
    os.rename(mount / "tmp", f)
    assert peer.slurp(f) in (OLD, b"new")
    assert peer.listdir(mount.mnt) == ["f"]
    os.close(fd)
    assert peer.slurp(f) == b"new"


def test_old_name_is_free(mount, f, peer):
    """S7, S15: the name that an open file had is free for others."""
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"NEW")
    os.rename(f, mount / "g")
    peer.spew(f, b"of another", os.O_CREAT | os.O_EXCL)
    os.close(fd)
    assert peer.slurp(f) == f.read_bytes() == b"of another"
    assert peer.slurp(mount / "g") == b"NEW" + OLD[3:]


def test_link_of_an_update(mount, f, peer):
    """S15: link publishes what is written so far, and both names get what is
    written later."""
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"NEW")
    os.link(f, mount / "g")
    assert peer.slurp(mount / "g") == b"NEW" + OLD[3:]
    os.write(fd, b"ER")
    os.close(fd)
    assert peer.slurp(f) == peer.slurp(mount / "g") == b"NEWER" + OLD[5:]
    assert peer.stat(f).st_ino == peer.stat(mount / "g").st_ino
    assert peer.stat(f).st_nlink == 2


def test_unlinked_and_made_again(mount, f, peer):
    """S15: a file of the same name, made after the unlink, is another."""
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"lost")
    os.unlink(f)
    f.write_bytes(b"the next")
    os.write(fd, b"lost, too")
    os.fsync(fd)
    assert peer.slurp(f) == b"the next"
    assert os.pread(fd, 4, 0) == b"lost"
    os.close(fd)
    assert peer.slurp(f) == f.read_bytes() == b"the next"


def test_unlinked_by_another(mount, f, peer):
    """S15: so it is when another process unlinks it."""
    mount.allow_log("rolled back 'f'.*orphaned")
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"lost")
    peer.unlink(f)
    assert os.pread(fd, 99, 0) == b"lost" + OLD[4:]
    try:
        os.close(fd)
    except OSError as e:
        assert e.errno == errno.ESTALE
    mount.settle()
    assert peer.listdir(mount.mnt) == os.listdir(mount.mnt) == []


# ---- ioctls --------------------------------------------------------------

def by_name(name):
    return struct.pack("256s", os.fsencode(name))


@pytest.fixture
def top(mount):
    fd = os.open(mount.mnt, R | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_commit_update_and_new(mount, f, peer):
    """S16: commit of an update, of a new file, and by a copy of the
    descriptor in a child."""
    fd = peer.open(f, os.O_RDWR)
    peer.pwrite(fd, b"NEW", 0)
    peer.ioctl(fd, IOC_COMMIT)
    assert f.read_bytes() == b"NEW" + OLD[3:]
    peer.pwrite(fd, b"child", 0)
    peer.fork_and("ioctl", fd, IOC_COMMIT)
    assert f.read_bytes() == b"child" + OLD[5:]
    peer.close(fd)
    fd = peer.open(mount / "new", W | os.O_CREAT | os.O_EXCL)
    peer.write(fd, b"one")
    peer.ioctl(fd, IOC_COMMIT)
    assert (mount / "new").read_bytes() == b"one"
    peer.write(fd, b" two")
    assert (mount / "new").read_bytes() == b"one"
    peer.close(fd)
    assert (mount / "new").read_bytes() == b"one two"


def test_commit_reports_a_conflict(mount, f, peer):
    """S16, S20: commit says ESTALE where close would."""
    mount.expect_log("ESTALE")
    fd = peer.open(f, os.O_RDWR)
    peer.pwrite(fd, b"UPDATE", 0)
    f.write_bytes(b"replaced")
    refused(errno.ESTALE, peer.ioctl, fd, IOC_COMMIT)
    assert f.read_bytes() == b"replaced"
    with pytest.raises(OSError):
        peer.close(fd)
    assert f.read_bytes() == peer.slurp(f) == b"replaced"


def test_abort_and_write_again(mount, f, peer):
    """S16: after an abort the next open begins with the current version."""
    mount.expect_log("rolled back 'f'.*aborted")
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"ABORTED")
    fcntl.ioctl(fd, IOC_ABORT)
    again = os.open(f, os.O_RDWR)
    assert os.pread(again, 99, 0) == OLD
    os.write(again, b"AGAIN")
    os.close(again)
    assert peer.slurp(f) == b"AGAIN" + OLD[5:]
    os.close(fd)
    assert peer.slurp(f) == f.read_bytes() == b"AGAIN" + OLD[5:]


def test_abort_of_a_new_file(mount, peer):
    """S7, S16: its name is free again."""
    mount.expect_log("rolled back 'new'.*aborted")
    fd = os.open(mount / "new", W | os.O_CREAT)
    os.write(fd, b"aborted")
    fcntl.ioctl(fd, IOC_ABORT)
    os.close(fd)
    mount.settle()
    assert os.listdir(mount.mnt) == peer.listdir(mount.mnt) == []
    peer.spew(mount / "new", b"theirs", os.O_CREAT | os.O_EXCL)
    assert (mount / "new").read_bytes() == b"theirs"


def test_abort_of_a_shared_update(mount, f, peer):
    """S5, S16: who shares the shadow shares its end."""
    mount.expect_log("rolled back 'f'.*aborted")
    mine = os.open(f, os.O_RDWR)
    theirs = peer.open(f, os.O_RDWR)
    peer.pwrite(theirs, b"THEIRS", 0)
    fcntl.ioctl(mine, IOC_ABORT)
    os.close(mine)
    try:
        peer.close(theirs)
    except OSError:
        pass  # it may be told
    assert f.read_bytes() == peer.slurp(f) == OLD
    assert [i["data"] for i in mount.quarantine()] == [b"THEIRS" + OLD[6:]]


@pytest.mark.parametrize("name", ["plain", "n" * 255, "\udcff\udcfe", "a\nb"])
def test_by_any_name(mount, peer, top, name):
    """S16, S27: commit and abort by name, whatever bytes it has."""
    mount.expect_log("rolled back .*aborted")
    path = mount / name
    path.write_bytes(OLD)
    fd = peer.open(path, REPLACE)
    peer.write(fd, b"one")
    fcntl.ioctl(top, IOC_COMMIT_NAME, by_name(name))
    assert path.read_bytes() == b"one"
    peer.write(fd, b"two")
    fcntl.ioctl(top, IOC_ABORT_NAME, by_name(name))
    peer.close(fd)
    assert path.read_bytes() == peer.slurp(path) == b"one"


def test_by_name_of_new_files(mount, peer, top):
    """S7, S16: of files that nobody else sees."""
    mount.expect_log("rolled back 'b'.*aborted")
    a = peer.open(mount / "a", W | os.O_CREAT)
    b = peer.open(mount / "b", W | os.O_CREAT)
    peer.write(a, b"of a")
    peer.write(b, b"of b")
    fcntl.ioctl(top, IOC_COMMIT_NAME, by_name("a"))
    fcntl.ioctl(top, IOC_ABORT_NAME, by_name("b"))
    assert os.listdir(mount.mnt) == ["a"]
    peer.close(a)
    peer.close(b)
    mount.settle()
    assert os.listdir(mount.mnt) == ["a"]
    assert (mount / "a").read_bytes() == b"of a"


def test_by_a_wrong_name(mount, f, top):
    """S16: ENOENT for what nobody writes; a name without an end is refused.
    """
    for name in ("f", "missing", "", ".", "..", ".atomicfs"):
        for request in (IOC_COMMIT_NAME, IOC_ABORT_NAME):
            refused(errno.ENOENT, fcntl.ioctl, top, request, by_name(name))
    with pytest.raises(OSError) as e:
        fcntl.ioctl(top, IOC_COMMIT_NAME, b"x" * 256)
    assert e.value.errno in (errno.EINVAL, errno.ENAMETOOLONG, errno.ENOENT)
    assert f.read_bytes() == OLD


# ---- conflicts -----------------------------------------------------------

def test_after_a_conflict(mount, f, peer):
    """S20: the next update begins with what is there, and is published."""
    mount.expect_log("ESTALE")
    fd = peer.open(f, os.O_RDWR)
    peer.pwrite(fd, b"UPDATE", 0)
    f.write_bytes(b"replaced by another")
    refused(errno.ESTALE, peer.close, fd)
    fd = peer.open(f, os.O_RDWR)
    assert peer.pread(fd, 99, 0) == b"replaced by another"
    peer.pwrite(fd, b"UPDATE", 0)
    peer.close(fd)
    assert f.read_bytes() == b"UPDATE" + b"replaced by another"[6:]


def test_conflict_of_two_updaters(mount, f, make_peer):
    """S5, S20: both have their bytes in one shadow, which is kept aside."""
    mount.expect_log("ESTALE")
    a, b = make_peer(), make_peer()
    of_a, of_b = a.open(f, os.O_RDWR), b.open(f, os.O_RDWR)
    a.pwrite(of_a, b"A", 0)
    b.pwrite(of_b, b"B", 1)
    f.write_bytes(b"replaced")
    told = []
    for one, fd in ((a, of_a), (b, of_b)):
        try:
            one.close(fd)
        except OSError as e:
            told.append(e.errno)
    assert told and set(told) == {errno.ESTALE}
    assert f.read_bytes() == b"replaced"
    items = mount.quarantine()
    assert [(i["reason"], i["data"]) for i in items] == [
        ("conflict", b"AB" + OLD[2:])]


def test_replacements_do_not_conflict(mount, f, peer):
    """S4, S20: a replacement needs nothing of what it replaces."""
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"theirs")
    f.write_bytes(b"mine")
    peer.close(fd)
    assert f.read_bytes() == b"theirs"
    assert mount.status()["transactions"]["conflicts"] == 0


@pytest.mark.mount_options("conflict=last")
def test_no_check_at_fsync(f, peer):
    """S20: conflict=last: fsync publishes the update, too."""
    fd = peer.open(f, os.O_RDWR)
    peer.pwrite(fd, b"UPDATE", 0)
    f.write_bytes(b"replaced")
    peer.fsync(fd)
    assert f.read_bytes() == b"UPDATE" + OLD[6:]
    peer.close(fd)
    assert f.read_bytes() == b"UPDATE" + OLD[6:]


REPLACEMENTS = {"empty": b"", "shorter": b"new", "same": OLD[::-1],
                "longer": b"longer than it was\n" * 1000}


@pytest.mark.parametrize("what", list(REPLACEMENTS))
@pytest.mark.parametrize("size", [1, 200_000])
def test_appends_follow(mount, f, peer, what, size):
    """S20: appends are applied to the version that is there at close, of
    whatever size, be it the second since they were written."""
    fd = peer.open(f, APPEND)
    peer.write(fd, b"[")
    f.write_bytes(b"the first replacement")
    peer.write(fd, b"x" * size)
    f.write_bytes(REPLACEMENTS[what])
    peer.write(fd, b"]")
    peer.close(fd)
    want = REPLACEMENTS[what] + b"[" + b"x" * size + b"]"
    assert f.read_bytes() == peer.slurp(f) == want
    assert mount.status()["transactions"]["conflicts"] == 0
    assert mount.quarantine() == []


@pytest.mark.mount_options("conflict=last")
def test_appends_follow_without_check(f, peer):
    """S20: conflict=last does not make appends undo what they follow."""
    fd = peer.open(f, APPEND)
    peer.write(fd, b" and more")
    f.write_bytes(b"replaced")
    peer.close(fd)
    assert f.read_bytes() == b"replaced and more"


def test_appends_follow_at_fsync(f, peer):
    """S13, S20: fsync publishes appends behind the new version, once."""
    fd = peer.open(f, APPEND)
    peer.write(fd, b" one")
    f.write_bytes(b"replaced")
    peer.fsync(fd)
    assert f.read_bytes() == b"replaced one"
    peer.write(fd, b" two")
    peer.close(fd)
    assert f.read_bytes() == b"replaced one two"


def test_two_appenders_follow(f, make_peer):
    """S5, S20: what both have appended, in its order."""
    a, b = make_peer(), make_peer()
    of_a, of_b = a.open(f, APPEND), b.open(f, APPEND)
    for _ in range(3):
        a.write(of_a, b"a")
        b.write(of_b, b"b")
    f.write_bytes(b"replaced ")
    a.close(of_a)
    b.close(of_b)
    assert f.read_bytes() == b"replaced ababab"


def test_no_pure_append(mount, f, peer):
    """S20: who appends and truncates does not only append."""
    mount.expect_log("ESTALE")
    fd = peer.open(f, APPEND)
    peer.write(fd, b" more")
    peer.ftruncate(fd, 3)
    f.write_bytes(b"replaced")
    refused(errno.ESTALE, peer.close, fd)
    assert f.read_bytes() == b"replaced"


def test_append_and_update_together(mount, f, make_peer):
    """S5, S20: nor is it one when somebody else writes to the shadow."""
    mount.expect_log("ESTALE")
    a, b = make_peer(), make_peer()
    of_a, of_b = a.open(f, APPEND), b.open(f, os.O_RDWR)
    a.write(of_a, b" more")
    b.pwrite(of_b, b"UPDATE", 0)
    f.write_bytes(b"replaced")
    told = []
    for one, fd in ((a, of_a), (b, of_b)):
        try:
            one.close(fd)
        except OSError as e:
            told.append(e.errno)
    assert told and set(told) == {errno.ESTALE}
    assert f.read_bytes() == b"replaced"
