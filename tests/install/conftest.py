# SPDX-License-Identifier: MIT
"""What `meson install` puts where, below a directory."""
import os
from pathlib import Path

import pytest

from harness.mount import TOP
from harness.tools import need
from install_help import only, run

BUILD = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    need("meson", "pkg-config", "gcc")
    root = tmp_path_factory.mktemp("root")
    run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"],
        {"DESTDIR": str(root)})
    return root


@pytest.fixture(scope="session")
def found(installed):
    """The environment in which all of it is found."""
    pc = only(installed, "atomicio.pc")
    package = only(installed, "atomicio/__init__.py").parent
    tool = only(installed, "bin/atomicio")
    return {"PKG_CONFIG_SYSROOT_DIR": str(installed),
            "PKG_CONFIG_PATH": str(pc.parent),
            "LD_LIBRARY_PATH": str(only(installed,
                                        "libatomicio.so.0").parent),
            "PATH": f"{tool.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(package.parent)}
