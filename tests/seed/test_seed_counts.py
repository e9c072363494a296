# SPDX-License-Identifier: MIT
"""No update is lost, where some wait for others or give up waiting."""
import asyncio
import time

import pytest

from atomicio import (AsyncSafeFile, AsyncTimeoutError, SafeFile,
                      ThreadedSafeFile)
from harness.tools import scaled
from seed_help import run_in_loop, takes


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


def test_coordinated_async(folder):
    """In one loop: one that holds the lock for 3 s lets three attempts of 1 s
    time out; the workers lose nothing, and what has to do with another file
    goes on."""
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
