# SPDX-License-Identifier: MIT
"""What a tool can check of the style of the code."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.tools import need, run

TOP = Path(__file__).resolve().parents[1]
MOST_LINES, MOST_TEST_LINES = 650, 750
COLUMNS = 80  # of C
SOURCES = (".c", ".h", ".py", ".sh")
SCRIPTS = ["tools/check", "tools/quickstart", "tools/machine.sh", ".ci/run"]
TOP_LEVEL = {"fs", "lib", "tools", "tests", "meson.build", "README.md",
             "LICENSE"}
# Directories of one machine or of one person.
PLACES = re.compile(r"(?<![\w.])/(work|root|home|Users)/\w|/tmp/\w/")
UNSAFE = re.compile(r"(?<![\w.>])(sprintf|vsprintf|strcpy|strcat|strtok|atoi|"
                    r"atol|gets|chdir|system|tmpnam|mktemp)\(")
# The library returns errors; it says and ends nothing.
LOUD = re.compile(r"(?<![\w.>])(printf|fprintf|puts|perror|syslog|exit|abort|"
                  r"assert)\(|\b(stdout|stderr)\b")


# Documents to be read by the tests, right ones and wrong ones.
DOCUMENTS = {"cases", "corpus"}


def skipped(name):
    return (name in {".git", "__pycache__", ".pytest_cache"} | DOCUMENTS or
            name.startswith("build"))


def all_files():
    found = []
    for here, dirs, files in os.walk(TOP):
        dirs[:] = sorted(d for d in dirs if not skipped(d))
        found += [Path(here) / name for name in sorted(files)
                  if not name.endswith(".pyc")]
    return found


def texts(*suffixes, under=""):
    """(path from the top, text) of files with these endings, or of all."""
    for path in all_files():
        rel = path.relative_to(TOP)
        if suffixes and path.suffix not in suffixes:
            continue
        if not str(rel).startswith(under):
            continue
        try:
            yield str(rel), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            pytest.fail(f"{rel} is not text")


def hits(pattern, *suffixes, under=""):
    """Lines that match, without comments' and strings' content in C."""
    found = []
    for rel, text in texts(*suffixes, under=under):
        for n, line in enumerate(code_of(text).splitlines(), 1):
            if pattern.search(line):
                found.append(f"{rel}:{n}: {line.strip()}")
    return found


def code_of(text):
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


# ---- text ----------------------------------------------------------------

def test_top_level():
    names = {p.name for p in TOP.iterdir()}
    names = {n for n in names if not n.startswith(".") and not skipped(n)}
    assert names == TOP_LEVEL


def test_length_of_files():
    """A file is read in one sitting."""
    long = {rel: n for rel, text in texts(*SOURCES)
            if (n := text.count("\n")) > (
                MOST_TEST_LINES if rel.startswith("tests/") else MOST_LINES)}
    assert not long


def test_width_of_lines():
    wide = [f"{rel}:{n}" for rel, text in texts(".c", ".h")
            for n, line in enumerate(text.splitlines(), 1)
            if len(line.expandtabs(8)) > COLUMNS and
            not rel.startswith("tests/")]
    assert not wide


def test_ends_of_lines():
    wrong = [rel for rel, text in texts()
             if text and (not text.endswith("\n") or "\r" in text or
                          re.search(r"[ \t]$", text, re.M))]
    assert not wrong


def test_licence():
    """Each source says it in its first lines."""
    missing = [rel for rel, text in texts(*SOURCES)
               if "SPDX-License-Identifier: MIT" not in text[:200]]
    missing += [name for name in SCRIPTS if "SPDX-License-Identifier: MIT"
                not in (TOP / name).read_text()[:200]]
    assert not missing


def test_no_place_of_one_machine():
    found = [f"{rel}:{n}: {line.strip()}" for rel, text in texts()
             for n, line in enumerate(text.splitlines(), 1)
             if PLACES.search(line)]
    assert not found


# ---- C -------------------------------------------------------------------

def functions(text):
    """Lengths of the functions: from a brace in the first column to the next
    closing one."""
    begin = None
    for n, line in enumerate(text.splitlines()):
        if line == "{":
            begin = n
        elif line == "}" and begin is not None:
            yield n - begin - 1
            begin = None


@pytest.mark.parametrize("part", ["lib", "fs", "tools", "tests"])
def test_length_of_functions(part):
    """Nine in ten are short, and none is a chapter."""
    lengths = [n for _, text in texts(".c", under=part + "/")
               for n in functions(text)]
    assert len(lengths) > 10, "the functions are not found"
    assert sum(n <= 50 for n in lengths) >= 0.9 * len(lengths)
    assert max(lengths) <= 100


def test_no_unsafe_calls():
    found = [h for part in ("lib", "fs", "tools")
             for h in hits(UNSAFE, ".c", ".h", under=part + "/")]
    assert not found


def test_library_is_silent():
    assert not [hit for hit in hits(LOUD, ".c", ".h", under="lib/")
                if not hit.startswith("lib/examples/")]


def test_library_knows_no_fuse():
    fuse = re.compile(r"^\s*#\s*include\s*[<\"].*fuse", re.M)
    assert not [rel for rel, text in texts(".c", ".h", under="lib/")
                if fuse.search(text)]


def test_tools_stand_on_the_library():
    """Neither the tool nor the library includes anything of the daemon."""
    inside = re.compile(r'^\s*#\s*include\s*["<](\.\./)?(fs/|fuse)', re.M)
    assert not [rel for part in ("lib/", "tools/")
                for rel, text in texts(".c", ".h", under=part)
                if inside.search(text)]


@pytest.mark.parametrize("language", [("c", "gnu11"), ("c++", "gnu++11")],
                         ids=lambda pair: pair[0])
@pytest.mark.parametrize(
    "header", sorted((TOP / "lib/include/atomicio").glob("*.h")),
    ids=lambda path: path.name)
def test_header_stands_alone(header, language, tmp_path):
    """A public header needs no other before it, in C and in C++."""
    need("gcc", "g++")
    kind, standard = language
    source = tmp_path / ("one.c" if kind == "c" else "one.cc")
    source.write_text(f"#include <atomicio/{header.name}>\n" * 2)
    run(["g++" if kind == "c++" else "gcc", "-fsyntax-only", "-Wall",
         "-Wextra", "-Werror", f"-std={standard}", "-I", TOP / "lib/include",
         source])


def built_library():
    build = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))
    library = build / "lib/libatomicio.so"
    if not library.exists() and "ATOMICFS_BUILD" not in os.environ:
        pytest.skip("no build/ to look into, and no ATOMICFS_BUILD")
    return library


def test_exports():
    """The shared library exports what lib/atio.map lists, and nothing else."""
    need("nm")
    lines = run(["nm", "-D", "--defined-only", built_library()]).splitlines()
    names = {line.split()[-1].partition("@")[0] for line in lines
             if line.split()[-2] in "TDBRVW"}
    listed = re.search(r"global:(.*?)local:", (TOP / "lib/atio.map")
                       .read_text(), re.S).group(1)
    globs = re.findall(r"[\w*]+", listed)
    # The linker does not mind a name of the map that is not there.
    patterns = [re.compile(re.escape(g).replace(r"\*", r"\w*") + "$")
                for g in globs]
    assert names and not [n for n in names
                          if not any(p.match(n) for p in patterns)]
    unused = [p.pattern for p in patterns
              if not any(p.match(n) for n in names)]
    assert not unused


# ---- scripts -------------------------------------------------------------

def test_scripts():
    need("shellcheck")
    run(["shellcheck", "-x", *SCRIPTS], TOP)
    assert all(os.access(TOP / name, os.X_OK) for name in SCRIPTS
               if not name.endswith(".sh"))


def test_scripts_refuse_arguments():
    """A word too many is not taken for something else."""
    for name, words in (("check", ["x"]), ("quickstart", ["x"]),
                        ("quickstart", ["a", "b", "c"])):
        done = subprocess.run([TOP / "tools" / name, *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 1 and f"tools/{name}: " in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_scripts_name_what_is_missing(tmp_path):
    """Not root: said in one line, before anything is done."""
    here = tmp_path / "copy/tools"
    here.mkdir(parents=True)
    tmp_path.chmod(0o711)
    tmp_path.parent.chmod(0o711)
    for name in ("check", "machine.sh"):
        shutil.copy(TOP / "tools" / name, here)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all",
         "bash", "-s"], input=(here / "check").read_text().replace(
             '$(dirname "$0")', str(here)), cwd="/", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "needs root" in done.stderr and done.stderr.count("\n") == 1
