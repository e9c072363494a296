# SPDX-License-Identifier: MIT
"""A mount for a test: start it, look into it, and be sure that it is gone.

A Mount is over in one of three ways: stop() (as an administrator does it),
kill9() (a crash), or finish(), which the fixtures call for every mount and
which complains about everything that is not as it has to be: a daemon that
died by itself, lines on its stderr that the test did not announce, findings of
a sanitizer, a mount or shadows left behind.
"""
import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
STOP_SECONDS = 120
SANITIZER = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")

# Every mount that may be alive, for the watchdog.
alive = []


def daemon_path():
    return Path(os.environ.get("ATOMICFS", TOP / "build/fs/atomicfs"))


def tool_path():
    return Path(os.environ.get("ATOMICIO", TOP / "build/tools/atomicio"))


def mountinfo(path):
    """The lines of mountinfo of what is mounted at @path, newest last."""
    path = os.fspath(path)
    with open("/proc/self/mountinfo", encoding="utf-8",
              errors="surrogateescape") as f:
        lines = [line.split() for line in f]
    return [fields for fields in lines if fields[4] == path]


def unmount(path):
    """Take away all that is mounted at @path, whatever state it is in."""
    while mountinfo(path):
        tool = ["umount", "-l"] if os.getuid() == 0 else ["fusermount3", "-uz"]
        subprocess.run([*tool, path], check=True)


def descendants(pid):
    """Process ids of the children of @pid, theirs too."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_bytes()
        except OSError:
            continue
        parent = int(stat.rpartition(b")")[2].split()[1])
        children.setdefault(parent, []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        more = children.get(todo.pop(), [])
        found += more
        todo += more
    return found


class Mount:
    def __init__(self, base, options=(), source=None, mountpoint=None,
                 env=None, program=None, wrapper=()):
        self.base = Path(base)
        self.src = Path(source or self.base / "src")
        self.mnt = Path(mountpoint or self.base / "mnt")
        self.log = self.base / "daemon.log"
        self.options = list(options)
        self.env = env or {}
        self.program = program or daemon_path()
        self.wrapper = list(wrapper)
        self.proc = None
        self.minor = None
        self.expected, self.allowed = [], []
        self.log_seen = 0
        self.dead_wanted = False
        self.src.mkdir(parents=True, exist_ok=True)
        self.mnt.mkdir(parents=True, exist_ok=True)
        self.log.touch()

    def __truediv__(self, name):
        return self.mnt / name

    # ---- life ----------------------------------------------------------

    def start(self):
        ready, theirs = os.pipe()
        options = ",".join([f"notify-ready={theirs}", *self.options])
        try:
            with open(self.log, "ab") as log:
                self.proc = subprocess.Popen(
                    [*self.wrapper, self.program, "-f", "-o", options,
                     self.src, self.mnt], pass_fds=[theirs], stderr=log,
                    stdin=subprocess.DEVNULL, stdout=log,
                    env={**os.environ, **self.env}, start_new_session=True)
        finally:
            os.close(theirs)
        alive.append(self)
        try:
            self._wait_ready(ready)
        finally:
            os.close(ready)
        info = mountinfo(self.mnt)
        assert info, "the daemon is ready, but nothing is mounted"
        self.minor = int(info[-1][2].split(":")[1])
        return self

    def _wait_ready(self, fd):
        end, said = time.monotonic() + READY_SECONDS, b""
        while not said.endswith(b"\n"):
            left = max(0, end - time.monotonic())
            if not select.select([fd], [], [], left)[0]:
                raise AssertionError("the daemon is not ready in time")
            more = os.read(fd, 64)
            if not more:
                code = self.proc.wait(STOP_SECONDS)
                alive.remove(self)
                raise AssertionError(f"the daemon did not start: exit {code}: "
                                     f"{self.text()}")
            said += more
        assert said == b"ready\n"

    def stop(self):
        """SIGTERM, as systemd does; everything is settled afterwards."""
        self.proc.send_signal(signal.SIGTERM)
        code = self.proc.wait(STOP_SECONDS)
        alive.remove(self)
        assert code == 0, f"the daemon ended with {code}: {self.text()}"
        assert not mountinfo(self.mnt), "still mounted after the daemon's end"
        left = set(os.listdir(self.src / ".atomicfs/stage")) - {"journal"}
        assert not left, f"shadows are left in the stage: {left}"

    def kill9(self):
        """The daemon crashes; programs get ENOTCONN until remount()."""
        self.proc.kill()
        self.proc.wait()
        alive.remove(self)
        unmount(self.mnt)

    def remount(self, options=None):
        if options is not None:
            self.options = list(options)
        if self in alive:
            self.stop()
        return self.start()

    def abort(self):
        """Let every request fail: nothing that hangs in the mount hangs any
        longer."""
        if self.minor is not None:
            try:
                Path(f"/sys/fs/fuse/connections/{self.minor}/abort"
                     ).write_text("1")
            except OSError:
                pass

    # ---- what it says --------------------------------------------------

    def text(self):
        return self.log.read_text(errors="replace")

    def expect_log(self, pattern):
        """A line that must have come by the end, any number of times."""
        self.expected.append(pattern)

    def allow_log(self, pattern):
        """A line that may come."""
        self.allowed.append(pattern)

    def check_log(self):
        text = self.text()
        assert not SANITIZER.search(text), text
        lines = text[self.log_seen:].splitlines()
        self.log_seen = len(text)
        patterns = self.expected + self.allowed
        strange = [line for line in lines
                   if not any(re.search(p, line) for p in patterns)]
        assert not strange, "unexpected from the daemon:\n" + "\n".join(strange)

    def status(self):
        return json.loads((self.mnt / ".@ctl/status.json").read_text())

    def settle(self):
        """Wait until no shadow is open: a rollback is finished some time after
        its process is gone."""
        end = time.monotonic() + STOP_SECONDS
        while self.status()["shadows"]:
            assert time.monotonic() < end, self.status()
            select.select([], [], [], 0.002)

    def quarantine(self):
        """What was rolled back, oldest first; `data` is its content."""
        self.settle()
        items = []
        for path in (self.src / ".atomicfs/quarantine").glob("*.json"):
            item = json.loads(path.read_bytes())
            item["id"] = path.name[:-len(".json")]
            item["data"] = path.with_suffix("").read_bytes()
            items.append(item)
        return sorted(items, key=lambda item: item["id"])

    def fds(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    def rss_kib(self):
        status = Path(f"/proc/{self.proc.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    # ---- the end -------------------------------------------------------

    def finish(self):
        """Stop it if it runs; say what is not as it should be."""
        complaint = []
        try:
            if self in alive and self.proc.poll() is None:
                self.stop()
            elif self in alive:
                alive.remove(self)
                if not self.dead_wanted:
                    complaint.append(
                        f"the daemon died: {self.proc.returncode}")
        except (AssertionError, subprocess.TimeoutExpired) as e:
            complaint.append(str(e))
        if self in alive:
            self.abort()
            self.kill9()
        if mountinfo(self.mnt):
            complaint.append("a mount was left behind")
            unmount(self.mnt)
        try:
            self.check_log()
        except AssertionError as e:
            complaint.append(str(e))
        for pattern in self.expected:
            if not re.search(pattern, self.text(), re.MULTILINE):
                complaint.append(f"the daemon did not log {pattern!r}:\n"
                                 f"{self.text()}")
        assert not complaint, "\n".join(complaint)
