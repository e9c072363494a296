# SPDX-License-Identifier: MIT
"""What is counted of locks: `.@ctl/metrics` and status.json."""
import errno
import fcntl
import os
import re
import signal

import pytest

from harness.locks import wait_for_locks
from lock_help import EX, EXCLUSIVE, IOC_LOCK, SH, lock_arg, result_of

SERIES = re.compile(r'^atomicfs_(lock\w*)(?:\{le="([^"]+)"\})? (\S+)$', re.M)


def metrics(mount):
    """{name or (name, bound): number}."""
    text = (mount / ".@ctl/metrics").read_text()
    return {(name, bound) if bound else name: float(value)
            for name, bound, value in SERIES.findall(text)}


@pytest.fixture
def f(mount):
    path = mount / "f"
    path.touch()
    return path


def test_held_and_waiting(mount, f, a, b):
    """S24: what is held and waited for at this moment."""
    fd = a.open(f, os.O_RDWR)
    a.flock(fd, EX)
    b.start("flock", b.open(f, os.O_RDWR), SH)
    wait_for_locks(mount, held=1, waiting=1)
    found, said = metrics(mount), mount.status()["locks"]
    assert (found["locks_held"], found["locks_waiting"]) == (1, 1)
    assert (said["held"], said["waiting"], said["grants"]) == (1, 1, 1)
    assert found["lock_wait_seconds_count"] == 0
    a.close(fd)
    assert result_of(b) == 0
    b.reset()
    wait_for_locks(mount, held=0, waiting=0)
    found, said = metrics(mount), mount.status()["locks"]
    assert (found["locks_held"], found["locks_waiting"]) == (0, 0)
    assert (said["grants"], said["waited"]) == (2, 1)


def test_how_long(mount, f, a, b):
    """S24: waits by duration, as Prometheus wants a histogram."""
    for _ in range(3):
        fd = a.open(f, os.O_RDWR)
        a.flock(fd, EX)
        b.start("flock", b.open(f, os.O_RDWR), EX)
        wait_for_locks(mount, held=1, waiting=1)
        a.close(fd)
        assert result_of(b) == 0
        b.reset()
    found = metrics(mount)
    buckets = [(float(key[1]), n) for key, n in found.items()
               if key[0] == "lock_wait_seconds_bucket"]
    assert [bound for bound, _ in buckets] == sorted(
        bound for bound, _ in buckets) and buckets[-1][0] == float("inf")
    counts = [n for _, n in buckets]
    assert counts == sorted(counts) and counts[-1] == 3
    assert found["lock_wait_seconds_count"] == 3
    # The bound above the mean holds at least one of them.
    mean = found["lock_wait_seconds_sum"] / 3
    assert any(n >= 1 for bound, n in buckets if bound >= mean)


def test_how_it_ended(mount, f, a, b, c):
    """S24: timeouts, interrupts and deadlocks are told apart."""
    g = mount / "g"
    g.touch()
    held, other = a.open(f, os.O_RDWR), b.open(g, os.O_RDWR)
    a.flock(held, EX)
    b.flock(other, EX)
    theirs = b.open(f, os.O_RDWR)
    b.start("ioctl_once", theirs, IOC_LOCK, lock_arg(EXCLUSIVE, 0, 50))
    assert result_of(b) == errno.ETIMEDOUT
    b.start("flock", theirs, EX)
    wait_for_locks(mount, held=2, waiting=1)
    with pytest.raises(OSError) as caught:
        a.flock(a.open(g, os.O_RDWR), EX)
    assert caught.value.errno == errno.EDEADLK
    a.flock(held, fcntl.LOCK_UN)
    assert result_of(b) == 0
    c.on_signal(signal.SIGUSR1)
    c.start("flock", c.open(f, os.O_RDWR), EX)
    wait_for_locks(mount, held=2, waiting=1)
    c.send(signal.SIGUSR1)
    assert result_of(c) == errno.EINTR
    found, said = metrics(mount), mount.status()["locks"]
    assert found["lock_timeouts_total"] == 1
    assert found["lock_deadlocks_total"] == 1
    assert found["lock_interrupts_total"] == 1
    assert (said["timeouts"], said["deadlocks"], said["interrupted"]) == (
        1, 1, 1)
