# SPDX-License-Identifier: MIT
"""The unit tests of lib/file, which meson runs in a directory of the disk, in
a tmpfs and on an atomicfs mount, too."""
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))
PROGRAMS = ["bytes", "lock", "rights", "task"]


def run_there(name, directory):
    program = BUILD / f"tests/unit/test_file_{name}"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    done = subprocess.run(
        [program], env={**os.environ, "TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout
    assert os.listdir(directory) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_on_mount(make_mount, name):
    """What they abort, or kill on purpose, is no news here."""
    mount = make_mount()
    mount.allow_log("rolled back .*(aborted|killed)")
    (mount / "here").mkdir(0o711)
    run_there(name, mount / "here")


@pytest.mark.parametrize("name", PROGRAMS)
def test_on_tmpfs(name):
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no tmpfs")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        os.chmod(directory, 0o711)  # for tests that are not root
        run_there(name, directory)
