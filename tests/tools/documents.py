# SPDX-License-Identifier: MIT
"""The commands that read and write formats, and plugins for them."""
import os
import subprocess
import sys
from pathlib import Path

from cli import call
from harness.mount import TOP, tool_path
from harness.tools import clean_env, run

SAMPLES = TOP / "tests/formats/plugins"
OK, MISSING, DATA, FORMAT, TIMEOUT, LOCK = range(6)
USAGE = 2
SLOW = float(os.environ.get("ATOMICFS_TEST_SLOW", "1"))


def env(**more):
    """With the host that was built, not one that is installed."""
    return clean_env(
        ATOMICIO_FORMAT_HOST=os.fspath(tool_path().parent / "format-host"),
        **more)


def tool(*args, text=None, **kwargs):
    """The finished process; @text is what it reads, bytes or str."""
    if text is None:
        return call(*args, env=env(), **kwargs)
    done = subprocess.run(
        [tool_path(), *args], env=env(), timeout=60 * SLOW,
        input=text if isinstance(text, bytes) else text.encode(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
    return subprocess.CompletedProcess(
        done.args, done.returncode,
        done.stdout.decode(errors="surrogateescape"),
        done.stderr.decode(errors="surrogateescape"))


def prints(*args, **kwargs):
    """What it prints; it succeeds, and in silence."""
    done = tool(*args, **kwargs)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def fails(code, *args, **kwargs):
    """The line it says when it ends with @code, without its end."""
    done = tool(*args, **kwargs)
    assert done.returncode == code, done
    assert not done.stdout, done
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n"), done
    return done.stderr[:-1]


def build_object(source, target, *flags):
    """As a user does: with the public headers, and no library."""
    run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
         "-I", TOP / "lib/include", *flags, "-o", target, source])


def write_conf(directory, name, **lines):
    """NAME.conf; a key may be given several values."""
    text = ""
    for key, values in lines.items():
        for value in [values] if isinstance(values, str) else values:
            text += f"{key} = {value}\n"
    path = Path(directory) / f"{name}.conf"
    path.write_text(text)
    path.chmod(0o644)
    return path


def script(path, text, interpreter=sys.executable):
    """A program for a .conf."""
    path = Path(path)
    path.write_text(f"#!{interpreter}\n{text}")
    path.chmod(0o755)
    return path


def own_directory(path):
    """One that plugins are taken from, whatever the umask is."""
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    return path


def install_samples(directory):
    """The three of tests/formats/plugins, from copies of their own: a clone may
    lie below a directory that others can write to."""
    own_directory(directory)
    programs = own_directory(directory / "programs")
    build_object(SAMPLES / "ini.c", directory / "ini.so")
    for name in ("properties.py", "check_users.py"):
        script(programs / name, (SAMPLES / name).read_text())
    write_conf(directory, "properties", suffix=".properties",
               load=f"{programs}/properties.py load",
               dump=f"{programs}/properties.py dump")
    write_conf(directory, "users", suffix=".users.json", base="json",
               validate=f"{sys.executable} {programs}/check_users.py")
    return directory
