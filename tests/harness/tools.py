# SPDX-License-Identifier: MIT
"""Small things many tests need."""
import os
import shutil
import stat
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent

# lib/include/atomicio/ioctl.h
IOC_COMMIT, IOC_ABORT = 0xAF01, 0xAF02
IOC_COMMIT_NAME, IOC_ABORT_NAME = 0x4100AF03, 0x4100AF04


def scale():
    """How long the long tests run: 1 in the usual check."""
    return float(os.environ.get("ATOMICFS_TEST_SCALE", "1"))


def scaled(n):
    return max(1, int(n * scale()))


def compile_c(name, out_dir):
    """Build harness/@name.c; returns the program."""
    program = Path(out_dir) / name
    subprocess.run(
        ["cc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-D_GNU_SOURCE",
         "-D_FILE_OFFSET_BITS=64", "-pthread", "-o", program,
         HERE / f"{name}.c"], check=True)
    return program


def run(argv, cwd=None, **kwargs):
    """Run a program that must succeed; its output as text."""
    kwargs.setdefault("env", clean_env())
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          errors="surrogateescape", **kwargs)
    assert done.returncode == 0, (f"{argv} ended with {done.returncode}\n"
                                  f"{done.stdout}\n{done.stderr}")
    return done.stdout


def bash(script, cwd, **kwargs):
    return run(["bash", "-euc", script], cwd, **kwargs)


def clean_env(**more):
    """Programs shall not depend on who runs the tests."""
    keep = {k: os.environ[k] for k in ("PATH", "TMPDIR") if k in os.environ}
    return {**keep, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent",
            "TERM": "xterm", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
            "GIT_AUTHOR_DATE": "1700000000 +0000",
            "GIT_COMMITTER_DATE": "1700000000 +0000", **more}


def need(*programs):
    """The test packages bring them: a missing one is an error, no skip."""
    missing = [p for p in programs if not shutil.which(p)]
    assert not missing, f"not installed: {', '.join(missing)}"


def tree(directory):
    """{path: (kind and mode, what it holds)} of everything below."""
    found = {}
    for here, dirs, files in os.walk(directory):
        for name in dirs + files:
            path = os.path.join(here, name)
            st = os.lstat(path)
            rel = os.path.relpath(path, directory)
            holds = None
            if stat.S_ISREG(st.st_mode):
                holds = Path(path).read_bytes()
            elif stat.S_ISLNK(st.st_mode):
                holds = os.readlink(path)
            found[rel] = (oct(st.st_mode), st.st_nlink if holds and not
                          stat.S_ISLNK(st.st_mode) else 1, holds)
    found.pop(".atomicfs", None)
    return {k: v for k, v in found.items() if not k.startswith(".atomicfs/")}


def difference(a, b):
    """What differs between two trees, as text that fits on a screen."""
    said = []
    for path in sorted(set(a) | set(b)):
        if a.get(path) != b.get(path):
            said.append(f"{path}: {str(a.get(path))[:200]} != "
                        f"{str(b.get(path))[:200]}")
    return "\n".join(said[:40])
