# SPDX-License-Identifier: MIT
"""Tables of system calls, run on a plain directory and on the mount.

A table is text: one case a line, `ID: op arg; op arg; ...` (posix/calls.h).
Both outputs must be equal, line by line, except for the differences that
SEMANTICS.md names.  Each of those is written down with its rule as what the
plain directory says and what the mount must say instead, so that it is checked
on the mount too.
"""
import functools
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def build(out_dir):
    """Compile posix/*.c; returns the program."""
    program = Path(out_dir) / "calls"
    sources = sorted((HERE / "posix").glob("*.c"))
    subprocess.run(
        ["cc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-D_GNU_SOURCE",
         "-D_FILE_OFFSET_BITS=64", "-o", program, *sources], check=True)
    return program


class Same:
    """A difference that is promised: @plain in the plain line reads @mount in
    the mount's, because of @rule."""

    def __init__(self, rule, plain, mount):
        self.rule, self.plain, self.mount = rule, plain, mount


def parse(text):
    """The cases of a table, {id: line}; an id must be unique."""
    cases = {}
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, ops = line.split(":", 1)
        assert name not in cases, f"two cases are called {name}"
        cases[name] = f"{name}:{ops}"
    return cases


def run(program, cases, directory, umask=0o022):
    """Run @cases in @directory.  Returns {id: what was printed}."""
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    done = subprocess.run(
        [program], input="\n".join(cases.values()) + "\n", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory,
        umask=umask, errors="surrogateescape", timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = {}
    for line in done.stdout.splitlines():
        name, said = line.split(": ", 1)
        result[name] = said.strip()
    assert list(result) == list(cases)
    return result


def differences(plain, mount, promised=()):
    """What differs and must not, a text for each case."""
    promised = dict(promised)
    bad = []
    for name, said in plain.items():
        expected = said
        for same in promised.get(name, ()):
            expected = expected.replace(same.plain, same.mount)
        if mount[name] != expected:
            bad.append(f"{name}\n   plain: {said}\n   mount: {mount[name]}")
            if expected != said:
                bad[-1] += f"\n    want: {expected}"
    return bad


def of_mode(promised, io):
    """Those that hold in the mode @io: `case` and `io:case`."""
    chosen = {}
    for name, same in dict(promised).items():
        mode, _, case = name.rpartition(":")
        if mode in ("", io):
            chosen[case] = same
    return chosen


@functools.lru_cache(maxsize=1)
def built():
    """The program that runs tables, and the directory it lives in."""
    home = tempfile.TemporaryDirectory(prefix="atomicfs-posix-")
    return home, build(home.name)


@pytest.fixture
def posix(place, tmp_path, io):
    """Run a table on a plain directory and on the mount, and compare."""
    for above in [place, *place.parents, *tmp_path.parents]:
        # Other users take part.
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)

    def compare(cases, promised=(), umask=0o022):
        calls = built()[1]
        plain = run(calls, cases, tmp_path / "plain", umask)
        mounted = run(calls, cases, place / "cases", umask)
        bad = differences(plain, mounted, of_mode(promised, io))
        assert not bad, f"{len(bad)} cases differ:\n" + "\n".join(bad)

    return compare
