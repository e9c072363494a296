# SPDX-License-Identifier: MIT
"""Locks under load: no lost update, no stale handle, nobody left waiting.

The long runs are long in one mode of reading and writing only."""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.locks import locks
from harness.mount import alive
from harness.tools import scaled

PROCESSES = 8
UPDATES = 20000  # of each way to write, with one kind of lock
CHECKS = 10000   # of stale handles
WAITERS = 64
FAST = "durability=none"
KINDS = ("flock", "posix", "ofd", "ioctl")


modes = set()


@pytest.fixture
def portion(io):
    """portion(n): how many of @n are done in this mode.  It is all of them in
    passthrough, or where there is none."""
    modes.add(io)
    whole = io == "passthrough" or "passthrough" not in modes
    return lambda n: scaled(n if whole else n // 10)


def counts(program, *args):
    """What the program printed, {"word": number}, and its complaints."""
    done = subprocess.run([program, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    return dict(zip(words[::2], map(int, words[1::2]))), done.stderr


@pytest.fixture
def no_lock_left():
    """Whoever has ended has taken its locks along."""
    yield
    for mount in alive:
        assert locks(mount) == {"held": 0, "waiting": 0, "locks": []}


pytestmark = pytest.mark.usefixtures("no_lock_left")


# ---- lost updates --------------------------------------------------------

def number_in(path):
    """The number in a file of counter.c, which must be whole."""
    text = path.read_bytes()
    number = int(text[:12])
    assert text == b"%012d" % number + b"x" * (number % 97)
    assert os.stat(path).st_size == len(text)
    return number


def count_to(program, path, updates, kinds, how):
    """@updates by PROCESSES processes, none of which may be lost."""
    rounds = max(1, updates // PROCESSES)
    counts(program, path, 1, 1, "flock", "start")
    n, said = counts(program, path, PROCESSES, rounds, kinds, how)
    assert n == {"done": PROCESSES * rounds, "number": PROCESSES * rounds,
                 "stale": 0, "torn": 0, "deadlocks": 0, "errors": 0}, said
    assert number_in(path) == number_in(path) == PROCESSES * rounds
    assert os.listdir(path.parent) == [path.name]


def test_480_of_480(mount, compiled):
    """S21, S24: 8 processes, 20 rounds of each kind of lock."""
    program, f = compiled("counter"), mount / "f"
    counts(program, f, 1, 1, "flock", "start")
    for n, kind in enumerate(("flock", "posix", "ofd"), 1):
        got, said = counts(program, f, 8, 20, kind, "update")
        assert got == {"done": 160, "number": n * 160, "stale": 0, "torn": 0,
                       "deadlocks": 0, "errors": 0}, said
    assert number_in(f) == 480


@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("how, kinds", [
    ("update", "ofd"), ("truncate", "flock"), ("rename", "posix")])
def test_no_lost_update(mount, compiled, portion, how, kinds):
    """S14, S21, S22: a number is read through the descriptor that has the
    lock, which was opened before, and the next one written in place, through
    another descriptor, or to a new file that is renamed over it."""
    count_to(compiled("counter"), mount / "f", portion(UPDATES), kinds, how)


@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("how", ["update", "truncate", "rename",
                                 "update+truncate+rename"])
@pytest.mark.parametrize("kinds", [*KINDS, "posix+ofd", "flock+ioctl"])
def test_all_kinds_and_ways(mount, compiled, portion, how, kinds):
    """S14, S21, S22: the same with every kind of lock, those that know of
    each other together, and ways to write that take turns."""
    count_to(compiled("counter"), mount / "f", portion(UPDATES // 20), kinds,
             how)


@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("kinds", KINDS)
def test_readers_between(mount, compiled, kinds):
    """S14, S22: several read at once, under shared locks, just what was
    written last."""
    program, f = compiled("counter"), mount / "f"
    counts(program, f, 1, 1, "flock", "start")
    n, said = counts(program, f, PROCESSES, scaled(300), kinds,
                     "update+read+truncate+read+rename+read")
    assert n["stale"] == 0 and n["torn"] == 0 and n["errors"] == 0, said
    assert n["done"] == n["number"] == PROCESSES * scaled(300) // 2


@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("kinds", ["posix", "ofd", "mixed"])
@pytest.mark.parametrize("name", ["f", "f.db"])
def test_ranges(mount, compiled, name, kinds):
    """S5, S14, S21: several write at once, each a number of its own, under
    the lock of its bytes; staged or not."""
    rounds = scaled(300)
    n, said = counts(compiled("ranges"), mount / name, PROCESSES, rounds, 16,
                     kinds)
    assert n == {"done": PROCESSES * rounds, "sum": PROCESSES * rounds,
                 "stale": 0, "torn": 0, "deadlocks": 0, "errors": 0}, said


@pytest.mark.parametrize("how", ["update", "truncate", "rename"])
def test_no_lost_update_on_disk(mount, compiled, portion, how):
    """S12, S14, S21: the same with each version flushed to disk."""
    count_to(compiled("counter"), mount / "f", portion(UPDATES // 20),
             "flock", how)


def test_hard_links(mount, compiled, portion):
    """S14, S17, S25: a file with two names, which is rewritten in place."""
    program, f = compiled("counter"), mount / "f"
    counts(program, f, 1, 1, "flock", "start")
    os.link(f, mount / "g")
    for how in ("update", "truncate"):
        before = number_in(f)
        n, said = counts(program, f, 8, portion(200) // 8, "flock", how)
        assert n["errors"] == 0 and n["torn"] == 0, said
        assert number_in(f) == number_in(mount / "g") == before + n["done"]
    assert os.stat(mount / "g").st_nlink == 2


@pytest.fixture
def busy():
    """Others want all processors, too."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(os.cpu_count())]
    yield
    for one in hogs:
        one.kill()
        one.wait()


@pytest.mark.mount_options(FAST)
def test_busy_machine(mount, compiled, busy):
    """S14, S22: whoever closes a file, asks for it, or is to be told that it
    has the lock, may get no processor for a long time."""
    program = compiled("counter")

    def one(kinds, how):
        directory = mount / how
        directory.mkdir()
        count_to(program, directory / "f", scaled(UPDATES // 10), kinds, how)

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, ["posix", "posix", "posix+ofd"],
                      ["truncate", "rename", "update+truncate+rename"]))


# ---- stale handles -------------------------------------------------------

@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("how", ["read", "map"])
def test_no_stale_handle(mount, compiled, portion, how):
    """S22: a descriptor that was opened before others replaced, updated or
    renamed over the file shows, once it is locked, just the new version."""
    rounds = portion(CHECKS if how == "read" else CHECKS // 10)
    n, said = counts(compiled("refresh"), mount / "f", rounds,
                     "+".join(KINDS), how)
    assert n == {"rounds": rounds, "stale": 0, "errors": 0}, said


# ---- many that wait ------------------------------------------------------

@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_overtaken(mount, compiled, portion, kind):
    """S24: of 64 that want a lock again and again, nobody sees more than the
    63 others get it before; not even with the noise of a busy machine, which
    lets others in between asking and waiting, three times the median."""
    rounds = portion(100)
    n, said = counts(compiled("fair"), mount / "f", WAITERS, rounds, kind,
                     "exclusive")
    print(n)
    assert n["grants"] == WAITERS * rounds and n["errors"] == 0, said
    assert n["longest"] <= WAITERS
    assert n["worst"] <= 3 * n["median"]


@pytest.mark.mount_options(FAST)
@pytest.mark.parametrize("kind", KINDS)
def test_readers_do_not_starve_a_writer(mount, compiled, portion, kind):
    """S24: 8 want the lock for themselves, 56 share it all the time."""
    rounds = portion(100)
    n, said = counts(compiled("fair"), mount / "f", WAITERS, rounds, kind,
                     "mixed")
    print(n)
    assert n["grants"] == WAITERS * rounds and n["errors"] == 0, said
    assert n["longest"] <= WAITERS
    assert n["worst"] <= 3 * max(n["median"], WAITERS // 2)
