# SPDX-License-Identifier: MIT
"""What a publish keeps (S17), looked at in the source, where it counts, and
with the tools people use."""
import errno
import os
import stat
import subprocess

import pytest

OLD = "old content\n"


def replace(path, text="new content\n"):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def update(path, text="NEW"):
    fd = os.open(path, os.O_RDWR)
    os.write(fd, text.encode())
    os.close(fd)


def append(path, text="more\n"):
    with open(path, "a", encoding="ascii") as f:
        f.write(text)


def truncate(path):
    os.truncate(path, 3)


def shell(path):
    subprocess.run(["sh", "-ec", 'echo new > "$1"', "sh", path], check=True)


WAYS = {f.__name__: f for f in (replace, update, append, truncate, shell)}


@pytest.fixture
def old(mount):
    """(path in the mount, path in the source) of a file with a content."""
    (mount.src / "file").write_text(OLD)
    return mount / "file", mount.src / "file"


def tool(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def published(old):
    """The file in the source, once the mount says that it is published."""
    assert old[0].read_text() != OLD
    assert old[1].read_text() == old[0].read_text()
    return os.stat(old[1])


@pytest.mark.parametrize("way", list(WAYS))
def test_owner_and_mode(way, old):
    """S17: owner, group and mode stay, whoever writes (here root)."""
    os.chown(old[1], 1234, 2345)
    os.chmod(old[1], 0o5751)
    WAYS[way](old[0])
    st = published(old)
    assert (st.st_uid, st.st_gid) == (1234, 2345)
    assert stat.S_IMODE(st.st_mode) == 0o5751


@pytest.mark.parametrize("way", list(WAYS))
def test_acl(way, old):
    """S17: an ACL stays, in every entry."""
    tool("setfacl", "-m", "u:1234:rw,g:2345:r,m::rw", old[1])
    before = tool("getfacl", "-cpn", old[1])
    WAYS[way](old[0])
    published(old)
    assert tool("getfacl", "-cpn", old[1]) == before
    assert tool("getfacl", "-cpn", old[0]) == before


@pytest.mark.parametrize("way", list(WAYS))
def test_xattrs(way, old):
    """S17: extended attributes of every kind stay, with their bytes."""
    values = {"user.text": b"one", "user.empty": b"", "user.nul": b"\0\xff\0",
              "user.large": os.urandom(2000), "trusted.of-root": b"two",
              "security.label": b"three"}
    for name, value in values.items():
        os.setxattr(old[1], name, value)
    WAYS[way](old[0])
    published(old)
    for path in old:
        names = set(os.listxattr(path))
        assert set(values) <= names
        for name, value in values.items():
            assert os.getxattr(path, name) == value


@pytest.mark.parametrize("way", list(WAYS))
def test_hard_links(way, old):
    """S17: a file with several names keeps them all, and its inode; all of
    them have the new content."""
    other = old[1].parent / "other"
    os.link(old[1], other)
    os.mkdir(old[1].parent / "dir")
    os.link(old[1], old[1].parent / "dir" / "third")
    inode = os.stat(old[1]).st_ino
    WAYS[way](old[0])
    st = published(old)
    assert (st.st_ino, st.st_nlink) == (inode, 3)
    assert other.read_text() == old[1].read_text()
    mount = old[0].parent
    for name in ("other", "dir/third", "file"):
        assert (mount / name).read_text() == old[1].read_text()
        assert os.stat(mount / name).st_size == st.st_size


def test_hard_links_by_both_names(mount):
    """S2, S17: writes by either name are seen by the other at once, a
    hundred times."""
    a, b = mount / "a", mount / "b"
    a.write_text("0")
    os.link(a, b)
    for i in range(1, 101):
        (a if i % 2 else b).write_text("x" * i)
        for path in (a, b):
            assert os.stat(path).st_size == i
            assert path.read_text() == "x" * i
    assert os.stat(mount.src / "a").st_ino == os.stat(mount.src / "b").st_ino


def test_hard_link_readers_keep_their_version(mount):
    """S1, S17: who reads a file with two names while it is rewritten in place
    still gets one version, or the next, but never a mix."""
    a = mount / "a"
    a.write_bytes(b"a" * 300_000)
    os.link(a, mount / "b")
    with open(mount / "b", "rb") as reader:
        a.write_bytes(b"b" * 300_000)
        got = reader.read()
    assert got in (b"a" * 300_000, b"b" * 300_000)


def test_link_count_may_change_meanwhile(mount):
    """S17: a second name that is made or lost while the file is open."""
    a, b = mount / "a", mount / "b"
    a.write_text(OLD)
    with open(a, "r+", encoding="ascii") as f:
        f.write("NEW")
        f.flush()
        os.link(a, b)
        f.write("ER")
    assert a.read_text() == b.read_text() == "NEWER" + OLD[5:]
    assert os.stat(a).st_nlink == 2
    with open(a, "r+", encoding="ascii") as f:
        f.write("last")
        f.flush()
        os.unlink(b)
    assert a.read_text() == "lastR" + OLD[5:]
    assert os.stat(a).st_nlink == 1


def test_unchanged_is_untouched(old):
    """S9, S17: opened for writing and closed: the same inode, times, all."""
    before = os.stat(old[1])
    fd = os.open(old[1], os.O_RDONLY)
    os.utime(fd, (1000, 1000))
    os.close(fd)
    before = os.stat(old[1])
    for flags in (os.O_RDWR, os.O_WRONLY, os.O_WRONLY | os.O_APPEND,
                  os.O_RDWR | os.O_CREAT):
        os.close(os.open(old[0], flags))
    after = os.stat(old[1])
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino,
                                                 before.st_mtime_ns)


def test_times_of_the_write(old):
    """S17: the mtime is that of the writes, not of the close."""
    fd = os.open(old[0], os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"new")
    written = os.fstat(fd).st_mtime_ns
    subprocess.run(["sleep", "0.05"], check=True)
    os.close(fd)
    assert abs(os.stat(old[0]).st_mtime_ns - written) < 20_000_000
    assert abs(os.stat(old[1]).st_mtime_ns - written) < 20_000_000


def test_set_times_stay(old):
    """S17: times that a program sets before it closes (cp -p, tar, rsync)."""
    fd = os.open(old[0], os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"new")
    os.utime(fd, ns=(1_000_000_001, 2_000_000_002))
    os.close(fd)
    st = published(old)
    assert st.st_mtime_ns == 2_000_000_002
    assert os.stat(old[0]).st_mtime_ns == 2_000_000_002


def test_copied_with_everything(mount, tmp_path):
    """S17, S27: cp -a into the mount and out again changes nothing."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_text(OLD)
    os.chmod(tree / "file", 0o640)
    os.chown(tree / "file", 12, 34)
    os.setxattr(tree / "file", "user.note", b"kept")
    tool("setfacl", "-m", "u:1234:r", tree / "file")
    os.link(tree / "file", tree / "hard")
    os.symlink("file", tree / "link")
    os.mkfifo(tree / "fifo")
    (tree / "dir").mkdir(mode=0o750)
    os.utime(tree / "file", (5, 6))
    os.utime(tree / "dir", (7, 8))
    tool("cp", "-a", tree, mount / "in")
    tool("cp", "-a", mount / "in", tmp_path / "out")
    listing = ["find", ".", "-printf", "%P %y %m %U %G %n %s %T@ %l\n"]
    want = subprocess.run(listing, cwd=tree, check=True,
                          stdout=subprocess.PIPE).stdout
    for copy in (mount / "in", mount.src / "in", tmp_path / "out"):
        got = subprocess.run(listing, cwd=copy, check=True,
                             stdout=subprocess.PIPE).stdout
        # Directories differ in size between file systems.
        assert sorted(got.split(b"\n")) == sorted(want.split(b"\n"))
        assert os.getxattr(copy / "file", "user.note") == b"kept"
        assert tool("getfacl", "-cpn", copy / "file") == tool(
            "getfacl", "-cpn", tree / "file")


def test_new_files_belong_to_the_caller(mount):
    """S17: owner, group, umask, setgid directory and default ACL, for a user
    with supplementary groups, as the backing file system does it."""
    for above in mount.mnt.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    made = []
    for top in (mount.mnt, mount.src):
        box = top / f"box-{top.name}"
        box.mkdir()
        os.chown(box, 0, 3000)
        os.chmod(box, 0o2777)
        tool("setfacl", "-d", "-m", "u:1234:rw", box)
        for shell in ('umask 027; echo x > "$1/plain"; mkdir "$1/dir"',
                      'umask 0; : > "$1/empty"; cp "$1/plain" "$1/copy"',
                      'ln -s x "$1/link"; mkfifo "$1/fifo"'):
            tool("setpriv", "--reuid=1000", "--regid=1000",
                 "--groups=1000,3000,3001", "sh", "-ec", shell, "sh", box)
        made.append(box)
    looks = []
    for box in made:
        stats = tool("sh", "-c", 'cd "$1" && stat -c "%n %A %u %g" *', "sh",
                     box)
        acls = tool("sh", "-c", 'cd "$1" && getfacl -n plain dir empty copy',
                    "sh", box)
        looks.append((stats, acls))
    assert looks[0] == looks[1]


@pytest.fixture
def flagged(old):
    """chattr on the file in the source, undone whatever happens."""
    def chattr(flag):
        done = subprocess.run(["chattr", flag, old[1]],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            pytest.skip(f"chattr {flag}: {done.stderr}")
    yield chattr
    subprocess.run(["chattr", "-ia", old[1]], check=False,
                   stderr=subprocess.DEVNULL)


def test_immutable(old, flagged):
    """S27: an immutable file refuses to be opened for writing, as it does
    without the mount, and not only at close."""
    flagged("+i")
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC,
                  os.O_WRONLY | os.O_APPEND):
        with pytest.raises(PermissionError):
            os.close(os.open(old[0], flags))
    with pytest.raises(PermissionError):
        os.truncate(old[0], 0)
    with pytest.raises(PermissionError):
        os.unlink(old[0])
    assert old[0].read_text() == OLD


def test_append_only(old, flagged):
    """S27: an append-only file may only be appended to."""
    flagged("+a")
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC):
        with pytest.raises(OSError) as caught:
            os.close(os.open(old[0], flags))
        assert caught.value.errno == errno.EPERM
    append(old[0])
    assert old[0].read_text() == OLD + "more\n"
