# SPDX-License-Identifier: MIT
"""AsyncSafeFile: who waits for whom in a loop, and what cancelling means."""
import asyncio
import gc
import os
import threading

import pytest

from atomicio import (AsyncLockError, AsyncSafeFile, AsyncTimeoutError,
                      FileReadError, SafeFile)
from seed_help import Holder, Pipe, run_in_loop, takes

OPERATIONS = {
    "write": lambda f: f.write("late"),
    "update": lambda f: f.update(["late"]),
    "write_bytes": lambda f: f.write_bytes(b"late"),
    "append": lambda f: f.append("late"),
    "read": lambda f: f.read(),
    "read_bytes": lambda f: f.read_bytes(),
}


@pytest.fixture
def path(folder):
    SafeFile(folder / "a.json").write(["old"])
    return folder / "a.json"


def content(path):
    return path.read_bytes()


async def settle():
    """Whatever could still land, has the time to."""
    for _ in range(20):
        await asyncio.sleep(0)


# ---- a wait that ends too early ------------------------------------------------

@pytest.mark.parametrize("name", list(OPERATIONS))
def test_timeout(path, crew, name):
    """Nothing lands after the error."""
    before = content(path)

    async def use(holder):
        file = AsyncSafeFile(path, 0.05)
        with takes(0.05, 5), pytest.raises(AsyncTimeoutError) as caught:
            await OPERATIONS[name](file)
        assert (caught.value.timeout, caught.value.path) == (0.05, path)
        holder.over.say()
        holder.process.join()
        async with AsyncSafeFile(path).locked():
            await settle()
        assert content(path) == before
    with Holder(crew, SafeFile(path)) as holder:
        run_in_loop(use(holder))


@pytest.mark.parametrize("how", ["cancel", "wait_for", "loop ends"])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_cancelled_while_it_waits(path, crew, name, how):
    before = content(path)

    async def use(holder):
        task = asyncio.create_task(OPERATIONS[name](AsyncSafeFile(path)))
        await settle()
        assert not task.done()
        if how == "loop ends":
            return
        if how == "cancel":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.01)
        holder.over.say()
        holder.process.join()
        async with AsyncSafeFile(path, 20).locked():
            await settle()
    with Holder(crew, SafeFile(path)) as holder:
        run_in_loop(use(holder))
    with SafeFile(path, 20).locked():
        assert content(path) == before


def test_cancelled_at_every_moment(path):
    """Old or new, whole, and it does not change after the cancellation."""
    new = {"list": list(range(2000))}
    seen = set()

    async def use(rounds):
        file = AsyncSafeFile(path)
        for n in range(rounds):
            await file.write(["old"])
            task = asyncio.create_task(file.write(new))
            for _ in range(n % 8):
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
                done = True
            except asyncio.CancelledError:
                done = False
            now = content(path)
            await settle()
            assert content(path) == now
            value = await file.read()
            assert value in (["old"], new)
            assert not done or value == new
            seen.add((done, value == new))
    run_in_loop(use(200))
    assert (False, False) in seen
    assert len(os.listdir(path.parent)) == 1


def test_cancelled_in_a_section(path):
    """Its lock is given up, at once."""
    async def use():
        inside = asyncio.Event()

        async def hold():
            async with AsyncSafeFile(path).locked():
                inside.set()
                await asyncio.Event().wait()
        task = asyncio.create_task(hold())
        await inside.wait()
        with pytest.raises(AsyncTimeoutError):
            await AsyncSafeFile(path, 0.01).write("new")
        task.cancel()
        await asyncio.wait([task])
        await AsyncSafeFile(path, False).write("new")
    run_in_loop(use())
    assert SafeFile(path).read() == "new"


def test_cancelled_update_of_ones_own_format(folder, formats_back):
    """One that takes several operations lets go of its lock, too."""
    from atomicio import register_format
    formats_back(".own")
    register_format(".own", lambda f: f.read(), lambda v, f: f.write(v))
    path = folder / "a.own"
    SafeFile(path).write("old")

    async def use():
        for n in range(30):
            task = asyncio.create_task(AsyncSafeFile(path).update("new"))
            for _ in range(n):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert await AsyncSafeFile(path, False).read() in ("old", "new")
    run_in_loop(use())


# ---- whose it is ----------------------------------------------------------------

def test_reentrant(path):
    async def use():
        file = AsyncSafeFile(path, 0.05)
        async with file.locked() as f, AsyncSafeFile(path, 0).locked() as g:
            async with f.locked():
                for one in (file, f, g):
                    await one.update([1])
        return await file.read()
    assert run_in_loop(use()) == ["old", 1, 1, 1]


def test_tasks_exclude_each_other(path):
    async def use():
        inside, leave = asyncio.Event(), asyncio.Event()

        async def hold():
            async with AsyncSafeFile(path).locked() as f:
                inside.set()
                await leave.wait()
                await f.write("first")
        task = asyncio.create_task(hold())
        await inside.wait()
        with pytest.raises(AsyncTimeoutError):
            await AsyncSafeFile(path, False).write("early")
        second = asyncio.create_task(AsyncSafeFile(path).write("second"))
        await settle()
        assert not second.done()
        leave.set()
        await asyncio.gather(task, second)
        return await AsyncSafeFile(path).read()
    assert run_in_loop(use()) == "second"


def test_tasks_of_a_section(path):
    """gather and wait_for make tasks of their own; the object of a section
    works for them."""
    async def use():
        async with AsyncSafeFile(path, 0.05).locked() as f:
            await asyncio.gather(*(f.update([n]) for n in range(10)))
            return await asyncio.wait_for(f.read(), 5)
    value = run_in_loop(use())
    assert value[0] == "old" and sorted(value[1:]) == list(range(10))


def test_section_that_ends_with_an_exception(path):
    async def use():
        with pytest.raises(KeyError):
            async with AsyncSafeFile(path).locked():
                raise KeyError
        return await AsyncSafeFile(path, False).read()
    assert run_in_loop(use()) == ["old"]


def test_task_that_ends_inside(path):
    async def use():
        async def enter():
            await AsyncSafeFile(path).locked().__aenter__()
        await asyncio.create_task(enter())
        gc.collect()
        with pytest.raises(AsyncTimeoutError):
            await AsyncSafeFile(path, 0).read()
        assert AsyncSafeFile.cleanup_locks() == 1
        await AsyncSafeFile(path, 0).read()
        assert AsyncSafeFile.cleanup_locks() == 0
    run_in_loop(use())


def test_crosswise(folder):
    """Two tasks, two files: one of them is told so."""
    async def cross(mine, yours, mine_is_had, yours_is_had):
        async with AsyncSafeFile(folder / mine).locked():
            mine_is_had.set()
            await yours_is_had.wait()
            async with AsyncSafeFile(folder / yours).locked():
                pass

    async def use():
        a, b = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(
            cross("a.json", "b.json", a, b), cross("b.json", "a.json", b, a),
            return_exceptions=True)
    results = run_in_loop(use())
    assert sorted(map(type, results), key=str) == [
        type(None), AsyncLockError]


# ---- the loop goes on --------------------------------------------------------------

def test_loop_goes_on_while_one_waits(path, crew):
    """No thread is made for it, either."""
    async def use(holder):
        threads = threading.active_count()
        task = asyncio.create_task(AsyncSafeFile(path).write("new"))
        turns = 0
        while turns < 1000:
            turns += 1
            await asyncio.sleep(0)
        assert not task.done()
        assert threading.active_count() == threads
        holder.over.say()
        await task
        return await AsyncSafeFile(path).read()
    with Holder(crew, SafeFile(path)) as holder:
        assert run_in_loop(use(holder)) == "new"


def test_others_get_their_turn(path):
    """Although nothing has to be waited for."""
    async def use():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)
        task = asyncio.create_task(other())
        for _ in range(50):
            await AsyncSafeFile(path).read()
        task.cancel()
        assert turns >= 50
    run_in_loop(use())


def test_descriptors(path, crew):
    """None is left over, however an operation ends."""
    async def use():
        before = len(os.listdir("/proc/self/fd"))
        file = AsyncSafeFile(path, 0.001)
        for n in range(30):
            tasks = [asyncio.create_task(one(file))
                     for one in OPERATIONS.values()]
            if n % 2:
                tasks[n % len(tasks)].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            del tasks
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before
    run_in_loop(use())  # nobody else has it
    with Holder(crew, SafeFile(path)):
        run_in_loop(use())


def test_several_loops(path):
    """A loop in each of several threads."""
    errors = []

    def one():
        async def use():
            file = AsyncSafeFile(path)
            for _ in range(20):
                async with file.locked() as f:
                    await f.write([*(await f.read()), 1])
        try:
            run_in_loop(use())
        except BaseException as e:
            errors.append(e)
    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert SafeFile(path).read() == ["old"] + [1] * 80


def test_errors_are_those_of_the_others(folder):
    (folder / "a.json").write_text("{")

    async def use():
        with pytest.raises(FileReadError) as caught:
            await AsyncSafeFile(folder / "a.json").read()
        assert caught.value.line == 1
    run_in_loop(use())


def test_wakes_when_another_process_unlocks(path, crew):
    ready = Pipe()

    async def use():
        with pytest.raises(AsyncTimeoutError):
            await AsyncSafeFile(path, 0.01).read()
        ready.say()
        return await AsyncSafeFile(path, 30).read()

    def hold():
        with SafeFile(path).locked() as f:
            held.say()
            ready.wait()
            f.write("theirs")
    held = Pipe()
    crew.start(hold)
    held.wait()
    assert run_in_loop(use()) == "theirs"
    crew.join()
