# SPDX-License-Identifier: MIT
"""Plays of several processes that lock, performed in a plain directory, with
the kernel's own locks, and on the mount.

A play is a line, `ID: step; step; ...` (what is indented goes on), a step is

    ACTOR op arguments [= result [/ FUSE result] [/ LIMIT result]]

ACTOR is a process (a, b, ...), or a thread of one (a.t), that does one call
and gives its result, 0 where none is written.  What comes behind `FUSE` is
what the mount says instead, where the kernel lets no FUSE file system say it
as a local one does; behind `LIMIT`, where SEMANTICS.md says so under "Limits".
With `&` behind the actor the call is only begun; it
`waits`, or has the result at once; `done` ends it.  Files, 64 bytes: f.

    open SLOT PATH FLAGS      close SLOT      dup SLOT NEW
    flock|posix|ofd SLOT MODE [START LEN [WHENCE]]     MODE: SH EX UN, |NB
    get KIND SLOT MODE [START LEN [WHENCE]]     free, or MODE START LEN ACTOR
    map KIND SLOT END         who has each byte: W, R or .
    raw SLOT COMMAND TYPE WHENCE START LEN PID
    lockf SLOT COMMAND LEN    seek SLOT OFFSET WHENCE
    end (of a thread)   fork CHILD   exec [SLOT]   kill   exit   handler [restart]   send
    done   waits   link|rename|symlink OLD NEW   unlink|mkdir|mkfifo PATH
"""
import copy
import errno
import fcntl
import os
import re
import shlex
import signal
from pathlib import Path

from harness.locks import locks
from lock_help import EX, KINDS, SECONDS, SH, UN, until, wait_delivered

NAMES = {"SH": SH, "EX": EX, "UN": UN, "NB": fcntl.LOCK_NB,
         "SET": os.SEEK_SET, "CUR": os.SEEK_CUR, "END": os.SEEK_END}
TYPES = {fcntl.F_RDLCK: "SH", fcntl.F_WRLCK: "EX"}


def number(text, *modules):
    """A number, or names joined with `|`."""
    value = 0
    for word in text.split("|"):
        for known in (NAMES.get, *(lambda w, m=m: getattr(m, w, None)
                                   for m in modules)):
            if (found := known(word)) is not None:
                break
        else:
            found = int(word, 0)
        value |= found
    return value


class Step:
    def __init__(self, text):
        text, mount = (re.split(" / (?:FUSE|LIMIT) ", text) + [""])[:2]
        text, _, wanted = text.partition(" = ")
        self.text = text.strip()
        who, self.op, *self.args = shlex.split(text)
        self.begins = who.endswith("&")
        self.actor, _, self.thread = who.rstrip("&").partition(".")
        self.plain = wanted.strip() or "0"
        self.mount = mount.strip() or self.plain


def parse(text):
    """The plays of a table, {id: steps}; an id must be unique."""
    plays = {}
    for line in text.replace("\n   ", " ").splitlines():
        if not line.strip():
            continue
        name, steps = line.split(":", 1)
        assert name not in plays, f"two plays are called {name}"
        plays[name] = [Step(s) for s in steps.split(";") if s.strip()]
    return plays


def for_kinds(text, kinds=KINDS):
    """@text with each kind in the place of KIND."""
    return {f"{kind}.{name}": steps for kind in kinds
            for name, steps in parse(text.replace("KIND", kind)).items()}


class Plain:
    """A directory of a local file system."""
    said = "plain"

    def __init__(self, directory):
        self.directory = directory

    def below(self, name):
        """A directory in it."""
        found = copy.copy(self)
        found.directory = self.directory / name
        self.directory.mkdir(exist_ok=True)
        return found

    def waits(self, actor):
        """Whether somebody of that process waits for a lock of that file."""
        st = os.stat(f"/proc/{actor.pid}/fd/{actor.fd}")
        device = f"{os.major(st.st_dev):02x}:{os.minor(st.st_dev):02x}"
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            # The kernel does not tell whose OFD locks are.
            if (fields[1] == "->" and fields[6] == f"{device}:{st.st_ino}" and
                    int(fields[5]) in (actor.pid, -1)):
                return True
        return False

    def finish(self):
        pass


class Mounted(Plain):
    """A directory of a mount."""
    said = "mount"

    def __init__(self, mount, directory):
        self.mount, self.directory = mount, directory

    def waits(self, actor):
        return any(one["state"] == "waiting" and one["tid"] == actor.tid and
                   one["pid"] == actor.pid
                   for one in locks(self.mount)["locks"]) or (
                       not self.is_regular(actor) and super().waits(actor))

    def is_regular(self, actor):
        """Locks of other files are the kernel's."""
        return os.path.isfile(f"/proc/{actor.pid}/fd/{actor.fd}")

    def finish(self):
        """Nobody holds or waits when all have closed all."""
        until(lambda: locks(self.mount)["locks"] == [],
              lambda: locks(self.mount))


class Actor:
    def __init__(self, peer, slots=()):
        self.peer, self.slots = peer, dict(slots)
        self.pid = self.tid = peer.pid
        self.thread = ""  # where it has begun something
        self.fd = None    # of which it waits for a lock

    def is_over(self):
        if self.thread:
            return self.peer.ended(self.thread)
        return self.peer.finished()

    def result(self):
        return (self.peer.end(self.thread) if self.thread
                else self.peer.finish())


class Play:
    """One performance."""

    def __init__(self, ground, new_peer, name="f"):
        """@name is how the file f is called."""
        self.ground, self.new_peer = ground, new_peer
        self.dir, self.names = ground.directory, {"f": name}
        self.actors, self.children = {}, []
        self.dir.mkdir()
        self.path("f").write_bytes(b"." * 64)

    def perform(self, steps):
        """What each step gave, up to the first that is wrong."""
        got = []
        try:
            for step in steps:
                got.append(self.one_step(step))
                if got[-1] != getattr(step, self.ground.said):
                    break
            return got
        finally:
            for child in self.children:
                child.__exit__()

    def one_step(self, step):
        actor = self.actors.get(step.actor)
        if not actor:
            actor = self.actors[step.actor] = Actor(self.new_peer())
        try:
            value = getattr(self, f"do_{step.op}")(actor, step, *step.args)
        except OSError as e:
            return errno.errorcode[e.errno].replace("DEADLOCK", "DEADLK")
        return "0" if value is None else str(value)

    def call(self, actor, step, name, *args):
        """Do the step's system call, in its thread."""
        if not step.begins:
            if step.thread:
                return actor.peer.within(step.thread, name, *args)
            return getattr(actor.peer, name)(*args)
        actor.thread, actor.tid = step.thread, actor.pid
        actor.fd = args[1] if name == "lock" else args[0]
        if step.thread:
            actor.tid = actor.peer.begin(step.thread, name, *args)
        else:
            actor.peer.start(name, *args)
        return self.waits_or_result(actor)

    def waits_or_result(self, actor):
        until(lambda: actor.is_over() or self.ground.waits(actor),
              lambda: f"{actor.pid} neither waits nor is done")
        return actor.result() if actor.is_over() else "waits"

    def path(self, name):
        return self.dir / self.names.get(name, name)

    # ---- descriptors ---------------------------------------------------

    def do_open(self, actor, step, slot, path, flags):
        flags = number("|".join("O_" + f for f in flags.split("|")), os)
        actor.slots[slot] = self.call(actor, step, "open", self.path(path),
                                      flags, 0o644)

    def do_close(self, actor, step, slot):
        self.call(actor, step, "close", actor.slots[slot])

    def do_dup(self, actor, step, slot, new):
        actor.slots[new] = actor.peer.dup(actor.slots[slot])

    def do_seek(self, actor, step, slot, offset, whence):
        return actor.peer.lseek(actor.slots[slot], int(offset),
                                number(whence))

    # ---- locks ---------------------------------------------------------

    def do_flock(self, actor, step, slot, mode):
        return self.call(actor, step, "flock", actor.slots[slot],
                         number(mode))

    def do_posix(self, actor, step, slot, mode, *span):
        return self.call(actor, step, "lock", step.op, actor.slots[slot],
                         number(mode), *map(number, span))

    do_ofd = do_posix

    def do_get(self, actor, step, kind, slot, mode, *span):
        found = self.call(actor, step, "getlk", kind, actor.slots[slot],
                          number(mode), *map(number, span))
        if not found:
            return "free"
        mode, start, length, pid = found
        names = {a.pid: name for name, a in self.actors.items()}
        return f"{TYPES[mode]} {start} {length} {names.get(pid, pid)}"

    def do_map(self, actor, step, kind, slot, end):
        return actor.peer.locked(kind, actor.slots[slot], int(end))

    def do_raw(self, actor, step, slot, command, *fields):
        fields = [number(field, fcntl) for field in fields]
        actor.peer.raw_lock(actor.slots[slot], number(command, fcntl), *fields)

    def do_lockf(self, actor, step, slot, command, length):
        return self.call(actor, step, "lockf", actor.slots[slot],
                         number(command, os), int(length))

    # ---- processes and signals -----------------------------------------

    def do_end(self, actor, step):
        actor.peer.end_thread(step.thread)

    def do_fork(self, actor, step, name):
        child = actor.peer.fork()
        self.children.append(child)
        self.actors[name] = Actor(child, actor.slots)

    def do_exec(self, actor, step, *slots):
        actor.peer.become(*(actor.slots[slot] for slot in slots))

    def do_kill(self, actor, step):
        actor.peer.kill()

    def do_exit(self, actor, step):
        actor.peer.exit()

    def do_handler(self, actor, step, *restart):
        actor.peer.on_signal(signal.SIGUSR1, bool(restart))

    def do_send(self, actor, step):
        """Returns when the handler has begun."""
        actor.peer.send(signal.SIGUSR1)
        wait_delivered(actor.pid, signal.SIGUSR1)

    def do_done(self, actor, step):
        until(actor.is_over, lambda: f"{actor.pid} is not done")
        return actor.result()

    def do_waits(self, actor, step):
        """As it does from its beginning to its end."""
        said = self.waits_or_result(actor)
        return 0 if said == "waits" else f"no: {said}"

    # ---- names ---------------------------------------------------------

    def do_link(self, actor, step, old, new):
        actor.peer.link(self.path(old), self.path(new))

    def do_symlink(self, actor, step, old, new):
        actor.peer.symlink(old, self.path(new))

    def do_rename(self, actor, step, old, new):
        actor.peer.rename(self.path(old), self.path(new))

    def do_unlink(self, actor, step, path):
        actor.peer.unlink(self.path(path))

    def do_mkdir(self, actor, step, path):
        actor.peer.mkdir(self.path(path))

    def do_mkfifo(self, actor, step, path):
        actor.peer.mkfifo(self.path(path))


def wrong(ground, steps, got):
    """What was not as it is written, as text."""
    said = []
    for step, result in zip(steps, got):
        want = getattr(step, ground.said)
        said.append(f"    {step.actor}{'.' * bool(step.thread)}{step.thread} "
                    f"{step.text.split(maxsplit=1)[-1]} = {result}")
        if result != want:
            return (f"on the {ground.said}, wanted is {want}:\n" +
                    "\n".join(said))
    return ""


def play(ground, steps, pool, name="f"):
    """Perform it; what is wrong."""
    try:
        got = Play(ground, pool.get, name).perform(steps)
    finally:
        pool.take_back()
    ground.finish()
    return wrong(ground, steps, got)


__all__ = ["Mounted", "Plain", "SECONDS", "for_kinds", "parse", "play"]
