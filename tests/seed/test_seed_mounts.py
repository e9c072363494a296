# SPDX-License-Identifier: MIT
"""Mounts that come and go while a program runs."""
import os
import subprocess

import pytest

from atomicio import SafeFile
from harness.locks import locks


@pytest.fixture
def on_a_tmpfs(tmp_path):
    """on_a_tmpfs(): use a file on a file system that is gone afterwards; the
    number of its device."""
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a tmpfs")
    place = tmp_path / "tmpfs"
    place.mkdir()

    def use():
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
        try:
            SafeFile(place / "a.json").write([1])
            return os.stat(place).st_dev
        finally:
            subprocess.run(["umount", place], check=True)
    return use


def test_number_of_a_device_once_more(make_mount, on_a_tmpfs):
    """What is unmounted leaves its device's number to the next: that a mount
    is one is not believed of what comes after it, nor the reverse."""
    before = on_a_tmpfs()
    numbers = []
    for _ in range(5):
        mount = make_mount()
        with SafeFile(mount / "a.json").locked() as f:
            f.write([2])
            held = locks(mount)["locks"]
            assert [lock["path"] for lock in held] == ["a.json"], held
        numbers += [(before, os.stat(mount.mnt).st_dev)]
        mount.stop()
        before = on_a_tmpfs()
        numbers += [(before, numbers[-1][1])]
    if not any(one == two for one, two in numbers):
        pytest.skip("others mount here all the time")
