# SPDX-License-Identifier: MIT
"""The machine loses its power at any instant (S13, S18).

The source is an ext4 file system in an image file, the image lies on an xfs
with reflink, and a power cut is one FICLONE of the image while eight writers
are at work.  The clone is mounted (which replays ext4's journal, as a boot
does), a daemon is started on it, and every file is looked at.

Why the clone is what a power cut leaves:

- It is one instant.  The loop device writes to the image with ordinary
  writes, each of which holds the image's inode lock; FICLONE holds the same
  lock from before it flushes the image's dirty pages until it has shared the
  last extent.  So it has every block that was written before some moment, and
  none that was written after.  A plain copy would read early blocks at one
  moment and late ones at another: no disk was ever in that state.
- What was only in the inner file system's memory is lost.  Pages that ext4
  has not written, transactions that its journal has not committed, sizes and
  names: none of these is in the image, and the clone has only the image.
- What an fsync has promised is there.  fsync on the inner file system returns
  after ext4 has written the blocks and the commit record to the loop device,
  that is, into the image, and before the writer notes it down; the clone is
  made after the notes were read.
- The disk it stands for has no cache of its own that could lose what was
  written but not flushed.  Order between such writes is the business of
  ext4's barriers, which a loop device obeys; the mistakes this test is after
  are ours: a rename before its data, a record after its deed, a directory
  that was never synced.

The clone may be later than the notes that were read before it, so versions
are bound from both sides: at least what was synced according to the notes
before the cut, at most what was started according to the notes after it.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import writers
from harness.loop import loop_mount, make_image
from harness.mount import unmount
from support import Daemon, build_with_faults, stage_left

MODES = {"served": "passthrough=off", "passthrough": "passthrough=auto"}
HERE = Path(__file__).resolve().parent
NAMES = [f"w{i}" for i in range(8)]
CUTS = 12  # of each mode
OUTER_BYTES = 1 << 30
INNER_BYTES = 160 << 20


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_with_faults(tmp_path_factory.mktemp("fault"))


@pytest.fixture
def outer():
    """A directory on an xfs with reflink, in memory where there is room."""
    shm = "/dev/shm"
    roomy = os.path.isdir(shm) and shutil.disk_usage(shm).free > OUTER_BYTES
    with tempfile.TemporaryDirectory(dir=shm if roomy else None,
                                     prefix="atomicfs-cut-") as root:
        image = make_image(Path(root) / "outer.img", OUTER_BYTES, "mkfs.xfs",
                           "-q", "-m", "reflink=1")
        with loop_mount(image, Path(root) / "outer") as directory:
            yield directory


class Load:
    """Eight writers on the mount."""

    def __init__(self, mount, logs, seed):
        self.logs = [Path(logs) / name for name in NAMES]
        self.processes = [
            subprocess.Popen([sys.executable, HERE / "writers.py", mount, log,
                              name, str(seed + i)], stderr=subprocess.PIPE)
            for i, (name, log) in enumerate(zip(NAMES, self.logs))]

    def notes(self):
        return writers.read_logs(self.logs)

    def assert_running(self):
        for process in self.processes:
            assert process.poll() is None, process.stderr.read()

    def wait_all_started(self, seconds=30):
        end = time.monotonic() + seconds
        while len(self.notes()["V"]) < 2 * len(NAMES):
            self.assert_running()
            assert time.monotonic() < end, "the writers do not get anywhere"
            time.sleep(0.01)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stderr.close()


def cut(image, to):
    subprocess.run(["cp", "--reflink=always", image, to], check=True)


def recover_and_check(program, option, image, outer, before, after):
    """Boot from the clone.  Returns (shadows that the cut had left, found)."""
    with loop_mount(image, outer / "after") as after_dir:
        source = after_dir / "source"
        left = len(stage_left(source))
        mount = outer / "mount-after"
        mount.mkdir(exist_ok=True)
        with Daemon(program, source, mount, [option]) as daemon:
            assert daemon.alive, daemon.errors()
            writers.check(mount, NAMES, before, after, "F")
        assert stage_left(source) == []
        found = writers.check(source, NAMES, before, after, "F")
    return left, found


def cut_many(program, option, live, outer, rng):
    """Yields (left, found) of each power cut; the load runs meanwhile."""
    for turn in range(CUTS):
        clone = outer / "clone.img"
        time.sleep(rng.uniform(0.0, 0.25))  # a random instant
        before = live.notes()
        cut(outer / "inner.img", clone)
        after = live.notes()
        live.assert_running()
        try:
            yield recover_and_check(program, option, clone, outer, before,
                                    after)
        except (AssertionError, ValueError) as e:
            raise AssertionError(f"power cut {turn}: {e}") from e
        finally:
            clone.unlink()


@pytest.mark.parametrize("mode", list(MODES))
def test_power_cut(mode, program, outer, tmp_path):
    """S18: after a power cut each file is wholly one of the versions ever
    written.  S13: at least the one that was fsynced last."""
    seed = random.randrange(1 << 30)
    option = MODES[mode]
    image = make_image(outer / "inner.img", INNER_BYTES, "mkfs.ext4", "-q",
                       "-E", "lazy_itable_init=0,lazy_journal_init=0")
    mount = tmp_path / "mount"
    mount.mkdir()
    lefts, versions = [], set()
    with loop_mount(image, outer / "live") as live_dir:
        source = live_dir / "source"
        source.mkdir()
        subprocess.run(["sync", "-f", source], check=True)
        with Daemon(program, source, mount, [option]) as daemon:
            assert daemon.alive, daemon.errors()
            load = Load(mount, tmp_path, seed)
            try:
                load.wait_all_started()
                for left, found in cut_many(program, option, load, outer,
                                            random.Random(seed)):
                    lefts.append(left)
                    versions.add(tuple(sorted(found.items())))
                notes = load.notes()
            finally:
                load.stop()
                unmount(outer / "after")
    # Else it would have proved nothing: the cuts must have hit work.
    assert len(versions) == CUTS, f"seed {seed}: the load stood still"
    assert sum(lefts) > 0, f"seed {seed}: no cut met an unfinished shadow"
    assert len(notes["F"]) == len(notes["S"]) or len(notes["F"]) > 8, notes
