# SPDX-License-Identifier: MIT
"""SQLite with many writers, which locks ranges of bytes all the time: on its
files as the policy has them, directly, and as atomic files."""
import os
import random
import signal
import sqlite3
import subprocess
import sys

import pytest

from harness.tools import need, run, scaled

WRITERS, ROWS = 8, 8
KILLS = 6
MODES = ("delete", "truncate", "persist", "wal")

# "database is locked" after five minutes is an error.
WRITE = """
import sqlite3, sys
path, writer, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for n in range(rows):
    db = sqlite3.connect(path, timeout=300, isolation_level=None)
    db.execute("begin immediate")
    db.execute("insert into t values (?, ?, ?)", (writer, n, "x" * 3000))
    db.execute("update sum set n = n + 1")
    db.execute("commit")
    if n % 3 == 2:
        db.close()
    print(n, flush=True)
"""

# In the middle of a transaction, much of which is in the file already.
UNFINISHED = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=300)
db.execute("pragma cache_size = 5")
db.execute("begin immediate")
db.executemany("insert into t values (9, ?, ?)",
               ((n, "y" * 3000) for n in range(100)))
db.execute("update sum set n = 999")
print("written", flush=True)
sys.stdin.readline()
"""


def create(path, mode):
    db = sqlite3.connect(path, isolation_level=None)
    assert db.execute(f"pragma journal_mode = {mode}").fetchone() == (mode,)
    db.execute("create table t (writer, n, text)")
    db.execute("create index i on t (writer, n)")
    db.execute("create table sum (n)")
    db.execute("insert into sum values (0)")
    db.close()


def python(script, *args):
    return subprocess.Popen([sys.executable, "-c", script, *map(str, args)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def start_writers(path, rows):
    """All of them begin at once."""
    writers = [python(WRITE, path, n, rows) for n in range(WRITERS)]
    for one in writers:
        assert one.stdout.readline() == "ready\n"
    for one in writers:
        one.stdin.write("go\n")
        one.stdin.flush()
    return writers


def ends(writers):
    """What each has said that it committed, and how it has ended."""
    said = [one.communicate() for one in writers]
    trouble = "".join(err for _, err in said)
    return [len(out.split()) for out, _ in said], trouble


def rows_of(path):
    """Rows of each writer, after a look at the whole of it."""
    assert run(["sqlite3", path, "pragma integrity_check"]) == "ok\n"
    total = run(["sqlite3", path, "select count(*) from t"])
    assert run(["sqlite3", path, "select n from sum"]) == total
    text = run(["sqlite3", path, "select writer, count(distinct n) from t "
                "group by writer order by writer"])
    rows = dict(map(int, line.split("|")) for line in text.splitlines())
    assert sum(rows.values()) == int(total)
    return rows


@pytest.fixture(params=["direct", "atomic"])
def path(request, make_mount):
    """Of the class that the policy gives it, and of the other."""
    options = [] if request.param == "direct" else ["policy=none"]
    mount = make_mount(*options)
    # Of what several write to, nothing is rolled back.
    mount.allow_log("'data.db.*killed")
    return mount / "data.db"


@pytest.fixture(params=MODES)
def kill_mode(request, path):
    """A journal that stands a kill.  WAL's are two files beside the database
    that belong together, one of them shared memory: staged, each of them is
    rolled back by itself (fs/SEMANTICS.md, Limits)."""
    if request.param == "wal" and "policy=none" in request.getfixturevalue(
            "make_mount").mounts[0].options:
        pytest.skip("WAL wants class direct to stand a kill")
    return request.param


@pytest.mark.parametrize("mode", MODES)
def test_eight_writers(path, mode):
    """S21, S24, S26: no row is lost, and nobody is told that the database is
    locked."""
    need("sqlite3")
    create(path, mode)
    writers = start_writers(path, scaled(ROWS))
    done, trouble = ends(writers)
    assert not trouble and done == [scaled(ROWS)] * WRITERS
    assert rows_of(path) == dict.fromkeys(range(WRITERS), scaled(ROWS))
    left = set(os.listdir(path.parent)) - {"data.db", "data.db-journal"}
    assert not left


def test_killed_between_others(path, kill_mode):
    """S19, S21, S26: one writer is killed in the middle of its transaction;
    the others go on, and nothing of it is there."""
    create(path, kill_mode)
    with python(UNFINISHED, path) as one:
        assert one.stdout.readline() == "written\n"
        writers = start_writers(path, 3)
        one.send_signal(signal.SIGKILL)
    assert one.returncode == -signal.SIGKILL
    done, trouble = ends(writers)
    assert not trouble and done == [3] * WRITERS
    assert rows_of(path) == dict.fromkeys(range(WRITERS), 3)


def test_killed_at_any_instant(path, kill_mode):
    """S21, S26: writers are killed wherever they are: what they have said to
    be committed is there, and at most the one row more that each was at."""
    create(path, kill_mode)
    rng = random.Random(kill_mode)
    writers = start_writers(path, scaled(ROWS))
    for n in range(KILLS):
        for _ in range(rng.randrange(scaled(ROWS) - 2)):
            writers[n].stdout.readline()
        writers[n].kill()
    done, trouble = ends(writers)
    assert not trouble and done[KILLS:] == [scaled(ROWS)] * (WRITERS - KILLS)
    rows = rows_of(path)
    for n, said in enumerate(done):
        assert said <= rows.get(n, 0)
