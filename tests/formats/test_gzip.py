# SPDX-License-Identifier: MIT
"""Gzip around a document, against Python's."""
import gzip
import io
import struct
import zlib

import pytest

from test_cases import convert, must

TEXTS = [b"", b"x", b"some text\n", b"\x00" * 70000,
         bytes(range(32, 127)) * 3000]


def header(flags, fields=b""):
    return b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\x02\x03" + fields


def member(text, flags=0, fields=b""):
    """One by hand, with whatever fields the header has."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    return (header(flags, fields) + packed +
            struct.pack("<II", zlib.crc32(text), len(text)))


def unpacked(packed):
    return must("txt.gz", "txt", packed)


def message(packed):
    code, out, said = convert("txt.gz", "txt", packed)
    assert code == 1 and not out
    return said.strip()


@pytest.mark.parametrize("text", TEXTS, ids=len)
def test_there_and_back(text):
    packed = must("txt", "txt.gz", text)
    assert gzip.decompress(packed) == text
    assert unpacked(packed) == text


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("text", TEXTS, ids=len)
def test_of_others(text, level):
    assert unpacked(gzip.compress(text, level)) == text


def test_same_bytes_each_time():
    """No time, no name: what is packed twice is the same."""
    packed = must("txt", "txt.gz", b"text")
    assert packed == must("txt", "txt.gz", b"text")
    assert packed[3] == 0 and packed[4:8] == b"\0\0\0\0"


def test_name_and_time_of_others():
    out = io.BytesIO()
    with gzip.GzipFile("name", "wb", fileobj=out, mtime=1e9) as f:
        f.write(b"text")
    assert unpacked(out.getvalue()) == b"text"


def test_all_fields():
    fields = b"\x04\0abcd" + b"name\0" + b"comment\0"
    check = struct.pack("<H", zlib.crc32(header(0x1F, fields)) & 0xFFFF)
    assert unpacked(member(b"text", 0x1F, fields + check)) == b"text"
    wrong = struct.pack("<H", ~zlib.crc32(header(0x1F, fields)) & 0xFFFF)
    assert "damaged" in message(member(b"text", 0x1F, fields + wrong))


def test_several_members():
    packed = gzip.compress(b"one ") + gzip.compress(b"") + \
        gzip.compress(b"two") * 1000
    assert unpacked(packed) == b"one " + b"two" * 1000


@pytest.mark.parametrize("garbage", [b"\0", b"x", b"\x1f", b"\n", b"\0" * 512],
                         ids=["nul", "x", "half-magic", "line", "tape"])
def test_garbage_behind(garbage):
    said = message(gzip.compress(b"text") + garbage)
    assert "something else follows" in said


def test_cut_anywhere():
    """A part of it is never taken for all of it."""
    packed = gzip.compress(b"some text\n" * 3)
    for n in range(2, len(packed)):
        assert "ends in the middle" in message(packed[:n])
    for n in range(2):
        assert "not gzip" in message(packed[:n])


def test_second_member_cut():
    packed = gzip.compress(b"one")
    assert "ends in the middle" in message(packed + packed[:-1])


@pytest.mark.parametrize("place", [-1, -5, 2, 10])
def test_damaged(place):
    """Length, checksum, method, content."""
    packed = bytearray(gzip.compress(b"some text\n" * 3))
    packed[place] ^= 0xFF
    assert "damaged" in message(bytes(packed))


def test_bomb():
    """64 MiB and no more: at a byte less it is fine, and its end is not."""
    most = 64 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b"\0" * (most + 1)) + packer.flush()
    assert f"unpacks to more than {most} bytes" in message(bomb)


def test_document_below():
    packed = gzip.compress(b'{"a": [1, 2.50]}')
    assert must("json.gz", "json", packed) == \
        b'{\n    "a": [\n        1,\n        2.50\n    ]\n}\n'
    code, _, said = convert("json.gz", "json", gzip.compress(b"[1,\n 2"))
    assert (code, said) == (1, "2:3: expected ',' or ']' after a value, "
                               "but the document ends\n")
