# SPDX-License-Identifier: MIT
"""What readers and writers see of each other before a version is published
(S1, S2, S4-S10)."""
import errno
import mmap
import os
import stat

import pytest

from harness.tools import run

OLD, NEW = b"old content\n" * 1000, b"N" * 5000
W, R = os.O_WRONLY, os.O_RDONLY


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_bytes(OLD)
    return path


def refused(error, call, *args, **kwargs):
    with pytest.raises(OSError) as e:
        call(*args, **kwargs)
    assert e.value.errno == error, e.value


# ---- reading -------------------------------------------------------------

@pytest.mark.parametrize("how", ["replace", "update", "truncate", "append",
                                 "rename", "unlink"])
def test_open_is_pinned(f, peer, how):
    """S1: a handle, its copies and its map read one version, whole."""
    fd = os.open(f, R)
    copy = os.dup(fd)
    area = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    late = os.open(f, R)
    assert os.read(fd, 5) == OLD[:5]
    if how == "replace":
        peer.spew(f, NEW)
    elif how == "update":
        other = peer.open(f, W)
        peer.pwrite(other, NEW, 0)
        peer.close(other)
    elif how == "truncate":
        peer.truncate(f, 3)
    elif how == "append":
        peer.spew(f, NEW, os.O_APPEND)
    elif how == "rename":
        peer.spew(f.with_name("g"), NEW)
        peer.rename(f.with_name("g"), f)
    else:
        peer.unlink(f)
    assert os.read(copy, 1 << 20) == OLD[5:]
    assert os.pread(fd, 1 << 20, 0) == OLD
    assert os.pread(late, 1 << 20, 0) == OLD, "read nothing before the commit"
    assert area[:] == OLD
    assert os.fstat(fd).st_size == len(OLD)
    assert os.lseek(fd, 0, os.SEEK_END) == len(OLD)
    if how != "unlink":
        assert f.read_bytes() == peer.slurp(f) != OLD
    area.close()
    for one in (fd, copy, late):
        os.close(one)


def test_many_versions_at_once(f, peer):
    """S1: every reader keeps the version of its own open."""
    fds = []
    for i in range(20):
        peer.spew(f, b"%d" % i * (i + 1) * 1000)
        fds.append(os.open(f, R))
    for i, fd in enumerate(fds):
        assert os.pread(fd, 1 << 20, 0) == b"%d" % i * (i + 1) * 1000
        os.close(fd)


@pytest.mark.parametrize("flags", [R, os.O_RDWR])
def test_map_outlives_its_descriptor(f, peer, flags):
    """S1: a private map of a closed descriptor keeps its version."""
    fd = os.open(f, flags)
    area = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    os.close(fd)
    peer.spew(f, NEW)
    assert area[:] == OLD
    assert peer.slurp(f) == NEW
    area.close()


def test_closed_means_current(f, peer):
    """S2: after close, open, stat, readdir and rename by others are at the new
    version."""
    for i in range(200):
        data = b"%d" % i * (1 + i % 7)
        peer.spew(f, data)
        assert os.stat(f).st_size == len(data)
        assert f.read_bytes() == data
        new = f.with_name(f"new{i}")
        peer.spew(new, data)
        assert new.name in os.listdir(f.parent)
        os.rename(new, f.with_name("moved"))
        assert peer.slurp(f.with_name("moved")) == data


# ---- replacements and updates --------------------------------------------

def test_replacements_do_not_mix(f, peer):
    """S4: two replacements at once, of two processes; the last one stands."""
    mine = os.open(f, W | os.O_TRUNC)
    theirs = peer.open(f, W | os.O_TRUNC)
    for i in range(10):
        os.write(mine, b"m" * 100)
        peer.write(theirs, b"t" * 77)
    assert os.fstat(mine).st_size == 1000
    assert peer.fstat(theirs).st_size == 770
    os.close(mine)
    assert f.read_bytes() == b"m" * 1000
    peer.close(theirs)
    assert f.read_bytes() == b"t" * 770


def test_replacements_in_one_process(f):
    """S4: nor do they mix within one process."""
    a = os.open(f, W | os.O_TRUNC)
    os.write(a, b"a" * 100)
    b = os.open(f, W | os.O_TRUNC)
    os.write(b, b"b" * 30)
    os.write(a, b"A" * 100)
    assert os.fstat(a).st_size == 200
    os.close(b)
    assert f.read_bytes() in (b"b" * 30, b"a" * 100 + b"A" * 100)
    os.close(a)
    assert f.read_bytes() == b"a" * 100 + b"A" * 100


def test_replacements_of_a_new_name(place, peer):
    """S4: O_CREAT|O_TRUNC of a name that is being made replaces, not joins."""
    f = place / "new"
    mine = os.open(f, W | os.O_TRUNC | os.O_CREAT)
    theirs = peer.open(f, W | os.O_TRUNC | os.O_CREAT)
    os.write(mine, b"mine")
    peer.write(theirs, b"theirs, longer")
    peer.close(theirs)
    assert peer.slurp(f) == b"theirs, longer"
    os.close(mine)
    assert f.read_bytes() == peer.slurp(f) == b"mine"


def test_updaters_share(f, peer):
    """S5: updaters see each other's bytes, and one shadow is published."""
    mine = os.open(f, os.O_RDWR)
    theirs = peer.open(f, os.O_RDWR)
    os.pwrite(mine, b"MINE", 0)
    peer.pwrite(theirs, b"THEIRS", 100)
    assert peer.pread(theirs, 4, 0) == b"MINE"
    assert os.pread(mine, 6, 100) == b"THEIRS"
    os.close(mine)
    peer.close(theirs)
    want = bytearray(OLD)
    want[0:4], want[100:106] = b"MINE", b"THEIRS"
    assert f.read_bytes() == want


def test_update_starts_with_content(f):
    """S5: an update begins with the current content."""
    fd = os.open(f, os.O_RDWR)
    assert os.pread(fd, 1 << 20, 0) == OLD
    os.pwrite(fd, b"X", 1)
    assert os.pread(fd, 1 << 20, 0) == OLD[:1] + b"X" + OLD[2:]
    os.close(fd)
    assert f.read_bytes() == OLD[:1] + b"X" + OLD[2:]


# ---- who sees what -------------------------------------------------------

def test_others_see_the_old_one(f, peer):
    """S6: content, size, times and mode of others stay until publish."""
    before = peer.stat(f)
    fd = os.open(f, W | os.O_TRUNC)
    os.write(fd, NEW)
    os.fchmod(fd, 0o600)
    os.utime(fd, (5, 5))
    now = peer.stat(f)
    for field in ("st_size", "st_mtime_ns", "st_mode", "st_ino"):
        assert getattr(now, field) == getattr(before, field), field
    assert peer.slurp(f) == OLD
    os.close(fd)
    now = peer.stat(f)
    assert peer.slurp(f) == NEW
    assert now.st_size == len(NEW)
    assert stat.S_IMODE(now.st_mode) == 0o600
    assert now.st_mtime_ns == 5 * 10**9


def test_own_writes_are_read(f, peer):
    """S6: the writer sees its newest shadow by path, in any thread."""
    fd = peer.open(f, W | os.O_TRUNC)
    peer.write(fd, b"abc")
    assert peer.slurp(f) == b"abc"
    assert peer.stat(f).st_size == 3
    assert peer.in_thread("slurp", f) == b"abc"
    peer.write(fd, b"def")
    assert peer.slurp(f) == b"abcdef"
    assert peer.stat(f).st_size == 6
    assert f.read_bytes() == OLD
    peer.close(fd)
    assert f.read_bytes() == b"abcdef"


def test_child_sees_by_descriptor_only(f, peer):
    """S6: a child has the shadow by descriptor, the current one by path."""
    fd = peer.open(f, os.O_RDWR)
    peer.pwrite(fd, b"SHADOW", 0)
    assert peer.fork_and("slurp", f) == OLD
    assert peer.fork_and("pread", fd, 6, 0) == b"SHADOW"
    peer.close(fd)
    assert peer.slurp(f)[:6] == b"SHADOW"


def test_new_file_is_invisible(place, peer):
    """S7: not in lookup, nor in readdir, but for its writer."""
    f = place / "new"
    fd = os.open(f, W | os.O_CREAT, 0o640)
    os.write(fd, b"abc")
    refused(errno.ENOENT, peer.stat, f)
    refused(errno.ENOENT, peer.open, f, R)
    refused(errno.ENOENT, peer.open, f, W)
    refused(errno.ENOENT, peer.open, f, W | os.O_TRUNC)
    refused(errno.ENOENT, peer.unlink, f)
    assert "new" not in peer.listdir(place)
    assert os.stat(f).st_size == 3
    os.close(fd)
    assert peer.slurp(f) == b"abc"
    assert "new" in peer.listdir(place)
    assert stat.S_IMODE(peer.stat(f).st_mode) == 0o640


def test_name_is_taken(place, peer):
    """S7: EEXIST for whoever would make something else of that name."""
    f = place / "new"
    (place / "other").write_bytes(b"o")
    fd = os.open(f, W | os.O_CREAT)
    os.write(fd, b"abc")
    taken = errno.EEXIST
    refused(taken, peer.open, f, W | os.O_CREAT | os.O_EXCL)
    refused(taken, peer.mkdir, f)
    refused(taken, peer.link, place / "other", f)
    refused(taken, peer.symlink, "x", f)
    refused(taken, peer.mknod, f, stat.S_IFIFO | 0o600)
    refused(taken, peer.mknod, f, stat.S_IFREG | 0o600)
    os.close(fd)
    assert f.read_bytes() == b"abc"


def test_name_is_free_after_nothing_came(place, peer):
    """S7: a name whose file was unlinked before its close is free again."""
    f = place / "new"
    fd = os.open(f, W | os.O_CREAT)
    os.unlink(f)
    peer.spew(f, b"theirs", os.O_CREAT | os.O_EXCL)
    os.write(fd, b"lost")
    os.close(fd)
    assert f.read_bytes() == b"theirs"


def test_creators_join(place, peer):
    """S7: another's O_CREAT joins the unpublished file."""
    f = place / "new"
    mine = os.open(f, os.O_RDWR | os.O_CREAT)
    os.pwrite(mine, b"abc", 0)
    theirs = peer.open(f, os.O_RDWR | os.O_CREAT)
    assert peer.pread(theirs, 9, 0) == b"abc"
    peer.pwrite(theirs, b"def", 3)
    os.close(mine)
    peer.close(theirs)
    assert f.read_bytes() == b"abcdef"


def test_created_for_reading_is_there(place, peer):
    """S7: O_RDONLY|O_CREAT publishes an empty file at once."""
    f = place / "new"
    fd = os.open(f, R | os.O_CREAT, 0o600)
    assert peer.stat(f).st_size == 0
    assert peer.listdir(place) == ["new"]
    peer.spew(f, b"abc")
    assert os.read(fd, 9) == b""
    os.close(fd)


def test_truncate_by_path(f, peer):
    """S8: truncate(2) by path is a transaction of its own."""
    reader = os.open(f, R)
    os.truncate(f, 10)
    assert peer.slurp(f) == OLD[:10]
    os.truncate(f, 20)
    assert peer.slurp(f) == OLD[:10] + bytes(10)
    assert os.pread(reader, 1 << 20, 0) == OLD
    os.close(reader)


def test_truncate_while_others_write(f, peer):
    """S6, S8: no ESTALE from truncate, stat, open under others' shadows."""
    fd = peer.open(f, W | os.O_TRUNC)
    peer.write(fd, NEW)
    for size in (7, 9, 3):
        os.truncate(f, size)
        assert os.stat(f).st_size == size
        os.close(os.open(f, R))
    peer.close(fd)
    assert f.read_bytes() == NEW


@pytest.mark.parametrize("flags", [W, os.O_RDWR, W | os.O_APPEND,
                                   W | os.O_CREAT])
def test_nothing_changed_nothing_published(f, peer, flags):
    """S9: the same inode, the same times."""
    before = peer.stat(f)
    fd = os.open(f, flags)
    os.close(fd)
    after = peer.stat(f)
    for field in ("st_ino", "st_mtime_ns", "st_ctime_ns", "st_size"):
        assert getattr(after, field) == getattr(before, field), field


def test_nothing_changed_in_shell(f):
    """S9: >> of a command that says nothing."""
    before = os.stat(f)
    run(["sh", "-c", ": >> f"], f.parent)
    after = os.stat(f)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino,
                                                 before.st_mtime_ns)


# ---- every call ----------------------------------------------------------

def keep_size(fd, want):
    os.posix_fallocate(fd, 0, len(OLD))


def grow(fd, want):
    os.posix_fallocate(fd, len(OLD), 1000)
    want += bytes(1000)


def pwrite(fd, want):
    os.pwrite(fd, b"12345", 7)
    want[7:12] = b"12345"


def shrink(fd, want):
    os.ftruncate(fd, 5)
    del want[5:]


def hole(fd, want):
    os.pwrite(fd, b"end", 1 << 20)
    want += bytes((1 << 20) - len(want)) + b"end"


def writev(fd, want):
    os.lseek(fd, 0, os.SEEK_SET)
    os.writev(fd, [b"ab", b"cd"])
    want[:4] = b"abcd"


def copy_range(fd, want):
    os.copy_file_range(fd, fd, 100, 0, len(OLD))
    want += want[:100]


def shared_map(fd, want):
    with mmap.mmap(fd, 0) as area:
        area[3:6] = b"map"
        area[4000:4003] = b"map"
    want[3:6] = want[4000:4003] = b"map"


CALLS = [keep_size, grow, pwrite, shrink, hole, writev, copy_range,
         shared_map]


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c.__name__)
def test_calls_on_a_shadow(f, peer, call):
    """S10: each call changes the shadow only, and is published by close."""
    want = bytearray(OLD)
    fd = os.open(f, os.O_RDWR)
    call(fd, want)
    assert os.pread(fd, 2 << 20, 0) == want
    assert peer.slurp(f) == OLD
    os.close(fd)
    assert peer.slurp(f) == want
    assert os.stat(f).st_size == len(want)


def test_append_on_a_shadow(f, peer):
    """S10: O_APPEND writes at the end of the shadow."""
    fd = os.open(f, W | os.O_APPEND)
    os.write(fd, b"one")
    os.write(fd, b"two")
    assert peer.slurp(f) == OLD
    os.close(fd)
    assert peer.slurp(f) == OLD + b"onetwo"


def test_metadata_on_a_shadow(f, peer):
    """S10: fchmod, fchown, futimens and fsetxattr come with the content."""
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"new")
    os.fchmod(fd, 0o604)
    if os.getuid() == 0:
        os.fchown(fd, 12, 34)
    os.setxattr(fd, "user.a", b"value")
    os.utime(fd, ns=(10**9 + 1, 2 * 10**9 + 2))
    os.close(fd)
    st = peer.stat(f)
    assert stat.S_IMODE(st.st_mode) == 0o604
    if os.getuid() == 0:
        assert (st.st_uid, st.st_gid) == (12, 34)
    assert st.st_mtime_ns == 2 * 10**9 + 2
    assert peer.getxattr(f, "user.a") == b"value"


def link_descriptor(fd, path):
    # With a src_dir_fd, Python calls linkat with AT_SYMLINK_FOLLOW.
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd)


def test_tmpfile_and_link(place, peer):
    """S10: O_TMPFILE and linkat."""
    fd = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"abc")
    assert peer.listdir(place) == []
    link_descriptor(fd, place / "f")
    assert peer.slurp(place / "f") == b"abc"
    os.close(fd)
    assert peer.slurp(place / "f") == b"abc"
    assert stat.S_IMODE(os.stat(place / "f").st_mode) == 0o640


def test_tmpfile_without_name(place):
    """S10: an O_TMPFILE that gets no name is gone."""
    fd = os.open(place, os.O_TMPFILE | os.O_RDWR)
    os.write(fd, b"abc")
    os.close(fd)
    assert os.listdir(place) == []


def test_map_write_moves_times(f, peer):
    """S10: mtime and ctime move after a write through a map."""
    os.utime(f, ns=(10**9, 10**9))
    before = peer.stat(f)
    fd = os.open(f, os.O_RDWR)
    with mmap.mmap(fd, 0) as area:
        area[0:3] = b"map"
        area.flush()
    os.close(fd)
    after = peer.stat(f)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns
