# SPDX-License-Identifier: MIT
"""The daemon dies at any instant (S18).

After a remount each file is wholly old or wholly new, what was fsynced is
new, what another open has seen is new, and no litter is left.

The instants are walked, not guessed: a build with fault points says which
points the scenario (scenario.py) passes, and is then killed at each of them,
the first, the middle and the last time it is passed; and, with what the worst
of these left behind, at each point of recovery.
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
import scenario
import writers
from support import Daemon, build_with_faults, stage_left

MODES = {"served": ["passthrough=off"], "passthrough": ["passthrough=auto"]}
HERE = Path(__file__).resolve().parent
SCENARIO_SECONDS = 60


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_with_faults(tmp_path_factory.mktemp("fault"))


class Place:
    """A source with a mountpoint beside it, made anew for each run."""

    def __init__(self, root, program, mode):
        self.root, self.program = Path(root), program
        self.options = MODES[mode]
        self.source, self.mount = self.root / "source", self.root / "mount"
        self.log, self.trace = self.root / "log", self.root / "trace"
        self.mount.mkdir(parents=True)

    def fresh(self):
        shutil.rmtree(self.source, ignore_errors=True)
        self.source.mkdir()
        scenario.prepare(self.source)
        self.log.write_text("")
        self.trace.write_text("")

    def daemon(self, fault=None):
        env = {"ATIO_FAULT_TRACE": str(self.trace)}
        if fault:
            env["ATIO_FAULT"] = fault
        return Daemon(self.program, self.source, self.mount, self.options, env)

    def run_scenario(self):
        return subprocess.run(
            [sys.executable, HERE / "scenario.py", self.mount, self.log],
            timeout=SCENARIO_SECONDS).returncode

    def points(self):
        return Counter(self.trace.read_text().split())


@pytest.fixture(params=list(MODES))
def place(request, tmp_path, program):
    return Place(tmp_path, program, request.param)


def known(log):
    """(done steps, the step that was running or None, synced files)"""
    words = [line.split(" ", 1) for line in log.splitlines()]
    done = [w[1] for w in words if w[0] == "done"]
    begun = [w[1] for w in words if w[0] == "start"]
    synced = [w[1] for w in words if w[0] == "synced"]
    assert "wrong" not in [w[0] for w in words], log
    return done, (begun[-1] if len(begun) > len(done) else None), synced


def allowed(log):
    """{file: set of contents it may have}, from what the scenario knows."""
    done, running, synced = known(log)
    state = {name: {text} for name, text in scenario.START.items()}
    for step in done:
        for name, text in scenario.AFTER[step].items():
            state[name] = {text}
    if running:
        for name, text in scenario.AFTER[running].items():
            state.setdefault(name, {None}).add(text)
        # The temporary names of those that rename.
        for name, text in (("tmp", scenario.block("G")),
                           ("moved.tmp", scenario.block("L"))):
            if name in scenario.AFTER[running]:
                state[name] |= {None, text}
        for name in synced:
            if name in scenario.AFTER[running]:
                state[name] = {scenario.AFTER[running][name]}
    return state


def short(text):
    return text if text is None else f"{text[:3]}...({len(text)})"


def check_tree(directory, log):
    """Every file is one of what it may be, and there is no other."""
    state = allowed(log)
    for name, texts in state.items():
        found = scenario.content(directory, name)
        assert found in texts, (f"{name} is {short(found)}, not one of "
                                f"{[short(t) for t in texts]}; {log[-400:]}")
    names = set(os.listdir(directory)) - {".atomicfs"}
    assert names <= set(state), f"litter: {names - set(state)}"
    for one, two in (("linked-1", "linked-2"), ("hard-synced",
                                                "hard-synced-2")):
        a, b = (os.stat(os.path.join(directory, n)) for n in (one, two))
        assert (a.st_ino, a.st_nlink) == (b.st_ino, 2), f"{one} lost its link"


def remount_and_check(place):
    """S18, through the mount and, once that is gone, in the source."""
    log = place.log.read_text()
    with place.daemon() as daemon:
        assert daemon.alive, daemon.errors()
        check_tree(place.mount, log)
    assert stage_left(place.source) == []
    check_tree(place.source, log)


def selected(points):
    """Fault specifications: the first, middle and last pass of each point."""
    for name, n in sorted(points.items()):
        for k in sorted({1, (n + 1) // 2, n}):
            yield f"{name}:{k}"


def crash_at(place, fault):
    """Run the scenario into @fault; True when the daemon died of it."""
    place.fresh()
    daemon = place.daemon(fault)
    try:
        if daemon.alive:
            place.run_scenario()
    finally:
        if daemon.process.poll() is None and not daemon.alive:
            daemon.kill()
    if daemon.process.poll() is None:
        # The point belongs to the end of a session.
        daemon.process.terminate()
    daemon.wait_dead()
    return daemon.process.returncode == -signal.SIGKILL


def test_scenario_runs_through(place):
    """S18: without a crash every step of the scenario works."""
    place.fresh()
    with place.daemon() as daemon:
        assert daemon.alive, daemon.errors()
        code = place.run_scenario()
        assert code == 0, place.log.read_text() + daemon.errors()
    remount_and_check(place)


def test_crash_at_every_point(place):
    """S18: killed at every fault point of stage, prepare, commit and redo;
    after the remount each file is old or new, without litter."""
    place.fresh()
    with place.daemon() as daemon:
        assert daemon.alive, daemon.errors()
        assert place.run_scenario() == 0, place.log.read_text()
    points = place.points()
    assert len(points) >= 10, f"hardly any fault point is passed: {points}"
    missed = []
    for fault in selected(points):
        if not crash_at(place, fault):
            missed.append(fault)
        try:
            remount_and_check(place)
        except AssertionError as e:
            raise AssertionError(f"after a crash at {fault}: {e}") from e
    # Timing may move a pass of a point, but not make the walk empty.
    assert len(missed) <= len(points) // 4, f"not reached: {missed}"


def leave_behind(place, points):
    """Crash so that recovery has something to do; yields each such fault."""
    for name, n in sorted(points.items()):
        yield f"{name}:{n}"


def test_crash_in_recovery(place):
    """S18: recovery itself may be cut short at each of its points, and is
    finished by the next."""
    place.fresh()
    with place.daemon() as daemon:
        assert place.run_scenario() == 0, daemon.errors()
    walked = Counter()
    for first in leave_behind(place, place.points()):
        if not crash_at(place, first):
            continue
        crashed = place.root / "crashed"
        shutil.rmtree(crashed, ignore_errors=True)
        subprocess.run(["cp", "-a", place.source, crashed], check=True)
        place.trace.write_text("")
        with place.daemon():
            pass
        for fault in selected(place.points()):
            if walked[fault] >= 2:
                continue
            shutil.rmtree(place.source)
            subprocess.run(["cp", "-a", crashed, place.source], check=True)
            with place.daemon(fault) as daemon:
                pass
            walked[fault] += daemon.process.returncode == -signal.SIGKILL
            try:
                remount_and_check(place)
            except AssertionError as e:
                raise AssertionError(
                    f"recovery from {first} killed at {fault}: {e}") from e
    assert sum(walked.values()) >= 5, f"recovery was hardly cut: {walked}"


def start_writers(place, names, seed):
    return [subprocess.Popen(
        [sys.executable, HERE / "writers.py", place.mount,
         place.root / f"log-{name}", name, str(seed + i)],
        stderr=subprocess.PIPE) for i, name in enumerate(names)]


def test_kill_under_load(place):
    """S18: kill -9 of the daemon at random instants under the load of four
    writers: each file is wholly one of its versions, at least the one that
    was synced or seen last, and writing goes on after the remount."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    names = ["w0", "w1", "w2", "w3"]
    logs = [place.root / f"log-{name}" for name in names]
    for turn in range(6):
        shutil.rmtree(place.source, ignore_errors=True)
        place.source.mkdir()
        for log in logs:
            log.unlink(missing_ok=True)
        daemon = place.daemon()
        assert daemon.alive, daemon.errors()
        crowd = start_writers(place, names, seed + turn)
        timer = threading.Timer(rng.uniform(0.2, 1.2), daemon.process.kill)
        timer.start()
        try:
            ends = [w.communicate(timeout=SCENARIO_SECONDS)[1] for w in crowd]
        finally:
            timer.join()
            daemon.wait_dead()
            for writer in crowd:
                writer.kill()
        # Exit code 3: the mount went away under it.  1: it read what it
        # must not read.
        assert [w.returncode for w in crowd] == [3] * len(crowd), ends
        known = writers.read_logs(logs)
        for floor in ("F", "V"):
            with place.daemon() as again:
                assert again.alive, again.errors()
                writers.check(place.mount, names, known, known, floor)
        assert stage_left(place.source) == []
        writers.check(place.source, names, known, known, "V")
