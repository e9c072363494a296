# SPDX-License-Identifier: MIT
"""What the tests of the installation have in common."""
import subprocess
import tempfile

from harness.tools import clean_env

SECONDS = 300


def run(argv, env=None, **kwargs):
    """What it prints; it must succeed."""
    # Programs that meson asks for their version make a directory there.
    home = {"HOME": tempfile.gettempdir()}
    done = subprocess.run(argv, env={**clean_env(), **home, **(env or {})},
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=SECONDS, **kwargs)
    assert done.returncode == 0, f"{argv}: {done.stdout}"
    return done.stdout


def only(root, pattern):
    found = list(root.rglob(pattern))
    assert len(found) == 1, (pattern, found)
    return found[0]
