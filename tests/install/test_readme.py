# SPDX-License-Identifier: MIT
"""The README's console lines print what they are shown to print."""
import re
import subprocess

import pytest

from harness.mount import TOP
from harness.tools import clean_env
from install_help import SECONDS

README = (TOP / "README.md").read_text()


def section(title):
    """[(command, output)] of its console blocks, in their order."""
    text = re.search(rf"^## {title}\n(.*?)^## ", README, re.M | re.S).group(1)
    pairs = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            # A command goes on until its quotes are closed.
            lines, n = part.splitlines(keepends=True), 1
            while "".join(lines[:n]).count('"') % 2:
                n += 1
            pairs.append(("".join(lines[:n]), "".join(lines[n:])))
    return pairs


@pytest.mark.parametrize("sections", [["Formats", "Python"]], ids="+".join)
def test_console(sections, found, tmp_path):
    pairs = [pair for title in sections for pair in section(title)]
    assert len(pairs) > 10
    for command, output in pairs:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, text=True,
            env={**clean_env(), **found}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
        assert done.stdout == output, command


def test_table():
    """Which to use when."""
    rows = re.search(r"^## Which to use\n(.*?)^## ", README,
                     re.M | re.S).group(1)
    assert "| | the mount | C library | Python | command line |" in rows
