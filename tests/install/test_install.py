# SPDX-License-Identifier: MIT
"""What is installed is found and works: the library and the examples by
pkg-config, the Python package as meson and as pip install it."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.mount import TOP
from harness.tools import clean_env
from install_help import SECONDS, only, run

# That of an atomicfs that is installed with meson's defaults.
INSTALLED_HOST = "/usr/local/libexec/atomicfs/format-host"
EXAMPLES = sorted(p.stem for p in (TOP / "lib/examples").glob("*.c"))


@pytest.fixture(scope="module")
def examples(installed, found, tmp_path_factory):
    """The installed examples, compiled as their heads say."""
    home = tmp_path_factory.mktemp("examples")
    for name in EXAMPLES:
        source = only(installed, f"{name}.c")
        line = re.search(r"^ \*\t(cc .*)$", source.read_text(), re.M).group(1)
        shutil.copy(source, home)
        run(["sh", "-c", line.replace("cc ", "cc -Wall -Wextra -Werror ", 1)],
            found, cwd=home)
    return home


@pytest.fixture
def example(examples, found):
    def call(name, *args, **kwargs):
        return run([examples / name, *map(str, args)], found, **kwargs)
    return call


@pytest.fixture(params=["plain", "mount"])
def where(request, tmp_path, place):
    return tmp_path if request.param == "plain" else place


# ---- C -----------------------------------------------------------------------

def test_all_examples_are_tested():
    text = Path(__file__).read_text()
    assert EXAMPLES and all(f'"{name}"' in text for name in EXAMPLES)


def test_config(example, where):
    path = where / "settings.yaml"
    path.write_text("port: 80\n")
    assert example("config", path, "host", "a b") == ""
    assert path.read_text() == "port: 80\nhost: a b\n"
    example("config", where / "new.json", "k", "v")
    assert (where / "new.json").read_text() == '{\n    "k": "v"\n}\n'


def test_counter(example, examples, found, where):
    path, processes = where / "count", []
    for _ in range(4):
        processes.append(subprocess.Popen(
            [examples / "counter", path, "50"],
            env={**clean_env(), **found}))
    assert [p.wait(SECONDS) for p in processes] == [0] * 4
    assert path.read_text() == "200\n"
    example("counter", path, 1)
    assert path.read_text() == "201\n"


def test_gather(example, where):
    for n in range(20):
        (where / f"f{n}").write_text("x" * n)
    lines = example("gather", *(f"f{n}" for n in range(20)), "none",
                    cwd=where).splitlines()
    assert sorted(lines) == sorted(
        [f"f{n}: {n} bytes" for n in range(20)]
        + ["none: read 'none': No such file or directory"])


def test_translate(example, examples, found, where):
    path = where / "a.toml"
    path.write_text("num = 0x1F\n[t]\nd = 1979-05-27\n")
    assert example("translate", path, "yaml") == "num: 0x1F\nt:\n  d: 1979-05-27\n"
    path.write_text("n = 1\nm = = 2\n")
    done = subprocess.run([examples / "translate", path, "json"], text=True,
                          env={**clean_env(), **found}, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(f"translate: {path}:2:5: ")


def test_headers_are_installed(installed):
    names = {p.name for p in (TOP / "lib/include/atomicio").glob("*.h")}
    assert {p.name for p in installed.rglob("include/atomicio/*.h")} == names


# ---- Python ------------------------------------------------------------------

USE = """
import atomicio
f = atomicio.SafeFile('a.toml')
f.write({'n': 2**40, 'list': [1.5, True]})
print(atomicio.__file__)
print(f.read())
"""


def uses(python, env, tmp_path):
    """Where the package is that this Python imports, and works."""
    lines = run([python, "-c", USE], env, cwd=tmp_path).splitlines()
    assert lines[1] == "{'n': 1099511627776, 'list': [1.5, True]}"
    return Path(lines[0])


def test_meson_package(installed, found, tmp_path):
    package = only(installed, "atomicio/__init__.py").parent
    assert (package / "py.typed").exists()
    env = {"LD_LIBRARY_PATH": found["LD_LIBRARY_PATH"],
           "PYTHONPATH": str(package.parent)}
    assert uses(sys.executable, env, tmp_path).parent == package


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """One into which pip has installed it: pip builds the library itself, and
    downloads nothing."""
    home = tmp_path_factory.mktemp("pip")
    tree, venv = home / "tree", home / "venv"
    shutil.copytree(TOP, tree, ignore=shutil.ignore_patterns(
        "build", "build-*", ".git", "__pycache__"))
    run([sys.executable, "-m", "venv", "--system-site-packages", venv])
    run([venv / "bin/pip", "install", "--no-build-isolation", "--no-deps",
         "--no-index", tree / "lib/python"])
    return venv


def test_pip_package(venv, tmp_path):
    path = uses(venv / "bin/python", {}, tmp_path)
    assert venv in path.parents
    assert (path.parent / "libatomicio.so.0").exists()
    assert (path.parent / "py.typed").exists()


OBJECT = """
import sys
from atomicio import SafeFile, plugin_failures, use_formats_dir
use_formats_dir(sys.argv[1])
f = SafeFile('a.ini')
print(plugin_failures(), f.read() if '.ini' in f.supported_formats() else None)
"""


def test_object_of_the_pip_package(venv, tmp_path):
    """It brings what runs a shared object; nothing else is installed, and
    nothing of that name is taken from elsewhere."""
    plugins = tmp_path / "formats.d"
    plugins.mkdir(mode=0o755)
    run(["cc", "-shared", "-fPIC", "-I", TOP / "lib/include", "-o",
         plugins / "ini.so", TOP / "tests/formats/plugins/ini.c"])
    (tmp_path / "a.ini").write_text("name = Ada\n")
    (tmp_path / "format-host").write_text("#!/bin/sh\necho never\n")
    (tmp_path / "format-host").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv = [venv / "bin/python", "-c", OBJECT, plugins]
    assert run(argv, path, cwd=tmp_path) == "{} {'name': 'Ada'}\n"
    # The library names the host's place in an installation, which is not here.
    host = only(venv, "format-host")
    kept = host.rename(host.with_name("kept"))
    try:
        said = run(argv, path, cwd=tmp_path)
        if not Path(INSTALLED_HOST).exists():
            assert "'ini': " in said and said.endswith(" None\n")
        argv[-2] = "import os; os.environ['ATOMICIO_FORMAT_HOST'] = " + repr(
            str(kept)) + OBJECT
        assert run(argv, path, cwd=tmp_path) == "{} {'name': 'Ada'}\n"
    finally:
        kept.rename(host)
