# SPDX-License-Identifier: MIT
"""Whoever holds a lock or waits for one may die, give up, or run out of time
at any instant: nothing stays locked, and nobody waits for ever (S24)."""
import errno
import mmap
import os
import random
import select
import signal
import struct
import subprocess
import time

import pytest

from harness.locks import locks, wait_for_locks
from harness.tools import scaled
from lock_help import (EX, IOC_LOCK, IOC_UNLOCK, KINDS, NB, SECONDS, SH, UN,
                       EXCLUSIVE, is_free, lock_arg, result_of, until,
                       wait_until_waiting)

SEED = int(os.environ.get("ATOMICFS_TEST_SEED", "20240229"))
ROUNDS = 300
R, RW = os.O_RDONLY, os.O_RDWR
ALL = (*KINDS, "ioctl")
DIGITS, COPIES = 16, 300  # of locker.c
SLOTS = 64
kinds = pytest.mark.parametrize("kind", KINDS)
all_kinds = pytest.mark.parametrize("kind", ALL)


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_bytes(text_of(0))
    return path


@pytest.fixture
def rng(request):
    return random.Random(f"{SEED} {request.node.name}")


def text_of(n):
    return b"%016d" % n * COPIES


def pause(rng, most_us):
    """An instant at random; nothing is waited for."""
    end = time.monotonic() + rng.uniform(0, most_us / 1e6)
    while time.monotonic() < end:
        pass


def lock(peer, kind, fd, mode):
    """start() it, whatever kind it is."""
    if kind != "ioctl":
        peer.start("lock", kind, fd, mode)
    elif mode == UN:
        peer.start("ioctl_once", fd, IOC_UNLOCK, bytes(4))
    else:
        peer.start("ioctl_once", fd, IOC_LOCK, lock_arg(EXCLUSIVE))


# ---- races with the grant ------------------------------------------------

@all_kinds
def test_cancel_against_grant(module_mount, f, new_peer, rng, kind):
    """S24: a signal and the grant come at the same time: it is either EINTR,
    and not locked, or locked, and no error."""
    a, b = new_peer(), new_peer()
    fd, theirs = a.open(f, RW), b.open(f, RW)
    b.on_signal(signal.SIGUSR1)
    seen, rounds = {0: 0, errno.EINTR: 0}, 0
    # Few rounds may not come across both.
    while rounds < scaled(ROUNDS) or (not min(seen.values()) and
                                      rounds < ROUNDS):
        rounds += 1
        lock(a, kind, fd, EX)
        assert result_of(a) == 0
        lock(b, kind, theirs, EX)
        wait_until_waiting(module_mount, b)
        first = rng.random() < 0.5
        if first:
            b.send(signal.SIGUSR1)
            pause(rng, 100)
        lock(a, kind, fd, UN)
        if not first:
            pause(rng, rng.choice((100, 500, 5000)))
            b.send(signal.SIGUSR1)
        assert result_of(a) == 0
        result = result_of(b)
        seen[result] += 1
        assert is_free(a, f, "flock" if kind == "ioctl" else kind) == (
            result != 0)
        if result == 0:
            lock(b, kind, theirs, UN)
            assert result_of(b) == 0
        now = locks(module_mount)
        assert (now["held"], now["waiting"]) == (0, 0), now
    assert min(seen.values()) > 0, seen


def test_timeout_against_grant(module_mount, f, new_peer, rng):
    """S24: so it is with a time limit that ends when the lock comes."""
    a, b = new_peer(), new_peer()
    fd, theirs = a.open(f, R), b.open(f, R)
    seen, rounds = {0: 0, errno.ETIMEDOUT: 0}, 0
    # A busy machine needs longer pauses until one comes too late.
    while rounds < scaled(ROUNDS) or (not min(seen.values()) and
                                      rounds < 10 * scaled(ROUNDS)):
        rounds += 1
        a.flock(fd, EX)
        b.start("ioctl_once", theirs, IOC_LOCK, lock_arg(
            EXCLUSIVE, 0, rng.choice((2, 3))))
        pause(rng, 5000 + 50 * max(0, rounds - scaled(ROUNDS)))
        a.flock(fd, UN)
        result = result_of(b)
        seen[result] += 1
        assert is_free(a, f) == (result != 0)
        b.flock(theirs, UN)
        now = locks(module_mount)
        assert (now["held"], now["waiting"]) == (0, 0), now
    assert min(seen.values()) > 0, seen


@all_kinds
def test_death_against_grant(module_mount, f, compiled, new_peer, rng, kind):
    """S24: one who has hardly begun, or waits, or has just got the lock, is
    killed, while it is given up."""
    program, a = compiled("locker"), new_peer()
    fd = a.open(f, RW)
    for _ in range(scaled(ROUNDS) // 2):
        lock(a, kind, fd, EX)
        assert result_of(a) == 0
        with subprocess.Popen([program, kind, "once", f],
                              stdout=subprocess.PIPE) as one:
            pause(rng, 2500)
            lock(a, kind, fd, UN)
            pause(rng, 500)
            one.kill()
            assert result_of(a) == 0
        assert one.returncode == -signal.SIGKILL
        now = locks(module_mount)
        assert (now["held"], now["waiting"]) == (0, 0), now


# ---- a crowd -------------------------------------------------------------

def start_once(program, kind, path):
    return subprocess.Popen([program, kind, "once", path],
                            stdout=subprocess.PIPE)


def end_all(crowd, number=signal.SIGKILL):
    for one in crowd:
        one.send_signal(number)
    for one in crowd:
        assert one.wait() == -number
        one.stdout.close()


@all_kinds
def test_holders_and_waiters_are_killed(module_mount, f, compiled, rng, kind):
    """S24: of four, one who has it and three who wait, any one is killed: one
    of the others has it then."""
    program = compiled("locker")
    crowd = [start_once(program, kind, f) for _ in range(4)]
    try:
        for _ in range(scaled(ROUNDS) // 4):
            wait_for_locks(module_mount, held=1, waiting=3)
            pause(rng, 300)
            gone = crowd.pop(rng.randrange(4))
            gone.kill()
            assert gone.wait() == -signal.SIGKILL
            gone.stdout.close()
            said = wait_for_locks(module_mount, held=1, waiting=2)
            held, = (x for x in said["locks"] if x["state"] == "held")
            one, = (x for x in crowd if x.pid == held["pid"])
            assert select.select([one.stdout], [], [], SECONDS)[0]
            crowd.append(start_once(program, kind, f))
        wait_for_locks(module_mount, held=1, waiting=3)
    finally:
        end_all(crowd)
    wait_for_locks(module_mount, held=0, waiting=0)


class Crowd:
    """Processes of locker.c that go on for ever, each with a counter."""

    def __init__(self, program, how, kinds, paths, counters):
        self.program, self.how, self.paths = program, how, paths
        self.kinds = kinds
        counters.write_bytes(bytes(8 * SLOTS))
        self.counters = counters
        with open(counters, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self.all, self.begin = [], [0] * SLOTS
        self.started = 0

    def rounds(self, slot):
        return struct.unpack_from("=q", self.map, 8 * slot)[0]

    def start(self, slot):
        kind = self.kinds[self.started % len(self.kinds)]
        self.started += 1
        self.begin[slot] = self.rounds(slot)
        return subprocess.Popen(
            [self.program, kind, self.how, self.counters, str(slot),
             *self.paths])

    def fill(self, n):
        self.all = [self.start(slot) for slot in range(n)]

    def strike(self, slot, number):
        """One of them gets a signal; if that ends it, another takes its
        place."""
        one = self.all[slot]
        if number == signal.SIGUSR1:
            if self.rounds(slot) > self.begin[slot]:  # it has a handler
                one.send_signal(number)
            return
        one.send_signal(number)
        assert one.wait() == -number
        self.all[slot] = self.start(slot)

    def check_going_on(self):
        """Each of them gets round."""
        before = [self.rounds(slot) for slot in range(len(self.all))]
        for slot, n in enumerate(before):
            until(lambda s=slot, m=n: self.rounds(s) > m + 1,
                  lambda s=slot: f"{s} goes on for ever")
            assert self.all[slot].poll() is None, "it ended with an error"

    def end(self):
        for one in self.all:
            one.kill()
        return [one.wait() for one in self.all]


@pytest.fixture
def crowd(compiled, tmp_path):
    crowds = []

    def make(how, kinds, *paths):
        crowds.append(Crowd(compiled("locker"), how, kinds, paths,
                            tmp_path / "counters"))
        return crowds[-1]
    yield make
    for one in crowds:
        one.end()


def test_at_any_instant(module_mount, place, f, crowd, rng):
    """S24: eight lock two files, shared and exclusively, by all kinds; now one
    and now another is killed, or interrupted."""
    (place / "g").touch()
    many = crowd("loop", ALL, f, place / "g")
    many.fill(8)
    for n in range(scaled(ROUNDS)):
        pause(rng, 3000)
        many.strike(rng.randrange(8), rng.choice(
            (signal.SIGKILL, signal.SIGKILL, signal.SIGUSR1, signal.SIGTERM)))
        if n % 50 == 49:
            many.check_going_on()
    many.check_going_on()
    assert set(many.end()) == {-signal.SIGKILL}
    wait_for_locks(module_mount, held=0, waiting=0)


@all_kinds
def test_updates_at_any_instant(mount, crowd, rng, kind):
    """S14, S19, S24: four add to a number, and are killed at any instant: the
    file is always whole, and nothing half-written is read by who gets the lock
    next."""
    mount.allow_log("rolled back 'f'.*killed")
    # Who had opened it, and did not come to ask for the lock.
    mount.allow_log("'f': process .* was killed while others write")
    f = mount / "f"
    f.write_bytes(text_of(0))
    many = crowd("update", [kind], f)
    many.fill(4)
    for n in range(scaled(ROUNDS) // 4):
        pause(rng, 6000)
        many.strike(rng.randrange(4), signal.SIGKILL)
        text = f.read_bytes()
        assert text == text_of(int(text[:DIGITS]))
        if n % 25 == 24:
            many.check_going_on()
    many.check_going_on()
    assert set(many.end()) == {-signal.SIGKILL}
    wait_for_locks(mount, held=0, waiting=0)
    text = f.read_bytes()
    assert text == text_of(int(text[:DIGITS])) and int(
        text[:DIGITS]) > scaled(50)


# ---- files that come and go ----------------------------------------------

class Traffic:
    """Threads that wait for locks of files that are renamed, linked, removed
    and replaced meanwhile.  Each descriptor has a thread of its own."""

    def __init__(self, place, new_peer, rng, kinds):
        self.rng, self.new_peer, self.kinds = rng, new_peer, kinds
        self.paths = [place / name for name in ("f", "g", "h")]
        self.others = new_peer()
        self.peers = [new_peer() for _ in range(3)]
        self.idle, self.busy = [], []  # (peer, descriptor, kind)

    def pick(self, exists=True):
        found = [p for p in self.paths if p.exists() == exists]
        return self.rng.choice(found) if found else None

    def take_idle(self):
        if self.idle:
            return self.idle.pop(self.rng.randrange(len(self.idle)))
        return None

    def do_open(self):
        path, peer = self.pick(), self.rng.choice(self.peers)
        if path and len(self.idle) + len(self.busy) < 16:
            self.idle.append((peer, peer.open(path, RW),
                              self.rng.choice(self.kinds)))

    def do_close(self):
        if one := self.take_idle():
            peer, fd, _ = one
            peer.within(f"t{fd}", "close", fd)

    def do_lock(self):
        if one := self.take_idle():
            peer, fd, kind = one
            peer.begin(f"t{fd}", "lock", kind, fd,
                       self.rng.choice((SH, EX, EX)))
            self.busy.append(one)

    do_lock_2 = do_lock_3 = do_lock

    def do_unlock(self):
        if one := self.take_idle():
            peer, fd, kind = one
            peer.within(f"t{fd}", "lock", kind, fd, UN)
            self.idle.append(one)

    do_unlock_2 = do_unlock

    def do_rename(self):
        old, new = self.pick(), self.rng.choice(self.paths)
        if old:
            self.others.rename(old, new)

    def do_create(self):
        if path := self.pick(False):
            self.others.spew(path, b"new")

    do_create_2 = do_create

    def do_replace(self):
        if path := self.pick():
            self.others.spew(path, b"replaced")

    def do_link(self):
        old, new = self.pick(), self.pick(False)
        if old and new:
            self.others.link(old, new)

    def do_unlink(self):
        if path := self.pick():
            self.others.unlink(path)

    def do_kill(self):
        if self.rng.random() < 0.1:
            n = self.rng.randrange(len(self.peers))
            gone = self.peers[n]
            gone.kill()
            self.peers[n] = self.new_peer()
            self.idle = [one for one in self.idle if one[0] is not gone]
            self.busy = [one for one in self.busy if one[0] is not gone]

    def collect(self):
        """Whoever got his lock; returns whether there was one."""
        over = [one for one in self.busy if one[0].ended(f"t{one[1]}")]
        for one in over:
            self.busy.remove(one)
            try:
                one[0].end(f"t{one[1]}")
            except OSError as e:
                assert e.errno == errno.EDEADLK, e
            self.idle.append(one)
        return bool(over)

    def run(self, steps):
        calls = sorted(name for name in dir(self) if name.startswith("do_"))
        for _ in range(steps):
            getattr(self, self.rng.choice(calls))()
            self.collect()

    def finish(self, mount):
        """All that is held is given up: all who wait get it."""
        while self.idle or self.busy:
            while self.idle:
                self.do_close()
            if self.busy:
                until(self.collect, lambda: locks(mount))


@pytest.mark.parametrize("kinds", [["flock"], ["posix"], ["ofd"], KINDS],
                         ids=[*KINDS, "mixed"])
def test_nobody_waits_for_ever(module_mount, place, new_peer, rng, kinds):
    """S21, S24: whatever becomes of the file and its names meanwhile."""
    for _ in range(scaled(3)):
        traffic = Traffic(place, new_peer, rng, kinds)
        traffic.run(200)
        traffic.finish(module_mount)
        wait_for_locks(module_mount, held=0, waiting=0)
        for path in traffic.paths:
            path.unlink(missing_ok=True)


# ---- threads, and the daemon ---------------------------------------------

@kinds
@pytest.mark.parametrize("end", ["kill", "exit"])
def test_threads_that_wait(module_mount, f, new_peer, kind, end):
    """S24: a process ends while many threads of it wait."""
    a, b = new_peer(), new_peer()
    fd = a.open(f, RW)
    a.lock(kind, fd, EX)
    for _ in range(3):
        for n in range(20):
            b.begin(f"t{n}", "lock", kind, b.open(f, RW), (SH, EX)[n % 2])
        wait_for_locks(module_mount, held=1, waiting=20)
        b.kill() if end == "kill" else b.exit()
        wait_for_locks(module_mount, held=1, waiting=0)
        b = new_peer()
    a.close(fd)
    assert is_free(b, f, kind)


@kinds
def test_holder_dies_while_threads_wait(module_mount, f, new_peer, kind):
    """S24: all of them get it, one after the other."""
    a, b = new_peer(), new_peer()
    a.lock(kind, a.open(f, RW), EX)
    shared = kind == "posix"  # it is the process that gets those
    for n in range(10):
        b.begin(f"t{n}", "lock", kind, b.open(f, RW), SH)
    wait_for_locks(module_mount, held=1, waiting=10)
    a.kill()
    for n in range(10):
        b.end(f"t{n}")
    wait_for_locks(module_mount, held=1 if shared else 10, waiting=0)


def test_unmounted(mount, new_peer):
    """S24: the daemon is told to end: who waits is told ENOLCK."""
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(b"content")
    fd, theirs = a.open(f, R), b.open(f, R)
    a.flock(fd, EX)
    b.start("flock", theirs, EX)
    wait_until_waiting(mount, b)
    mount.stop()
    assert result_of(b) == errno.ENOLCK
    a.reset()
    b.reset()
    mount.start()
    wait_for_locks(mount, held=0, waiting=0)
    assert is_free(a, f)


def test_daemon_is_killed(mount, new_peer):
    """S18, S24: who waits is told so, and the next daemon knows of no lock."""
    f, a, b = mount / "f", new_peer(), new_peer()
    f.write_bytes(b"content")
    fd, theirs = a.open(f, R), b.open(f, R)
    a.flock(fd, EX)
    b.start("flock", theirs, EX)
    wait_until_waiting(mount, b)
    mount.kill9()
    assert result_of(b) in (errno.ENOTCONN, errno.ECONNABORTED, errno.ENOLCK)
    a.reset()
    b.reset()
    mount.start()
    wait_for_locks(mount, held=0, waiting=0)
    fd, theirs = a.open(f, R), b.open(f, R)
    a.flock(fd, EX)
    with pytest.raises(BlockingIOError):
        b.flock(theirs, SH | NB)
    a.close(fd)
    b.close(theirs)
