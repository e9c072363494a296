# SPDX-License-Identifier: MIT
"""S29: the state directory is private and out of reach of the mount."""
import errno
import os
import stat
import subprocess

import pytest
from harness.mount import daemon_path as program
from support import Daemon

STATE = ".atomicfs"


@pytest.fixture(params=["beside", "over-itself"])
def mounted(request, tmp_path):
    """(path of the mount, descriptor of the source below it)"""
    source = tmp_path / "source"
    mount = tmp_path / "mount"
    source.mkdir()
    (source / "file").write_text("content\n")
    (source / "dir").mkdir()
    mount.mkdir()
    if request.param == "over-itself":
        mount = source
    below = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with Daemon(program(), source, mount) as daemon:
            assert daemon.alive, daemon.errors()
            yield mount, below
    finally:
        os.close(below)


def test_private(mounted):
    """S29: it is there, belongs to the daemon, and is 0700."""
    st = os.stat(STATE, dir_fd=mounted[1])
    assert stat.S_ISDIR(st.st_mode)
    assert stat.S_IMODE(st.st_mode) == 0o700
    assert st.st_uid == os.geteuid()


def test_not_listed(mounted):
    """S29: no listing shows it."""
    mount = mounted[0]
    assert STATE not in os.listdir(mount)
    found = subprocess.run(["find", mount, "-name", STATE + "*"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    assert found == ""
    assert sorted(os.listdir(mount)) == ["dir", "file"]


REACH = {
    "stat": lambda m: os.stat(f"{m}/{STATE}"),
    "list": lambda m: os.listdir(f"{m}/{STATE}"),
    "open": lambda m: os.open(f"{m}/{STATE}", os.O_RDONLY),
    "path": lambda m: os.open(f"{m}/{STATE}", os.O_PATH),
    "inside": lambda m: os.stat(f"{m}/{STATE}/stage"),
    "lock": lambda m: open(f"{m}/{STATE}/lock", encoding="ascii"),
    "dots": lambda m: os.stat(f"{m}/dir/../{STATE}/quarantine"),
    "mkdir": lambda m: os.mkdir(f"{m}/{STATE}"),
    "create": lambda m: os.open(f"{m}/{STATE}", os.O_RDWR | os.O_CREAT),
    "create-inside": lambda m: os.open(f"{m}/{STATE}/x",
                                       os.O_RDWR | os.O_CREAT),
    "mknod": lambda m: os.mknod(f"{m}/{STATE}", stat.S_IFIFO | 0o600),
    "symlink": lambda m: os.symlink("x", f"{m}/{STATE}"),
    "link": lambda m: os.link(f"{m}/file", f"{m}/{STATE}"),
    "rename-to": lambda m: os.rename(f"{m}/dir", f"{m}/{STATE}"),
    "rename-file-to": lambda m: os.rename(f"{m}/file", f"{m}/{STATE}"),
    "rename-from": lambda m: os.rename(f"{m}/{STATE}", f"{m}/mine"),
    "rmdir": lambda m: os.rmdir(f"{m}/{STATE}"),
    "unlink": lambda m: os.unlink(f"{m}/{STATE}"),
    "chmod": lambda m: os.chmod(f"{m}/{STATE}", 0o777),
    "chown": lambda m: os.chown(f"{m}/{STATE}", 1000, 1000),
    "utime": lambda m: os.utime(f"{m}/{STATE}"),
    "setxattr": lambda m: os.setxattr(f"{m}/{STATE}", "user.a", b"1"),
    "truncate": lambda m: os.truncate(f"{m}/{STATE}/lock", 0),
}


@pytest.mark.parametrize("way", list(REACH))
def test_out_of_reach(way, mounted):
    """S29: no call on its name does anything, not even root's."""
    mount, below = mounted
    before = os.stat(STATE, dir_fd=below)
    with pytest.raises(OSError) as caught:
        REACH[way](mount)
    assert caught.value.errno in (errno.ENOENT, errno.EPERM, errno.EACCES,
                                  errno.EEXIST)
    after = os.stat(STATE, dir_fd=below)
    for field in ("st_ino", "st_mode", "st_uid", "st_mtime_ns", "st_ctime_ns"):
        assert getattr(after, field) == getattr(before, field)
    assert sorted(os.listdir(mount)) == ["dir", "file"]


def test_symlink_into_it(mounted):
    """S29: a symlink made in the mount does not lead into it."""
    mount = mounted[0]
    os.symlink(STATE, mount / "way")
    with pytest.raises(FileNotFoundError):
        os.listdir(mount / "way")
    os.unlink(mount / "way")


def test_only_at_the_top(mounted):
    """S27: the name means nothing special in any other directory."""
    mount = mounted[0]
    os.mkdir(mount / "dir" / STATE)
    (mount / "dir" / STATE / "file").write_text("mine\n")
    assert os.listdir(mount / "dir") == [STATE]
    assert (mount / "dir" / STATE / "file").read_text() == "mine\n"
    assert os.listdir(mount / "dir" / STATE) == ["file"]


def test_copy_of_the_mount(mounted, tmp_path):
    """S29: what copies everything does not copy the state."""
    mount = mounted[0]
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", mount, copy], check=True)
    assert sorted(os.listdir(copy)) == ["dir", "file"]
