# SPDX-License-Identifier: MIT
"""Who waits, in which order, and how the waiting ends (S24)."""
import errno
import fcntl
import os
import signal
import time

import pytest

from harness.locks import locks, wait_for_locks
from harness.tools import run
from lock_help import (EX, EXCLUSIVE, IOC_BREAK_LOCK, IOC_LOCK, KINDS, NB,
                       NOWAIT, SECONDS, SH, SHARED, UN, ioc_lock, is_free,
                       lock_arg, refused, result_of, until,
                       wait_until_waiting, waiting_tids)

R, RW = os.O_RDONLY, os.O_RDWR
kinds = pytest.mark.parametrize("kind", KINDS)
TICK = 0.001  # limits are in milliseconds
TIMEOUT = pytest.mark.mount_options("lock_timeout=1")


@pytest.fixture
def f(place):
    return new_file(place / "f")


def new_file(path):
    path.write_bytes(b"content")
    return path


class Queue:
    """Processes that lock one file, or several."""

    def __init__(self, mount, new_peer, path, kind="flock"):
        self.mount, self.new_peer = mount, new_peer
        self.path, self.kind = path, kind
        self.fds = {}

    def peer(self):
        """One more, with a descriptor."""
        one = self.new_peer()
        self.fds[one] = one.open(self.path, RW)
        return one

    def holder(self, mode=EX):
        one = self.peer()
        one.lock(self.kind, self.fds[one], mode | NB)
        return one

    def waiter(self, mode=EX):
        one = self.peer()
        self.ask(one, mode)
        wait_until_waiting(self.mount, one)
        return one

    def ask(self, one, mode=EX):
        one.start("lock", self.kind, self.fds[one], mode)

    def unlock(self, one):
        one.lock(self.kind, self.fds[one], UN)

    def close(self, one):
        one.close(self.fds[one])

    def refuses(self, one, mode=EX):
        refused(errno.EAGAIN, one.lock, self.kind, self.fds[one], mode | NB)


@pytest.fixture
def queue(module_mount, new_peer, f):
    def make(kind, path=f):
        return Queue(module_mount, new_peer, path, kind)
    return make


def waiting(*peers):
    """None of them is done."""
    assert [one.finished() for one in peers] == [False] * len(peers)


# ---- order ---------------------------------------------------------------

@kinds
@pytest.mark.parametrize("end", ["unlock", "close", "exit"])
def test_first_come_first_served(module_mount, queue, kind, end):
    """S24: seven wait; they get it in the order of their coming."""
    q = queue(kind)
    now = q.holder()
    line = [q.waiter() for _ in range(7)]
    got = []
    while line:
        waiting(*line)
        if end == "exit":
            now.exit()
        else:
            getattr(q, end)(now)
        now = line.pop(0)
        assert result_of(now) == 0
        got.append(now.pid)
        said = wait_for_locks(module_mount, held=1, waiting=len(line))
        held, = (one for one in said["locks"] if one["state"] == "held")
        assert held["pid"] == now.pid
        waiting(*line)
    assert len(got) == len(set(got)) == 7


@kinds
def test_readers_together(module_mount, queue, kind):
    """S24: readers that stand beside one another get it together, and those
    behind a writer after him."""
    q = queue(kind)
    first = q.holder()
    r1, r2 = q.waiter(SH), q.waiter(SH)
    w = q.waiter(EX)
    r3, r4 = q.waiter(SH), q.waiter(SH)
    q.unlock(first)
    assert (result_of(r1), result_of(r2)) == (0, 0)
    wait_for_locks(module_mount, held=2, waiting=3)
    waiting(w, r3, r4)
    q.unlock(r2)
    wait_for_locks(module_mount, held=1, waiting=3)
    waiting(w, r3, r4)
    q.unlock(r1)
    assert result_of(w) == 0
    wait_for_locks(module_mount, held=1, waiting=2)
    waiting(r3, r4)
    q.unlock(w)
    assert (result_of(r3), result_of(r4)) == (0, 0)


@kinds
def test_no_writer_starves(module_mount, queue, kind):
    """S24: a reader that comes while a writer waits, waits behind him, or is
    refused, though the lock is shared at that time."""
    q = queue(kind)
    reader = q.holder(SH)
    writer = q.waiter(EX)
    late = q.peer()
    q.refuses(late, SH)
    q.ask(late, SH)
    wait_until_waiting(module_mount, late)
    q.unlock(reader)
    assert result_of(writer) == 0
    waiting(late)
    q.unlock(writer)
    assert result_of(late) == 0


@kinds
def test_readers_all_the_time(queue, kind):
    """S24: readers that would take turns, so that one always has it: the
    writer gets it when those that were there before him are done."""
    q = queue(kind)
    readers = [q.holder(SH) for _ in range(3)]
    writer = q.waiter(EX)
    for one in readers[:2]:
        q.unlock(one)
        q.ask(one, SH)
        wait_until_waiting(q.mount, one)
        waiting(writer)
    q.unlock(readers[2])
    assert result_of(writer) == 0
    waiting(*readers[:2])
    q.unlock(writer)
    assert [result_of(one) for one in readers[:2]] == [0, 0]


@pytest.mark.parametrize("kind", ["posix", "ofd"])
def test_other_ranges_do_not_wait(module_mount, queue, kind):
    """S24: the line is of those who want the same bytes."""
    q = queue(kind)
    a, b, c, d = (q.peer() for _ in range(4))
    a.lock(kind, q.fds[a], EX, 0, 10)
    b.start("lock", kind, q.fds[b], EX, 5, 10)
    wait_until_waiting(module_mount, b)
    c.lock(kind, q.fds[c], EX | NB, 20, 10)
    refused(errno.EAGAIN, c.lock, kind, q.fds[c], SH | NB, 12, 1)
    d.start("lock", kind, q.fds[d], SH, 14, 10)
    wait_until_waiting(module_mount, d)
    c.lock(kind, q.fds[c], UN, 20, 10)
    waiting(b, d)
    a.lock(kind, q.fds[a], UN, 0, 10)
    assert result_of(b) == 0
    waiting(d)
    b.lock(kind, q.fds[b], UN, 14, 1)
    assert result_of(d) == 0


@kinds
def test_kinds_that_do_not_know_each_other(place, queue, kind):
    """S24: a line of flock is nothing to fcntl, nor is that of another file.
    """
    q = queue(kind)
    q.holder()
    q.waiter()
    other = queue("ofd" if kind == "flock" else "flock")
    other.holder()
    elsewhere = queue(kind, new_file(place / "g"))
    elsewhere.holder()


def test_many_wait_and_nothing_else_does(mount, new_peer):
    """S24: 300 threads wait, and cost the daemon no thread: the mount is as
    quick as before."""
    f, holder = new_file(mount / "f"), new_peer()
    fd = holder.open(f, RW)
    holder.flock(fd, EX)
    (mount / "warm").write_bytes(b"x")

    def threads():
        return len(os.listdir(f"/proc/{mount.proc.pid}/task"))
    before, crowd = threads(), []
    for _ in range(6):
        one = new_peer()
        fds = [one.open(f, RW) for _ in range(50)]
        for n, their in enumerate(fds):
            one.begin(f"t{n}", "lock", KINDS[n % 2 * 2], their, SH)
        crowd.append((one, fds))
    # OFD locks are free for all; flocks wait.
    wait_for_locks(mount, held=1 + 6 * 25, waiting=6 * 25)
    assert threads() <= before + 4
    for n in range(20):
        (mount / f"g{n}").write_bytes(b"new")
        assert (mount / f"g{n}").read_bytes() == b"new"
    holder.flock(fd, UN)
    wait_for_locks(mount, held=6 * 50, waiting=0)
    for one, fds in crowd:
        for n in range(50):
            one.end(f"t{n}")
        one.exit()
    wait_for_locks(mount, held=0, waiting=0)


# ---- who goes away -------------------------------------------------------

@kinds
@pytest.mark.parametrize("how", ["signal", "kill"])
def test_leaves_the_line(module_mount, queue, kind, how):
    """S24: EINTR by a handled signal, death by another; those behind move
    up, and the lock is not granted to whoever is gone."""
    q = queue(kind)
    now, one = q.holder(), q.peer()
    one.on_signal(signal.SIGUSR1)
    q.ask(one)
    wait_until_waiting(module_mount, one)
    two, three = q.waiter(), q.waiter()
    if how == "signal":
        one.send(signal.SIGUSR1)
        assert result_of(one) == errno.EINTR
        assert one.signals_seen() == 1
    else:
        one.kill()
    wait_for_locks(module_mount, held=1, waiting=2)
    waiting(two, three)
    q.unlock(now)
    assert result_of(two) == 0
    waiting(three)
    q.unlock(two)
    assert result_of(three) == 0
    wait_for_locks(module_mount, held=1, waiting=0)


@kinds
@pytest.mark.parametrize("how", ["signal", "kill"])
def test_writer_leaves_readers_behind(module_mount, queue, kind, how):
    """S24: readers that waited for nobody but a writer who waited, get it the
    moment he is gone."""
    q = queue(kind)
    reader, writer = q.holder(SH), q.peer()
    writer.on_signal(signal.SIGUSR1)
    q.ask(writer)
    wait_until_waiting(module_mount, writer)
    late = [q.waiter(SH), q.waiter(SH)]
    if how == "signal":
        writer.send(signal.SIGUSR1)
        assert result_of(writer) == errno.EINTR
    else:
        writer.kill()
    assert [result_of(one) for one in late] == [0, 0]
    wait_for_locks(module_mount, held=3, waiting=0)
    q.refuses(reader, EX)


@kinds
def test_stands_behind_again(module_mount, queue, kind):
    """S24: after EINTR one comes last."""
    q = queue(kind)
    now, one = q.holder(), q.peer()
    one.on_signal(signal.SIGUSR1)
    q.ask(one)
    wait_until_waiting(module_mount, one)
    two = q.waiter()
    one.send(signal.SIGUSR1)
    assert result_of(one) == errno.EINTR
    q.ask(one)
    wait_until_waiting(module_mount, one)
    q.unlock(now)
    assert result_of(two) == 0
    waiting(one)
    q.unlock(two)
    assert result_of(one) == 0


@kinds
def test_holders_are_killed(module_mount, queue, kind):
    """S24: each holder is killed: the next one has it."""
    q = queue(kind)
    now = q.holder()
    line = [q.waiter() for _ in range(5)]
    for one in line:
        now.kill()
        assert result_of(one) == 0
        now = one
    now.kill()
    wait_for_locks(module_mount, held=0, waiting=0)


def test_flock_upgrade_loses(module_mount, queue):
    """S24: flock(2) that converts and must wait has lost what it had; the
    others have what they have."""
    q = queue("flock")
    a, b = q.holder(SH), q.holder(SH)
    q.ask(a, EX)
    wait_until_waiting(module_mount, a)
    said = wait_for_locks(module_mount, held=1, waiting=1)["locks"]
    assert {(one["state"], one["pid"]) for one in said} == {
        ("held", b.pid), ("waiting", a.pid)}
    q.unlock(b)
    assert result_of(a) == 0


@pytest.mark.parametrize("kind", ["posix", "ofd"])
def test_range_upgrade_keeps(module_mount, queue, kind):
    """S24: fcntl(2) that converts keeps it while it waits, and goes before
    those who came earlier and wait for it."""
    q = queue(kind)
    a, b = q.holder(SH), q.holder(SH)
    c = q.waiter(EX)
    q.ask(a, EX)
    wait_until_waiting(module_mount, a)
    wait_for_locks(module_mount, held=2, waiting=2)
    q.unlock(b)
    assert result_of(a) == 0
    waiting(c)
    q.unlock(a)
    assert result_of(c) == 0


# ---- time ----------------------------------------------------------------

@TIMEOUT
@kinds
def test_lock_timeout(mount, new_peer, kind):
    """S24: lock_timeout=1: ETIMEDOUT after a second, not before; whoever gets
    it in time has it as long as he likes."""
    q = Queue(mount, new_peer, new_file(mount / "f"), kind)
    now, one, two = q.holder(), q.peer(), q.peer()
    begin = time.monotonic()
    q.ask(one, SH)
    q.ask(two)
    assert result_of(one) == result_of(two) == errno.ETIMEDOUT
    assert 1 - TICK <= time.monotonic() - begin < SECONDS
    wait_for_locks(mount, held=1, waiting=0)
    q.refuses(one)
    three = q.waiter()
    q.unlock(now)
    assert result_of(three) == 0
    wait_for_locks(mount, held=1, waiting=0)


# The time of day is set back by an hour as soon as the daemon has looked.
SET_BACK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int (*next)(clockid_t, struct timespec *) =
		(int (*)(clockid_t, struct timespec *))dlsym(
			RTLD_NEXT, "clock_gettime");
	int r = next(clock, t);

	if (clock == CLOCK_REALTIME)
		t->tv_sec += 3600;
	return r;
}
"""


def test_time_of_day_is_set(make_mount, tmp_path, new_peer):
    """S24: that does not make a limit longer."""
    source, library = tmp_path / "set.c", tmp_path / "set.so"
    source.write_text(SET_BACK)
    run(["cc", "-shared", "-fPIC", "-o", library, source])
    given = os.environ.get("ASAN_OPTIONS", "")
    mount = make_mount("lock_timeout=1", env={
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": given + ":verify_asan_link_order=0"})
    f, a, b = new_file(mount / "f"), new_peer(), new_peer()
    a.flock(a.open(f, R), EX)
    b.start("flock", b.open(f, R), EX)
    assert result_of(b) == errno.ETIMEDOUT


@TIMEOUT
def test_lock_timeout_of_ioctl(mount, new_peer):
    """S24: of the ioctl's own limit and the mount's, the shorter one holds."""
    f, a, b = new_file(mount / "f"), new_peer(), new_peer()
    fd, theirs = a.open(f, R), b.open(f, R)
    a.flock(fd, EX)
    for limit, least in ((100, 0.1), (0, 1.0), (1500, 1.0)):
        begin = time.monotonic()
        refused(errno.ETIMEDOUT, ioc_lock, b, theirs, SHARED, 0, limit)
        assert least - TICK <= time.monotonic() - begin < SECONDS
    a.close(fd)
    b.close(theirs)


def test_ioctl_timeout(module_mount, f, new_peer):
    """S24: ETIMEDOUT, EAGAIN and EINTR of ATIO_IOC_LOCK; who runs out of time
    leaves the line to others."""
    a, b, c = new_peer(), new_peer(), new_peer()
    fd, theirs, last = a.open(f, R), b.open(f, R), c.open(f, R)
    a.flock(fd, EX)
    refused(errno.EAGAIN, ioc_lock, b, theirs, SHARED, NOWAIT)
    refused(errno.EAGAIN, ioc_lock, b, theirs, EXCLUSIVE, NOWAIT, 5000)
    begin = time.monotonic()
    refused(errno.ETIMEDOUT, ioc_lock, b, theirs, EXCLUSIVE, 0, 200)
    assert 0.2 - TICK <= time.monotonic() - begin < SECONDS
    wait_for_locks(module_mount, held=1, waiting=0)
    b.on_signal(signal.SIGUSR1)
    b.start("ioctl_once", theirs, IOC_LOCK, lock_arg(EXCLUSIVE))
    wait_until_waiting(module_mount, b)
    b.send(signal.SIGUSR1)
    assert result_of(b) == errno.EINTR
    wait_for_locks(module_mount, held=1, waiting=0)
    # A writer with little time before a reader: the reader of others.
    a.flock(fd, SH)
    b.start("ioctl", theirs, IOC_LOCK, lock_arg(EXCLUSIVE, 0, 300))
    wait_until_waiting(module_mount, b)
    c.start("flock", last, SH)
    assert result_of(b) == errno.ETIMEDOUT
    assert result_of(c) == 0
    a.close(fd)
    assert ioc_lock(b, theirs, SHARED, 0, 60_000) == 1
    c.close(last)
    assert ioc_lock(b, theirs, EXCLUSIVE, 0, 60_000) == 2
    b.close(theirs)


# ---- too many ------------------------------------------------------------

MOST = 100_000


def test_too_many_ranges(module_mount, place, a):
    """S24: a process has so many ranges of a file, and no more: ENOLCK.  Other
    processes, and other files, are not concerned."""
    f, g = new_file(place / "f"), new_file(place / "g")
    fd, other, theirs = os.open(f, RW), os.open(g, RW), a.open(f, RW)
    try:
        for n in range(MOST):
            fcntl.lockf(fd, EX, 1, 2 * n)
        refused(errno.ENOLCK, fcntl.lockf, fd, EX, 1, 2 * MOST)
        fcntl.lockf(other, EX)
        a.lock("posix", theirs, EX | NB, 1, 1)
        fcntl.lockf(fd, UN, 1, 0)
        fcntl.lockf(fd, EX, 1, 2 * MOST)
        refused(errno.ENOLCK, fcntl.lockf, fd, EX, 1, 0)
    finally:
        os.close(fd)
        os.close(other)
    a.lock("posix", theirs, EX | NB)
    wait_for_locks(module_mount, held=1)
    a.close(theirs)


# ---- locks that are broken -----------------------------------------------

@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@kinds
def test_broken(mount, new_peer, make_peer, kind):
    """S24: root takes a lock from its holder: the next one has it; or ends
    the waiting with ENOLCK."""
    mount.expect_log("lock [0-9]+ of 'f'.* broken")
    f = new_file(mount / "f")
    q = Queue(mount, new_peer, f, kind)
    now, one, two = q.holder(), q.waiter(), q.waiter()
    by_pid = {x["pid"]: x["id"] for x in locks(mount)["locks"]}
    root = new_peer()
    top, file = root.open(mount.mnt, R), root.open(f, R)

    def break_lock(who, number, fd=top):
        who.ioctl(fd, IOC_BREAK_LOCK, number.to_bytes(8, "little"))
    nobody = make_peer()
    theirs = nobody.open(mount.mnt, R)
    nobody.setresuid(65534, 65534, 65534)
    refused(errno.EPERM, break_lock, nobody, by_pid[now.pid], theirs)
    refused(errno.ENOENT, break_lock, root, 1 << 60)
    refused(errno.ENOTTY, break_lock, root, by_pid[now.pid], file)
    waiting(one, two)
    break_lock(root, by_pid[two.pid])
    assert result_of(two) == errno.ENOLCK
    waiting(one)
    break_lock(root, by_pid[now.pid])
    assert result_of(one) == 0
    refused(errno.ENOENT, break_lock, root, by_pid[now.pid])
    q.refuses(now, SH)
    q.unlock(now)
    q.refuses(two, SH)
    q.unlock(one)
    assert is_free(two, f, kind)


# ---- cycles --------------------------------------------------------------

CYCLES = [("flock", "flock"), ("posix", "posix"), ("ofd", "ofd"),
          ("flock", "posix"), ("ofd", "flock"), ("posix", "ofd"),
          ("flock", "ofd", "posix"), ("flock", "flock", "flock"),
          ("ofd", "ofd", "posix"), ("posix", "flock", "posix", "ofd")]


@pytest.mark.parametrize("cycle", CYCLES, ids="-".join)
@pytest.mark.parametrize("mode", [SH, EX], ids=["shared", "exclusive"])
def test_deadlock(module_mount, place, new_peer, cycle, mode):
    """S24: each has a lock and wants that of the next: the last one to ask is
    told EDEADLK, nobody else is, and all others go on when he lets go."""
    n = len(cycle)
    paths = [new_file(place / f"f{i}") for i in range(n)]
    peers = [new_peer() for _ in range(n)]
    own = [one.open(path, RW) for one, path in zip(peers, paths)]
    want = [one.open(paths[(i + 1) % n], RW) for i, one in enumerate(peers)]
    for i, one in enumerate(peers):
        one.lock(cycle[i], own[i], EX | NB)
    for i in range(n - 1):
        peers[i].start("lock", cycle[(i + 1) % n], want[i], mode)
        wait_until_waiting(module_mount, peers[i])
    last = peers[-1]
    last.start("lock", cycle[0], want[-1], mode)
    assert result_of(last) == errno.EDEADLK
    waiting(*peers[:-1])
    wait_for_locks(module_mount, held=n, waiting=n - 1)
    # Without a wait there is no deadlock.
    refused(errno.EAGAIN, last.lock, cycle[0], want[-1], mode | NB)
    last.lock(cycle[-1], own[-1], UN)
    for i in reversed(range(n - 1)):
        assert result_of(peers[i]) == 0
        peers[i].lock(cycle[(i + 1) % n], want[i], UN)
        peers[i].lock(cycle[i], own[i], UN)
    wait_for_locks(module_mount, held=0, waiting=0)


@pytest.mark.parametrize("kind", ["posix", "ofd"])
def test_two_upgrades(queue, kind):
    """S24: two that have it shared and both want it exclusively."""
    q = queue(kind)
    a, b = q.holder(SH), q.holder(SH)
    q.ask(a, EX)
    wait_until_waiting(q.mount, a)
    q.ask(b, EX)
    assert result_of(b) == errno.EDEADLK
    waiting(a)
    q.unlock(b)
    assert result_of(a) == 0


def test_two_counted_upgrades(module_mount, f, new_peer):
    """S24: ... and the same with ATIO_IOC_LOCK."""
    a, b = new_peer(), new_peer()
    fds = {one: one.open(f, R) for one in (a, b)}
    for one in (a, b):
        assert ioc_lock(one, fds[one], SHARED) == 1
    a.start("ioctl", fds[a], IOC_LOCK, lock_arg(EXCLUSIVE))
    wait_until_waiting(module_mount, a)
    refused(errno.EDEADLK, ioc_lock, b, fds[b], EXCLUSIVE)
    waiting(a)
    b.close(fds[b])
    assert result_of(a) == 0
    a.close(fds[a])


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_threads_of_one_process(module_mount, place, new_peer, kind):
    """S24: a cycle of two threads is one, though it is one process."""
    a = new_peer()
    f, g = new_file(place / "f"), new_file(place / "g")
    f1, g1, f2, g2 = (a.open(path, RW) for path in (f, g, f, g))
    a.lock(kind, f1, EX)
    a.within("t", "lock", kind, g2, EX)
    tid = a.begin("t", "lock", kind, f2, EX)
    until(lambda: tid in waiting_tids(module_mount),
          lambda: locks(module_mount))
    a.start("lock", kind, g1, EX)
    assert result_of(a) == errno.EDEADLK
    assert not a.ended("t")
    a.lock(kind, f1, UN)
    a.end("t")


@pytest.mark.parametrize("kind", ["flock", "ofd"])
def test_no_cycle_of_threads(module_mount, place, new_peer, kind):
    """S24: what looks like a cycle of processes is none when the thread that
    has the lock is not the one that waits: nobody is told EDEADLK."""
    p, q = new_peer(), new_peer()
    f, g = new_file(place / "f"), new_file(place / "g")
    p_f, p_g = p.open(f, RW), p.open(g, RW)
    q_f, q_g = q.open(f, RW), q.open(g, RW)
    p.lock(kind, p_f, EX)
    q.lock(kind, q_g, EX)
    tid = p.begin("t", "lock", kind, p_g, EX)
    until(lambda: tid in waiting_tids(module_mount),
          lambda: locks(module_mount))
    q.start("lock", kind, q_f, EX)
    wait_until_waiting(module_mount, q)
    p.lock(kind, p_f, UN)
    assert result_of(q) == 0
    q.lock(kind, q_g, UN)
    p.end("t")


@pytest.mark.parametrize("kind", ["flock", "ofd"])
@pytest.mark.parametrize("others", [0, 600], ids=["alone", "many"])
def test_no_cycle_of_a_child(module_mount, place, new_peer, kind, others):
    """S24: what is open only in a child any more is not what its parent has:
    nobody is told EDEADLK, however many locks there are."""
    p, q, r = new_peer(), new_peer(), new_peer()
    f, g = new_file(place / "f"), new_file(place / "g")
    for n in range(others):
        r.lock(kind, r.open(new_file(place / f"other{n}"), RW), EX)
    p_f, p_g = p.open(f, RW), p.open(g, RW)
    q_f, q_g = q.open(f, RW), q.open(g, RW)
    p.lock(kind, p_f, EX)
    child = p.fork()
    p.close(p_f)
    q.lock(kind, q_g, EX)
    p.start("lock", kind, p_g, EX)
    wait_until_waiting(module_mount, p)
    q.start("lock", kind, q_f, EX)
    wait_until_waiting(module_mount, q)
    child.exit()
    assert result_of(q) == 0
    q.lock(kind, q_g, UN)
    assert result_of(p) == 0


@kinds
def test_chain(module_mount, place, new_peer, kind):
    """S24: a long chain that ends with somebody who waits for nobody."""
    n = 8
    paths = [new_file(place / f"f{i}") for i in range(n)]
    peers = [new_peer() for _ in range(n)]
    own, want = [], []
    for i, one in enumerate(peers):
        own.append(one.open(paths[i], RW))
        want.append(one.open(paths[i - 1], RW))
        one.lock(kind, own[i], EX)
        if i:
            one.start("lock", kind, want[i], EX)
            wait_until_waiting(module_mount, one)
    waiting(*peers[1:])
    # Many ask for the first one's, who asks for what is free.
    peers[0].lock(kind, peers[0].open(new_file(place / "free"), RW), EX)
    peers[0].lock(kind, own[0], UN)
    for i in range(1, n):
        assert result_of(peers[i]) == 0
        peers[i].lock(kind, own[i], UN)


@kinds
def test_all_want_all(module_mount, place, new_peer, kind):
    """S24: no EDEADLK for those who lock in one order."""
    paths = [new_file(place / f"f{i}") for i in range(3)]
    peers = [new_peer() for _ in range(4)]
    fds = {one: [one.open(path, RW) for path in paths] for one in peers}
    for _ in range(10):
        at = dict.fromkeys(peers, 0)
        for one in peers:
            one.start("lock", kind, fds[one][0], EX)
        while at:
            done = until(lambda: [p for p in at if p.finished()],
                         lambda: locks(module_mount))
            for one in done:
                assert result_of(one) == 0
                at[one] += 1
                if at[one] < 3:
                    one.start("lock", kind, fds[one][at[one]], EX)
                    continue
                for fd in fds[one]:
                    one.lock(kind, fd, UN)
                del at[one]
    wait_for_locks(module_mount, held=0, waiting=0)


@kinds
def test_line_makes_no_deadlock(module_mount, place, new_peer, kind):
    """S24: who would wait in line behind somebody who waits for him, is let
    through: that is no cycle of locks."""
    f, g = new_file(place / "f"), new_file(place / "g")
    a, b, c = new_peer(), new_peer(), new_peer()
    a_f, a_g = a.open(f, RW), a.open(g, RW)
    b_f, c_f, c_g = b.open(f, RW), c.open(f, RW), c.open(g, RW)
    a.lock(kind, a_f, SH)
    c.lock(kind, c_g, EX)
    b.start("lock", kind, b_f, EX)
    wait_until_waiting(module_mount, b)
    a.start("lock", kind, a_g, EX)
    wait_until_waiting(module_mount, a)
    c.start("lock", kind, c_f, SH)  # behind b, who waits for a, who for c
    assert result_of(c) == 0
    waiting(a, b)
    c.lock(kind, c_g, UN)
    assert result_of(a) == 0
    a.lock(kind, a_f, UN)
    waiting(b)
    c.lock(kind, c_f, UN)
    assert result_of(b) == 0


@kinds
def test_deadlock_is_over(module_mount, place, new_peer, kind):
    """S24: after EDEADLK the same can be asked again, and given."""
    f, g = new_file(place / "f"), new_file(place / "g")
    a, b = new_peer(), new_peer()
    a_f, a_g, b_f, b_g = a.open(f, RW), a.open(g, RW), b.open(f, RW), b.open(
        g, RW)
    for _ in range(5):
        a.lock(kind, a_f, EX)
        b.lock(kind, b_g, EX)
        a.start("lock", kind, a_g, EX)
        wait_until_waiting(module_mount, a)
        b.start("lock", kind, b_f, EX)
        assert result_of(b) == errno.EDEADLK
        b.lock(kind, b_g, UN)
        assert result_of(a) == 0
        b.start("lock", kind, b_f, EX)
        wait_until_waiting(module_mount, b)
        a.lock(kind, a_f, UN)
        a.lock(kind, a_g, UN)
        assert result_of(b) == 0
        b.lock(kind, b_f, UN)
