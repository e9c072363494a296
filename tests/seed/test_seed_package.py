# SPDX-License-Identifier: MIT
"""The package as such, and its functions for paths."""
import os
import re
import shutil
import subprocess
import sys
import threading

import pytest

import atomicio
from atomicio import (AsyncTimeoutError, FileWriteError, SafeFile,
                      atomic_write, create_file, delete_file,
                      find_project_files, resolve_path)
from harness.mount import TOP
from seed_help import Holder

PACKAGE = TOP / "lib/python"


def python(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=60,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), **env})


# ---- the package ---------------------------------------------------------------

def test_names():
    assert atomicio.__all__ == sorted(atomicio.__all__)
    assert not [n for n in atomicio.__all__ if not hasattr(atomicio, n)]
    from atomicio.formats import FORMAT_REGISTRY, list_supported_formats
    assert FORMAT_REGISTRY is atomicio.FORMAT_REGISTRY
    assert list_supported_formats is atomicio.list_supported_formats


def test_version():
    """One, wherever it is said."""
    meson = (TOP / "meson.build").read_text()
    project = (PACKAGE / "pyproject.toml").read_text()
    assert f"version: '{atomicio.__version__}'" in meson
    assert f'version = "{atomicio.__version__}"' in project


def test_modules_are_installed():
    """By meson, which has to be told each."""
    named = set(re.findall(r"'atomicio/([\w.]+)'",
                           (PACKAGE / "meson.build").read_text()))
    assert named == {path.name for path in (PACKAGE / "atomicio").iterdir()
                     if path.is_file()}


def test_import_does_nothing_else(tmp_path):
    """No file, no thread, no plugin; nothing of others is imported."""
    code = ("import os, sys, threading, atomicio\n"
            "atomicio.SafeFile('a.json')\n"
            "print(os.listdir('.'), threading.active_count(),\n"
            "      'importlib_metadata' in sys.modules, 'yaml' in "
            "sys.modules)\n")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, env={**os.environ,
                                     "PYTHONPATH": str(PACKAGE)})
    assert done.stdout == "[] 1 False False\n"


@pytest.mark.parametrize("library", ["/nonexistent/lib.so", "libc.so.6"])
def test_no_library(library):
    """Which one is named, and no other is taken instead."""
    done = python("import atomicio", ATOMICIO_LIBRARY=library)
    assert done.returncode == 1
    assert f"ImportError: atomicio cannot load its library: {library}: " in (
        done.stderr)


@pytest.mark.skipif(not shutil.which("mypy"), reason="no mypy")
def test_types():
    done = subprocess.run(
        ["mypy", "--strict", "--cache-dir=/dev/null", "atomicio"],
        cwd=PACKAGE, text=True, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stdout


# ---- paths -----------------------------------------------------------------------

def test_resolve_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    assert resolve_path("a.json") == tmp_path / "a.json"
    assert resolve_path("link/../x") == tmp_path / "x"
    assert resolve_path("link/x") == tmp_path / "dir/x"
    assert resolve_path("~/x") == tmp_path / "home/x"
    assert resolve_path("x", "dir") == tmp_path / "dir/x"
    assert resolve_path("/x", "dir").as_posix() == "/x"


def test_create_file(folder):
    path = folder / "new" / "dir" / "a.txt"
    assert create_file(path, "ü") == path
    assert path.read_text() == "ü"
    with pytest.raises(FileExistsError) as caught:
        create_file(path, "other")
    assert isinstance(caught.value, FileWriteError)
    assert path.read_text() == "ü"
    create_file(path, b"\xff", overwrite=True)
    assert path.read_bytes() == b"\xff"
    with pytest.raises(FileWriteError) as caught:
        create_file(path / "below", "")
    assert isinstance(caught.value, (NotADirectoryError, FileExistsError))
    with pytest.raises(FileWriteError) as caught:
        create_file(folder / "b.txt", "\ud800")
    assert isinstance(caught.value, ValueError)
    assert not (folder / "b.txt").exists()


def test_delete_file(folder):
    path = folder / "a.txt"
    path.write_text("")
    assert delete_file(path) is True
    assert delete_file(path) is False
    with pytest.raises(FileNotFoundError) as caught:
        delete_file(path, missing_ok=False)
    assert isinstance(caught.value, FileWriteError)


def test_functions_respect_the_lock(folder, crew):
    path = folder / "a.txt"
    path.write_text("old")
    with Holder(crew, SafeFile(path)):
        for call in (lambda: delete_file(path, timeout=False),
                     lambda: create_file(path, "x", overwrite=True,
                                         timeout=0.01)):
            with pytest.raises(AsyncTimeoutError):
                call()
    assert path.read_text() == "old"


def test_find_project_files(tmp_path, monkeypatch):
    for name in ("pyproject.toml", "a.json", "conf/b.json", "conf/x/c.json",
                 ".git/d.json", "__pycache__/e.json", "conf/f.yaml"):
        create_file(tmp_path / name)
    (tmp_path / "loop").symlink_to(".")

    def found(*args, **kwargs):
        return [path.relative_to(tmp_path).as_posix()
                for path in find_project_files(*args, **kwargs)]
    assert found("*.json", tmp_path) == ["a.json", "conf/b.json",
                                         "conf/x/c.json"]
    assert found("conf/*.json", tmp_path) == ["conf/b.json"]
    assert found("conf/**/*.json", tmp_path) == ["conf/b.json",
                                                 "conf/x/c.json"]
    assert found("d.*", tmp_path, exclude=()) == [".git/d.json"]
    assert found("nothing", tmp_path) == []
    monkeypatch.chdir(tmp_path / "conf/x")
    assert found("a.json") == ["a.json"]


# ---- atomic_write ------------------------------------------------------------------

def test_atomic_write(folder):
    path = folder / "a.txt"
    with atomic_write(path) as f:
        f.write("ü\n")
        assert not path.exists()
    assert path.read_bytes() == b"\xc3\xbc\n"
    with pytest.raises(KeyError), atomic_write(path) as f:
        f.write("half")
        raise KeyError
    assert path.read_bytes() == b"\xc3\xbc\n"
    with atomic_write(path, "wb") as f:
        f.write(b"\xff")
        f.close()
    assert path.read_bytes() == b"\xff"
    with atomic_write(path, newline="\r\n", encoding="latin-1") as f:
        f.write("ü\n")
    assert path.read_bytes() == b"\xfc\r\n"


@pytest.mark.parametrize("how", [{"overwrite": False}, {"mode": "x"}])
def test_atomic_write_of_a_new_file(folder, how):
    path = folder / "a.txt"
    with atomic_write(path, **how) as f:
        f.write("first")
    with pytest.raises(FileExistsError), atomic_write(path, **how):
        raise AssertionError("it is there already")
    path.unlink()
    with pytest.raises(FileExistsError), atomic_write(path, **how) as f:
        f.write("mine")
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


@pytest.mark.parametrize("mode", ["r", "a", "w+", "", "wbt", "rb+"])
def test_modes(folder, mode):
    with pytest.raises(ValueError, match="mode"):
        with atomic_write(folder / "a.txt", mode):
            pass
    assert not os.listdir(folder)


def test_new_file_by_many_threads(folder):
    """One of them makes it."""
    path, made = folder / "a.txt", []

    def make(n):
        try:
            create_file(path, str(n))
            made.append(n)
        except FileExistsError:
            pass
    threads = [threading.Thread(target=make, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1 and path.read_text() == str(made[0])
