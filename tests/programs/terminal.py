# SPDX-License-Identifier: MIT
"""A program at a terminal, driven as by a person: it is typed when the program
has shown what one waits for."""
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

SECONDS = 10


class Terminal:
    def __init__(self, argv, cwd, env, error=None):
        """@error: a pattern that is an error when it is shown."""
        self.shown = b""
        self.error = error and re.compile(error)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, 80, 0, 0))

    def _more(self, end):
        """False: there will be no more."""
        left = end - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            raise AssertionError(f"it shows {self.shown[-2000:]!r}")
        try:
            more = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody has the other side open
            return False
        self.shown += more
        assert not self.error or not self.error.search(self.shown), (
            f"it shows {self.shown!r}")
        return bool(more)

    def wait_for(self, *texts):
        """Until one of @texts is shown, and forget what came before; returns
        which."""
        end = time.monotonic() + SECONDS
        while True:
            for text in texts:
                before, found, after = self.shown.partition(text.encode())
                if found:
                    self.shown = after
                    return text
            assert self._more(end), f"it ended and shows {self.shown!r}"

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        """Its exit status, -N for signal N."""
        end = time.monotonic() + SECONDS
        while self._more(end):
            pass
        status = os.waitpid(self.pid, 0)[1]
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def kill(self, number):
        os.kill(self.pid, number)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
