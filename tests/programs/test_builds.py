# SPDX-License-Identifier: MIT
"""Compilers and build systems at work in the mount."""
import os
import shutil
import subprocess

import pytest

from harness.mount import TOP
from harness.tools import bash, clean_env, need, run

MAKEFILE = """
CFLAGS = -O1 -Wall -g
OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
prog: $(OBJECTS)
\t$(CC) $(CFLAGS) -o $@ $^
libparts.a: $(OBJECTS)
\tar rcs $@ $^
%.o: %.c parts.h
\t$(CC) $(CFLAGS) -MD -c -o $@ $<
clean:
\trm -f *.o *.d *.a prog
-include $(OBJECTS:.o=.d)
"""
PARTS = 12


@pytest.fixture
def made(place):
    """A small program of several files, with a Makefile."""
    need("make", "gcc", "ar", "strip")
    names = [f"part{n}" for n in range(PARTS)]
    (place / "Makefile").write_text(MAKEFILE)
    (place / "parts.h").write_text("".join(f"int {n}(void);\n"
                                           for n in names))
    for n, name in enumerate(names):
        (place / f"{name}.c").write_text(
            f'#include "parts.h"\nint {name}(void) {{ return {n}; }}\n')
    (place / "main.c").write_text(
        '#include <stdio.h>\n#include "parts.h"\nint main(void) {\n'
        'printf("%d\\n", ' + " + ".join(f"{n}()" for n in names) +
        ");\nreturn 0; }\n")
    return place


def make(directory, *targets):
    return run(["make", "-j4", *targets], directory)


def test_make(made):
    """S2, S4, S12: what make has built is new to it at once, and only what
    has changed is built again."""
    assert make(made).count(" -c ") == PARTS + 1
    assert run([made / "prog"]) == f"{sum(range(PARTS))}\n"
    assert "up to date" in make(made)
    bash("sed -i 's/return 3/return 1003/' part3.c", made)
    assert make(made).count(" -c ") == 1
    assert run([made / "prog"]) == f"{sum(range(PARTS)) + 1000}\n"
    os.utime(made / "parts.h")
    assert make(made).count(" -c ") == PARTS + 1
    make(made, "libparts.a")
    assert "part7.o" in run(["ar", "t", "libparts.a"], made)
    run(["strip", "prog"], made)
    assert run([made / "prog"]) == f"{sum(range(PARTS)) + 1000}\n"
    make(made, "clean")
    assert not list(made.glob("*.o"))


def test_linking_a_running_program(made):
    """S1, S4: a program that runs is replaced; it goes on as it was."""
    make(made)
    bash("cp /bin/cat cat", made)
    with subprocess.Popen([made / "cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as running:
        running.stdin.write(b"a\n")
        running.stdin.flush()
        assert running.stdout.readline() == b"a\n"
        bash("rm -f new; cp prog new; mv new cat", made)
        assert run([made / "cat"]) == f"{sum(range(PARTS))}\n"
        running.stdin.write(b"b\n")
        running.stdin.flush()
        assert running.stdout.readline() == b"b\n"


def test_failing_compiler(made):
    """S19: a compiler that ends with an error leaves what was there."""
    make(made)
    (made / "part1.c").write_text("this is no C\n")
    before = (made / "part1.o").stat().st_mtime_ns
    done = subprocess.run(["make"], cwd=made, env=clean_env(),
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "part1.c:1" in done.stderr
    assert not (made / "part1.o").exists() or (
        (made / "part1.o").stat().st_mtime_ns == before)
    assert run([made / "prog"]) == f"{sum(range(PARTS))}\n"


def test_this_project(place):
    """S2, S3, S4, S15: this project is built in the mount, by meson, ninja and
    gcc, and what was built runs."""
    need("meson", "ninja", "gcc", "pkg-config")
    source = place / "source"
    source.mkdir()
    for name in ("lib", "fs", "tools", "tests"):
        shutil.copytree(TOP / name, source / name, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy2(TOP / "meson.build", source)
    for path in TOP.glob("meson*.*"):
        if path.is_file():
            shutil.copy2(path, source)
    for name in ("LICENSE", "README.md"):
        if (TOP / name).exists():
            shutil.copy2(TOP / name, source)
    run(["meson", "setup", "build", "source", "-Dbuildtype=plain"], place)
    run(["ninja", "-C", "build"], place)
    program = place / "build/fs/atomicfs"
    assert run([program, "--version"]).startswith("atomicfs")
    assert "no work to do" in run(["ninja", "-C", "build"], place)
    with open(source / "fs/main.c", "a") as f:
        f.write("/* touched */\n")
    said = run(["ninja", "-v", "-C", "build", "fs/atomicfs"], place)
    assert said.count(" -c ") == 1
    run(["ninja", "-C", "build"], place)
    assert "no work to do" in run(["ninja", "-C", "build"], place)
