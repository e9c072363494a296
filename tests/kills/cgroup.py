# SPDX-License-Identifier: MIT
"""A control group with little memory, of version 2 or 1."""
import contextlib
import os
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


class Limited:
    def __init__(self, path, limit, kills):
        self.path, self.kills_file = path, kills
        self.limit_file = limit

    def enter(self):
        """For Popen's preexec_fn: the new process is in the group."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def oom_kills(self):
        """How many processes the kernel has killed in it."""
        fields = (line.split() for line in
                  (self.path / self.kills_file).read_text().splitlines())
        return dict(fields)["oom_kill"]


def find(name):
    """Where a new group goes, and how its files are called."""
    controllers = ROOT / "cgroup.controllers"
    if controllers.exists():
        if "memory" in controllers.read_text().split():
            (ROOT / "cgroup.subtree_control").write_text("+memory")
            return Limited(ROOT / name, "memory.max", "memory.events")
    elif (ROOT / "memory/cgroup.procs").exists():
        return Limited(ROOT / "memory" / name, "memory.limit_in_bytes",
                       "memory.oom_control")
    return None


@contextlib.contextmanager
def limited(nbytes):
    """A group whose processes may use @nbytes of memory together."""
    group = None
    with contextlib.suppress(OSError):
        group = find(f"atomicfs-test-{os.getpid()}")
        group and group.path.mkdir()
    if not group or not group.path.exists():
        pytest.skip("no memory control group can be made here")
    try:
        (group.path / group.limit_file).write_text(str(nbytes))
        swap = group.path / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
        yield group
    finally:
        group.path.rmdir()
