# SPDX-License-Identifier: MIT
"""Processes, loops and clocks for the tests of the Python package."""
import asyncio
import contextlib
import faulthandler
import multiprocessing
import os
import select
import sys
import threading
import time

SECONDS = 60 * float(os.environ.get("ATOMICFS_TEST_SLOW", "1"))

fork = multiprocessing.get_context("fork")


class Awaited:
    """An AsyncSafeFile whose methods are called like those of the others."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        found = getattr(self.file, name)
        if not asyncio.iscoroutinefunction(found):
            return found
        return lambda *args, **kwargs: asyncio.run(found(*args, **kwargs))

    @contextlib.contextmanager
    def locked(self):
        with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
            section = self.file.locked()

            async def hold(inside, leave):
                async with section as f:
                    inside.set_result(f)
                    await leave
            loop = runner.get_loop()
            inside, leave = loop.create_future(), loop.create_future()
            task = loop.create_task(hold(inside, leave))
            stack.callback(loop.run_until_complete, task)
            stack.callback(leave.set_result, None)
            loop.run_until_complete(asyncio.wait(
                [task, inside], return_when=asyncio.FIRST_COMPLETED))
            if task.done():
                stack.pop_all()
                task.result()
            yield InLoop(inside.result(), loop)


class InLoop:
    """The same for what is done in a loop that is there already."""

    def __init__(self, file, loop):
        self.file, self.loop = file, loop

    def __getattr__(self, name):
        found = getattr(self.file, name)
        if not asyncio.iscoroutinefunction(found):
            return found
        return lambda *args, **kwargs: self.loop.run_until_complete(
            found(*args, **kwargs))


def _child(function, args):
    """What a forked process does; it must not run pytest's own end."""
    code = 1
    try:
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        function(*args)
        code = 0
    except BaseException:  # said on stderr, for the summary
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


class Crew:
    """Processes; what is left of them is killed at the end."""

    def __init__(self):
        self.members = []

    def start(self, function, *args):
        process = fork.Process(target=_child, args=(function, args))
        process.start()
        self.members.append(process)
        return process

    def join(self):
        """All of them have to end well."""
        end = time.monotonic() + SECONDS
        for process in self.members:
            process.join(max(0, end - time.monotonic()))
            assert process.exitcode == 0, (process, process.exitcode)
        self.members = []

    def end(self):
        for process in self.members:
            if process.is_alive():
                process.kill()
            process.join()


class Pipe:
    """A message from one process to another that is only a byte."""

    def __init__(self):
        self.read_fd, self.write_fd = os.pipe()

    def say(self):
        os.write(self.write_fd, b"x")

    def wait(self):
        assert select.select([self.read_fd], [], [], SECONDS)[0], "no word"
        assert os.read(self.read_fd, 1) == b"x"

    def close(self):
        os.close(self.read_fd)
        os.close(self.write_fd)


def in_threads(functions):
    """Run them all at once; the first exception of one is raised."""
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as e:
            errors.append(e)
    threads = [threading.Thread(target=guarded, args=(function,), daemon=True)
               for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


class Holder:
    """Another process that has a file locked, from start to release."""

    def __init__(self, crew, file):
        self.held, self.over = Pipe(), Pipe()
        self.process = crew.start(self._hold, file)
        self.held.wait()

    def _hold(self, file):
        with file.locked():
            self.held.say()
            self.over.wait()

    def release(self):
        self.over.say()
        self.process.join(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.release()
        self.held.close()
        self.over.close()


@contextlib.contextmanager
def takes(least, most=None):
    """The block takes between so many seconds."""
    begin = time.monotonic()
    yield
    seconds = time.monotonic() - begin
    assert seconds >= least
    if most is not None:
        assert seconds <= most * max(1, SECONDS / 60)


def run_in_loop(coroutine):
    """asyncio.run, which fails when something of it hangs."""
    async def limited():
        return await asyncio.wait_for(coroutine, SECONDS)
    return asyncio.run(limited())
