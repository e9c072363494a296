# SPDX-License-Identifier: MIT
"""The disk runs full (S19): the old content stays, the program is told.

On real small file systems, so that ENOSPC and EDQUOT come from where they
come from in life: at write, at close, or when pages are written back.
"""
import errno
import os
import subprocess
import sys

import pytest
from harness.loop import loop_mount, make_image
from harness.mount import daemon_path as program
from support import Daemon, stage_left

MIB = 1 << 20
OLD = b"old content\n" * 100_000
SYSTEMS = {
    "ext4": (32 * MIB, ["mkfs.ext4", "-q", "-m", "0"]),
    "btrfs": (32 * MIB, ["mkfs.btrfs", "-q", "--mixed"]),
}
MODES = {"served": "passthrough=off", "passthrough": "passthrough=auto"}
TOO_MUCH = 40 * MIB
LINE = "x" * 1023

PYTHON = """
import sys
with open(sys.argv[1], "wb") as f:
    for i in range(40):
        f.write(b"n" * (1 << 20))
"""
# Nothing that fails is looked at, and all goes on as if it had worked.
CARELESS = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
for i in range(40):
    try:
        os.write(fd, b"n" * (1 << 20))
    except OSError:
        pass
try:
    os.close(fd)
except OSError:
    pass
"""
MAPPED = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.ftruncate(fd, 40 << 20)
with mmap.mmap(fd, 40 << 20) as area:
    for at in range(0, 40 << 20, 4096):
        area[at] = 1
    area.flush()
os.close(fd)
"""
LOOP = 'i=0; while [ $i -lt 40960 ]; do {} || exit 1; i=$((i+1)); done {} "$1"'

# What overwrites FILE with more than fits.
WRITERS = {
    "cp": ["cp", "BIG", "FILE"],
    "cat": ["sh", "-ec", 'cat "$2" > "$1"', "sh", "FILE", "BIG"],
    "echo": ["bash", "-c", LOOP.format(f"echo {LINE}", ">"), "bash", "FILE"],
    "printf": ["bash", "-c", LOOP.format(f"printf '%s\\n' {LINE}", ">"),
               "bash", "FILE"],
    "append": ["bash", "-c", LOOP.format(f"echo {LINE}", ">>"), "bash",
               "FILE"],
    "dd": ["dd", "if=/dev/zero", "of=FILE", "bs=1M", "count=40",
           "status=none"],
    "dd-notrunc": ["dd", "if=/dev/zero", "of=FILE", "bs=64k", "count=640",
                   "conv=notrunc", "status=none"],
    "dd-fsync": ["dd", "if=/dev/zero", "of=FILE", "bs=1M", "count=40",
                 "conv=fsync", "status=none"],
    "python": [sys.executable, "-c", PYTHON, "FILE"],
    "fallocate": ["fallocate", "-l", str(TOO_MUCH), "FILE"],
}
QUIET = {"careless": [sys.executable, "-c", CARELESS, "FILE"]}


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A file, elsewhere, that does not fit."""
    path = tmp_path_factory.mktemp("big") / "big"
    with open(path, "wb") as f:
        for _ in range(TOO_MUCH // MIB):
            f.write(os.urandom(MIB))
    return path


@pytest.fixture(params=[(s, m) for s in SYSTEMS for m in MODES],
                ids=lambda p: "-".join(p))
def small(request, tmp_path):
    """(source, mount) on a file system of 32 MiB, with an old file."""
    system, mode = request.param
    size, mkfs = SYSTEMS[system]
    image = make_image(tmp_path / "image", size, *mkfs)
    mount = tmp_path / "mount"
    mount.mkdir()
    with loop_mount(image, tmp_path / "small") as directory:
        source = directory / "source"
        source.mkdir()
        (source / "file").write_bytes(OLD)
        os.sync()
        with Daemon(program(), source, mount,
                    [MODES[mode], "quarantine_size=1M"]) as daemon:
            assert daemon.alive, daemon.errors()
            yield source, mount
        assert (source / "file").read_bytes() == OLD
        assert stage_left(source) == [], daemon.errors()


def overwrite(command, file, big=""):
    names = {"FILE": str(file), "BIG": str(big)}
    command = [names.get(c, c.replace("FILE", str(file))) for c in command]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=120,
                          text=True)


def assert_old(source, mount):
    """Nothing has changed, as seen by anybody."""
    assert (mount / "file").read_bytes() == OLD
    assert (source / "file").read_bytes() == OLD
    assert os.listdir(mount) == ["file"]


def test_overwrite(small, big):
    """S19: whatever overwrites a file with more than fits fails, says that
    the disk is full, and leaves the old content; then there is room again."""
    source, mount = small
    for name, command in WRITERS.items():
        done = overwrite(command, mount / "file", big)
        assert_old(source, mount)
        if command[0] == "bash" and not done.stderr:
            # Its small writes were still in the kernel's cache, so that it
            # was close(2) that failed, which bash does not look at.
            continue
        assert done.returncode != 0, f"{name}: no failure"
        assert "space left" in done.stderr, f"{name}: {done.stderr}"


def test_careless(small):
    """S19: a program that looks at no error changes nothing either."""
    source, mount = small
    for name, command in QUIET.items():
        done = overwrite(command, mount / "file")
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert_old(source, mount)


def test_mapped(small):
    """S19: pages of a map that cannot be stored: the old content stays,
    whether the program dies of it or not."""
    source, mount = small
    done = overwrite([sys.executable, "-c", MAPPED, "FILE"], mount / "file")
    assert done.returncode != 0
    assert_old(source, mount)


def test_new_file(small, big):
    """S19: a new file that does not fit never appears."""
    source, mount = small
    done = overwrite(["cp", "BIG", "FILE"], mount / "new", big)
    assert done.returncode != 0
    assert "space left" in done.stderr
    assert_old(source, mount)


def test_room_again(small, big):
    """S19: what was rolled back does not keep the disk full: afterwards a
    write that fits works."""
    source, mount = small
    for turn in range(3):
        assert overwrite(["cp", "BIG", "FILE"], mount / "file",
                         big).returncode != 0
        fits = b"%d" % turn * MIB
        (mount / "file").write_bytes(fits)
        assert (mount / "file").read_bytes() == fits
        assert (source / "file").read_bytes() == fits
    (mount / "file").write_bytes(OLD)


def test_write_or_close_says_so(small):
    """S19: the errno of write(2), fsync(2) or close(2) is ENOSPC."""
    source, mount = small
    fd = os.open(mount / "file", os.O_WRONLY | os.O_TRUNC)
    codes = []
    for _ in range(TOO_MUCH // MIB):
        try:
            os.write(fd, b"n" * MIB)
        except OSError as e:
            codes.append(e.errno)
            break
    try:
        os.close(fd)
    except OSError as e:
        codes.append(e.errno)
    assert codes and set(codes) == {errno.ENOSPC}
    assert_old(source, mount)


# ---- quota -----------------------------------------------------------------

def btrfs(*args):
    subprocess.run(["btrfs", "-q", *args], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.fixture(params=list(MODES))
def limited(request, tmp_path):
    """(source, mount) in a subvolume that may hold 16 MiB: btrfs has quotas
    in every kernel that has btrfs, ext4 and xfs only by configuration."""
    image = make_image(tmp_path / "image", 300 * MIB, "mkfs.btrfs", "-q")
    mount = tmp_path / "mount"
    mount.mkdir()
    with loop_mount(image, tmp_path / "btrfs") as directory:
        btrfs("quota", "enable", directory)
        source = directory / "source"
        btrfs("subvolume", "create", source)
        (source / "file").write_bytes(OLD)
        os.sync()
        btrfs("qgroup", "limit", "16M", source)
        with Daemon(program(), source, mount,
                    [MODES[request.param], "quarantine_size=1M"]) as daemon:
            assert daemon.alive, daemon.errors()
            yield source, mount
        assert (source / "file").read_bytes() == OLD
        assert stage_left(source) == [], daemon.errors()


def test_quota(limited, big):
    """S19: EDQUOT is told, and rolls back as ENOSPC does."""
    source, mount = limited
    for name in ("cp", "dd", "append", "python"):
        done = overwrite(WRITERS[name], mount / "file", big)
        assert_old(source, mount)
        if name == "append" and not done.stderr:
            continue  # as above: bash does not look at close(2)
        assert done.returncode != 0, f"{name}: no failure"
        assert "quota exceeded" in done.stderr.lower(), (
            f"{name}: {done.stderr}")


def test_quota_careless(limited):
    """S19: a program that looks at no error does not get past a quota."""
    source, mount = limited
    done = overwrite(QUIET["careless"], mount / "file")
    assert done.returncode == 0, done.stderr
    assert_old(source, mount)
