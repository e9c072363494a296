# SPDX-License-Identifier: MIT
"""SQLite, whose files are used directly (S26)."""
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from harness.tools import need, run

WRITERS, ROWS = 4, 25

WRITE = """
import sqlite3, sys
path, writer, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
db = sqlite3.connect(path, timeout=60, isolation_level=None)
for n in range(rows):
    db.execute("begin immediate")
    db.execute("insert into t values (?, ?, ?)", (writer, n, "x" * 3000))
    db.execute("update sum set n = n + 1")
    db.execute("commit")
db.close()
"""

# It says that it is in the middle, and waits to be killed.
UNFINISHED = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma cache_size = 5")
db.execute("begin immediate")
db.executemany("insert into t values (9, ?, ?)",
               ((n, "y" * 3000) for n in range(200)))
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
                            text=True)


def check(path, rows):
    assert run(["sqlite3", path, "pragma integrity_check"]) == "ok\n"
    assert run(["sqlite3", path, "select count(*) from t"]) == f"{rows}\n"
    assert run(["sqlite3", path, "select n from sum"]) == f"{rows}\n"


@pytest.fixture(params=["data.db", "data.sqlite3", "data"])
def path(request, place):
    """`data` is known by how it begins."""
    return place / request.param


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
def test_four_writers(path, mode):
    """S26: four processes write at once; no row is lost."""
    need("sqlite3")
    create(path, mode)
    writers = [python(WRITE, path, n, ROWS) for n in range(WRITERS)]
    for one in writers:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in writers:
        one.communicate()
    assert [one.returncode for one in writers] == [0] * WRITERS
    check(path, WRITERS * ROWS)
    got = run(["sqlite3", path,
               "select writer, count(distinct n) from t group by writer"])
    assert got == "".join(f"{n}|{ROWS}\n" for n in range(WRITERS))
    left = set(os.listdir(path.parent)) - {path.name, path.name + "-journal"}
    assert not left


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_killed_in_a_transaction(path, mode):
    """S26: SQLite itself rolls back, from its own journal."""
    create(path, mode)
    with python(UNFINISHED, path) as one:
        assert one.stdout.readline() == "written\n"
        one.send_signal(signal.SIGKILL)
    assert one.returncode == -signal.SIGKILL
    check(path, 0)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_readers_beside(path, mode):
    """S26: a reader's transaction sees one state while another writes."""
    create(path, mode)
    reader = sqlite3.connect(path, isolation_level=None, timeout=30)
    writer = python(WRITE, path, 1, 10)
    if mode == "wal":
        reader.execute("begin")
        assert reader.execute("select n from sum").fetchone() == (0,)
    assert writer.communicate("go\n")[0] == ""
    if mode == "wal":
        assert reader.execute("select n from sum").fetchone() == (0,)
        reader.execute("commit")
    assert reader.execute("select n from sum").fetchone() == (10,)
    reader.close()
    check(path, 10)


def test_command_line(path):
    """S26: dump, vacuum and backup by the sqlite3 program."""
    create(path, "delete")
    fill = ("with recursive c(x) as (select 1 union all select x + 1 from c "
            "where x < 5000) insert into t select 1, x, hex(x) from c")
    run(["sqlite3", path, fill])
    run(["sqlite3", path, "delete from t where n % 3 = 0", "vacuum",
         f".backup {path}2.db"])
    dump = run(["sqlite3", path, ".dump"])
    assert dump.count("INSERT INTO t ") == 3334
    assert dump == run(["sqlite3", f"{path}2.db", ".dump"])
    assert run(["sqlite3", path, "pragma integrity_check"]) == "ok\n"


@pytest.mark.mount_options("policy=none")
@pytest.mark.parametrize("mode", ["delete", "truncate", "wal"])
def test_without_policy(mount, mode):
    """S5, S10, S13: one process alone works on shadows as on files."""
    path = mount / "data.db"
    create(path, mode)
    with python(WRITE, path, 0, 10) as one:
        assert one.communicate("go\n")[0] == ""
    assert one.returncode == 0
    check(path, 10)
