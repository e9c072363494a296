# SPDX-License-Identifier: MIT
"""Fixtures of the tests of locks."""
import pytest

from harness.peer import Peer
from lock_help import SECONDS
from lock_play import Mounted, Plain


class Pool:
    """Peers that are used again: to start one takes longer than most tests."""

    def __init__(self):
        self.idle, self.out = [], []

    def get(self):
        one = self.idle.pop() if self.idle else Peer()
        one.seconds = SECONDS
        self.out.append(one)
        return one

    def take_back(self):
        """All that were given out, but those that ended or may hang."""
        out, self.out = self.out, []
        for one in out:
            if one.process.poll() is None and not one.busy:
                try:
                    one.reset()
                    self.idle.append(one)
                    continue
                except (OSError, EOFError, AssertionError):
                    one.busy = True
            one.__exit__()

    def close(self):
        for one in self.idle + self.out:
            one.__exit__()


@pytest.fixture(scope="session")
def pool():
    peers = Pool()
    yield peers
    peers.close()


@pytest.fixture
def new_peer(pool):
    """new_peer(): another process, which has nothing open."""
    yield pool.get
    pool.take_back()


@pytest.fixture
def a(new_peer):
    return new_peer()


@pytest.fixture
def b(new_peer):
    return new_peer()


@pytest.fixture
def c(new_peer):
    return new_peer()


@pytest.fixture
def grounds(place, module_mount, tmp_path):
    """Where outcomes are compared: a plain directory, and one on a mount."""
    return (Plain(tmp_path / "plain"),
            Mounted(module_mount, place / "cases"))
