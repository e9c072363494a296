# SPDX-License-Identifier: MIT
"""Another process, which does system calls when told.

    with Peer() as p:
        fd = p.open(path, os.O_WRONLY)      # os.open over there
        p.write(fd, b"x")
        p.kill(signal.SIGKILL)

Every function of the module os, and those of class Calls below, can be called;
an OSError over there is raised here.  A call has happened when it returns, so
that what two processes do is in order without anybody waiting for a time.
"""
import contextlib
import fcntl
import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading


class Calls:
    """What a peer can do beside the functions of os."""

    def __init__(self):
        self.maps = {}

    def slurp(self, path):
        with open(path, "rb") as f:
            return f.read()

    def spew(self, path, data, flags=os.O_TRUNC | os.O_CREAT):
        fd = os.open(path, os.O_WRONLY | flags, 0o644)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    def signals_default(self):
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)

    def mmap(self, fd, length=0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED):
        area = mmap.mmap(fd, length, flags, prot)
        self.maps[id(area)] = area
        return id(area)

    def map_read(self, key, start=0, stop=None):
        return self.maps[key][start:stop]

    def map_write(self, key, start, data):
        self.maps[key][start:start + len(data)] = data

    def map_sync(self, key):
        self.maps[key].flush()

    def map_close(self, key):
        self.maps.pop(key).close()

    def ioctl(self, fd, request, arg=0):
        return fcntl.ioctl(fd, request, arg)

    def in_thread(self, name, *args):
        """Do a call in a thread of its own."""
        result = []
        thread = threading.Thread(
            target=lambda: result.append(self.attempt(name, args)))
        thread.start()
        thread.join()
        ok, value = result[0]
        if not ok:
            raise value
        return value

    def fork_and(self, name, *args):
        """Do a call in a child, which ends with _exit(0)."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(theirs, pickle.dumps(self.attempt(name, args)))
            os._exit(0)
        os.close(theirs)
        with open(ours, "rb") as f:
            ok, value = pickle.loads(f.read())
        os.waitpid(pid, 0)
        if not ok:
            raise value
        return value

    def attempt(self, name, args, kwargs=None):
        call = getattr(self, name, None) or getattr(os, name)
        try:
            value = call(*args, **(kwargs or {}))
            if isinstance(value, os.stat_result):
                value = Stat(value)
            return True, value
        except Exception as e:  # goes to whoever asked
            return False, e


class Stat:
    """os.stat_result with its nanoseconds, which pickle would drop."""

    def __init__(self, st):
        for name in dir(st):
            if name.startswith("st_"):
                setattr(self, name, getattr(st, name))


class Peer:
    def __init__(self, wrapper=(), **popen):
        command_r, self._command = os.pipe()
        self._answer, answer_w = os.pipe()
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, __file__, str(command_r),
             str(answer_w)], pass_fds=[command_r, answer_w],
            stdin=subprocess.DEVNULL, **popen)
        os.close(command_r)
        os.close(answer_w)
        self._commands = os.fdopen(self._command, "wb")
        self._answers = os.fdopen(self._answer, "rb")
        self.getpid()  # it runs

    @property
    def pid(self):
        return self.process.pid

    def start(self, name, *args, **kwargs):
        """Begin a call; finish() waits for it."""
        pickle.dump((name, args, kwargs), self._commands)
        self._commands.flush()

    def finish(self):
        ok, value = pickle.load(self._answers)
        if not ok:
            raise value
        return value

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args, **kwargs):
            self.start(name, *args, **kwargs)
            return self.finish()
        return call

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        code = self.process.wait()
        self._close()
        assert code == -number, f"ended with {code}, not by signal {number}"

    def exit(self):
        """It ends by itself, with all descriptors open."""
        self._close()
        assert self.process.wait() == 0

    def _close(self):
        with contextlib.suppress(BrokenPipeError):
            self._commands.close()
        self._answers.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self._close()
            self.process.wait()


def main():
    commands = os.fdopen(int(sys.argv[1]), "rb")
    answers = os.fdopen(int(sys.argv[2]), "wb")
    calls = Calls()
    while True:
        try:
            name, args, kwargs = pickle.load(commands)
        except EOFError:
            return
        pickle.dump(calls.attempt(name, args, kwargs), answers)
        answers.flush()


if __name__ == "__main__":
    # What is pickled here is known by the module's name over there.
    sys.path.insert(0, os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    from harness import peer
    peer.main()
