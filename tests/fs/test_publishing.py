# SPDX-License-Identifier: MIT
"""The commit points (S11-S17) and conflicts (S20)."""
import errno
import fcntl
import mmap
import os
import stat
import struct
import select
import subprocess

import pytest

from harness.tools import (IOC_ABORT, IOC_ABORT_NAME, IOC_COMMIT,
                           IOC_COMMIT_NAME, bash, tree)

W, R = os.O_WRONLY, os.O_RDONLY
REPLACE = W | os.O_TRUNC
LARGE = 80 << 20  # above what a snapshot without reflinks may copy


@pytest.fixture
def f(mount):
    path = mount / "f"
    path.write_bytes(b"old")
    return path


def refused(error, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == error, e.value


def wait_until(true):
    for _ in range(5000):
        if true():
            return
        select.select([], [], [], 0.002)
    raise AssertionError("it did not come")


# ---- last close ----------------------------------------------------------

def test_dup(f, peer):
    """S11: copies of a descriptor publish once, with the last."""
    fd = os.open(f, REPLACE)
    copies = [os.dup(fd) for _ in range(3)]
    for one in [fd, *copies]:
        os.write(one, b"x")
        assert peer.slurp(f) == b"old"
        os.close(one)
    assert peer.slurp(f) == b"xxxx"


def test_inherited_descriptor(f):
    """S11: what a child inherited and outlives the parent publishes."""
    go = f.parent.parent / "go"
    os.mkfifo(go)
    with subprocess.Popen(["sh", "-c", f"(read x < {go}; echo child) > {f} &"
                           ]) as shell:
        assert shell.wait() == 0
    assert f.read_bytes() == b"old"
    with open(go, "w") as pipe:
        pipe.write("\n")
    # The child's end is seen by the end of its shadow.
    wait_until(lambda: f.read_bytes() == b"child\n")


@pytest.mark.parametrize("script", [
    "{ echo a; ls nothing 2>/dev/null || :; echo b; } > f",
    "( echo a; (echo c); echo b ) > f",
    "exec 3> f; echo a >&3; cat f; sh -c 'echo b >&3'; exec 3>&-",
    "exec 3> f 4>&3; echo a >&3; exec 3>&-; echo b >&4; exec 4>&-",
])
def test_one_version(mount, f, script):
    """S11: a redirection is one transaction."""
    before = mount.status()["transactions"]
    bash(script, mount.mnt)
    after = mount.status()["transactions"]
    assert after["commits"] - before["commits"] == 1
    assert after["snapshots"] == before["snapshots"]
    lines = f.read_text().split()
    assert lines[0] == "a" and lines[-1] == "b"


# ---- fsync ---------------------------------------------------------------

@pytest.mark.parametrize("how", ["fsync", "fdatasync"])
@pytest.mark.parametrize("flags", [REPLACE, os.O_RDWR])
def test_fsync_is_visible(f, peer, how, flags):
    """S13: visible to others at once, and to later opens only."""
    early = peer.open(f, R)
    fd = os.open(f, flags)
    os.write(fd, b"first")
    assert peer.slurp(f) == b"old"
    getattr(os, how)(fd)
    assert peer.slurp(f) == b"first"
    os.write(fd, b" second")
    assert peer.slurp(f) == b"first"
    assert f.read_bytes() == b"first second"
    assert peer.pread(early, 99, 0) == b"old"
    os.close(fd)
    assert peer.slurp(f) == b"first second"
    peer.close(early)


def test_msync_is_visible(f, peer, io):
    """S13: msync publishes as fsync does; under passthrough, where it does not
    reach the daemon (Limits), it takes an fsync."""
    os.truncate(f, 4096)
    fd = os.open(f, os.O_RDWR)
    with mmap.mmap(fd, 0) as area:
        area[0:3] = b"map"
        area.flush()
        if io == "passthrough":
            os.fsync(fd)
        assert peer.slurp(f)[:3] == b"map"
        area[0:3] = b"MAP"
        assert peer.slurp(f)[:3] == b"map"
    os.close(fd)
    assert peer.slurp(f)[:3] == b"MAP"


def test_fsync_of_a_new_file(mount, peer):
    """S13: a new file becomes visible by fsync."""
    new = mount / "new"
    fd = os.open(new, W | os.O_CREAT | os.O_EXCL, 0o640)
    os.write(fd, b"abc")
    os.fsync(fd)
    assert peer.slurp(new) == b"abc"
    assert peer.listdir(mount.mnt) == ["new"]
    os.write(fd, b"def")
    os.close(fd)
    assert peer.slurp(new) == b"abcdef"
    assert stat.S_IMODE(os.stat(new).st_mode) == 0o640


def test_fsync_of_a_large_file(mount, f, peer):
    """S13: above 64 MiB without reflinks: visible at close."""
    fd = os.open(f, REPLACE)
    os.posix_fallocate(fd, 0, LARGE)
    os.fsync(fd)
    assert peer.stat(f).st_size == 3
    os.close(fd)
    assert peer.stat(f).st_size == LARGE


def test_fsync_of_a_large_file_with_reflinks(make_mount, xfs_image, peer):
    """S13: where a snapshot is a reflink, at once whatever the size."""
    m = make_mount(source=xfs_image)
    f = m / "f"
    fd = os.open(f, W | os.O_CREAT)
    os.posix_fallocate(fd, 0, LARGE)
    os.fsync(fd)
    assert peer.stat(f).st_size == LARGE
    os.close(fd)
    m.finish()


def test_fsync_survives_a_crash(mount, f):
    """S13: durable when fsync returns: a crash of the daemon publishes it."""
    fd = os.open(f, REPLACE)
    os.write(fd, b"synced")
    os.fsync(fd)
    large = os.open(mount / "large", W | os.O_CREAT)
    os.posix_fallocate(large, 0, LARGE)
    os.pwrite(large, b"end", LARGE)
    os.fsync(large)
    mount.kill9()
    for one in (fd, large):
        with pytest.raises(OSError):
            os.close(one)
            os.stat(f)
    mount.expect_log("recovered 'large': published")
    mount.allow_log("recovered 'f'")
    mount.start()
    assert f.read_bytes() == b"synced"
    assert os.stat(mount / "large").st_size == LARGE + 3


# ---- rename, link, unlink ------------------------------------------------

def test_rename_before_close(mount, peer):
    """S15: rename(tmp, final) before close publishes under final at close."""
    (mount / "final").write_bytes(b"old")
    fd = os.open(mount / "tmp", W | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"new")
    os.rename(mount / "tmp", mount / "final")
    os.write(fd, b"er")
    assert peer.slurp(mount / "final") == b"old"
    assert peer.listdir(mount.mnt) == ["final"]
    os.close(fd)
    assert peer.slurp(mount / "final") == b"newer"
    assert peer.listdir(mount.mnt) == ["final"]


def test_rename_update_before_close(mount, f, peer):
    """S15: the shadow of an existing file goes along."""
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"NEW")
    os.rename(f, mount / "g")
    assert peer.slurp(mount / "g") == b"old"
    os.close(fd)
    assert peer.slurp(mount / "g") == b"NEW"
    assert peer.listdir(mount.mnt) == ["g"]


def test_link_publishes(mount, peer):
    """S15: link publishes at once."""
    fd = os.open(mount / "a", W | os.O_CREAT)
    os.write(fd, b"abc")
    os.link(mount / "a", mount / "b")
    assert peer.slurp(mount / "b") == b"abc"
    os.close(fd)
    assert peer.slurp(mount / "a") == peer.slurp(mount / "b") == b"abc"
    assert peer.stat(mount / "a").st_nlink == 2


def test_unlink_while_open(mount, f, peer):
    """S15: unlink while open: the shadow is never published."""
    fd = os.open(f, os.O_RDWR)
    os.write(fd, b"NEW")
    os.unlink(f)
    refused(errno.ENOENT, peer.stat, f)
    assert os.pread(fd, 9, 0) == b"NEW"
    os.close(fd)
    assert peer.listdir(mount.mnt) == []
    mount.settle()
    mount.allow_log("rolled back 'f'.*orphaned")


def test_rename_over_an_open_name(mount, f, peer):
    """S15: the shadow that others have open on the target is orphaned."""
    theirs = peer.open(f, REPLACE)
    peer.write(theirs, b"theirs")
    (mount / "tmp").write_bytes(b"mine")
    os.rename(mount / "tmp", f)
    assert f.read_bytes() == b"mine"
    try:
        peer.close(theirs)
    except OSError as e:
        assert e.errno == errno.ESTALE
    assert f.read_bytes() == peer.slurp(f) == b"mine"
    mount.expect_log("rolled back 'f'.*orphaned")
    assert [(i["path"], i["data"]) for i in mount.quarantine()] == [
        ("f", b"theirs")]


def test_directory_renamed_under_a_shadow(mount, peer):
    """S15: the shadow follows its directory."""
    (mount / "d").mkdir()
    fd = os.open(mount / "d/f", W | os.O_CREAT)
    os.write(fd, b"abc")
    peer.rename(mount / "d", mount / "e")
    os.close(fd)
    assert peer.slurp(mount / "e/f") == b"abc"


# ---- explicit ------------------------------------------------------------

def test_ioctl_commit(f, peer):
    """S16: publish now; the descriptor stays usable."""
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    fcntl.ioctl(fd, IOC_COMMIT)
    assert peer.slurp(f) == b"one"
    os.write(fd, b"two")
    assert peer.slurp(f) == b"one"
    os.close(fd)
    assert peer.slurp(f) == b"onetwo"


def test_ioctl_abort(mount, f, peer):
    """S16, S19: the current version stays; the bytes are in quarantine."""
    mount.expect_log("rolled back 'f'.*aborted")
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    fcntl.ioctl(fd, IOC_ABORT)
    assert peer.slurp(f) == f.read_bytes() == b"old"
    os.write(fd, b"two")
    os.close(fd)
    assert peer.slurp(f) == f.read_bytes() == b"old"
    items = mount.quarantine()
    assert [i["data"][:3] for i in items] == [b"one"]
    assert (items[0]["path"], items[0]["reason"]) == ("f", "aborted")


def by_name(name):
    return struct.pack("256s", name.encode())


def test_ioctl_by_name(mount, f, peer):
    """S16: commit and abort of another process's transactions, by name."""
    mount.expect_log("rolled back 'f'.*aborted")
    d = os.open(mount.mnt, R | os.O_DIRECTORY)
    refused(errno.ENOENT, fcntl.ioctl, d, IOC_COMMIT_NAME, by_name("f"))
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"one")
    fcntl.ioctl(d, IOC_COMMIT_NAME, by_name("f"))
    assert f.read_bytes() == b"one"
    peer.write(fd, b"two")
    fcntl.ioctl(d, IOC_ABORT_NAME, by_name("f"))
    peer.close(fd)
    assert f.read_bytes() == b"one"
    assert [i["data"] for i in mount.quarantine()] == [b"onetwo"]
    os.close(d)


@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
def test_ioctl_by_name_of_others(mount, f, make_peer):
    """S16: only the owner of a transaction, or root, may."""
    other = make_peer(user=1000, group=1000)
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    d = other.open(mount.mnt, R | os.O_DIRECTORY)
    refused(errno.EPERM, other.ioctl, d, IOC_ABORT_NAME, by_name("f"))
    refused(errno.EPERM, other.ioctl, d, IOC_COMMIT_NAME, by_name("f"))
    os.close(fd)
    assert f.read_bytes() == b"one"


def test_ioctl_refused(mount, f, tmp_path):
    """S16: EBADF for a descriptor without a transaction, ENOTTY elsewhere."""
    with open(f) as reader:
        refused(errno.EBADF, fcntl.ioctl, reader, IOC_COMMIT)
        refused(errno.EBADF, fcntl.ioctl, reader, IOC_ABORT)
        refused(errno.ENOTTY, fcntl.ioctl, reader, 0x5401)
    with open(tmp_path / "plain", "w") as plain:
        refused(errno.ENOTTY, fcntl.ioctl, plain, IOC_COMMIT)
    (mount / "x.db").write_bytes(b"1")
    with open(mount / "x.db", "r+") as direct:
        refused(errno.EBADF, fcntl.ioctl, direct, IOC_COMMIT)


# ---- metadata and links --------------------------------------------------

@pytest.mark.parametrize("flags", [REPLACE, os.O_RDWR])
def test_metadata_is_kept(mount, f, peer, flags):
    """S17: owner, group, mode and xattrs, security ones too."""
    os.chmod(f, 0o2751)
    os.setxattr(f, "user.a", b"1")
    if os.getuid() == 0:
        os.setxattr(f, "trusted.b", b"2")
        os.setxattr(f, "security.c", b"3")
        os.chown(f, 12, 34)
    before = (stat.S_IMODE(os.stat(f).st_mode), os.stat(f).st_uid,
              os.stat(f).st_gid, sorted(os.listxattr(f)))
    fd = os.open(f, flags)
    os.write(fd, b"new")
    os.close(fd)
    after = (stat.S_IMODE(peer.stat(f).st_mode), peer.stat(f).st_uid,
             peer.stat(f).st_gid, sorted(peer.listxattr(f)))
    assert after == before
    assert peer.slurp(f) == b"new"


def test_metadata_changed_meanwhile(f, peer):
    """S17: what others did to mode and xattrs meanwhile stands."""
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"new")
    os.chmod(f, 0o600)
    os.setxattr(f, "user.a", b"1")
    peer.close(fd)
    assert stat.S_IMODE(os.stat(f).st_mode) == 0o600
    assert os.getxattr(f, "user.a") == b"1"
    assert f.read_bytes() == b"new"


@pytest.mark.parametrize("flags", [REPLACE, os.O_RDWR, W | os.O_APPEND])
def test_hard_links_stay(mount, f, peer, flags):
    """S1, S17: all names of a file get the new content, old readers not."""
    os.link(f, mount / "g")
    inode = os.stat(f).st_ino
    reader = peer.open(mount / "g", R)
    fd = os.open(f, flags)
    os.write(fd, b"newer")
    assert peer.slurp(mount / "g") == b"old"
    os.close(fd)
    want = b"oldnewer" if flags & os.O_APPEND else b"newer"
    assert peer.slurp(f) == peer.slurp(mount / "g") == want
    assert peer.stat(f).st_ino == peer.stat(mount / "g").st_ino == inode
    assert peer.stat(f).st_nlink == 2
    assert peer.pread(reader, 99, 0) == b"old"
    peer.close(reader)


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_new_files_belong_to_the_caller(mount, make_peer):
    """S17: owner, umask, setgid group and default ACL as without the mount."""
    other = make_peer(user=1000, group=1001, extra_groups=[])
    trees = []
    for d in (mount / "d", mount.base / "plain"):
        d.mkdir()
        os.chown(d, 0, 5555)
        os.chmod(d, 0o2777)
        for umask in (0o022, 0o077, 0):
            other.umask(umask)
            other.spew(d / f"f{umask}", b"x")
            other.mkdir(d / f"d{umask}")
        trees.append({p.name: (p.stat().st_mode, p.stat().st_uid,
                               p.stat().st_gid) for p in d.iterdir()})
    assert trees[0] == trees[1]
    assert trees[0]["f0"][1:] == (1000, 5555)


# ---- conflicts -----------------------------------------------------------

def conflict(f, peer):
    fd = peer.open(f, os.O_RDWR)
    peer.pwrite(fd, b"update", 0)
    f.write_bytes(b"replaced by another")
    return fd


def test_conflict(mount, f, peer):
    """S20: close fails with ESTALE, and the shadow is kept aside."""
    mount.expect_log("ESTALE")
    fd = conflict(f, peer)
    refused(errno.ESTALE, peer.close, fd)
    assert f.read_bytes() == peer.slurp(f) == b"replaced by another"
    items = mount.quarantine()
    assert [(i["path"], i["reason"], i["data"]) for i in items] == [
        ("f", "conflict", b"update")]
    assert mount.status()["transactions"]["conflicts"] == 1


def test_conflict_at_fsync(mount, f, peer):
    """S20: fsync reports it as well."""
    mount.expect_log("ESTALE")
    fd = conflict(f, peer)
    refused(errno.ESTALE, peer.fsync, fd)
    with pytest.raises(OSError):
        peer.close(fd)
    assert f.read_bytes() == b"replaced by another"


def test_no_conflict_with_oneself(f):
    """S20: only another process's replacement is a conflict."""
    fd = os.open(f, os.O_RDWR)
    os.pwrite(fd, b"update", 0)
    f.write_bytes(b"replaced")
    os.close(fd)
    assert f.read_bytes() in (b"update", b"replaced")


def test_unchanged_update_does_not_conflict(f, peer):
    """S9, S20: an update that changed nothing has nothing to conflict."""
    fd = peer.open(f, os.O_RDWR)
    f.write_bytes(b"replaced")
    peer.close(fd)
    assert f.read_bytes() == b"replaced"


def test_appends_are_reapplied(f, peer):
    """S20: pure appends are applied to the new version."""
    fd = peer.open(f, W | os.O_APPEND)
    peer.write(fd, b" +1")
    peer.write(fd, b" +2")
    f.write_bytes(b"a new and longer version")
    peer.close(fd)
    assert f.read_bytes() == b"a new and longer version +1 +2"


@pytest.mark.mount_options("conflict=last")
def test_conflict_last(f, peer):
    """S20: conflict=last turns the check off."""
    fd = conflict(f, peer)
    peer.close(fd)
    assert f.read_bytes() == b"update"


# ---- close reports -------------------------------------------------------

def test_close_reports_the_conflict_of_the_last_descriptor(mount, f, peer):
    """S12: the close that is the process's last on the file reports."""
    mount.expect_log("ESTALE")
    fd = conflict(f, peer)
    copy = peer.dup(fd)
    peer.close(copy)
    refused(errno.ESTALE, peer.close, fd)
    assert f.read_bytes() == b"replaced by another"


def test_close_makes_it_durable(mount, f):
    """S12, S18: what close has returned for is there after a crash."""
    f.write_bytes(b"closed")
    (mount / "new").write_bytes(b"new")
    assert f.read_bytes() == b"closed"
    assert (mount / "new").read_bytes() == b"new"
    mount.kill9()
    mount.start()
    assert f.read_bytes() == b"closed"
    assert (mount / "new").read_bytes() == b"new"
    assert set(tree(mount.mnt)) == {"f", "new"}
