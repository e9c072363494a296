# SPDX-License-Identifier: MIT
"""Limits of documents, as a program sets them for a file."""
import gzip
import json
import pickle

import pytest

from atomicio import (AsyncSafeFile, FileReadError, FileWriteError, SafeFile,
                      ThreadedSafeFile)

# name of the file, its text, a limit, and how much of it that needs
READING = [
    ("a.json", "[1, 2]", "input_bytes", 6),
    ("a.json", "[[[1]]]", "depth", 3),
    ("a.yaml", "a: [1, 2]\n", "nodes", 5),
    ("a.json", '"text"', "scalar_bytes", 4),
    ("a.toml", "name = 1\n", "key_bytes", 4),
    ("a.json", "12345", "number_chars", 5),
    ("a.csv", "a,b,c\n1,2,3\n", "columns", 3),
    ("a.json.gz", gzip.compress(b"[" + b" " * 998 + b"]"), "unzipped_bytes",
     1000),
    ("a.yaml", "- &a [1, 2]\n- *a\n- *a\n", "alias_nodes", 6),
    ("a.yaml", "- &a text\n- *a\n- *a\n", "alias_bytes", 8),
]


@pytest.mark.parametrize("name, text, limit, least", READING,
                         ids=[case[2] for case in READING])
def test_read_and_update(kind, folder, name, text, limit, least):
    path = folder / name
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(content)
    value = kind(path).read()
    assert kind(path, limits={limit: least}).read() == value
    small = kind(path, limits={limit: least - 1})
    with pytest.raises(FileReadError) as caught:
        small.read()
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(str(path))
    if not limit.startswith("alias"):  # in YAML they stay what they are
        with pytest.raises(FileWriteError, match=str(least - 1)):
            small.update(value)
    assert path.read_bytes() == content
    assert small.read_bytes() == content


def test_write(kind, folder):
    path = folder / "a.json"
    kind(path).write([1])
    size = path.stat().st_size
    assert size == len("[\n    1\n]\n")
    kind(path, limits={"output_bytes": size}).write([2])
    with pytest.raises(FileWriteError, match="larger than 9 bytes"):
        kind(path, limits={"output_bytes": size - 1}).write([3])
    assert kind(path).read() == [2]


def test_more_than_usual(kind, folder):
    """The default is 512; json itself ends at Python's own limit."""
    path = folder / "a.json"
    path.write_text("[" * 600 + "]" * 600)
    with pytest.raises(FileReadError, match="deeper than 512 levels"):
        kind(path).read()
    large = kind(path, limits={"depth": 600})
    value = large.read()
    large.write({"a": value[0]})
    assert json.loads(path.read_text()) == {"a": value[0]}
    with pytest.raises(FileWriteError, match="deeper than 600 levels"):
        large.write([value])


@pytest.mark.parametrize("name, part, times, text", [
    ("a.json.gz", b"[[],", 1_200_000, "values"),
    ("a.json.gz", b" ", (64 << 20) + 1, "unpacks to more"),
    ("a.txt", b"x", (16 << 20) + 1, "larger than"),
], ids=["nodes", "unzipped", "input"])
def test_limits_of_files(kind, folder, name, part, times, text):
    """Without any given, what somebody made to be very much is refused."""
    path = folder / name
    content = part[:1] + part[1:] * times + b"1]" if part[1:] else part * times
    path.write_bytes(gzip.compress(content) if name.endswith(".gz")
                     else content)
    with pytest.raises(FileReadError, match=text):
        kind(path).read()


@pytest.mark.parametrize("cls", [SafeFile, ThreadedSafeFile, AsyncSafeFile])
def test_what_is_no_limit(cls):
    for limits in ({"deep": 1}, {"depth": 0}, {"depth": -1}, {"depth": True},
                   {"depth": "1"}, {"depth": 1.0}, {"depth": None},
                   {"depth": 10_001}, {"input_bytes": 1 << 31 | 1},
                   {"nodes": 1 << 64}):
        with pytest.raises(ValueError):
            cls("a.json", limits=limits)
    assert cls("a.json").limits is None


def test_travel(folder):
    given = {"depth": 1}
    file = SafeFile(folder / "a.json", limits=given)
    given["depth"] = 9
    assert file.limits == {"depth": 1}
    file.write_bytes(b"[[1]]")
    again = pickle.loads(pickle.dumps(file))
    assert again.limits == file.limits
    for one in (file, again):
        with pytest.raises(FileReadError), one.locked() as f:
            f.read()
