# SPDX-License-Identifier: MIT
"""File systems in a file, for tests that need one of a kind or a size."""
import contextlib
import os
import subprocess
from pathlib import Path

from harness.mount import unmount


@contextlib.contextmanager
def loop_mount(image, directory, options=""):
    """The file system in @image, mounted at @directory."""
    os.makedirs(directory, exist_ok=True)
    options = "loop," + options if options else "loop"
    subprocess.run(["mount", "-o", options, image, directory], check=True)
    try:
        yield Path(directory)
    finally:
        unmount(directory)


def make_image(path, size, *mkfs):
    """A file of @size bytes with a file system made by the command @mkfs."""
    with open(path, "wb") as f:
        f.truncate(size)
    subprocess.run([*mkfs, path], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)
    return Path(path)
