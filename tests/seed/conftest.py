# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the Python package.

The package is that of lib/python; its library is $ATOMICIO_LIBRARY, or else
the one of the build that is tested ($ATOMICFS_BUILD, build/).
"""
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

from harness.mount import TOP, Mount

PACKAGE = TOP / "lib/python"
MODE = {True: "passthrough=auto", False: "passthrough=off"}


def find_library():
    build = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))
    return os.environ.get("ATOMICIO_LIBRARY",
                          str(build / "lib/libatomicio.so.0"))


# Before any test module is imported.
os.environ["ATOMICIO_LIBRARY"] = find_library()
sys.path.insert(0, str(PACKAGE))

from atomicio import (AsyncSafeFile, SafeFile, ThreadedSafeFile,  # noqa: E402
                      unregister_format)
from seed_help import Awaited, Crew  # noqa: E402


@pytest.fixture(scope="module", params=["plain", "mount"])
def ground(request, tmp_path_factory, daemon):
    """Where the files are: a plain directory, or an atomicfs mount."""
    base = tmp_path_factory.mktemp("seed")
    if request.param == "plain":
        yield base
        return
    base.chmod(0o711)
    base.parent.chmod(0o711)
    can = os.getuid() == 0
    mount = Mount(base, [MODE[can]], program=daemon).start()
    mount.allow_log("rolled back .*(aborted|killed)")
    yield mount.mnt
    mount.finish()


@pytest.fixture
def folder(ground, request):
    """An empty directory there; by its end nothing may be in it but what the
    test names: no litter."""
    name = re.sub(r"\W+", "-", request.node.name)[:200]
    path = Path(tempfile.mkdtemp(prefix=name, dir=ground))
    yield path
    litter = [name for name in os.listdir(path)
              if name.startswith(".atomicio") or name.endswith((".lock",
                                                                ".tmp"))]
    assert not litter


KINDS = {"SafeFile": SafeFile, "ThreadedSafeFile": ThreadedSafeFile,
         "AsyncSafeFile": lambda *args, **kwargs: Awaited(
             AsyncSafeFile(*args, **kwargs))}


@pytest.fixture(params=list(KINDS))
def kind(request):
    """kind(path, timeout): an object of each class; the methods of
    AsyncSafeFile are awaited in a loop of its own."""
    return KINDS[request.param]


@pytest.fixture
def crew():
    """Processes, forked from this one."""
    processes = Crew()
    yield processes
    processes.end()


@pytest.fixture
def formats_back():
    """Formats that the test registers are gone afterwards."""
    names = []
    yield names.append
    for name in names:
        unregister_format(name)
