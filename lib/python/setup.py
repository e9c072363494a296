# SPDX-License-Identifier: MIT
"""Build the package with libatomicio in it, from a clone of the repository.

The library is that of $ATOMICIO_LIBRARY, or else built now by meson.  All else
is in pyproject.toml.
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


def built_library(directory: Path) -> Path:
    """Build it there; SystemExit."""
    if not (TOP / "lib/atio.map").exists():
        sys.exit("atomicio is built from a clone of its whole repository, or "
                 "with a library that ATOMICIO_LIBRARY names")
    for command in (["meson", "setup", directory, TOP, "--buildtype=release"],
                    ["meson", "compile", "-C", directory,
                     "atomicio:shared_library"]):
        if not (directory / "build.ninja").exists() or "compile" in command:
            subprocess.run(command, check=True)
    return directory / "lib" / SONAME


class BuildWithLibrary(build_py):
    """build_py, and the library beside the modules."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return  # the modules stay where they are, and so does the library
        given = os.environ.get("ATOMICIO_LIBRARY")
        temp = Path(self.get_finalized_command("build").build_temp)
        library = Path(given) if given else built_library(
            temp.resolve() / "meson")
        target = Path(self.build_lib) / "atomicio" / SONAME
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library, target)


class PlatformWheel(bdist_wheel):
    """For any Python 3 of this machine's kind."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> "tuple[str, str, str]":
        return "py3", "none", super().get_tag()[2]


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
