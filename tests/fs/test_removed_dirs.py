# SPDX-License-Identifier: MIT
"""Directories that are removed, or are not, under those who use them."""
import os
import subprocess

import pytest

from harness.tools import scaled

# So few descriptors that the daemon keeps 25 of directories only.
FEW = ["prlimit", "--nofile=400"]


@pytest.mark.parametrize("options", [(), ("entry_timeout=0",)],
                         ids=["cached", "uncached"])
def test_made_and_removed_at_once(make_mount, compiled, options):
    """S6, S7, S27: a directory that one has made, or was told was there, is
    there until it is removed; what is in it keeps it."""
    mount = make_mount(*options)
    done = subprocess.run(
        [compiled("fanout"), mount.mnt, "2", "2", str(scaled(1200))],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    words = done.stdout.split()
    n = dict(zip(words[::2], map(int, words[1::2])))
    assert n["wrong"] == 0 and n["objects"] >= scaled(1200), n
    assert os.listdir(mount.mnt) == []


@pytest.mark.parametrize("how", ["rmdir", "rename"])
def test_full_directory_stays(mount, how):
    """S13, S27: what is made in a directory lasts, also when somebody has just
    tried to remove it."""
    (mount.src / "d").mkdir()
    (mount.src / "d/old").touch()
    (mount.src / "e").mkdir()
    with pytest.raises(OSError, match="not empty"):
        if how == "rmdir":
            os.rmdir(mount / "d")
        else:
            os.rename(mount / "e", mount / "d")
    (mount / "d/new").write_bytes(b"new")
    fd = os.open(mount / "d", os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    assert sorted(os.listdir(mount / "d")) == ["new", "old"]


@pytest.mark.parametrize("how", ["rmdir", "rename"])
def test_removed_directory_is_still_itself(make_mount, how):
    """S6, S27: who has it open, or is in it, sees it as on any file system,
    whatever else the daemon has to look at meanwhile."""
    mount = make_mount(wrapper=FEW)
    for name in ("d", "e"):
        (mount / name).mkdir()
    (mount / "e").chmod(0o700)
    fd = os.open(mount / "d", os.O_RDONLY)
    want = os.fstat(fd)
    if how == "rmdir":
        os.rmdir(mount / "d")
    else:
        os.rename(mount / "e", mount / "d")
    for i in range(60):
        (mount / f"d{i}").mkdir()
        (mount / f"d{i}" / "f").touch()
    os.fchmod(fd, 0o711)
    now = os.fstat(fd)
    assert (now.st_ino, now.st_nlink) == (want.st_ino, 0)
    assert now.st_mode & 0o777 == 0o711
    assert os.listdir(fd) == []
    with pytest.raises(FileNotFoundError):
        os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.fsync(fd)
    os.close(fd)
    if how == "rename":
        assert (mount / "d").stat().st_mode & 0o777 == 0o700


def nameless_in_removed(directory):
    """The errno of O_TMPFILE in a directory that is no more, 0 for none."""
    os.mkdir(directory / "d")
    fd = os.open(directory / "d", os.O_RDONLY)
    os.rmdir(directory / "d")
    try:
        os.close(os.open(".", os.O_TMPFILE | os.O_RDWR, dir_fd=fd))
        return 0
    except OSError as e:
        return e.errno
    finally:
        os.close(fd)


def test_nameless_file_in_a_removed_directory(mount, tmp_path):
    """S27: as beside the mount, and no trouble of the daemon's (its log would
    say so)."""
    assert nameless_in_removed(mount.mnt) == nameless_in_removed(tmp_path)
