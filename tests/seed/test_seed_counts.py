# SPDX-License-Identifier: MIT
"""No update is lost: exact counts, whoever counts and whoever is killed."""
import asyncio
import os
import random
import time
from multiprocessing.connection import wait

import pytest

from atomicio import (AsyncSafeFile, AsyncTimeoutError, SafeFile,
                      ThreadedSafeFile)
from harness.tools import scaled
from seed_help import SECONDS, Holder, in_threads, run_in_loop, takes


def count_here(file, times, name):
    """Add @times to the count, and to this worker's own."""
    for _ in range(times):
        with file.locked() as f:
            value = f.read() or {"n": 0, "by": {}}
            value["n"] += 1
            value["by"][name] = value["by"].get(name, 0) + 1
            f.write(value)


async def count_in_task(file, times, name):
    for _ in range(times):
        async with file.locked() as f:
            value = await f.read() or {"n": 0, "by": {}}
            value["n"] += 1
            value["by"][name] = value["by"].get(name, 0) + 1
            await f.write(value)


def counted(path):
    """The count; it has to be the sum of everybody's own."""
    value = SafeFile(path).read()
    assert value["n"] == sum(value["by"].values())
    return value["n"]


@pytest.mark.parametrize("cls", [SafeFile, ThreadedSafeFile])
def test_threads(cls, folder):
    """20 threads x 50 = 1000, with one object and with one each."""
    file, times = cls(folder / "a.json"), scaled(50)
    in_threads([lambda n=n: count_here(
        file if n % 2 else cls(file.path), times, str(n))
        for n in range(20)])
    assert counted(file.path) == 20 * times


def test_tasks(folder):
    """20 tasks x 50 = 1000."""
    file, times = AsyncSafeFile(folder / "a.json"), scaled(50)

    async def use():
        await asyncio.gather(*(count_in_task(file, times, str(n))
                               for n in range(20)))
    run_in_loop(use())
    assert counted(file.path) == 20 * times


def test_processes(folder, crew):
    """16 processes x 200 = 3200."""
    path, times = folder / "a.json", scaled(200)
    for n in range(16):
        crew.start(count_here, SafeFile(path), times, str(n))
    crew.join()
    assert counted(path) == 16 * times


def test_updates_without_a_section(folder, crew):
    """update() is one step: each adds its own keys, or to one list."""
    def work(name):
        for n in range(times):
            keys.update({f"{name}-{n}": n})
            items.update([[name, n]])
    keys, items = SafeFile(folder / "a.json"), SafeFile(folder / "b.json")
    times = scaled(25)
    for name in range(8):
        crew.start(work, name)
    crew.join()
    assert len(keys.read()) == 8 * times
    assert sorted(items.read()) == [[name, n] for name in range(8)
                                    for n in range(times)]


def test_appends(folder, crew):
    """Lines of many writers, each whole."""
    file, times = SafeFile(folder / "log"), scaled(50)

    def work(name):
        for n in range(times):
            file.append(f"{name} {n} {'x' * 500}\n")
    for name in range(8):
        crew.start(work, name)
    crew.join()
    lines = file.read_bytes().decode().splitlines()
    assert sorted(lines) == sorted(f"{name} {n} {'x' * 500}"
                                   for name in range(8) for n in range(times))


# ---- with kill -9 -------------------------------------------------------------

def count_until(path, times, name, said):
    """Until this worker's own count, which the file knows, is @times."""
    file = SafeFile(path)
    done = 0
    while done < times:
        with file.locked() as f:
            value = f.read() or {"n": 0, "by": {}}
            done = value["by"].get(name, 0)
            if done < times:
                done += 1
                value["n"] += 1
                value["by"][name] = done
                f.write(value)
        os.write(said, b"x")


class Doomed:
    """Workers of which one after the other is killed, and started again."""

    def __init__(self, crew, path, times):
        self.crew, self.args = crew, (path, times)
        self.reader, self.writer = os.pipe()
        self.workers = {str(n): self.start(str(n)) for n in range(16)}

    def start(self, name):
        return self.crew.start(count_until, *self.args, name, self.writer)

    def wait(self, most):
        """Until something was written, or somebody has ended."""
        ends = [p.sentinel for p in self.workers.values() if p.is_alive()]
        ready = wait([self.reader, *ends], SECONDS)
        assert ready, "nobody gets on"
        if self.reader in ready:
            os.read(self.reader, most)

    def kill(self, name):
        worker = self.workers[name]
        if not worker.is_alive():
            return False
        worker.kill()
        worker.join()
        self.crew.members.remove(worker)
        return True


def test_processes_that_are_killed(folder, crew):
    """Whoever is killed is started again and goes on from what the file says:
    it is never half of something, and in the end the count is exact."""
    path, times, most = folder / "a.json", scaled(40), scaled(40)
    dice = random.Random(4)
    doomed = Doomed(crew, path, times)
    kills = 0
    while kills < most and any(p.is_alive()
                               for p in doomed.workers.values()):
        doomed.wait(dice.randrange(1, 8))
        name = dice.choice(list(doomed.workers))
        if doomed.kill(name):
            kills += 1
            assert not path.exists() or counted(path) >= 1
            doomed.workers[name] = doomed.start(name)
    while any(p.is_alive() for p in doomed.workers.values()):
        doomed.wait(4096)
    crew.join()
    os.close(doomed.reader)
    os.close(doomed.writer)
    assert kills
    assert SafeFile(path).read()["by"] == {
        name: times for name in doomed.workers}
    assert counted(path) == 16 * times


# ---- all kinds at once ---------------------------------------------------------

def test_mixed(folder, crew):
    """Processes with threads, with tasks, and plain ones."""
    path, times = folder / "a.json", scaled(20)

    def threads(name):
        in_threads([lambda n=n: count_here(
            [SafeFile, ThreadedSafeFile][n % 2](path), times, f"{name}-{n}")
            for n in range(4)])

    def tasks(name):
        async def use():
            await asyncio.gather(*(count_in_task(
                AsyncSafeFile(path), times, f"{name}-{n}") for n in range(4)))
        run_in_loop(use())

    for name in "abc":
        crew.start(threads, "threads " + name)
        crew.start(tasks, "tasks " + name)
        crew.start(count_here, SafeFile(path), times, name)
    threads("here")
    tasks("here, too")
    crew.join()
    assert counted(path) == (3 * (4 + 4 + 1) + 8) * times


# ---- coordinated: a holder, impatient ones, and workers --------------------------

def test_coordinated(folder, crew):
    """One that holds the lock for 3 s lets three attempts of 1 s each time
    out; the workers lose nothing."""
    path, times = folder / "a.json", scaled(20)
    SafeFile(path).write({"n": 0, "by": {}})
    with Holder(crew, ThreadedSafeFile(path)):
        for n in range(4):
            crew.start(count_here, ThreadedSafeFile(path), times, str(n))
        begin = time.monotonic()
        for _ in range(3):
            with takes(1, 2.5), pytest.raises(AsyncTimeoutError) as caught:
                ThreadedSafeFile(path, timeout=1).write("never")
            assert caught.value.timeout == 1
        assert time.monotonic() - begin >= 3
    crew.join()
    assert counted(path) == 4 * times


def test_coordinated_async(folder):
    """The same in one loop, with all attempts at once; others go on."""
    path, times = folder / "a.json", scaled(20)
    SafeFile(path).write({"n": 0, "by": {}})

    async def attempt():
        with takes(1, 2.5), pytest.raises(AsyncTimeoutError):
            await AsyncSafeFile(path, timeout=1).write("never")

    async def hold(inside):
        async with AsyncSafeFile(path).locked():
            inside.set()
            for _ in range(3):
                await attempt_in_task()

    async def attempt_in_task():
        await asyncio.create_task(attempt())

    async def use():
        inside = asyncio.Event()
        holder = asyncio.create_task(hold(inside))
        await inside.wait()
        workers = [asyncio.create_task(count_in_task(
            AsyncSafeFile(path), times, str(n))) for n in range(4)]
        others = AsyncSafeFile(folder / "b.json")
        turns = 0
        while not holder.done():
            await others.update([turns])
            turns += 1
            await asyncio.sleep(0.01)
        await holder
        await asyncio.gather(*workers)
        assert len(await others.read()) == turns > 50
    run_in_loop(use())
    assert counted(path) == 4 * times


def test_stress(folder, crew):
    """Everybody at once for a while, with timeouts: what timed out did not
    count, what did not is there."""
    path, seconds = folder / "a.json", scaled(2)

    def work(name, cls):
        file, done = cls(path, timeout=0.02), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                with file.locked() as f:
                    value = f.read() or {"n": 0, "by": {}}
                    value["n"] += 1
                    value["by"][name] = done + 1
                    f.write(value)
                done += 1
            except AsyncTimeoutError:
                pass
        assert (SafeFile(path).read()["by"].get(name, 0)) == done
    for n in range(6):
        crew.start(work, str(n), [SafeFile, ThreadedSafeFile][n % 2])
    crew.join()
    assert counted(path) > 0
