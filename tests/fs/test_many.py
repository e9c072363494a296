# SPDX-License-Identifier: MIT
"""Many files: known, read, open at once, and forgotten again (S1, S27): the
daemon pays neither descriptors nor memory for them in the end.

The kernel forgets files when memory is short, or when drop_caches says so.
"""
import os
import resource
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.mount import unmount

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
SETTLE_SECONDS = 60
MANY = 100_000
KNOWN = 24_000  # more than RLIMIT_NOFILE may be (20,000 where it is small)
READERS = 4
# A known file costs 150 bytes at least: 100,000 of them twice this.
SLACK_KIB = 8 * 1024


def name_of(i):
    return f"file-{i:06d}"


def fill(directory, numbers):
    """Files named by @numbers, with their number as content."""
    d = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for i in numbers:
        fd = os.open(name_of(i), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644,
                     dir_fd=d)
        os.write(fd, b"%d" % i)
        os.close(fd)
    os.close(d)


def fill_empty(directory, numbers):
    d = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for i in numbers:
        os.mknod(name_of(i), 0o644, dir_fd=d)
    os.close(d)


@pytest.fixture
def quick(make_mount, tmp_path):
    """A mount whose source is in memory, so that many files take little
    time."""
    if os.getuid() != 0:
        pytest.skip("needs root, for a tmpfs")
    source = tmp_path / "tmpfs"
    source.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,nr_inodes=400k",
                    "none", source], check=True)
    try:
        try:
            os.setxattr(source, "user.a", b"1")
        except OSError:
            pytest.skip("needs a tmpfs with extended attributes (Linux 6.6)")
        # With an arena for each thread, chance decides what malloc keeps.
        m = make_mount("durability=none", source=source,
                       env={"MALLOC_ARENA_MAX": "1"})
        m.status()  # it has done all that a start needs
        yield m
        m.finish()
    finally:
        unmount(source)


def wait_until(true, state):
    """Until @true(), while the kernel is made to forget files again and
    again: something may have been in use just now."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        DROP_CACHES.write_text("2")
        for _ in range(50):
            if true():
                return
            select.select([], [], [], 0.02)
        assert time.monotonic() < end, f"not given back: {state()}"


def one_round(mount, many, made):
    """@many files are there, @made of them made through the mount; they are
    listed, known by name, read, changed and removed."""
    box = mount / "box"
    box.mkdir()
    fill(box, range(made))
    fill_empty(mount.src / "box", range(made, many))
    names = {name_of(i) for i in range(many)}
    listed = os.listdir(box)
    assert len(listed) == many
    assert set(listed) == names
    d = os.open(box, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(many):
        size = len(str(i)) if i < made else 0
        assert os.stat(name_of(i), dir_fd=d).st_size == size
    for i in range(made):
        fd = os.open(name_of(i), os.O_RDWR, dir_fd=d)
        assert os.read(fd, 99) == b"%d" % i
        if i % 10 == 0:
            os.write(fd, b"more")
        os.close(fd)
    for i in range(many):
        os.unlink(name_of(i), dir_fd=d)
    os.close(d)
    assert os.listdir(box) == []
    box.rmdir()


def test_descriptors_are_given_back(quick):
    """S27: after many files and directories the daemon has exactly the
    descriptors that it began with."""
    before = quick.fds()
    one_round(quick, 3000, 1000)
    for i in range(1000):
        (quick / f"d{i}").mkdir()
        (quick / f"d{i}" / "d").mkdir()
    assert len(os.listdir(quick.mnt)) == 1000
    for i in range(1000):
        os.rmdir(quick / f"d{i}" / "d")
        os.rmdir(quick / f"d{i}")
    wait_until(lambda: quick.fds() == before,
               lambda: f"{quick.fds()} descriptors, {before} at the start")


@pytest.mark.memory
@pytest.mark.limit(180)
def test_memory_is_given_back(quick):
    """S27: 100,000 files that were known and are forgotten cost the daemon
    neither descriptors nor memory.  The first round shows what its allocator
    keeps for the next."""
    before = quick.fds()
    one_round(quick, MANY, 500)
    wait_until(lambda: quick.fds() == before, quick.fds)
    limit = quick.rss_kib() + SLACK_KIB
    one_round(quick, MANY, 500)
    wait_until(lambda: quick.fds() == before and quick.rss_kib() <= limit,
               lambda: f"{quick.fds()} descriptors, {before} at the start; "
                       f"{quick.rss_kib()} KiB, at most {limit}")


# Opens the files [first, end) for reading, says how many, and closes them when
# it is told.
READER = """
import os, resource, sys
first, end = int(sys.argv[2]), int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
d = os.open(sys.argv[1], os.O_RDONLY)
fds = []
for i in range(first, end):
    fds.append(os.open(f"file-{i:06d}", os.O_RDONLY, dir_fd=d))
for i, fd in zip(range(first, end), fds):
    assert os.read(fd, 99) == b"%d" % i, i
print("open", flush=True)
sys.stdin.read()
for i, fd in zip(range(first, end), fds):
    assert os.pread(fd, 99, 0) == b"%d" % i, i
"""


@pytest.fixture
def known(mount):
    (mount.src / "box").mkdir()
    fill(mount.src / "box", range(KNOWN))
    return mount


def test_more_files_than_descriptors(known):
    """S27: more files than a process may have descriptors are known to the
    kernel and were read: it costs the daemon none."""
    before = known.fds()
    d = os.open(known / "box", os.O_RDONLY | os.O_DIRECTORY)
    for i in range(KNOWN):
        fd = os.open(name_of(i), os.O_RDONLY, dir_fd=d)
        assert os.read(fd, 99) == b"%d" % i
        os.close(fd)
    for i in range(0, KNOWN, 7):
        assert os.stat(name_of(i), dir_fd=d).st_size == len(str(i))
    os.close(d)
    # A bounded number of files is kept open for the next who reads them.
    assert known.fds() < before + 2000


def test_many_open_at_once(known):
    """S1, S27: several processes have more files open at once than the daemon
    may have descriptors; every one is read, and keeps its version while
    others replace some."""
    each = KNOWN // READERS
    readers = [subprocess.Popen(
        [sys.executable, "-c", READER, known / "box", str(n * each),
         str((n + 1) * each)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True) for n in range(READERS)]
    try:
        assert [r.stdout.readline() for r in readers] == ["open\n"] * READERS
        for i in range(0, READERS * each, 500):
            (known / "box" / name_of(i)).write_text("replaced")
        for one in readers:
            one.stdin.close()
        assert [r.wait() for r in readers] == [0] * READERS
    finally:
        for one in readers:
            one.kill()
            one.wait()
            one.stdout.close()
    assert (known / "box" / name_of(0)).read_text() == "replaced"
