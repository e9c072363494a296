# SPDX-License-Identifier: MIT
"""Files with more than one name (S17): a publish goes to all of them, and to
the same inode."""
import errno
import fcntl
import mmap
import os
import signal
import stat
import subprocess
import sys

import pytest

from harness.tools import IOC_ABORT, IOC_COMMIT

W, R = os.O_WRONLY, os.O_RDONLY
MIB = 1 << 20
OLD = b"old content\n" * 50_000
NAMES = ("a", "b", "dir/c")


def refused(error, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == error, e.value


class Linked:
    """One file with three names."""

    def __init__(self, mount):
        self.mount, self.top = mount, mount.mnt
        (mount.src / "dir").mkdir()
        (mount.src / "a").write_bytes(OLD)
        for name in NAMES[1:]:
            os.link(mount.src / "a", mount.src / name)
        self.paths = [self.top / name for name in NAMES]
        self.inode = os.stat(mount.src / "a").st_ino

    def check(self, data, *processes):
        """Every name has @data, here, in other processes and in the source,
        and all are names of the same inode as ever."""
        for path in self.paths:
            assert path.read_bytes() == data
            for one in processes:
                assert one.slurp(path) == data
                self.check_stat(one.stat(path), len(data))
            self.check_stat(os.stat(path), len(data))
        for name in NAMES:
            assert (self.mount.src / name).read_bytes() == data
            self.check_stat(os.stat(self.mount.src / name), len(data))

    def check_stat(self, st, size):
        assert (st.st_ino, st.st_nlink, st.st_size) == (
            self.inode, len(NAMES), size)


@pytest.fixture
def linked(mount):
    return Linked(mount)


def replace(path):
    path.write_bytes(b"NEW")
    return b"NEW"


def grow(path):
    path.write_bytes(b"larger\n" * 200_000)
    return b"larger\n" * 200_000


def empty(path):
    path.write_bytes(b"")
    return b""


def update(path):
    fd = os.open(path, os.O_RDWR)
    os.pwrite(fd, b"NEW", 300_000)
    os.close(fd)
    return OLD[:300_000] + b"NEW" + OLD[300_003:]


def append(path):
    fd = os.open(path, W | os.O_APPEND)
    os.write(fd, b"more")
    os.close(fd)
    return OLD + b"more"


def truncate(path):
    os.truncate(path, 7)
    return OLD[:7]


def extend(path):
    os.truncate(path, 2 * MIB)
    return OLD + bytes(2 * MIB - len(OLD))


def hole(path):
    fd = os.open(path, W | os.O_TRUNC)
    os.pwrite(fd, b"begin", 0)
    os.pwrite(fd, b"end", 3 * MIB)
    os.close(fd)
    return b"begin" + bytes(3 * MIB - 5) + b"end"


def mapped(path):
    fd = os.open(path, os.O_RDWR)
    with mmap.mmap(fd, 0) as area:
        area[5000:5003] = b"MAP"
    os.close(fd)
    return OLD[:5000] + b"MAP" + OLD[5003:]


def synced(path):
    fd = os.open(path, W | os.O_TRUNC)
    os.write(fd, b"one")
    os.fsync(fd)
    os.write(fd, b"two")
    os.close(fd)
    return b"onetwo"


def shell(path):
    subprocess.run(["sh", "-ec", '{ echo one; echo two; } > "$1"', "sh", path],
                   check=True)
    return b"one\ntwo\n"


WAYS = [replace, grow, empty, update, append, truncate, extend, hole, mapped,
        synced, shell]


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
def test_publish(linked, peer, way):
    """S2, S17: whichever call, by each name in turn: all names have the new
    content at once, and inode and count of links are as before."""
    linked.check(OLD, peer)
    for path in linked.paths:
        want = way(path)
        linked.check(want, peer)
        linked.paths[0].write_bytes(OLD)
        linked.check(OLD, peer)


def test_invisible_until_published(linked, peer):
    """S6, S17: others see the old content under every name, the writer its
    own under the name that it opened."""
    fd = peer.open(linked.paths[1], W | os.O_TRUNC)
    peer.write(fd, b"half")
    linked.check(OLD)
    assert peer.slurp(linked.paths[1]) == b"half"
    peer.close(fd)
    linked.check(b"half", peer)


def test_updaters_by_different_names(linked, peer):
    """S5, S17: who updates the file by different names shares one shadow."""
    mine = os.open(linked.paths[0], os.O_RDWR)
    theirs = peer.open(linked.paths[2], os.O_RDWR)
    os.pwrite(mine, b"MINE", 0)
    peer.pwrite(theirs, b"THEIRS", 100)
    assert peer.pread(theirs, 4, 0) == b"MINE"
    assert os.pread(mine, 6, 100) == b"THEIRS"
    os.close(mine)
    peer.close(theirs)
    linked.check(b"MINE" + OLD[4:100] + b"THEIRS" + OLD[106:], peer)


def test_replacements_by_different_names(linked, peer):
    """S4, S17: replacements do not mix, by whichever name; the last stands.
    """
    mine = os.open(linked.paths[0], W | os.O_TRUNC)
    theirs = peer.open(linked.paths[1], W | os.O_TRUNC)
    for _ in range(10):
        os.write(mine, b"m" * 1000)
        peer.write(theirs, b"t" * 777)
    os.close(mine)
    assert linked.paths[2].read_bytes() == b"m" * 10_000
    peer.close(theirs)
    linked.check(b"t" * 7770, peer)


@pytest.mark.parametrize("flags", [W | os.O_TRUNC, os.O_RDWR])
def test_readers_keep_their_version(linked, peer, flags):
    """S1, S17: who has it open for reading, half read, mapped or not read at
    all, by any name, keeps the version of its open while it is rewritten in
    place, twice."""
    half, mapping, late = (os.open(path, R) for path in linked.paths)
    assert os.read(half, 1000) == OLD[:1000]
    area = mmap.mmap(mapping, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    assert area[:10] == OLD[:10]
    for data in (b"short", b"longer than all before\n" * 60_000):
        fd = peer.open(linked.paths[0], flags)
        peer.ftruncate(fd, 0)
        peer.write(fd, data)
        peer.close(fd)
        assert os.pread(half, 2 * MIB, 1000) == OLD[1000:]
        assert area[:] == OLD
        assert os.pread(late, 2 * MIB, 0) == OLD
        assert os.fstat(late).st_size == len(OLD)
        assert peer.slurp(linked.paths[1]) == data
    area.close()
    for one in (half, mapping, late):
        os.close(one)
    linked.check(data, peer)


def test_reader_from_before_the_second_name(mount, peer, io):
    """S1, S17: a file gets its second name while it is read; who has opened
    it before that keeps its version, too, where the daemon serves it.  (Under
    passthrough the kernel goes on reading the one inode: Limits.)"""
    a, b = mount / "a", mount / "b"
    a.write_bytes(OLD)
    early = os.open(a, R)
    os.link(a, b)
    late = os.open(b, R)
    assert os.read(early, 10) == os.read(late, 10) == OLD[:10]
    peer.spew(b, b"N" * 700_000)
    assert peer.slurp(b) == b"N" * 700_000
    if io == "served":
        assert os.pread(early, 2 * MIB, 0) == OLD
        assert os.pread(late, 2 * MIB, 0) == OLD
    os.close(early)
    os.close(late)
    assert a.read_bytes() == b.read_bytes() == b"N" * 700_000
    assert os.stat(a).st_ino == os.stat(b).st_ino
    assert os.stat(mount.src / "a").st_nlink == 2


def test_first_name_after_a_link(mount, peer):
    """S1, S2, S17: a file that has just got its second name is written by
    that while somebody has it open: its first name, which everybody knows,
    leads to the new version at once."""
    a, b = mount / "a", mount / "b"
    for again in range(20):
        a.write_bytes(OLD)
        assert peer.stat(a).st_size == os.stat(a).st_size == len(OLD)
        os.link(a, b)
        with open(b, "rb") as reader:
            assert reader.read(10) == OLD[:10]
            peer.spew(b, b"new")
            for st in (os.stat(a), peer.stat(a), os.stat(b), peer.stat(b)):
                assert (st.st_size, st.st_nlink) == (3, 2), again
            assert a.read_bytes() == peer.slurp(a) == b"new"
            assert reader.read() == OLD[10:]
        os.unlink(b)


def test_nothing_changed(linked, peer):
    """S9, S17: an open for writing that changes nothing leaves the times."""
    before = os.stat(linked.mount.src / "a")
    for path in linked.paths:
        for flags in (W, os.O_RDWR, W | os.O_APPEND):
            os.close(os.open(path, flags))
    after = os.stat(linked.mount.src / "a")
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns,
                                                      before.st_ctime_ns)
    linked.check(OLD, peer)


def test_fsync_is_visible(linked, peer):
    """S13, S17: fsync publishes under all names, and close what follows."""
    reader = peer.open(linked.paths[2], R)
    fd = os.open(linked.paths[0], W | os.O_TRUNC)
    for i, path in enumerate(linked.paths * 2):
        os.write(fd, b"%d" % i)
        os.fsync(fd)
        assert peer.slurp(path) == b"012345"[:i + 1]
    os.write(fd, b"end")
    assert peer.slurp(linked.paths[1]) == b"012345"
    os.close(fd)
    linked.check(b"012345end", peer)
    assert peer.pread(reader, MIB, 0) == OLD
    peer.close(reader)


def test_commit_and_abort(linked, peer):
    """S16, S17: by ioctl, for all names."""
    linked.mount.expect_log("rolled back 'dir/c'.*aborted")
    fd = os.open(linked.paths[2], W | os.O_TRUNC)
    os.write(fd, b"first")
    fcntl.ioctl(fd, IOC_COMMIT)
    assert [peer.slurp(p) for p in linked.paths] == [b"first"] * 3
    os.write(fd, b" second")
    fcntl.ioctl(fd, IOC_ABORT)
    os.close(fd)
    linked.check(b"first", peer)
    assert [i["data"] for i in linked.mount.quarantine()] == [b"first second"]


def test_killed(linked, peer):
    """S17, S19: all names of what a killed program wrote keep the old
    content."""
    linked.mount.expect_log("rolled back 'a'.*killed")
    fd = peer.open(linked.paths[0], W | os.O_TRUNC)
    peer.write(fd, b"half")
    peer.kill(signal.SIGKILL)
    linked.mount.settle()
    linked.check(OLD)
    assert [i["data"] for i in linked.mount.quarantine()] == [b"half"]


def test_metadata(linked, peer):
    """S17: what is set through the open file is set for all names; what is
    not, stays."""
    a = linked.paths[0]
    os.chmod(a, 0o640)
    os.setxattr(a, "user.kept", b"1")
    if os.getuid() == 0:
        os.chown(a, 12, 34)
    owner = os.stat(a).st_uid, os.stat(a).st_gid
    fd = os.open(a, os.O_RDWR)
    os.write(fd, b"NEW")
    os.fchmod(fd, 0o604)
    os.setxattr(fd, "user.new", b"2")
    os.utime(fd, ns=(10**9, 2 * 10**9))
    os.close(fd)
    linked.check(b"NEW" + OLD[3:], peer)
    for path in linked.paths:
        st = peer.stat(path)
        assert stat.S_IMODE(st.st_mode) == 0o604
        assert (st.st_uid, st.st_gid) == owner
        assert st.st_mtime_ns == 2 * 10**9
        assert peer.getxattr(path, "user.kept") == b"1"
        assert peer.getxattr(path, "user.new") == b"2"


def test_rename_of_one_name_over_another(linked, peer):
    """S17, S27: rename(2) of a file over itself does nothing, as ever."""
    os.rename(linked.paths[0], linked.paths[1])
    linked.check(OLD, peer)


def test_rename_over_one_name(linked, peer):
    """S15, S17: another file over one name: the others keep theirs, and a
    writer by one of those is not disturbed."""
    a, b, c = linked.paths
    fd = peer.open(b, W | os.O_TRUNC)
    peer.write(fd, b"by b")
    (linked.top / "tmp").write_bytes(b"another file")
    os.rename(linked.top / "tmp", a)
    assert peer.slurp(a) == b"another file"
    peer.close(fd)
    assert peer.slurp(a) == a.read_bytes() == b"another file"
    assert b.read_bytes() == c.read_bytes() == peer.slurp(c) == b"by b"
    assert peer.stat(a).st_nlink == 1
    assert (peer.stat(b).st_ino, peer.stat(c).st_nlink) == (linked.inode, 2)


def test_last_names_are_lost_while_open(linked, peer):
    """S17: names that go while the file is written: the one that stays gets
    what was written."""
    fd = os.open(linked.paths[1], os.O_RDWR)
    os.write(fd, b"NEW")
    peer.unlink(linked.paths[0])
    peer.unlink(linked.paths[2])
    os.write(fd, b"ER")
    os.close(fd)
    want = b"NEWER" + OLD[5:]
    assert linked.paths[1].read_bytes() == peer.slurp(linked.paths[1]) == want
    assert peer.stat(linked.paths[1]).st_nlink == 1
    assert sorted(peer.listdir(linked.top)) == ["b", "dir"]


def test_new_name_while_open(linked, peer):
    """S17: a name that is made by another process while the file is written
    gets the new content, too."""
    fd = os.open(linked.paths[0], W | os.O_TRUNC)
    os.write(fd, b"NEW")
    peer.link(linked.paths[1], linked.top / "late")
    assert peer.slurp(linked.top / "late") == OLD
    os.close(fd)
    for path in (*linked.paths, linked.top / "late"):
        assert path.read_bytes() == peer.slurp(path) == b"NEW"
        assert peer.stat(path).st_nlink == 4
        assert peer.stat(path).st_ino == linked.inode


# ---- a full disk ---------------------------------------------------------

KEPT = b"k" * MIB
CAREFUL = """
import os, sys
size, chunk, failed = int(sys.argv[2]), b"n" * (1 << 20), []
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
for call in [lambda: os.write(fd, chunk)] * size + [lambda: os.close(fd)]:
    try:
        call()
    except OSError as e:
        failed.append(e.errno)
print(*failed)
"""


@pytest.fixture
def small(make_mount, ext4_image):
    """A mount on a file system of 32 MiB, with a file of two names."""
    if os.getuid() != 0:
        pytest.skip("needs root, for a small file system")
    m = make_mount("quarantine_size=1M", source=ext4_image(32 * MIB))
    (m / "a").write_bytes(KEPT)
    os.link(m / "a", m / "b")
    yield m
    m.finish()


@pytest.mark.parametrize("mib", [18, 40])
def test_disk_full(small, mib):
    """S12, S17, S19: a rewrite for which there is no room, be it for the
    shadow or only when it goes into its place: ENOSPC is told, by close at the
    latest, and both names keep the old content."""
    small.allow_log("ENOSPC|rolled back 'a'|the disk")
    inode = os.stat(small / "a").st_ino
    done = subprocess.run(
        [sys.executable, "-c", CAREFUL, small / "a", str(mib)], text=True,
        stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert set(done.stdout.split()) == {str(errno.ENOSPC)}, done.stdout
    small.settle()
    for name in ("a", "b"):
        for top in (small.mnt, small.src):
            assert (top / name).read_bytes() == KEPT
            assert os.stat(top / name).st_nlink == 2
            assert os.stat(top / name).st_ino == inode
    # And there is room again, for what fits.
    (small / "b").write_bytes(b"fits" * MIB)
    assert (small / "a").read_bytes() == b"fits" * MIB
    assert (small.src / "a").read_bytes() == b"fits" * MIB
