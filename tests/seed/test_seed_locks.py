# SPDX-License-Identifier: MIT
"""The lock: whom it keeps out, who gets it again, and how it ends."""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from atomicio import (AsyncLockError, AsyncSafeFile, AsyncTimeoutError,
                      SafeFile, ThreadedSafeFile)
from seed_help import Holder, Pipe, in_threads, run_in_loop, takes

SYNC = [SafeFile, ThreadedSafeFile]
CLASSES = [*SYNC, AsyncSafeFile]


def operations(file):
    return [lambda: file.read(), lambda: file.write([2]),
            lambda: file.update([3]), lambda: file.read_bytes(),
            lambda: file.write_bytes(b""), lambda: file.append("x"),
            lambda: file.locked().__enter__()]


# ---- timeouts ---------------------------------------------------------------

@pytest.mark.parametrize("timeout", [
    -1, -0.5, float("nan"), "5", [], b"", 1j, object()], ids=repr)
@pytest.mark.parametrize("cls", CLASSES)
def test_no_timeouts(cls, timeout):
    with pytest.raises(ValueError, match="timeout"):
        cls("a.json", timeout)


@pytest.mark.parametrize("timeout", [True, False, None, 0, 0.5, 3,
                                     float("inf"), 1e300], ids=repr)
@pytest.mark.parametrize("cls", CLASSES)
def test_timeouts(cls, timeout):
    assert cls("a.json", timeout).timeout is timeout


def test_held_by_another_process(kind, folder, crew):
    """Every method, by every class, against each class."""
    path = folder / "a.json"
    SafeFile(path).write([1])
    with Holder(crew, kind(path)):
        for timeout in (False, 0, 0.05):
            file = SafeFile(path, timeout)
            for operation in operations(file):
                with takes(timeout, timeout + 5), \
                        pytest.raises(AsyncTimeoutError) as caught:
                    operation()
                assert caught.value.timeout == timeout
                assert caught.value.path == path
                assert isinstance(caught.value, TimeoutError)
        for operation in operations(kind(path, 0.01))[:-1]:
            with pytest.raises(AsyncTimeoutError):
                operation()
    assert SafeFile(path, False).read() == [1]


@pytest.mark.parametrize("timeout", [True, None, 30])
def test_waiting(kind, folder, crew, timeout):
    path = folder / "a.json"
    waits = Pipe()
    with Holder(crew, SafeFile(path)) as holder:
        def release():
            waits.wait()
            holder.over.say()
        thread = threading.Thread(target=release)
        thread.start()
        waits.say()
        kind(path, timeout).write([5])
        thread.join()
        holder.over.say()  # for the holder's own end
    assert SafeFile(path).read() == [5]
    waits.close()


# ---- whose it is ------------------------------------------------------------

def refused(path):
    """Whether another thread is kept out."""
    found = []

    def attempt():
        try:
            with SafeFile(path, False).locked():
                found.append(False)
        except AsyncTimeoutError:
            found.append(True)
    in_threads([attempt])
    return found[0]


@pytest.mark.parametrize("cls", SYNC)
def test_reentrant(cls, folder):
    """By thread, through any object and any name of the file."""
    path = folder / "a.json"
    (folder / "b.json").symlink_to("a.json")
    file = cls(path, False)
    other = SafeFile(folder / "b.json", False)
    with file.locked() as one, other.locked() as two, one.locked() as three:
        for f in (file, other, one, two, three):
            f.write([1])
            f.update([2])
            assert f.read() == [1, 2]
        assert refused(path)
    assert not refused(path)


@pytest.mark.parametrize("cls", SYNC)
def test_ends_with_an_exception(cls, folder):
    file = cls(folder / "a.json", False)
    with pytest.raises(KeyError), file.locked():
        with file.locked():
            raise KeyError
    assert not refused(file.path)


def test_spellings(folder, monkeypatch):
    """The lock is the file's."""
    (folder / "dir").mkdir()
    (folder / "link").symlink_to("dir")
    monkeypatch.chdir(folder)
    path = folder / "dir/a.json"
    SafeFile(path).write([1])
    os.link(path, folder / "hard.json")
    names = ["dir/a.json", "link/a.json", "dir/../dir/a.json", path,
             "link/../dir/./a.json", "hard.json"]
    for name in names:
        with SafeFile(name).locked():
            assert all(refused(other) for other in names), name


def test_other_programs(folder):
    """flock(1) is excluded, too."""
    path = folder / "a.json"
    SafeFile(path).write([1])
    command = ["flock", "-n", str(path), "true"]
    with SafeFile(path).locked():
        assert subprocess.run(command).returncode == 1
    assert subprocess.run(command).returncode == 0


def test_section_for_other_threads(folder):
    """What is done with the object of a section is done under its lock."""
    with SafeFile(folder / "a.json", False).locked() as f:
        f.write([])
        in_threads([lambda n=n: f.update([n]) for n in range(10)])
        assert sorted(f.read()) == list(range(10))


def test_different_files(folder):
    with SafeFile(folder / "a.json").locked():
        assert not refused(folder / "b.json")


@pytest.mark.parametrize("first", CLASSES)
@pytest.mark.parametrize("second", CLASSES)
def test_classes_exclude_each_other(first, second, folder, crew):
    """In one process, and in another."""
    path = folder / "a.json"

    def attempt():
        async def awaited():
            async with second(path, 0.01).locked():
                pass

        def called():
            with second(path, 0.01).locked():
                pass
        with pytest.raises(AsyncTimeoutError):
            run_in_loop(awaited()) if second is AsyncSafeFile else called()

    async def hold():
        async with first(path).locked():
            in_threads([attempt])
            crew.start(attempt)
            crew.join()

    if first is AsyncSafeFile:
        run_in_loop(hold())
    else:
        with first(path).locked():
            in_threads([attempt])
            crew.start(attempt)
            crew.join()


# ---- how it ends ------------------------------------------------------------

def test_killed_holder(folder, crew):
    path = folder / "a.json"
    SafeFile(path).write([1])
    holder = Holder(crew, SafeFile(path))
    holder.process.kill()
    holder.process.join()
    with takes(0, 20):
        SafeFile(path).update([2])
    assert SafeFile(path).read() == [1, 2]
    crew.members.clear()


def test_child_of_fork(folder, crew):
    """It does not have what its parent has, and cannot give it up."""
    path = folder / "a.json"
    file = SafeFile(path, 0.05)

    def child(f):
        for one in (file, f, SafeFile(path, 0.05)):
            with pytest.raises(AsyncTimeoutError):
                one.write("child")
        os._exit(0)

    with file.locked() as f:
        f.write("parent")
        crew.start(child, f)
        crew.join()
        assert refused(path)
    file.write("done")
    assert file.read() == "done"


def test_child_outlives_its_parents_section(folder, crew):
    """A forked child that does nothing keeps nothing locked."""
    file = SafeFile(folder / "a.json", False)
    over = Pipe()
    with file.locked():
        crew.start(over.wait)
    file.write([1])
    assert not refused(file.path)
    over.say()
    crew.join()


def test_threads_that_end_inside(folder):
    """cleanup_locks gives their locks back, once."""
    paths = [folder / f"{n}.json" for n in range(3)]
    assert SafeFile.cleanup_locks() == 0
    for path in paths:
        in_threads([SafeFile(path).locked().__enter__])
    with SafeFile(folder / "mine.json").locked() as mine:
        assert all(refused(path) for path in paths)
        assert mine.cleanup_locks() == 3
        assert not any(refused(path) for path in paths)
        assert refused(mine.path)
    assert ThreadedSafeFile.cleanup_locks() == 0


def test_interrupt(folder, crew):
    """Ctrl-C ends a wait; nothing of it stays behind."""
    path = folder / "a.json"
    code = ("import sys; from atomicio import SafeFile\n"
            f"f = SafeFile({str(path)!r})\n"
            "print('begins', flush=True)\n"
            "try:\n"
            "    f.write('interrupted')\n"
            "except KeyboardInterrupt:\n"
            "    print('over', f.cleanup_locks(), flush=True)\n"
            "    sys.stdin.read()\n")
    with Holder(crew, SafeFile(path)):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
            stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH":
                                        os.pathsep.join(sys.path)})
        assert process.stdout.readline() == "begins\n"
        wait_until_it_polls(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "over 0\n"
    SafeFile(path, 5).write("free")
    process.communicate()
    assert process.returncode == 0
    assert SafeFile(path).read() == "free"


def wait_until_it_polls(pid):
    """Until the process sleeps in poll(2)."""
    end = time.monotonic() + 20
    while True:
        with open(f"/proc/{pid}/wchan", encoding="ascii") as f:
            where = f.read()
        if "poll" in where or "select" in where:
            return
        assert time.monotonic() < end, where
        os.sched_yield()


def test_signals_do_not_end_a_wait(folder, crew):
    """A handler runs, and the wait goes on."""
    path, ran = folder / "a.json", []

    with Holder(crew, SafeFile(path)) as holder:
        def handle(*args):
            ran.append(args[0])
            holder.over.say()
        before = signal.signal(signal.SIGUSR1, handle)
        try:
            threading.Timer(0.05, os.kill,
                            (os.getpid(), signal.SIGUSR1)).start()
            SafeFile(path).write([1])
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert ran == [signal.SIGUSR1]
        holder.over.say()


# ---- waits that could never end ----------------------------------------------

def test_deadlock_of_threads(folder):
    """Two threads, two files, crosswise: one of them is told so."""
    paths = [folder / "a.json", folder / "b.json"]
    both = threading.Barrier(2, timeout=20)
    told = []

    def cross(mine, yours):
        try:
            with SafeFile(mine).locked():
                both.wait()
                with SafeFile(yours).locked():
                    pass
        except AsyncLockError as e:
            told.append(e)
    in_threads([lambda: cross(*paths), lambda: cross(*paths[::-1])])
    assert len(told) == 1
    assert told[0].path in paths
    assert not any(map(refused, paths))


def test_thread_that_would_wait_for_its_own_task(folder):
    """A blocking call in a coroutine, while another task has the lock."""
    path = folder / "a.json"

    async def use():
        import asyncio
        inside, leave = asyncio.Event(), asyncio.Event()

        async def hold():
            async with AsyncSafeFile(path).locked():
                inside.set()
                await leave.wait()
        task = asyncio.create_task(hold())
        await inside.wait()
        with pytest.raises(AsyncLockError, match="this very thread"):
            SafeFile(path).write([1])
        leave.set()
        await task
        SafeFile(path).write([2])
    run_in_loop(use())
    assert SafeFile(path).read() == [2]


def test_blocking_call_of_the_task_that_has_the_lock(folder):
    async def use():
        async with AsyncSafeFile(folder / "a.json").locked() as f:
            SafeFile(folder / "a.json", False).write([1])
            return await f.read()
    assert run_in_loop(use()) == [1]


def test_loop_inside_a_section_of_the_thread(folder):
    """Blocking calls in it are the thread's."""
    async def use():
        SafeFile(folder / "a.json", False).update([2])
    with SafeFile(folder / "a.json").locked() as f:
        f.write([1])
        run_in_loop(use())
    assert SafeFile(folder / "a.json").read() == [1, 2]
