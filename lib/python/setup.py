# SPDX-License-Identifier: MIT
"""Build the package with libatomicio in it, from a clone of the repository.

The library is that of $ATOMICIO_LIBRARY, or else built now by meson.  With it
comes the program that runs plugins which are shared objects, that of
$ATOMICIO_FORMAT_HOST or the one that is built now.  All else is in
pyproject.toml.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

TOP = Path(__file__).resolve().parents[2]
SONAME = "libatomicio.so.0"
HOST = "format-host"


def build(directory: Path) -> "dict[str, Path]":
    """Build there what the package has beside its modules; SystemExit."""
    if not (TOP / "lib/atio.map").exists():
        sys.exit("atomicio is built from a clone of its whole repository, or "
                 "with a library that ATOMICIO_LIBRARY names")
    for command in (["meson", "setup", directory, TOP, "--buildtype=release"],
                    ["meson", "compile", "-C", directory,
                     "atomicio:shared_library", HOST]):
        if not (directory / "build.ninja").exists() or "compile" in command:
            subprocess.run(command, check=True)
    return {SONAME: directory / "lib" / SONAME,
            HOST: directory / "tools" / HOST}


def given() -> "dict[str, Path]":
    """What the environment names.  A host is of no use without its library."""
    named = {SONAME: os.environ.get("ATOMICIO_LIBRARY"),
             HOST: os.environ.get("ATOMICIO_FORMAT_HOST")}
    return ({name: Path(path) for name, path in named.items() if path}
            if named[SONAME] else {})


class BuildWithLibrary(build_py):
    """build_py, and the library and its host beside the modules."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return  # the modules stay where they are, and so does the library
        temp = Path(self.get_finalized_command("build").build_temp)
        package = Path(self.build_lib) / "atomicio"
        package.mkdir(parents=True, exist_ok=True)
        for name, path in (given() or build(temp.resolve() / "meson")).items():
            shutil.copyfile(path, package / name)
            (package / name).chmod(0o755 if name == HOST else 0o644)


class PlatformWheel(bdist_wheel):
    """For any Python 3 of this machine's kind."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> "tuple[str, str, str]":
        return "py3", "none", super().get_tag()[2]


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
