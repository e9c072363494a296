# SPDX-License-Identifier: MIT
"""What the tests of locks share."""
import errno
import fcntl
import os
import select
import struct
import time
from pathlib import Path

import pytest

from harness.locks import locks

SH, EX, UN, NB = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN, fcntl.LOCK_NB
KINDS = ("flock", "posix", "ofd")
SECONDS = 20

# lib/include/atomicio/ioctl.h
IOC_LOCK, IOC_UNLOCK, IOC_BREAK_LOCK = 0xC018AF05, 0x8004AF06, 0x4008AF07
SHARED, EXCLUSIVE, NOWAIT = 1, 2, 1
LOCK_ARG = struct.Struct("=IIQII")  # mode, flags, timeout_ms, count, reserved


def lock_arg(mode, flags=0, timeout_ms=0):
    return LOCK_ARG.pack(mode, flags, timeout_ms, 0, 0)


def ioc_lock(peer, fd, mode, flags=0, timeout_ms=0):
    """ATIO_IOC_LOCK; how often it is held now."""
    done = peer.ioctl(fd, IOC_LOCK, lock_arg(mode, flags, timeout_ms))
    return LOCK_ARG.unpack(done)[3]


def ioc_unlock(peer, fd):
    """ATIO_IOC_UNLOCK; how often it is held still."""
    return struct.unpack("=I", peer.ioctl(fd, IOC_UNLOCK, bytes(4)))[0]


def refused(error, call, *args, **kwargs):
    with pytest.raises(OSError) as e:
        call(*args, **kwargs)
    assert e.value.errno == error, e.value


def is_free(peer, path, kind="flock", mode=EX):
    """Whether somebody who comes now, and would not wait, gets the lock."""
    fd = peer.open(path, os.O_RDWR)
    try:
        peer.lock(kind, fd, mode | NB)
    except OSError as e:
        assert e.errno in (errno.EAGAIN, errno.EACCES), e
        return False
    finally:
        peer.close(fd)
    return True


def until(condition, what):
    """Poll until @condition() is true; it is returned."""
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"not in {SECONDS} s: {what()}"
        select.select([], [], [], 0.001)
    return found


def waiting_tids(mount):
    return {one["tid"] for one in locks(mount)["locks"]
            if one["state"] == "waiting"}


def wait_until_waiting(mount, peer):
    """What the peer has started waits for a lock."""
    until(lambda: peer.finished() or peer.pid in waiting_tids(mount),
          lambda: locks(mount))
    assert not peer.finished(), f"it does not wait: {result_of(peer)}"


def result_of(peer):
    """How what was started has ended: 0, or the errno."""
    assert peer.finished(SECONDS), "it still waits"
    try:
        peer.finish()
    except OSError as e:
        return e.errno
    return 0


def wait_delivered(pid, number):
    """No such signal is pending any more: the handler has begun."""
    def pending():
        text = Path(f"/proc/{pid}/status").read_text()
        return [line for line in text.splitlines() if "Pnd:" in line and
                int(line.split()[1], 16) >> (number - 1) & 1]
    until(lambda: not pending(), pending)
