# SPDX-License-Identifier: MIT
"""What lies around the files: that which stays as it is (S27), single files
that are bind-mounted (S28), the private state (S29), mounts of ordinary users
(S30), and changes behind the mount's back (S31)."""
import ctypes
import errno
import json
import os
import select
import signal
import socket
import stat
import subprocess

import pytest

from harness.mount import mountinfo, unmount

W, R = os.O_WRONLY, os.O_RDONLY
BLOCK = 65536
PUNCH, KEEP_SIZE = 2, 1  # fallocate(2)
NOREPLACE, EXCHANGE = 1, 2  # renameat2(2)
AT_FDCWD = -100
WAIT_SECONDS = 60
USER = 1000

libc = ctypes.CDLL(None, use_errno=True)
root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD,
                           os.fsencode(new), flags))


def punch(fd, at, length):
    checked(libc.fallocate(fd, PUNCH | KEEP_SIZE, ctypes.c_long(at),
                           ctypes.c_long(length)))


def refused(error, call, *args, **kwargs):
    with pytest.raises(OSError) as e:
        call(*args, **kwargs)
    assert e.value.errno == error, e.value


def wait_until(true, what):
    for _ in range(WAIT_SECONDS * 200):
        if true():
            return
        select.select([], [], [], 0.005)
    raise AssertionError(f"not seen in {WAIT_SECONDS} s: {what}")


# ---- what the backing file system does -----------------------------------

def extents(fd):
    """Where there is data: [(begin, end), ...]."""
    found, at = [], 0
    while True:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            assert e.errno == errno.ENXIO, e
            return found
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        found.append((begin, at))


def write_sparse(fd):
    os.ftruncate(fd, 16 * BLOCK)
    for i in (2, 3, 9):
        os.pwrite(fd, b"d" * BLOCK, i * BLOCK)
    os.fsync(fd)  # what is not allocated yet may count as a hole


SPARSE = [(2 * BLOCK, 4 * BLOCK), (9 * BLOCK, 10 * BLOCK)]


def test_holes_of_a_committed_file(mount, tmp_path):
    """S27: SEEK_HOLE and SEEK_DATA of a file that nobody writes."""
    with open(mount.src / "f", "wb") as f:
        write_sparse(f.fileno())
    with open(mount.src / "f", "rb") as plain, open(mount / "f", "rb") as f:
        assert extents(f.fileno()) == extents(plain.fileno()) == SPARSE
        refused(errno.ENXIO, os.lseek, f.fileno(), 16 * BLOCK, os.SEEK_DATA)


@pytest.mark.parametrize("how", ["new", "replace", "update"])
def test_holes_of_an_open_file(mount, peer, how):
    """S10, S27: holes of a file that is being written, and those that its
    version has."""
    path = mount / "f"
    if how != "new":
        path.write_bytes(b"old" * BLOCK)
    flags = {"new": os.O_CREAT | os.O_EXCL, "replace": os.O_TRUNC, "update": 0}
    fd = os.open(path, os.O_RDWR | flags[how])
    os.ftruncate(fd, 0)
    write_sparse(fd)
    assert extents(fd) == SPARSE
    punch(fd, 3 * BLOCK, BLOCK)
    want = [(2 * BLOCK, 3 * BLOCK), (9 * BLOCK, 10 * BLOCK)]
    os.fsync(fd)
    assert extents(fd) == want
    assert os.pread(fd, BLOCK, 3 * BLOCK) == bytes(BLOCK)
    os.close(fd)
    other = peer.open(path, R)
    assert peer.lseek(other, 0, os.SEEK_DATA) == want[0][0]
    assert peer.lseek(other, want[0][0], os.SEEK_HOLE) == want[0][1]
    assert peer.pread(other, 1, 9 * BLOCK) == b"d"
    assert peer.fstat(other).st_size == 16 * BLOCK
    peer.close(other)


def test_punch_a_hole(mount, peer):
    """S6, S27: a hole that is punched is in the new version only, and gives
    its space back."""
    path = mount / "f"
    path.write_bytes(b"x" * 16 * BLOCK)
    early = peer.open(path, R)
    fd = os.open(path, os.O_RDWR)
    punch(fd, 4 * BLOCK, 8 * BLOCK)
    assert os.pread(fd, BLOCK, 5 * BLOCK) == bytes(BLOCK)
    assert peer.slurp(path) == b"x" * 16 * BLOCK
    os.close(fd)
    want = b"x" * 4 * BLOCK + bytes(8 * BLOCK) + b"x" * 4 * BLOCK
    assert peer.slurp(path) == path.read_bytes() == want
    assert peer.pread(early, 16 * BLOCK, 0) == b"x" * 16 * BLOCK
    peer.close(early)
    assert os.stat(path).st_blocks == os.stat(mount.src / "f").st_blocks
    assert os.stat(path).st_blocks * 512 <= 9 * BLOCK


def test_statfs(mount):
    """S27: statfs tells of the source's file system."""
    (mount / "dir").mkdir()
    (mount / "file").write_bytes(b"x")
    for name in ("", "dir", "file"):
        ours, plain = os.statvfs(mount / name), os.statvfs(mount.src / name)
        for field in ("f_bsize", "f_frsize", "f_blocks", "f_files",
                      "f_namemax"):
            assert getattr(ours, field) == getattr(plain, field), field
        assert 0 < ours.f_bavail <= ours.f_bfree <= ours.f_blocks


def test_path_descriptors(mount, peer):
    """S27: O_PATH: names a file without opening it, begins no transaction,
    and opens what the name leads to later."""
    path = mount / "f"
    path.write_bytes(b"one")
    before = mount.status()["transactions"]
    fd = os.open(path, os.O_PATH)
    assert os.fstat(fd).st_size == 3
    refused(errno.EBADF, os.read, fd, 1)
    refused(errno.EBADF, os.write, fd, b"x")
    assert mount.status()["transactions"] == before
    peer.spew(path, b"second")
    assert open(f"/proc/self/fd/{fd}", "rb").read() == b"second"
    os.close(fd)
    os.symlink("f", mount / "way")
    fd = os.open(mount / "way", os.O_PATH | os.O_NOFOLLOW)
    assert stat.S_ISLNK(os.fstat(fd).st_mode)
    assert os.readlink("", dir_fd=fd) == "f"
    os.close(fd)
    fd = os.open(mount.mnt, os.O_PATH | os.O_DIRECTORY)
    assert os.stat("f", dir_fd=fd).st_size == 6
    peer.spew(path, b"x")
    inside = os.open("f", R, dir_fd=fd)
    assert os.read(inside, 9) == b"x"
    os.close(inside)
    os.close(fd)


def test_fifo(mount, peer):
    """S27: a fifo joins two processes."""
    path = mount / "fifo"
    os.mkfifo(path, 0o600)
    assert stat.S_ISFIFO(os.stat(mount.src / "fifo").st_mode)
    reader = os.open(path, R | os.O_NONBLOCK)
    fd = peer.open(path, W)
    peer.write(fd, b"through the pipe")
    assert os.read(reader, 99) == b"through the pipe"
    peer.close(fd)
    assert os.read(reader, 99) == b""
    os.close(reader)


def test_socket(mount):
    """S27: a socket that is bound to a name."""
    # A path in an address has 107 bytes at most.
    d = os.open(mount.mnt, os.O_PATH)
    name = f"/proc/self/fd/{d}/socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        assert stat.S_ISSOCK(os.stat(mount / "socket").st_mode)
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)
            accepted = server.accept()[0]
            client.sendall(b"hello")
            assert accepted.recv(9) == b"hello"
            accepted.close()
    os.unlink(name)
    os.close(d)
    assert os.listdir(mount.mnt) == []


@root_only
def test_device_node(mount):
    """S27: device nodes keep their numbers, in both directions."""
    os.mknod(mount / "ours", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(mount.src / "plain", stat.S_IFBLK | 0o600, os.makedev(7, 300))
    for name in ("ours", "plain"):
        ours, plain = os.lstat(mount / name), os.lstat(mount.src / name)
        assert (ours.st_rdev, ours.st_mode) == (plain.st_rdev, plain.st_mode)
    os.unlink(mount / "ours")
    assert not (mount.src / "ours").exists()


def test_rename_noreplace(mount, peer):
    """S7, S27: RENAME_NOREPLACE: not over a file, nor over a name that is
    taken by a file that is not published."""
    a, b, c = (mount / name for name in "abc")
    a.write_bytes(b"a")
    b.write_bytes(b"b")
    refused(errno.EEXIST, renameat2, a, b, NOREPLACE)
    fd = peer.open(c, W | os.O_CREAT)
    peer.write(fd, b"c")
    refused(errno.EEXIST, renameat2, a, c, NOREPLACE)
    peer.close(fd)
    assert [p.read_bytes() for p in (a, b, c)] == [b"a", b"b", b"c"]
    renameat2(a, mount / "d", NOREPLACE)
    assert sorted(peer.listdir(mount.mnt)) == ["b", "c", "d"]
    assert (mount / "d").read_bytes() == b"a"


def test_rename_exchange(mount, peer):
    """S1, S2, S27: RENAME_EXCHANGE of files and directories, and of one with
    the other; who has one open keeps it."""
    a, b, d = (mount / name for name in "abd")
    a.write_bytes(b"of a")
    b.write_bytes(b"of the other")
    d.mkdir()
    (d / "in").write_bytes(b"inside")
    reader = os.open(a, R)
    renameat2(a, b, EXCHANGE)
    assert peer.slurp(a) == a.read_bytes() == b"of the other"
    assert peer.slurp(b) == b.read_bytes() == b"of a"
    assert os.read(reader, 99) == b"of a"
    os.close(reader)
    renameat2(a, d, EXCHANGE)
    assert peer.slurp(a / "in") == b"inside"
    assert peer.slurp(d) == b"of the other"
    peer.spew(d, b"written after")
    peer.spew(a / "in", b"that too")
    assert d.read_bytes() == b"written after"
    assert (a / "in").read_bytes() == b"that too"
    refused(errno.ENOENT, renameat2, a, mount / "nothing", EXCHANGE)


def test_rename_exchange_while_open(mount, peer):
    """S15, S27: RENAME_EXCHANGE takes the caller's shadow along."""
    a, b = mount / "a", mount / "b"
    a.write_bytes(b"of a")
    b.write_bytes(b"of b")
    fd = os.open(a, os.O_RDWR)
    os.write(fd, b"NEW")
    renameat2(a, b, EXCHANGE)
    assert peer.slurp(a) == b"of b"
    assert peer.slurp(b) == b"of a"
    os.close(fd)
    assert peer.slurp(a) == a.read_bytes() == b"of b"
    assert peer.slurp(b) == b.read_bytes() == b"NEWa"


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xc3(", b"a\xe4\nb",
                                  b"\xed\xa0\x80"])
def test_not_utf8(mount, peer, name):
    """S13, S15, S27: names that are no UTF-8 in everything that is done to
    open files, and in the paths of directories and targets of links."""
    d = os.path.join(os.fsencode(mount.mnt), name)
    f = os.path.join(d, name + b"2")
    os.mkdir(d)
    fd = os.open(f, W | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"one")
    os.fsync(fd)
    assert peer.slurp(f) == b"one"
    os.write(fd, b"two")
    os.rename(f, f + name)
    os.close(fd)
    assert peer.slurp(f + name) == b"onetwo"
    os.symlink(name + b"/" + name + b"2" + name, d + b"-way")
    assert os.readlink(d + b"-way").startswith(name)
    assert peer.slurp(d + b"-way") == b"onetwo"
    plain = os.fsencode(mount.src)
    assert sorted(peer.listdir(os.fsencode(mount.mnt))) == sorted(
        set(os.listdir(plain)) - {b".atomicfs"})


# ---- a single file that is bind-mounted ----------------------------------

@pytest.fixture
def bound(mount, tmp_path):
    """(path in the mount, where that file is bind-mounted by itself)"""
    if os.getuid() != 0:
        pytest.skip("needs root")
    path, target = mount / "f", tmp_path / "bound"
    path.write_bytes(b"version 0")
    target.touch()
    subprocess.run(["mount", "--bind", path, target], check=True)
    try:
        yield path, target
    finally:
        unmount(target)
        assert not mountinfo(target)


def replace(path, data):
    path.write_bytes(data)


def update(path, data):
    fd = os.open(path, os.O_RDWR)
    os.write(fd, data)
    os.ftruncate(fd, len(data))
    os.close(fd)


def synced(path, data):
    fd = os.open(path, W | os.O_TRUNC)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)


WAYS = [replace, update, synced]


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
def test_bound_file_follows(bound, peer, way):
    """S28: every new open of the bound file gets the current version, as this
    process and as another one, longer and shorter than the one before."""
    path, target = bound
    assert target.read_bytes() == b"version 0"
    for i in range(1, 21):
        data = b"%d," % i * (i * 7 % 20 + 1)
        way(path, data)
        assert target.read_bytes() == data
        assert peer.slurp(target) == data
        assert peer.slurp(path) == data


def test_bound_file_of_an_old_reader(bound, peer):
    """S1, S28: who holds the old version open keeps it, through the bound
    name too; when it is closed, a new open gets the current one."""
    path, target = bound
    reader = peer.open(target, R)
    assert peer.read(reader, 4) == b"vers"
    path.write_bytes(b"a newer and longer version")
    assert peer.read(reader, 99) == b"ion 0"
    assert peer.pread(reader, 99, 0) == b"version 0"
    assert target.read_bytes() in (b"version 0", b"a newer and longer version")
    peer.close(reader)
    wait_until(lambda: target.read_bytes() == b"a newer and longer version",
               "the current version, in the bound file")
    assert peer.slurp(target) == b"a newer and longer version"


def test_bound_file_of_a_new_reader(bound, peer):
    """S28: who has opened the current version by its name is in nobody's
    way."""
    path, target = bound
    path.write_bytes(b"second")
    with open(path, "rb") as reader:
        assert target.read_bytes() == b"second"
        assert reader.read() == b"second"
    path.write_bytes(b"third")
    assert peer.slurp(target) == target.read_bytes() == b"third"


@pytest.mark.parametrize("flags", [W | os.O_TRUNC, os.O_RDWR,
                                   W | os.O_APPEND])
def test_bound_file_is_written(bound, peer, flags):
    """S2, S28: a write through the bound name is a transaction as any other,
    and its commit is seen under both names."""
    path, target = bound
    want = b"version 0"
    for i in range(1, 6):
        data = b"[%d]" % i
        fd = os.open(target, flags)
        os.write(fd, data)
        os.close(fd)
        if flags & os.O_APPEND:
            want += data
        elif flags & os.O_TRUNC:
            want = data
        else:
            want = data + want[len(data):]
        assert peer.slurp(path) == want
        assert path.read_bytes() == want
        assert target.read_bytes() == want


# ---- the state directory -------------------------------------------------

STATE = ".atomicfs"


def forbidden(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno in (errno.ENOENT, errno.EPERM, errno.EACCES,
                             errno.EEXIST, errno.ESTALE, errno.EOPNOTSUPP,
                             errno.EINVAL), e.value


def test_state_by_other_ways(mount):
    """S29: not by another spelling, a descriptor of the directory, a flag of
    rename, or from below."""
    (mount / "f").write_bytes(b"mine")
    (mount / "d").mkdir()
    (mount / "d" / STATE).mkdir()
    (mount / "d" / STATE / "f").write_bytes(b"mine")
    state = mount.src / STATE
    before = sorted(os.listdir(state)), os.stat(state).st_ino
    fd = os.open(mount.mnt, R | os.O_DIRECTORY)
    for name in (STATE, "./" + STATE, "d/../" + STATE, STATE + "/",
                 STATE + "/stage/journal", STATE + "/../" + STATE):
        forbidden(lambda n: os.stat(n, dir_fd=fd), name)
        forbidden(lambda n: os.open(n, os.O_PATH, dir_fd=fd), name)
        forbidden(os.stat, f"/proc/self/fd/{fd}/{name}")
    os.close(fd)
    for flags in (0, NOREPLACE, EXCHANGE):
        for name in ("f", "d", "d/" + STATE):
            forbidden(renameat2, mount / name, mount / STATE, flags)
            forbidden(renameat2, mount / STATE, mount / name, flags)
        forbidden(renameat2, mount / STATE, mount / "free", flags)
    forbidden(os.link, mount / "d" / STATE / "f", mount / STATE)
    forbidden(os.link, mount / STATE / "version", mount / "free")
    forbidden(os.open, mount / STATE, os.O_TMPFILE | W)
    assert (sorted(os.listdir(state)), os.stat(state).st_ino) == before
    assert sorted(p.name for p in mount.mnt.iterdir()) == ["d", "f"]
    assert (mount / "d" / STATE / "f").read_bytes() == b"mine"


class FileHandle(ctypes.Structure):
    """struct file_handle of open_by_handle_at(2)."""
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int),
                ("data", ctypes.c_ubyte * 128)]


def file_handle(path):
    handle, mount_id = FileHandle(bytes=128), ctypes.c_int()
    checked(libc.name_to_handle_at(AT_FDCWD, os.fsencode(path),
                                   ctypes.byref(handle),
                                   ctypes.byref(mount_id), 0))
    return handle


@root_only
def test_state_by_handle(mount):
    """S29: file handles of the state, as the source's file system gives them,
    open nothing in the mount, whatever kind they are said to be of."""
    top = os.open(mount.mnt, R | os.O_DIRECTORY)
    for name in (STATE, STATE + "/stage", STATE + "/stage/journal"):
        try:
            handle = file_handle(mount.src / name)
        except OSError as e:
            os.close(top)
            pytest.skip(f"the source has no file handles: {e}")
        for kind in (handle.type, 0x81, 0x82):  # 0x81, 0x82: FUSE's own
            handle.type = kind
            forbidden(lambda h: checked(libc.open_by_handle_at(
                top, ctypes.byref(h), R)), handle)
    forbidden(file_handle, mount / STATE)
    os.close(top)


def test_second_daemon(mount, tmp_path):
    """S29: a second daemon on the same source is refused while files are
    open, says why, and disturbs nothing."""
    (mount / "f").write_bytes(b"old")
    other = tmp_path / "other"
    other.mkdir()
    fd = os.open(mount / "f", W | os.O_TRUNC)
    os.write(fd, b"half")
    done = subprocess.run([mount.program, "-f", mount.src, other], timeout=60,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode > 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "in use" in done.stderr
    assert not mountinfo(other)
    os.write(fd, b" and whole")
    os.close(fd)
    assert (mount / "f").read_bytes() == b"half and whole"


# ---- a user's own mount --------------------------------------------------

@pytest.fixture
def dev_fuse():
    """/dev/fuse as udev makes it; in machines without it only root may open
    it."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become a user")
    mode = stat.S_IMODE(os.stat("/dev/fuse").st_mode)
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


@pytest.fixture
def own(dev_fuse, make_mount, tmp_path, make_peer):
    """(mount, process) of a user who has mounted by means of fusermount3."""
    base = tmp_path / "m0"
    for name in ("", "src", "mnt"):
        (base / name).mkdir(exist_ok=True)
        os.chown(base / name, USER, USER)
    one = make_mount(wrapper=["setpriv", f"--reuid={USER}", f"--regid={USER}",
                              "--clear-groups"])
    return one, make_peer(user=USER, group=USER, extra_groups=[])


def test_user_is_told_the_path(own, io):
    """S30: it is served, and status.json says so and why."""
    one, user = own
    info = mountinfo(one.mnt)[-1]
    assert f"user_id={USER}" in info[-1], info
    path = json.loads(user.slurp(one / ".@ctl/status.json"))["io"]
    assert path["path"] == "served"
    why = "passthrough=off" if io == "served" else "CAP_SYS_ADMIN"
    assert why in path["reason"], path


def test_user_writes(own, make_peer):
    """S1, S4-S7, S30: replacements, updates, new files, pinned readers."""
    one, user = own
    other = make_peer(user=USER, group=USER, extra_groups=[])
    f = one / "f"
    user.spew(f, b"old")
    reader = other.open(f, R)
    fd = user.open(f, W | os.O_TRUNC)
    user.write(fd, b"the new one")
    assert other.slurp(f) == b"old"
    assert user.slurp(f) == b"the new one"
    user.close(fd)
    assert other.slurp(f) == b"the new one"
    assert other.pread(reader, 99, 0) == b"old"
    other.close(reader)
    fd = user.open(f, os.O_RDWR)
    user.pwrite(fd, b"THE", 0)
    assert other.slurp(f) == b"the new one"
    user.close(fd)
    assert other.slurp(f) == b"THE new one"
    fd = user.open(one / "new", W | os.O_CREAT, 0o640)
    user.write(fd, b"new")
    refused(errno.ENOENT, other.stat, one / "new")
    refused(errno.EEXIST, other.mkdir, one / "new")
    user.close(fd)
    st = other.stat(one / "new")
    assert (st.st_uid, st.st_gid, st.st_size) == (USER, USER, 3)
    assert stat.S_IMODE(st.st_mode) == 0o640
    assert (one.src / "new").read_bytes() == b"new"


def test_user_writes_where_he_may_not_list(own):
    """S12, S27, S30: the commit is as durable there, and no failure."""
    one, user = own
    box = one.src / "box"
    box.mkdir()
    os.chown(box, USER, USER)
    box.chmod(0o300)
    user.spew(one / "box/f", b"in the box")
    assert user.slurp(one / "box/f") == b"in the box"


def test_user_commits(own, make_peer):
    """S8, S13, S15, S17, S30: fsync, truncate, rename and unlink of open
    files, hard links, modes and attributes."""
    one, user = own
    other = make_peer(user=USER, group=USER, extra_groups=[])
    f = one / "f"
    fd = user.open(f, W | os.O_CREAT)
    user.write(fd, b"synced")
    user.fsync(fd)
    assert other.slurp(f) == b"synced"
    user.rename(f, one / "g")
    user.write(fd, b" and more")
    user.close(fd)
    assert other.slurp(one / "g") == b"synced and more"
    user.truncate(one / "g", 6)
    user.chmod(one / "g", 0o4751)
    user.chmod(one / "g", 0o751)
    user.setxattr(one / "g", "user.a", b"1")
    user.link(one / "g", one / "h")
    inode = other.stat(one / "h").st_ino
    user.spew(one / "g", b"both")
    assert other.slurp(one / "g") == other.slurp(one / "h") == b"both"
    st = other.stat(one / "h")
    assert (st.st_ino, st.st_nlink) == (inode, 2)
    assert stat.S_IMODE(st.st_mode) == 0o751
    assert other.getxattr(one / "g", "user.a") == b"1"
    fd = user.open(one / "h", os.O_RDWR)
    user.write(fd, b"BOTH")
    user.unlink(one / "h")
    user.close(fd)
    assert other.listdir(one.mnt) == ["g"]
    user.mkdir(one / "d")
    user.symlink("d", one / "way")
    user.mkfifo(one / "d/fifo")
    assert other.listdir(one / "way") == ["fifo"]


def test_user_is_killed(own):
    """S19, S30: a killed writer is known as such, and what it wrote is in the
    quarantine."""
    one, user = own
    one.expect_log("rolled back 'f'.*killed")
    user.spew(one / "f", b"old")
    fd = user.open(one / "f", W | os.O_TRUNC)
    user.write(fd, b"half of")
    user.kill(signal.SIGKILL)
    kept = one.src / STATE / "quarantine"
    # Its description comes first, the bytes make it an item.
    wait_until(lambda: [i for i in kept.glob("*.json")
                        if i.with_suffix("").exists()],
               "the item in quarantine")
    item = next(kept.glob("*.json"))
    assert item.with_suffix("").read_bytes() == b"half of"
    assert (one.src / "f").read_bytes() == b"old"


def test_users_permissions(own):
    """S27, S30: what a user may not do without the mount, nobody does by
    means of it; nobody else is let in."""
    one, user = own
    (one.src / "of-root").write_bytes(b"private")
    os.chmod(one.src / "of-root", 0o600)
    (one.src / "d").mkdir()
    refused(errno.EACCES, user.slurp, one / "of-root")
    refused(errno.EACCES, user.spew, one / "of-root", b"x", os.O_TRUNC)
    refused(errno.EACCES, user.spew, one / "d/new", b"x")
    refused(errno.EACCES, os.listdir, one.mnt)
    assert (one.src / "of-root").read_bytes() == b"private"


# ---- behind the mount's back ---------------------------------------------

def test_source_is_changed(mount):
    """S31: what is made, replaced, changed and removed directly in the source
    is seen after a while."""
    (mount / "f").write_bytes(b"first")
    assert (mount / "f").read_bytes() == b"first"
    (mount.src / "tmp").write_bytes(b"replaced behind its back")
    os.rename(mount.src / "tmp", mount.src / "f")
    wait_until(lambda: (mount / "f").read_bytes() ==
               b"replaced behind its back", "the file that was replaced")
    wait_until(lambda: os.stat(mount / "f").st_size == 24, "its size")
    (mount.src / "f").write_bytes(b"rewritten in place")
    wait_until(lambda: (mount / "f").read_bytes() == b"rewritten in place",
               "the file that was rewritten")
    (mount.src / "new").write_bytes(b"new")
    wait_until(lambda: (mount / "new").exists(), "the new file")
    assert (mount / "new").read_bytes() == b"new"
    os.unlink(mount.src / "f")
    wait_until(lambda: not (mount / "f").exists(), "that the file is gone")
    wait_until(lambda: os.listdir(mount.mnt) == ["new"], "the listing")


@pytest.mark.mount_options("entry_timeout=0")
def test_source_is_changed_without_timeout(mount):
    """S31: with entry_timeout=0 it is seen by the next call."""
    for i in range(20):
        data = b"%d" % i * (i * 7 % 20 + 1)
        (mount.src / "tmp").write_bytes(data)
        os.rename(mount.src / "tmp", mount.src / "f")
        assert (mount / "f").read_bytes() == data
        assert os.stat(mount / "f").st_size == len(data)
    os.rename(mount.src / "f", mount.src / "g")
    refused(errno.ENOENT, os.stat, mount / "f")
    assert (mount / "g").read_bytes() == data
    os.unlink(mount.src / "g")
    (mount.src / "g").mkdir()
    assert (mount / "g").is_dir()


def test_source_is_changed_under_a_writer(mount, peer):
    """S20, S31: a writer does not mix with what was put into the source
    meanwhile: the file is what the one or the other wrote."""
    mount.allow_log("ESTALE|rolled back 'f'")
    (mount / "f").write_bytes(b"old content")
    fd = peer.open(mount / "f", os.O_RDWR)
    peer.write(fd, b"UPDATE")
    (mount.src / "tmp").write_bytes(b"from behind, and longer")
    os.rename(mount.src / "tmp", mount.src / "f")
    try:
        peer.close(fd)
    except OSError as e:
        assert e.errno == errno.ESTALE, e
    assert (mount.src / "f").read_bytes() in (b"UPDATE" + b"old content"[6:],
                                              b"from behind, and longer")
    wait_until(lambda: (mount / "f").read_bytes() ==
               (mount.src / "f").read_bytes(), "the same in both")
    fd = peer.open(mount / "f", W | os.O_TRUNC)
    peer.write(fd, b"replacement")
    os.unlink(mount.src / "f")
    peer.close(fd)
    wait_until(lambda: os.path.exists(mount / "f") ==
               os.path.exists(mount.src / "f"), "the same in both")
    (mount / "f").write_bytes(b"usable")
    assert peer.slurp(mount / "f") == b"usable"
