# SPDX-License-Identifier: MIT
"""Directories that are removed, or are not, under those who use them."""
import os
import subprocess

import pytest

from harness.tools import scaled


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
