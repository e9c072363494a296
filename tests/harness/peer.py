# SPDX-License-Identifier: MIT
"""Another process, which does system calls when told.

    with Peer() as p:
        fd = p.open(path, os.O_WRONLY)      # os.open over there
        p.write(fd, b"x")
        p.kill(signal.SIGKILL)

Every function of the module os, and those of class Calls below, can be called;
an OSError over there is raised here.  A call has happened when it returns, so
that what two processes do is in order without anybody waiting for a time.
A call that may wait is begun with start(), or in a thread with begin().
"""
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import pickle
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading

# Those of the module fcntl call again after EINTR.
libc = ctypes.CDLL(None, use_errno=True)
LOCK_TYPES = {fcntl.LOCK_SH: fcntl.F_RDLCK, fcntl.LOCK_EX: fcntl.F_WRLCK,
              fcntl.LOCK_UN: fcntl.F_UNLCK}
SETLK = {"posix": (fcntl.F_SETLK, fcntl.F_SETLKW),
         "ofd": (fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW)}
GETLK = {"posix": fcntl.F_GETLK, "ofd": fcntl.F_OFD_GETLK}


class Range(ctypes.Structure):
    """struct flock."""
    _fields_ = [("type", ctypes.c_short), ("whence", ctypes.c_short),
                ("start", ctypes.c_int64), ("length", ctypes.c_int64),
                ("pid", ctypes.c_int)]


def checked(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def is_open(fd):
    with contextlib.suppress(OSError):
        os.fstat(fd)
        return True
    return False


class Worker:
    """A thread that does what it is told, as long as its process lives."""

    def __init__(self, calls):
        self.calls = calls
        self.todo, self.results = queue.Queue(), queue.Queue()
        self.busy = False  # until its result was taken
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        for name, args in iter(self.todo.get, None):
            self.results.put(self.calls.attempt(name, args))


class Calls:
    """What a peer can do beside the functions of os."""

    def __init__(self):
        self.maps = {}
        self.workers = {}
        self.signals = 0
        self.kept = {fd for fd in range(256) if is_open(fd)}

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

    def ioctl_once(self, fd, request, arg):
        """... which is not called again after EINTR."""
        buffer = ctypes.create_string_buffer(arg, len(arg))
        checked(libc.ioctl(fd, ctypes.c_ulong(request), buffer))
        return buffer.raw

    def flock(self, fd, mode):
        checked(libc.flock(fd, mode))

    def lock(self, kind, fd, mode, start=0, length=0, whence=os.SEEK_SET):
        """As flock, whatever kind of lock it is: "flock", "posix", "ofd"."""
        if kind == "flock":
            self.flock(fd, mode)
            return
        how = SETLK[kind][0 if mode & (fcntl.LOCK_NB | fcntl.LOCK_UN) else 1]
        span = Range(LOCK_TYPES[mode & ~fcntl.LOCK_NB], whence, start, length)
        checked(libc.fcntl(fd, how, ctypes.byref(span)))

    def raw_lock(self, fd, how, *fields):
        """fcntl with a struct flock of these fields; as they are afterwards."""
        span = Range(*fields)
        checked(libc.fcntl(fd, how, ctypes.byref(span)))
        return span.type, span.whence, span.start, span.length, span.pid

    def getlk(self, kind, fd, mode, start=0, length=0, whence=os.SEEK_SET):
        """Who is in the way: (type, start, length, pid), or None."""
        kind, whence, start, length, pid = self.raw_lock(
            fd, GETLK[kind], LOCK_TYPES[mode], whence, start, length)
        return None if kind == fcntl.F_UNLCK else (kind, start, length, pid)

    def locked(self, kind, fd, end):
        """What others have of the bytes up to @end: `W`, `R` or `.` each."""
        said = ""
        for at in range(end):
            if self.getlk(kind, fd, fcntl.LOCK_SH, at, 1):
                said += "W"
            else:
                said += "R" if self.getlk(kind, fd, fcntl.LOCK_EX, at,
                                          1) else "."
        return said

    def on_signal(self, number, restart=False):
        """From now on the signal only ends a system call, or not even that."""
        def count(number, frame):
            self.signals += 1
        signal.signal(number, count)
        signal.siginterrupt(number, not restart)

    def signals_seen(self):
        return self.signals

    def exec(self, *fds):
        """Become another program (this one), which has @fds still."""
        for fd in fds:
            os.set_inheritable(fd, True)
        os.execv(sys.executable, [sys.executable, *sys.argv[:3], "again"])

    def serve_at(self, commands, answers):
        """A child that is a peer of its own, behind two FIFOs."""
        pid = os.fork()
        if pid:
            return pid
        self.workers = {}
        with open(commands, "rb") as c, open(answers, "wb") as a:
            serve(self, c, a)
        os._exit(0)

    def begin(self, thread, name, *args):
        """Begin a call in the thread called @thread; returns its id."""
        if thread not in self.workers:
            self.workers[thread] = Worker(self)
        self.workers[thread].busy = True
        self.workers[thread].todo.put((name, args))
        return self.workers[thread].thread.native_id

    def ended(self, thread):
        return not self.workers[thread].results.empty()

    def end(self, thread):
        """Wait for it."""
        ok, value = self.workers[thread].results.get()
        self.workers[thread].busy = False
        if not ok:
            raise value
        return value

    def within(self, thread, name, *args):
        """Do a call in that thread, and wait for it."""
        self.begin(thread, name, *args)
        return self.end(thread)

    def end_thread(self, thread):
        worker = self.workers.pop(thread)
        worker.todo.put(None)
        worker.thread.join()

    def reset(self):
        """As at the beginning: nothing open, no thread, no handlers."""
        if any(worker.busy for worker in self.workers.values()):
            raise OSError(errno.EBUSY, "a thread may hang")
        for thread in list(self.workers):
            self.end_thread(thread)
        for key in list(self.maps):
            self.map_close(key)
        for fd in set(map(int, os.listdir("/proc/self/fd"))) - self.kept:
            with contextlib.suppress(OSError):
                os.close(fd)
        for number in (signal.SIGUSR1, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        self.signals = 0

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
    seconds = None  # the most that a call may take

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
        self.busy = False
        self.getpid()  # it runs

    @property
    def pid(self):
        return self.process.pid

    def start(self, name, *args, **kwargs):
        """Begin a call; finish() waits for it."""
        pickle.dump((name, args, kwargs), self._commands)
        self._commands.flush()
        self.busy = True

    def finished(self, seconds=0):
        """Whether what was started is over, or is so within @seconds."""
        return bool(select.select([self._answers], [], [], seconds)[0])

    def finish(self):
        assert not self.seconds or self.finished(self.seconds), (
            f"process {self.pid} does not answer within {self.seconds} s")
        ok, value = pickle.load(self._answers)
        self.busy = False
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

    def become(self, *fds):
        """exec(2), with @fds."""
        self.start("exec", *fds)
        self.finish()

    def fork(self):
        """A child, as another peer."""
        with tempfile.TemporaryDirectory() as directory:
            names = [os.path.join(directory, n) for n in ("c", "a")]
            for name in names:
                os.mkfifo(name)
            pid = self.serve_at(*names)
            return Child(pid, open(names[0], "wb"), open(names[1], "rb"))

    def send(self, number):
        os.kill(self.pid, number)

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
            if self.busy:  # it may hang
                self.process.kill()
            self._close()
            self.process.wait()


class Child(Peer):
    """One that another peer has forked; it outlives its parent."""

    def __init__(self, pid, commands, answers):
        self._pid, self._commands, self._answers = pid, commands, answers
        self._pidfd, self.busy = os.pidfd_open(pid), False

    @property
    def pid(self):
        return self._pid

    def kill(self, number=signal.SIGKILL):
        signal.pidfd_send_signal(self._pidfd, number)
        self.exit()

    def exit(self):
        if self._pidfd >= 0:
            self._close()
            select.select([self._pidfd], [], [])
            os.close(self._pidfd)
            self._pidfd = -1

    def __exit__(self, *exc):
        if self._pidfd >= 0 and self.busy:
            self.kill()
        self.exit()


def serve(calls, commands, answers):
    while True:
        try:
            name, args, kwargs = pickle.load(commands)
        except EOFError:
            return
        pickle.dump(calls.attempt(name, args, kwargs), answers)
        answers.flush()


def main():
    commands = os.fdopen(int(sys.argv[1]), "rb")
    answers = os.fdopen(int(sys.argv[2]), "wb")
    if sys.argv[3:]:  # after an exec
        pickle.dump((True, None), answers)
        answers.flush()
    serve(Calls(), commands, answers)


if __name__ == "__main__":
    # What is pickled here is known by the module's name over there.
    sys.path.insert(0, os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    from harness import peer
    peer.main()
