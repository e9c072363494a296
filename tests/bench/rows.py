# SPDX-License-Identifier: MIT
"""The rows of the table: what is measured, and how good it has to be.

A Row that compares sites is only data; the rows that need more are a function
each.  In every round all sites do the work one after the other, and every
second round in reverse, so that whatever else the machine does hits all of
them alike.  What counts is the median of the rounds.
"""
import contextlib
import os
import re
import shutil
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

from bench.sites import Atomicfs, BenchError, Peer
from harness.loop import loop_mount, make_image

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PEERS = ("bindfs", "mergerfs", "fuse-overlayfs")
STYLED = ("publish", "new", "append")


@dataclass
class Row:
    name: str
    work: str
    goal: str
    limit: float                   # of the ratio; of the value for memory
    job: str = ""                  # of work.c, without its style
    count: int = 1
    size: int = 100
    block: int = 100
    durable: bool = False
    # Or "peer": the best of them; or what is run beside it at atomicfs.
    against: str = "native"
    rounds: int = 5
    fill: int = 0                  # size of the file that is there before
    special: Optional[Callable] = None


@dataclass
class Result:
    row: Row
    runs: dict = field(default_factory=dict)   # site: milliseconds, each round
    unit: str = "ms"
    base: Optional[float] = None               # what the ratio is against
    value: Optional[float] = None              # atomicfs
    ok: bool = False
    more: dict = field(default_factory=dict)

    @property
    def ratio(self):
        """As it is shown, so that what is shown is what is judged."""
        return round(self.value / self.base, 2) if self.base else None

    def median(self, name):
        return statistics.median(self.runs[name]) if name in self.runs else None

    def peers(self):
        return {name: self.median(name) for name in PEERS if name in self.runs}


# ---- the way of most rows --------------------------------------------------

def in_turn(sites, n):
    return sites if n % 2 == 0 else sites[::-1]


def job_at(row, site):
    return f"{row.job}-{site.style}" if row.job in STYLED else row.job


def fill(bench, site, place, size):
    """The file that is there before: the work finds it, however it is made."""
    bench.work(f"publish-{site.style}", place, "file", 1, size,
               min(size, MIB))


def one_round(bench, row, site, number):
    place = site.dir / row.name
    if row.durable:
        bench.work("sync", bench.base)
    if row.job == "new":
        # Removed at the end of the row: ext4 without a journal searches long
        # for an inode when many have just been deleted.
        place = place / str(number)
        place.mkdir()
    return bench.work(job_at(row, site), place, "file", row.count, row.size,
                      row.block)


def compare(bench, row):
    result = Result(row, {site.name: [] for site in bench.sites})
    with contextlib.ExitStack() as stack:
        for site in bench.sites:
            place = site.dir / row.name
            place.mkdir()
            stack.callback(shutil.rmtree, place)
            if row.fill:
                fill(bench, site, place, row.fill)
        for n in range(bench.rounds(row)):
            for site in in_turn(bench.sites, n):
                ms = one_round(bench, row, site, n)
                result.runs[site.name].append(ms)
    result.value = result.median("atomicfs")
    result.base = result.median("native")
    if row.against == "peer":
        result.base = min(result.peers().values(), default=None)
        if result.base is None:
            raise BenchError("there is no peer to compare with")
    result.ok = result.ratio <= row.limit
    return result


# ---- an update of a big file -------------------------------------------------

def update_reflink(bench, row):
    """Both works are atomicfs's, on one xfs with reflinks."""
    if os.getuid() != 0:
        raise BenchError("needs root, for a loop mount")
    result = Result(row, {"publish": [], "atomicfs": []})
    home = bench.base / "reflink"
    home.mkdir()
    image = make_image(home / "xfs.img", 2 * row.fill + GIB, "mkfs.xfs", "-q",
                       "-m", "reflink=1")
    with loop_mount(image, home / "xfs") as xfs:
        source = xfs / "src"
        source.mkdir()
        bench.work("publish-safe", source, "big", 1, row.fill, MIB)
        bench.work("publish-safe", source, "small", 1, row.size, row.size)
        with Atomicfs(home, source=source) as site:
            for n in range(bench.rounds(row)):
                for name in in_turn(["publish", "atomicfs"], n):
                    result.runs[name].append(
                        update_or_publish(bench, row, site, name))
    image.unlink()
    result.base, result.value = map(result.median, ("publish", "atomicfs"))
    result.ok = result.ratio <= row.limit
    return result


def update_or_publish(bench, row, site, name):
    bench.work("sync", site.source)
    if name == "publish":
        return bench.work("publish-plain", site.dir, "small", row.count,
                          row.size, row.size) / row.count
    return bench.work("update", site.dir, "big", row.count, row.fill,
                      1) / row.count


# ---- memory ------------------------------------------------------------------

def private_bytes(pid):
    """Memory that is there for this process only."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.findall(r"^(?:Private_Clean|Private_Dirty|Swap):\s+(\d+) kB",
                       text, re.MULTILINE)
    return KIB * sum(map(int, found))


def take_stock(site):
    """Known inodes, bytes, descriptors."""
    nodes = site.status()["nodes"]
    return (nodes, private_bytes(site.pid),
            len(os.listdir(f"/proc/{site.pid}/fd")))


def memory(bench, row):
    home = bench.base / "memory"
    home.mkdir()
    with Atomicfs(home) as site:
        # What any first requests need is no cost of an inode.
        for place, count in (("first", row.count // 50), ("all", row.count)):
            (site.source / place).mkdir()
            bench.work("make", site.source / place, "file", count)
        bench.work("lookup", site.dir / "first", "file", row.count // 50)
        before = take_stock(site)
        bench.work("lookup", site.dir / "all", "file", row.count)
        nodes, size, fds = (b - a for a, b in zip(before, take_stock(site)))
    shutil.rmtree(site.source)
    if nodes < row.count // 2:
        raise BenchError(f"the kernel kept only {nodes} of {row.count} inodes")
    result = Result(row, unit="bytes", value=size / nodes)
    result.more = {"inodes": nodes, "descriptors": fds}
    # A few of the daemon's own come and go.
    result.ok = result.value <= row.limit and fds <= max(8, nodes // 1000)
    return result


# ---- locks -------------------------------------------------------------------

# By default it leaves locks to the kernel, which asks no daemon at all.
PASSES_LOCKS = ["--multithreaded", "--enable-lock-forwarding"]
TWO = "2 processes"


def pin(pid, processors):
    """All threads of that process."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(tid), processors)


@contextlib.contextmanager
def one_processor(*pids):
    """For these and for what is started: to wake up somebody on another
    processor takes several times as long as the request itself, and where
    they are is up to the scheduler, and stays so for a whole run."""
    before = os.sched_getaffinity(0)
    pids = (os.getpid(), *pids)
    try:
        for pid in pids:
            pin(pid, {max(before)})
        yield
    finally:
        for pid in pids:
            pin(pid, before)


def interleave(bench, row, works):
    """@works, (name, function that returns milliseconds), in every round."""
    result = Result(row, {name: [] for name, _ in works})
    for n in range(bench.rounds(row)):
        for name, work in in_turn(works, n):
            result.runs[name].append(work())
    result.value, result.base = map(result.median, ("atomicfs", row.against))
    result.ok = result.ratio <= row.limit
    return result


def job_of(bench, row, site, job, size=0):
    fill(bench, site, site.dir, 100)
    return lambda: bench.work(job, site.dir, "file", row.count, size)


def lock(bench, row):
    """A lock and an unlock, against one request that asks for nothing, and
    against another daemon that has to pass them on."""
    ours = [site for site in bench.sites if isinstance(site, Atomicfs)]
    with contextlib.ExitStack() as stack:
        peers = []
        with contextlib.suppress(BenchError):
            peers.append(stack.enter_context(
                Peer("bindfs", bench.base / row.name, PASSES_LOCKS)))
        stack.enter_context(one_processor(
            *(site.pid for site in ours + peers)))
        works = [(site.name, job_of(bench, row, site, row.job))
                 for site in ours + peers]
        works.append(("request", job_of(bench, row, ours[0], "request")))
        result = interleave(bench, row, works)
    shutil.rmtree(bench.base / row.name)
    result.ok &= result.value <= min(result.peers().values(),
                                     default=result.value)
    return result


def contend(bench, row):
    """Many that want one lock, against two of them."""
    works = [(site.name, job_of(bench, row, site, "contend", row.size))
             for site in bench.sites if isinstance(site, Atomicfs)]
    works.append((TWO, job_of(bench, row, bench.sites[1], "contend", 2)))
    return interleave(bench, row, works)


# ---- what a request costs ----------------------------------------------------

def floor(bench, count=5000):
    """{site: microseconds} of the cheapest request."""
    sites = [site for site in bench.sites if site.name != "native"]
    runs = {site.name: [] for site in sites}
    for site in sites:
        fill(bench, site, site.dir, 1)
    for n in range(bench.n_rounds or 5):
        for site in in_turn(sites, n):
            ms = bench.work("request", site.dir, "file", count)
            runs[site.name].append(ms * 1000 / count)
    for site in sites:
        (site.dir / "file").unlink()
    return {name: statistics.median(us) for name, us in runs.items()}


# ---- the table ---------------------------------------------------------------

ROWS = [
    Row("publish-small", "publish 100 bytes over an existing file, 200 times",
        "<= 1.15 x native", 1.15, "publish", 200, durable=True, fill=100),
    Row("publish-256m", "publish 256 MiB in 1 MiB writes", "<= 1.05 x native",
        1.05, "publish", 1, 256 * MIB, MIB, durable=True, fill=100),
    Row("publish-64m-4k", "publish 64 MiB in 4 KiB writes", "<= 1.2 x native",
        1.2, "publish", 1, 64 * MIB, 4 * KIB, durable=True, fill=100),
    Row("read-warm", "read 256 MiB warm, 1 MiB reads", "<= 1.1 x native", 1.1,
        "read", 1, 256 * MIB, MIB, fill=256 * MIB),
    Row("pread-random", "pread 4 KiB at random, warm, 100,000 times",
        "<= 1.1 x native", 1.1, "pread", 100000, 256 * MIB, 4 * KIB,
        fill=256 * MIB, rounds=9),
    Row("open-read-close", "open-read-close of a small file, 5,000 times",
        "<= the best peer", 1.0, "open", 5000, against="peer", fill=100, rounds=9),
    Row("stat-cached", "stat, cached, 100,000 times", "<= 1.1 x native", 1.1,
        "stat", 100000, fill=100, rounds=9),
    Row("new-files", "1,000 new files of 1 KiB, durable", "<= 1.0 x native",
        1.0, "new", 1000, KIB, KIB, durable=True),
    Row("appends", "200 durable appends to a small file", "<= 2 x native", 2.0,
        "append", 200, durable=True, fill=100),
    Row("update-reflink", "update 1 byte of 1 GiB on xfs with reflinks, once",
        "<= 3 x publishing 100 bytes", 3.0, count=20, durable=True,
        fill=GIB, against="publish", special=update_reflink),
    Row("lock-flock", "flock and unlock, nobody waits, one processor, "
        "5,000 times", "<= 3 x one request, <= bindfs", 3.0, "flock", 5000,
        against="request", rounds=9, special=lock),
    Row("lock-fcntl", "fcntl and unlock, nobody waits, one processor, "
        "5,000 times", "<= 3 x one request, <= bindfs", 3.0, "fcntl", 5000,
        against="request", rounds=9, special=lock),
    Row("lock-contended", "6,400 locks and unlocks by 64 processes at once",
        "<= 2 x as long as by 2", 2.0, count=6400, size=64, against=TWO,
        special=contend),
    Row("memory", "memory of the daemon for each of 50,000 known inodes",
        "<= 300 bytes, no descriptor", 300, count=50000, against="",
        special=memory),
]


def quick(row):
    """Less of the same, to see that everything works."""
    row.count = max(1, row.count // 10)
    if row.size > MIB:
        row.size //= 8
    if row.fill > MIB:
        row.fill //= 8
    row.rounds = 2


def measure(bench, row):
    return row.special(bench, row) if row.special else compare(bench, row)
