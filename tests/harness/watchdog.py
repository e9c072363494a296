# SPDX-License-Identifier: MIT
"""No test hangs for ever.

When a test is over its limit, the connections of all mounts are aborted (every
system call that hangs in one ends), every process that was started here is
killed, and the test is failed.  Should even that not help, the whole run ends.
"""
import faulthandler
import os
import signal
import sys
import threading

from harness import mount

GRACE_SECONDS = 30


class Overtime(BaseException):
    """Raised in the test's thread."""


def raise_overtime(number, frame):
    raise Overtime("the test took too long and was ended by the watchdog")


class Watchdog:
    def __init__(self, seconds):
        self.seconds = seconds
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        signal.signal(signal.SIGUSR1, raise_overtime)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.done.set()
        self.thread.join()

    def _watch(self):
        if self.done.wait(self.seconds):
            return
        faulthandler.dump_traceback(sys.__stderr__)
        for one in list(mount.alive):
            one.abort()
        for pid in mount.descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.done.wait(1):
            return
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        if not self.done.wait(GRACE_SECONDS):
            os._exit(3)
