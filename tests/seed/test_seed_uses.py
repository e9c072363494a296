# SPDX-License-Identifier: MIT
"""What people use the package for, from one end to the other."""
import asyncio
import csv
import gzip
import json
import os
import pickle
import subprocess
import sys
import textwrap

import pytest

from atomicio import (FORMAT_REGISTRY, AsyncSafeFile, AsyncTimeoutError,
                      FileReadError, FileWriteError, SafeFile,
                      ThreadedSafeFile, list_supported_formats,
                      register_format)
from harness.mount import TOP
from harness.tools import clean_env, scaled
from seed_help import Holder, in_threads, run_in_loop


# ---- a configuration that many processes change ------------------------------

class Settings:
    DEFAULT = {"version": 1, "debug": False, "users": {}}

    def __init__(self, path):
        self.file = SafeFile(path, timeout=30)
        with self.file.locked() as f:
            if f.read() is None:
                f.write(self.DEFAULT)

    def set(self, key, value):
        self.file.update({key: value})

    def prefer(self, user, key, value):
        self.file.update({"users": {user: {key: value}}}, deep=True)

    def get(self, key):
        return self.file.read()[key]


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_configuration(folder, crew, suffix):
    path, rounds = folder / f"app.{suffix}", scaled(20)

    def worker(number):
        settings = Settings(path)
        for n in range(rounds):
            settings.set(f"worker{number}", n)
            settings.prefer(f"user{number}", f"key{n}", "it is")
            assert settings.get(f"worker{number}") == n
            assert settings.get("version") == 1
    for number in range(6):
        crew.start(worker, number)
    crew.join()
    assert SafeFile(path).read() == {
        **Settings.DEFAULT, **{f"worker{w}": rounds - 1 for w in range(6)},
        "users": {f"user{w}": {f"key{n}": "it is" for n in range(rounds)}
                  for w in range(6)}}


# ---- a pipeline of three stages over two files ---------------------------------

def test_pipeline(folder):
    """Three workers take tasks through three stages; none is lost, and none
    is done twice."""
    tasks = ThreadedSafeFile(folder / "tasks.yaml", timeout=30)
    results = ThreadedSafeFile(folder / "results.json", timeout=30)
    count = scaled(15)
    tasks.write([{"id": n, "stage": 0} for n in range(count)])
    results.write({})

    def advance(worker):
        with tasks.locked() as t:
            waiting = t.read()
            if not waiting:
                return False
            task = waiting.pop(0)
            task["stage"] += 1
            if task["stage"] < 3:
                waiting.append(task)
            with results.locked() as r:  # both, or neither
                done = r.read()
                done.setdefault(str(task["id"]), []).append(
                    [task["stage"], worker])
                r.write(done)
            t.write(waiting)
        return True

    def work(worker):
        while advance(worker):
            pass
    in_threads([lambda w=w: work(w) for w in range(3)])
    done = results.read()
    assert sorted(map(int, done)) == list(range(count))
    assert all([stage for stage, _ in steps] == [1, 2, 3]
               for steps in done.values())
    assert tasks.read() == []


# ---- an analyser in one event loop ----------------------------------------------

def test_analyser(folder):
    """Many tasks count words of sources into one report and a log."""
    texts = {f"part{n}": "the cat and the hat " * (n + 1) for n in range(20)}

    async def analyse(name, sources, report, log):
        words = (await sources.read())[name].split()
        async with report.locked() as r:
            counts = await r.read() or {}
            for word in words:
                counts[word] = counts.get(word, 0) + 1
            await r.write(counts)
        await log.append(f"{name} {len(words)}\n")

    async def main():
        sources = AsyncSafeFile(folder / "sources.json")
        report = AsyncSafeFile(folder / "report.yaml", timeout=30)
        log = AsyncSafeFile(folder / "log.txt")
        await sources.write(texts)
        await asyncio.gather(*(analyse(name, sources, report, log)
                               for name in texts))
        return await report.read(), await log.read()
    counts, log = run_in_loop(main())
    every = " ".join(texts.values()).split()
    assert counts == {word: every.count(word) for word in set(every)}
    assert sorted(log.splitlines()) == sorted(
        f"{name} {len(text.split())}" for name, text in texts.items())


# ---- failures, each of its kind ---------------------------------------------------

def test_failures(folder, crew):
    path = folder / "a.json"
    assert SafeFile(path).read() is None
    path.write_text("{broken")
    with pytest.raises(FileReadError) as caught:
        SafeFile(path).read()
    assert (caught.value.line, caught.value.column) == (1, 2)
    with pytest.raises(FileWriteError) as caught:
        SafeFile(path).write({"a": {1, 2}})
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(FileWriteError):
        SafeFile(folder / "none/a.json").write({})
    with Holder(crew, SafeFile(path)), pytest.raises(AsyncTimeoutError):
        SafeFile(path, timeout=0.01).read()
    assert path.read_text() == "{broken"


# ---- formats of one's own -----------------------------------------------------------

ROWS = [{"name": "Ada", "age": "36"}, {"name": "Bob, jr.", "age": ""}]


def load_csv(f):
    return list(csv.DictReader(f))


def dump_csv(rows, f):
    writer = csv.DictWriter(f, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)


@pytest.mark.parametrize("ext", [".table", "TABLE", "table"],
                         ids=["dot", "capitals", "bare"])
def test_own_csv(kind, folder, formats_back, ext):
    formats_back(ext)
    register_format(ext, load_csv, dump_csv)
    assert ".table" in FORMAT_REGISTRY and ".table" in list_supported_formats()
    kind(folder / "a.Table").write(ROWS)
    assert kind(folder / "a.Table").read() == ROWS
    assert load_csv(open(folder / "a.Table", newline="")) == ROWS


def test_own_bytes(kind, folder, formats_back):
    """Loaders and dumpers that need bytes: pickle, gzip."""
    formats_back(".pickle")
    register_format(".pickle", pickle.load, pickle.dump)
    kind(folder / "a.pickle").write({(1, 2): {3}})
    assert kind(folder / "a.pickle").read() == {(1, 2): {3}}
    formats_back(".z")
    register_format(
        ".z", lambda f: json.loads(gzip.decompress(f.read())),
        lambda value, f: f.write(gzip.compress(json.dumps(value).encode())))
    kind(folder / "a.z").write([1, "x"])
    assert kind(folder / "a.z").read() == [1, "x"]


def test_validated(kind, folder, formats_back):
    """The longest suffix wins; a refused value changes nothing."""
    def check(value):
        for user in value["users"]:
            if not isinstance(user.get("id"), int):
                raise ValueError(f"no id: {user}")
        return value
    formats_back(".users.json")
    register_format(".users.json", lambda f: check(json.load(f)),
                    lambda value, f: json.dump(check(value), f))
    file = kind(folder / "all.users.json")
    file.write({"users": [{"id": 1}]})
    with pytest.raises(ValueError, match="no id") as caught:
        file.write({"users": [{"id": "1"}]})
    assert isinstance(caught.value, FileWriteError)
    assert file.read() == {"users": [{"id": 1}]}
    (folder / "all.users.json").write_text('{"users": [{}]}')
    with pytest.raises(FileReadError, match="no id"):
        file.read()
    kind(folder / "plain.json").write({"users": [{}]})


@pytest.mark.parametrize("what", ["raises", "exits", "returns"])
def test_buggy(kind, folder, formats_back, what):
    """Their exceptions come wrapped; the file and the lock are as before."""
    def load(f):
        f.read()
        if what == "exits":
            raise SystemExit(3)
        raise KeyError("loader")

    def dump(value, f):
        f.write("half")
        if what == "returns":
            f.seek(0)
            f.truncate()
            f.write("whole")
            return "something"
        raise RuntimeError("dumper")
    path = folder / "a.buggy"
    path.write_text("old")
    formats_back(".buggy")
    register_format(".buggy", load, dump)
    file = kind(path)
    if what == "exits":
        with pytest.raises((SystemExit, FileReadError)):
            file.read()
    else:
        with pytest.raises(FileReadError, match="loader") as caught:
            file.read()
        assert isinstance(caught.value.__cause__, KeyError)
    if what == "returns":
        file.write(1)
        assert path.read_text() == "whole"
    else:
        with pytest.raises(FileWriteError, match="dumper") as caught:
            file.write(1)
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert path.read_text() == "old"
    SafeFile(path, False).write_bytes(b"free")


# ---- a package that brings a format ----------------------------------------------------

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "atomicio-shout"
version = "1"
[project.entry-points."atomicio.formats"]
shout = "shout:register"
broken = "shout:no_such_name"
[tool.setuptools]
py-modules = ["shout"]
"""
SHOUT = """
from atomicio import register_format

def register():
    register_format(".shout", lambda f: f.read().lower(),
                    lambda value, f: f.write(value.upper()))
"""
USE = """
from atomicio import SafeFile, list_supported_formats, plugin_failures
SafeFile("a.shout").write("hello")
print(open("a.shout").read(), SafeFile("a.shout").read())
print(".shout" in list_supported_formats(), sorted(plugin_failures()))
SafeFile("a.json").write([1])
"""


def test_plugin_package(tmp_path):
    """Built and installed by pip; the broken one beside it harms nobody."""
    source, site = tmp_path / "shout", tmp_path / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "shout.py").write_text(SHOUT)
    env = {**clean_env(), "HOME": str(tmp_path),
           "ATOMICIO_LIBRARY": os.environ["ATOMICIO_LIBRARY"]}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index",
         "--no-build-isolation", "--no-deps", "--target", site, source],
        env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(USE)], cwd=tmp_path, text=True,
        env={**env, "PYTHONPATH": f"{TOP}/lib/python:{site}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout == "HELLO hello\nTrue ['broken']\n"
