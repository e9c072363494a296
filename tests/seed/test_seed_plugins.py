# SPDX-License-Identifier: MIT
"""Plugins of the library, which a program takes from a directory of its own."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.mount import TOP
from harness.tools import clean_env

BUILD = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))
SAMPLES = TOP / "tests/formats/plugins"
START = """
import asyncio, json, sys
from atomicio import *
from atomicio import plugin_failures, use_formats_dir
"""


@pytest.fixture
def python(folder):
    """What a process prints whose directory is the folder; its registry of
    formats is its own."""
    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", START + code], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
            env={**clean_env(), "PYTHONPATH": str(TOP / "lib/python"),
                 "ATOMICIO_LIBRARY": os.environ["ATOMICIO_LIBRARY"],
                 "ATOMICIO_FORMAT_HOST": str(BUILD / "tools/format-host")})
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout
    return run


@pytest.fixture
def plugins(tmp_path):
    path = tmp_path / "formats.d"
    path.mkdir(mode=0o755)
    return path


def put(directory, name, **lines):
    path = directory / f"{name}.conf"
    path.write_text("".join(f"{key} = {value}\n"
                            for key, value in lines.items()))
    path.chmod(0o644)


def script(path, text):
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


@pytest.fixture
def properties(plugins):
    """KEY=VALUE lines."""
    program = script(plugins / "program", (
        "import json, sys\n"
        "if sys.argv[1] == 'load':\n"
        "    json.dump(dict(line.split('=', 1) for line in\n"
        "                   sys.stdin.read().splitlines()), sys.stdout)\n"
        "else:\n"
        "    for pair in json.load(sys.stdin).items():\n"
        "        print(*pair, sep='=')\n"))
    put(plugins, "properties", suffix=".properties", load=f"{program} load",
        dump=f"{program} dump")
    return plugins


def test_command(python, folder, properties):
    (folder / "a.properties").write_text("a=1\n")
    assert python(f"""
before = list_supported_formats()
use_formats_dir({str(properties)!r})
print(sorted(set(list_supported_formats()) - set(before)))
for cls in (SafeFile, ThreadedSafeFile):
    cls('a.properties').update({{cls.__name__: 'x'}})
asyncio.run(AsyncSafeFile('a.properties').update({{'b': 'y'}}))
print(SafeFile('a.properties').read())
SafeFile('a.properties.gz').write({{'c': 'z'}})
print(SafeFile('a.properties.gz').read())
print(SafeFile('a.json').write([1]), SafeFile('a.json').read())
""").splitlines() == [
        "['.properties', '.properties.gz']",
        "{'a': '1', 'SafeFile': 'x', 'ThreadedSafeFile': 'x', 'b': 'y'}",
        "{'c': 'z'}", "None [1]"]
    assert (folder / "a.properties").read_text() == (
        "a=1\nSafeFile=x\nThreadedSafeFile=x\nb=y\n")


def test_object(python, folder, plugins):
    subprocess.run(["cc", "-shared", "-fPIC", "-I", TOP / "lib/include", "-o",
                    plugins / "ini.so", SAMPLES / "ini.c"], check=True)
    (folder / "a.ini").write_text("a = 1\n[s]\nb = 2\n")
    assert python(f"""
use_formats_dir({str(plugins)!r})
print(plugin_failures())
print(json.dumps(SafeFile('a.ini').read()))
SafeFile('a.ini').update({{'c': '3'}})
""").splitlines() == ["{}", '{"a": "1", "s": {"b": "2"}}']
    assert "c = 3\n" in (folder / "a.ini").read_text()


def test_validated(python, folder, plugins):
    check = script(plugins / "check", (
        "import json, sys\n"
        "if 'users' not in json.load(sys.stdin):\n"
        "    sys.exit('no users')\n"))
    put(plugins, "users", suffix=".users.json", base="json", validate=check)
    assert python(f"""
use_formats_dir({str(plugins)!r})
f = SafeFile('a.users.json')
f.write({{'users': []}})
for value in (1, {{}}):
    try:
        f.write(value)
    except FileWriteError as e:
        print(e)
print(f.read())
""").splitlines()[1:] == ["a.users.json: no users", "{'users': []}"]


def test_too_slow(python, folder, plugins):
    """That is not the lock, which nobody else wants."""
    # What the kernel sends when the processor time is over.
    slow = script(plugins / "slow", "import os, signal\n"
                  "os.kill(os.getpid(), signal.SIGXCPU)\n")
    put(plugins, "slow", suffix=".slow", load=slow, dump=slow)
    (folder / "a.slow").write_text("x")
    said = "a.slow: the plugin took more than 5 s of processor time"
    assert python(f"""
use_formats_dir({str(plugins)!r})
f = SafeFile('a.slow', timeout=30)
for call in f.read, lambda: f.write(1), lambda: f.update(1):
    try:
        call()
    except (FileReadError, FileWriteError) as e:
        print(type(e).__name__, e)
""").splitlines() == [f"FileReadError {said}", f"FileWriteError {said}",
                      f"FileWriteError {said}"]
    assert (folder / "a.slow").read_text() == "x"


def test_order(python, folder, tmp_path):
    """The one that was added last goes first; what the program registers goes
    before all of them."""
    directories = []
    for word in ("one", "two"):
        directory = tmp_path / word
        directory.mkdir(mode=0o755)
        put(directory, "word", suffix=".word", load=script(
            directory / "word", f"print('\"{word}\"')\n"))
        directories.append(str(directory))
    one, two = directories
    (folder / "a.word").write_text("x")
    assert python(f"""
def read():
    print(SafeFile('a.word').read())
use_formats_dir({one!r})
old = SafeFile('a.word')
read()
use_formats_dir({two!r})
read()
use_formats_dir({two!r})
read()
use_formats_dir({one!r})
read()
register_format('word', lambda f: 'mine', lambda value, f: None)
read()
unregister_format('word')
read()
print(len(plugin_failures()), old.read())
""").split() == ["one", "two", "two", "one", "mine", "one", "1", "one"]


def test_refused(python, plugins, properties, tmp_path):
    """A directory that is not there, or that others can write to: nothing has
    changed then.  A plugin that is wrong harms no other."""
    (tmp_path / "file").write_text("")
    for path, error in ((tmp_path / "none", "FileNotFoundError"),
                        (tmp_path / "file", "NotADirectoryError")):
        assert error in python(f"""
try:
    use_formats_dir({str(path)!r})
except OSError as e:
    print(type(e).__name__)
""")
    put(plugins, "bad", suffix=".bad")
    assert json.loads(python(f"""
use_formats_dir({str(plugins)!r})
print(json.dumps([list(plugin_failures()), '.properties' in FORMAT_REGISTRY,
                  '.bad' in FORMAT_REGISTRY]))
""")) == [["bad"], True, False]
    plugins.chmod(0o777)
    assert python(f"""
try:
    use_formats_dir({str(plugins)!r})
except PermissionError as e:
    print(e.filename, '.properties' in FORMAT_REGISTRY, plugin_failures())
""") == f"{plugins} False {{}}\n"
