# SPDX-License-Identifier: MIT
"""A daemon that may die, and a build with fault points: for tests that crash
it.  Those that only need a mount use the fixtures of conftest.py.
"""
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

from harness.mount import mountinfo, unmount

TOP = Path(__file__).resolve().parents[1]
READY_SECONDS = 20


def build_with_faults(directory):
    """A daemon with fault points (lib/stage/fault.h): that of the environment,
    else one that is built now."""
    given = os.environ.get("ATOMICFS_FAULT")
    if given:
        return Path(given)
    build = Path(directory) / "build-fault"
    for command in (["meson", "setup", build, TOP, "--buildtype=debugoptimized",
                     "-Dc_args=-DATIO_FAULT_POINTS"],
                    ["ninja", "-C", build, "fs/atomicfs"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return build / "fs" / "atomicfs"


def is_mounted(path):
    return bool(mountinfo(path))


class Daemon:
    """`atomicfs -f` on @source.  It is ready when the constructor returns, or
    dead (`alive` is false), which fault points may cause."""

    def __init__(self, program, source, mountpoint, options=(), env=None):
        self.mountpoint = Path(mountpoint)
        self.log = tempfile.TemporaryFile()
        ready, theirs = os.pipe()
        options = ",".join([f"notify-ready={theirs}", *options])
        self.process = subprocess.Popen(
            [program, "-f", "-o", options, source, mountpoint],
            pass_fds=[theirs], stderr=self.log, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})})
        os.close(theirs)
        try:
            self.alive = self._wait_ready(ready)
        finally:
            os.close(ready)

    def _wait_ready(self, fd):
        """True when it says ready, False when it ends before."""
        end = time.monotonic() + READY_SECONDS
        said = b""
        while b"\n" not in said:
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                self.kill()
                raise TimeoutError(f"not ready: {self.errors()}")
            more = os.read(fd, 64)
            if not more:
                self.process.wait(READY_SECONDS)
                return False
            said += more
        return True

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def kill(self):
        """kill -9, and take away the dead mount."""
        self.process.kill()
        self.process.wait()
        unmount(self.mountpoint)

    def wait_dead(self, seconds=READY_SECONDS):
        self.process.wait(seconds)
        unmount(self.mountpoint)

    def stop(self):
        """Unmount as an administrator does; the exit code of the daemon."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(READY_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        unmount(self.mountpoint)
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None and exc[0] is not None:
            self.kill()
        else:
            self.stop()


def stage_left(source):
    """What lies in the stage of the store; nothing may, when none is open."""
    stage = Path(source) / ".atomicfs" / "stage"
    if not stage.exists():
        return []
    return sorted(p.name for p in stage.iterdir() if p.name != "journal")
