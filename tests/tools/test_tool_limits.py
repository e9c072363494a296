# SPDX-License-Identifier: MIT
"""The limits that somebody meets with a file: a line, exit code 2, and the file
as it was.  What needs just as much as is allowed, is taken."""
import gzip
import json
import os
import struct
import zlib

import pytest
from documents import DATA, fails, prints

MIB = 1 << 20


def nested(levels):
    return "[" * levels + "]" * levels


def packed(size, text=b"[]"):
    """Gzip of so many bytes that says @text: it has a long comment."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(text) + packer.flush()
    end = struct.pack("<II", zlib.crc32(text), len(text))
    head = b"\x1f\x8b\x08\x10\0\0\0\0\2\3"
    comment = b"x" * (size - len(head) - 1 - len(body) - len(end))
    return head + comment + b"\0" + body + end


# limit: (name, a text that needs n more than is allowed, what is said of one).
# Made when it is needed: what pytest has in its memory, other tests take for that
# of the programs they start.
CASES = {
    "input": ("a.json", lambda n: f"[{' ' * (16 * MIB - 2 + n)}]",
              "atomicio: {name}: larger than "),
    "input-gzip": ("a.yaml.gz", lambda n: packed(16 * MIB + n),
                   "atomicio: {name}: larger than "),
    "depth": ("a.json", lambda n: nested(128 + n),
              "{name}:1:129: nested deeper than 128 levels"),
    "depth-yaml": ("a.yaml", lambda n: nested(128 + n),
                   "{name}:1:129: nested deeper than 128 levels"),
    "depth-toml": ("a.toml", lambda n: f"a = {nested(127 + n)}",
                   "{name}:1:132: nested deeper than 128 levels"),
    "nodes": ("a.json", lambda n: f"[{'1,' * (999_998 + n)}1]",
              "{name}:1:2000000: more than 1000000 values"),
    "scalar": ("a.txt.gz", lambda n: gzip.compress(b"x" * (16 * MIB + n)),
               "{name}:1:1: a string of more than 16777216 bytes"),
    "key": ("a.json", lambda n: json.dumps({"k" * (65536 + n): 1}),
            "{name}:1:2: a key of more than 65536 bytes"),
    "number": ("a.json", lambda n: "\n" + "9" * (1000 + n),
               "{name}:2:1: a number of more than 1000 characters"),
    "columns": ("a.csv", lambda n: ",".join(map(str, range(4096 + n))) + "\n",
                "{name}:1:19371: more than 4096 columns"),
    "documents": ("a.yaml", lambda n: "--- 1\n" * (1000 + n),
                  "{name}:1001:1: more than 1000 documents"),
}


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    """The file with what is taken, what is not, and what is said."""
    name, make, said = CASES[request.param]
    path = tmp_path / name
    good, bad = (x.encode() if isinstance(x, str) else x
                 for x in map(make, (0, 1)))
    path.write_bytes(good)
    return path, bad, said


def check(said, line, name):
    assert line.startswith(said.format(name=name)), line


def test_validate(case):
    path, bad, said = case
    assert prints("validate", path) == ""
    path.write_bytes(bad)
    check(said, fails(DATA, "validate", path), path)


def test_read_and_convert(case, tmp_path):
    path, bad, said = case
    out = tmp_path / "out.yaml"
    assert prints("read", "--to", "yaml", path)
    prints("convert", path, out)
    written = out.read_bytes()
    path.write_bytes(bad)
    check(said, fails(DATA, "read", path), path)
    check(said, fails(DATA, "convert", path, out), path)
    assert out.read_bytes() == written


def test_change(case, tmp_path):
    """update reads the file, write reads the data, append neither."""
    path, bad, said = case
    path.write_bytes(bad)
    check(said, fails(DATA, "update", path, "{}"), path)
    assert path.read_bytes() == bad
    line = fails(DATA, "write", "--from", path.name[2:], tmp_path / "b.json",
                 "-", text=bad)
    name = "standard input" if line.startswith("atomicio: ") else "<stdin>"
    check(said, line, name)
    prints("append", path, "\n")
    more = path.read_bytes().removeprefix(bad)
    assert more == b"\n" or gzip.decompress(more) == b"\n"
    assert os.listdir(tmp_path) == [path.name]


def test_argument(tmp_path):
    path = tmp_path / "a.json"
    prints("write", path, nested(128))
    assert fails(DATA, "write", path, nested(129)) == (
        "DATA:1:129: nested deeper than 128 levels")
    assert fails(DATA, "update", path, nested(129)) == (
        "DATA:1:129: nested deeper than 128 levels")
    assert json.loads(path.read_text()) == json.loads(nested(128))


# ---- gzip ------------------------------------------------------------------

# What is around the blanks of a document of 64 MiB.
AROUND = {"json": ("[", " ", "]"), "typed.json": ("[", " ", "]"),
          "yaml": ("a: 1\n", "\n", ""), "toml": ("a = 1\n", "\n", ""),
          "csv": ("a\n", "x" * (MIB - 1) + "\n", ""),
          "xml": ("<a>", f"<!--{'x' * MIB}-->", "</a>")}


def unzipped(name, size):
    before, fill, after = AROUND[name]
    room = size - len(before) - len(after)
    text = fill * (room // len(fill)) + fill[-1] * (room % len(fill))
    return before + text + after


@pytest.mark.parametrize("name", AROUND)
def test_unzipped(tmp_path, name):
    """The limit of the input is that of the file; what is in it may have 64
    MiB, in each format."""
    path = tmp_path / f"a.{name}.gz"
    path.write_bytes(gzip.compress(unzipped(name, 64 * MIB).encode(), 1))
    assert path.stat().st_size < 16 * MIB
    assert prints("validate", path) == ""
    prints("convert", path, tmp_path / "out.typed.json.gz")
    path.write_bytes(gzip.compress(unzipped(name, 64 * MIB + 1).encode(), 1))
    for words in (["validate", path], ["read", path], ["update", path, "[]"],
                  ["convert", path, "--to", "typed"]):
        assert fails(DATA, *words) == (
            f"atomicio: {path}: gzip: unpacks to more than {64 * MIB} bytes")


# ---- when it is written ----------------------------------------------------

def test_rendered(tmp_path):
    """Little that becomes much: each member is indented by 508 blanks."""
    path, out = tmp_path / "a.json", tmp_path / "out.json"
    path.write_text("[" * 127 + "1," * 129_000 + "1" + "]" * 127)
    prints("convert", path, out)
    before = out.stat().st_size
    assert 62 * MIB < before <= 64 * MIB
    path.write_text("[" * 127 + "1," * 133_000 + "1" + "]" * 127)
    for target in (out, tmp_path / "b.json.gz"):
        assert "larger than 67108864 bytes when written" in fails(
            DATA, "convert", path, target)
        assert "larger than 67108864 bytes when written" in fails(
            DATA, "write", target, "-", text=path.read_text())
    assert out.stat().st_size == before
    assert sorted(os.listdir(tmp_path)) == ["a.json", "out.json"]


def test_aliases(tmp_path):
    """They count where they are expanded; in YAML they stay what they are."""
    path = tmp_path / "a.yaml"
    text = f"a: &a {'x' * MIB}\nb: [{', '.join(['*a'] * 62)}]\n"
    path.write_text(text)
    assert len(prints("read", path)) > 63 * MIB
    path.write_text(text.replace("]", ", *a, *a, *a]"))
    assert prints("validate", path) == ""
    said = f"atomicio: {path}: at /b/64: aliases stand for more than 67108864 "
    for words in (["read"], ["convert", "--to", "json"]):
        assert fails(DATA, *words, path).startswith(said)
    prints("update", path, '{"c": 1}')
    assert path.read_text().endswith("\nc: 1\n")


def test_update_grows(tmp_path):
    """What is there and what comes are counted together."""
    path = tmp_path / "a.json"
    path.write_text(f"[{'1,' * 999_997}1]")
    prints("update", path, "[2]")
    before = path.read_bytes()
    assert fails(DATA, "update", path, "[3]") == (
        f"atomicio: {path}: at /999999: more than 1000000 values")
    assert path.read_bytes() == before
