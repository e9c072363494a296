# SPDX-License-Identifier: MIT
"""Random operations on locks: the outcomes on a mount are those of the kernel's
own locks (S21, S24)."""
import os
import random

import pytest

from harness.tools import scaled
from lock_help import EX, NB, SH, UN
from lock_play import Mounted, Plain

SEEDS = [20240229 + n for n in range(scaled(3))]


def compare(grounds, new_peer, script, *args):
    """What @script(directory, peers, *args) yields is the same in both."""
    said = []
    for ground in grounds:
        ground.directory.mkdir()
        peers = [new_peer() for _ in range(4)]
        said.append(list(script(ground.directory, peers, *args)))
        for peer in peers:
            peer.reset()
        ground.finish()
    plain, mount = said
    assert len(plain) == len(mount)
    for n, (one, two) in enumerate(zip(plain, mount)):
        before = "\n".join(map(str, plain[max(0, n - 40):n]))
        assert one == two, f"after:\n{before}\nplain: {one}\nmount: {two}"


def outcome(call, *args):
    try:
        call(*args)
    except OSError as e:
        return e.errno
    return 0


def random_ranges(directory, peers, seed):
    """Two processes with POSIX locks, two open files with OFD locks."""
    rng, f = random.Random(seed), directory / "f"
    f.write_bytes(b"." * 64)
    kinds = ["posix", "posix", "ofd", "ofd"]
    fds = [peer.open(f, os.O_RDWR) for peer in peers]
    for n in range(400):
        who = rng.randrange(4)
        mode = rng.choice((SH, EX, UN, UN)) | NB
        span = rng.randrange(20), rng.choice((0, 1, 2, 3, 5, 8))
        if mode == UN | NB:
            mode = UN
        yield who, mode, span, outcome(peers[who].lock, kinds[who], fds[who],
                                       mode, *span)
        if n % 10 == 0:
            # What each of them sees of all the others.
            yield [peers[i].locked(kinds[i], fds[i], 30) for i in range(4)]


def random_flock(directory, peers, seed):
    rng, f = random.Random(seed), directory / "f"
    f.write_bytes(b".")
    fds = [peer.open(f, os.O_RDONLY) for peer in peers]
    for _ in range(1000):
        who = rng.randrange(4)
        mode = rng.choice((SH, EX, UN)) | NB
        yield who, mode, outcome(peers[who].flock, fds[who], mode)


class Names:
    """Files come, go, and change their names while they are locked; each
    descriptor is used by a thread of its own."""

    def __init__(self, directory, peers, seed, kind):
        self.rng, self.kind = random.Random(f"{seed}{kind}"), kind
        self.peers = peers
        self.paths = [directory / name for name in "fghi"]
        self.open = []  # (peer, descriptor)

    def pick(self, exists):
        found = [p for p in self.paths if p.exists() == exists]
        return self.rng.choice(found) if found else None

    def do_open(self):
        path, peer = self.pick(True), self.rng.choice(self.peers)
        if not path or len(self.open) > 12:
            return None
        self.open.append((peer, peer.open(path, os.O_RDWR)))
        return path.name

    def do_close(self):
        if not self.open:
            return None
        peer, fd = self.open.pop(self.rng.randrange(len(self.open)))
        return peer.close(fd)

    def do_lock(self):
        if not self.open:
            return None
        n = self.rng.randrange(len(self.open))
        peer, fd = self.open[n]
        mode = self.rng.choice((SH, EX, EX, UN))
        return n, mode, outcome(peer.within, f"of {fd}", "lock", self.kind,
                                fd, mode if mode == UN else mode | NB)

    do_lock_2 = do_lock_3 = do_lock_4 = do_lock
    do_open_2 = do_open

    def do_create(self):
        path = self.pick(False)
        return path and (path.name, path.touch())

    def do_unlink(self):
        path = self.pick(True)
        return path and (path.name, path.unlink())

    def do_rename(self):
        old, new = self.pick(True), self.pick(False)
        return old and new and (old.name, old.rename(new))[0]

    def do_link(self):
        old, new = self.pick(True), self.pick(False)
        return old and new and (old.name, new.name, os.link(old, new))

    def run(self):
        calls = sorted(name for name in dir(self) if name.startswith("do_"))
        for _ in range(400):
            name = self.rng.choice(calls)
            yield name, getattr(self, name)()


def random_names(directory, peers, seed, kind):
    return Names(directory, peers, seed, kind).run()


class Family:
    """Processes that fork, and close, copy, open, and lock what they have
    open.  All do so in their first thread."""

    def __init__(self, path, peers, seed):
        self.rng, self.path = random.Random(seed), path
        self.all = [(peer, []) for peer in peers]
        self.elders = len(peers)

    def open(self, who, flags):
        peer, fds = self.all[who]
        if len(fds) < 5:
            fds.append(peer.open(self.path, flags))

    def dup(self, who):
        peer, fds = self.all[who]
        if fds and len(fds) < 6:
            fds.append(peer.dup(self.rng.choice(fds)))

    def close(self, who):
        peer, fds = self.all[who]
        if fds:
            peer.close(fds.pop(self.rng.randrange(len(fds))))

    def fork(self, who):
        peer, fds = self.all[who]
        if len(self.all) < 6:
            self.all.append((peer.fork(), list(fds)))

    def exit(self, who):
        if who >= self.elders:
            self.all.pop(who)[0].exit()

    def lock(self, who, kind, mode, *span):
        peer, fds = self.all[who]
        if fds:
            return outcome(peer.lock, kind, self.rng.choice(fds), mode, *span)
        return None

    def finish(self):
        while len(self.all) > self.elders:
            self.exit(len(self.all) - 1)


def random_family(directory, peers, seed, kinds, flags):
    """Two that have children."""
    path = directory / "f"
    path.write_bytes(b"." * 64)
    family = Family(path, peers[:2], f"{seed}{kinds}")
    rng = family.rng
    for _ in range(200):
        who = rng.randrange(len(family.all))
        call = rng.choice(["open", "open", "close", "dup", "fork", "exit",
                           *["lock"] * 6])
        if call == "lock":
            kind, mode = rng.choice(kinds), rng.choice((SH, EX, UN))
            span = () if kind == "flock" else (rng.randrange(6),
                                               rng.choice((0, 1, 3)))
            args = kind, mode if mode == UN else mode | NB, *span
        else:
            args = [rng.choice(flags)] if call == "open" else []
        yield who, call, args, getattr(family, call)(who, *args)
    family.finish()


def random_heirs(directory, peers, seed):
    """Of a reader that was opened alone, of which the kernel says nothing but
    its last close; and what another process sees of their POSIX locks."""
    path = directory / "f"
    path.write_bytes(b"." * 64)
    family = Family(path, peers[:1], seed)
    rng, other = family.rng, peers[1]
    family.open(0, os.O_RDONLY)
    for _ in range(rng.randrange(4)):
        family.dup(0)
    family.fork(0)
    fd = other.open(path, os.O_RDWR)
    for _ in range(60):
        who = rng.randrange(len(family.all))
        call = rng.choice(["close", "fork", "exit", *["lock"] * 4])
        args = [] if call != "lock" else [
            "posix", rng.choice((SH, SH, UN)), rng.randrange(6),
            rng.choice((0, 1, 3))]
        yield (who, call, args, getattr(family, call)(who, *args),
               other.locked("posix", fd, 8))
    other.close(fd)
    family.finish()


@pytest.fixture
def strict_grounds(make_mount, tmp_path):
    mount = make_mount("locks=strict")
    return (Plain(tmp_path / "plain"), Mounted(mount, mount / "cases"))


FAMILIES = {"flock": (["flock"], [os.O_RDONLY, os.O_RDWR]),
            "ofd": (["ofd"], [os.O_RDWR]), "posix": (["posix"], [os.O_RDWR]),
            "mixed": (["flock", "posix", "ofd"], [os.O_RDWR])}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", list(FAMILIES.values()), ids=list(FAMILIES))
def test_random_family(strict_grounds, new_peer, seed, how):
    """S21, S24: fork, dup, close and exit, without S23's recursion."""
    compare(strict_grounds, new_peer, random_family, seed, *how)


@pytest.mark.parametrize("seed", SEEDS + [n + 1000 for n in SEEDS])
def test_random_heirs(grounds, new_peer, seed):
    """S21, S24: POSIX locks through a reader that was inherited."""
    compare(grounds, new_peer, random_heirs, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_ranges(grounds, new_peer, seed):
    """S21: ranges of POSIX and OFD locks, and what each sees of the others."""
    compare(grounds, new_peer, random_ranges, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_flock(grounds, new_peer, seed):
    """S21: conversions in any order, refused or not."""
    compare(grounds, new_peer, random_flock, seed)


@pytest.mark.parametrize("kind", ["flock", "posix", "ofd"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_names(grounds, new_peer, seed, kind):
    """S21, S25: locks go where their file goes, to a free name, with any of
    its hard links, and out of the tree."""
    compare(grounds, new_peer, random_names, seed, kind)
