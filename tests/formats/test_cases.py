# SPDX-License-Identifier: MIT
"""The cases of each codec: tests/formats/CODEC/cases/NAME/ has

    input    a document of this format
    output   what it says, as typed JSON, or
    error    what is wrong with it: "LINE:COLUMN: message"
    dump     how it is written again (may be missing)

What is loaded has to survive being written in its own format and as typed
JSON, too.
"""
import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
KNOWN = {"input", "output", "error", "dump"}


def program():
    build = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))
    return build / "tests/formats/codec"


def convert(source, target, text):
    """(exit code, bytes out, message) of the driver."""
    done = subprocess.run([program(), source, target], input=text,
                          capture_output=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout, done.stderr.decode()


def must(source, target, text):
    code, out, said = convert(source, target, text)
    assert code == 0 and not said, said
    return out


def cases():
    return sorted(path for path in HERE.glob("*/cases/*") if path.is_dir())


def name_of(path):
    return f"{path.parts[-3]}-{path.name}"


def in_order(text):
    """JSON as nested lists, so that the order of keys counts."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("map", pairs))


def check_value(codec, text, case):
    typed = must(codec, "typed", text)
    expected = (case / "output").read_bytes()
    assert in_order(typed) == in_order(expected)
    assert must("typed", "typed", expected) == typed
    again = must(codec, codec, text)
    assert must(codec, "typed", again) == typed
    assert must(codec, codec, again) == again
    if (case / "dump").exists():
        assert again == (case / "dump").read_bytes()


def check_error(codec, text, case):
    code, out, said = convert(codec, "typed", text)
    assert (code, said) == (1, (case / "error").read_text())
    assert not out


@pytest.mark.parametrize("case", cases(), ids=name_of)
def test_case(case):
    names = {path.name for path in case.iterdir()}
    assert names <= KNOWN and "input" in names
    assert ("output" in names) != ("error" in names)
    text = (case / "input").read_bytes()
    check = check_value if "output" in names else check_error
    check(case.parts[-3], text, case)


def test_there_are_cases():
    """Each directory of a codec has some."""
    kinds = {path.parts[-3] for path in cases()}
    assert kinds and kinds == {path.name for path in HERE.iterdir()
                               if (path / "cases").is_dir()}
