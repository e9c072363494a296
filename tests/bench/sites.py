# SPDX-License-Identifier: MIT
"""Where work is measured: the plain directory, atomicfs, and its peers.

Every site has a directory of its own on the same file system, and `dir`, where
programs work.  Every daemon is told to end when this process is gone, however
that came about; so its mount ends too.
"""
import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from harness.loop import loop_mount, make_image
from harness.mount import Mount, mountinfo, unmount

READY_SECONDS = 20
STOP_SECONDS = 60
WITH_US = ["setpriv", "--pdeathsig", "TERM", "--"]


class BenchError(Exception):
    """Something cannot be measured; its text is for the user."""


class Native:
    """The backing directory; `style` is how programs have to write there."""
    name, style = "native", "safe"

    def __init__(self, base):
        self.dir = Path(base) / "native"
        self.dir.mkdir()


class Atomicfs:
    style = "plain"

    def __init__(self, base, name="atomicfs", options=(), source=None):
        self.name = name
        self._mount = Mount(base, options, source=source, wrapper=WITH_US)
        self.dir, self.source = self._mount.mnt, self._mount.src

    def __enter__(self):
        try:
            self._mount.start()
        except (AssertionError, OSError) as e:
            self._mount.finish()
            raise BenchError(f"atomicfs: {e}") from e
        return self

    def __exit__(self, *exc):
        try:
            self._mount.finish()
        except AssertionError as e:
            # With an error under way that one is the cause.
            if exc == (None, None, None):
                raise BenchError(f"atomicfs: {e}") from e

    @property
    def pid(self):
        return self._mount.proc.pid

    def status(self):
        return self._mount.status()


class Peer:
    """Another FUSE file system, with the options it has by default, and
    @options."""
    style = "safe"

    def __init__(self, name, base, options=()):
        self.name, self.options = name, options
        self.base = Path(base) / name
        self.src, self.dir = self.base / "src", self.base / "mnt"
        self.process = None

    def _command(self):
        if self.name == "fuse-overlayfs":
            lower, upper, work = (self.src / n for n in ("l", "u", "w"))
            for path in (lower, upper, work):
                path.mkdir()
            return [self.name, "-f", "-o", f"lowerdir={lower},"
                    f"upperdir={upper},workdir={work}", self.dir]
        if self.name == "mergerfs":
            # By default it takes no file while less than 4 GiB are free.
            return [self.name, "-f", "-o", "minfreespace=0", self.src,
                    self.dir]
        return [self.name, "-f", *self.options, self.src, self.dir]

    def __enter__(self):
        if not shutil.which(self.name):
            raise BenchError(f"{self.name} is not installed")
        for path in (self.src, self.dir):
            path.mkdir(parents=True)
        with open(self.base / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*WITH_US, *self._command()], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def pid(self):
        return self.process.pid

    def _wait_ready(self):
        end = time.monotonic() + READY_SECONDS
        while not mountinfo(self.dir):
            if self.process.poll() is not None or time.monotonic() > end:
                said = (self.base / "log").read_text(errors="replace")
                raise BenchError(f"{self.name} does not mount: {said}")
            time.sleep(0.01)

    def __exit__(self, *exc):
        unmount(self.dir)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def file_system(path):
    """Type of the file system @path lies on."""
    said = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", path], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return said.split()[-1]  # the topmost of several


def lacks_journal(path):
    """ext4 can be without: then fsync is cheap, and new inodes are dear when
    many were deleted just before, as it does not use them again soon."""
    dev = os.stat(path).st_dev
    link = f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}"
    options = Path("/proc/fs/ext4", Path(link).resolve().name, "options")
    return options.exists() and "data=" not in options.read_text()


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


# ---- a file system of one's own ----------------------------------------------

IMAGE_BYTES = 12 << 30
# How to make it, and how to mount it: without work in the background.
KINDS = {"ext4": (["mkfs.ext4", "-q", "-F"], "noinit_itable"),
         "xfs": (["mkfs.xfs", "-q"], ""),
         "btrfs": (["mkfs.btrfs", "-q"], "")}


@contextlib.contextmanager
def image(base, kind):
    """A fresh file system in a sparse file, mounted: where it is."""
    if os.getuid() != 0:
        raise BenchError("an image needs root, for a loop mount")
    mkfs, options = KINDS[kind]
    made = make_image(base / "image", IMAGE_BYTES, *mkfs)
    with loop_mount(made, base / kind, options) as directory:
        yield directory
