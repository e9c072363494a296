# SPDX-License-Identifier: MIT
"""tests/bench/run does what it says; how fast anything is, is not judged."""
import json
import subprocess
from pathlib import Path


RUN = Path(__file__).resolve().parent / "run"
SECONDS = 90


def bench(tmp_path, *args):
    """Run it below @tmp_path; what it leaves there is an error."""
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["timeout", "-k", "20", str(SECONDS), RUN, "--any-fs", "--dir", work,
         *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL)
    mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    assert f"{work.resolve()}/" not in mounts
    assert not list(work.iterdir())
    return done


def test_quick_run(tmp_path, daemon):
    out = tmp_path / "figures.json"
    done = bench(tmp_path, "--quick", "--rows",
                 "publish-small,stat-cached,memory", "--json", out)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["quick"] and not figures["errors"]
    assert figures["machine"]["kernel"] and figures["io"]
    rows = {row["name"]: row for row in figures["rows"]}
    assert list(rows) == ["publish-small", "stat-cached", "memory"]
    for name in ("publish-small", "stat-cached"):
        row = rows[name]
        assert row["native"] > 0 and row["atomicfs"] > 0
        assert row["ratio"] == round(row["atomicfs"] / row["native"], 2)
        assert row["ok"] == (row["ratio"] <= row["limit"])
        assert {len(ms) for ms in row["runs"].values()} == {2}
        assert f"| {row['work']} | {row['goal']} |" in done.stdout
    memory = rows["memory"]
    assert memory["unit"] == "bytes" and memory["inodes"] >= 2500
    assert 0 < memory["atomicfs"] < 10000
    assert memory["descriptors"] < memory["inodes"] / 10


def test_locks(tmp_path, daemon):
    """Rows that are not measured against the plain directory."""
    out = tmp_path / "figures.json"
    done = bench(tmp_path, "--quick", "--rows", "lock", "--json", out)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["lock-flock", "lock-fcntl", "lock-contended"]
    for row in rows.values():
        assert row["native"] is None and row["against"] in row["runs"]
        assert row["ratio"] == round(row["atomicfs"] / row["base"], 2)
        assert {len(ms) for ms in row["runs"].values()} == {2}
        assert f"| ({row['against']} " in done.stdout
        # There may be a peer that was quicker.
        assert not row["ok"] or row["ratio"] <= row["limit"]
    assert list(rows["lock-flock"]["peers"]) == ["bindfs"]


def test_unknown_row(tmp_path):
    done = bench(tmp_path, "--rows", "nonsense")
    assert done.returncode == 1
    assert done.stderr == "bench: no row is called like nonsense\n"


def test_daemon_that_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMICFS", "/bin/false")
    done = bench(tmp_path, "--quick", "--rows", "stat-cached")
    assert done.returncode == 1
    assert done.stderr.startswith("bench: atomicfs: the daemon did not start")
