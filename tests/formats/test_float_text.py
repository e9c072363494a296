# SPDX-License-Identifier: MIT
"""The text of a float that was not written as JSON writes it: the shortest one
that reads back equal, as Python's repr has it."""
import json
import random
import struct

import pytest

from test_cases import must


def of_bits(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def bits_of(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def powers_of_two():
    """And their neighbours: below them doubles are denser than above."""
    values = []
    for exponent in range(-1074, 1024):
        bits = bits_of(2.0**exponent)
        values += [of_bits(bits + n) for n in (-1, 0, 1)]
    return values


def powers_of_ten():
    values = []
    for exponent in range(-323, 309):
        bits = bits_of(float(f"1e{exponent}"))
        values += [of_bits(max(bits + n, 0)) for n in (-1, 0, 1)]
    return values


def any_bits(rand):
    return [value for _ in range(30_000)
            if abs(value := of_bits(rand.getrandbits(64))) < float("inf")]


def subnormal(rand):
    return [of_bits(rand.getrandbits(rand.randint(1, 52)))
            for _ in range(10_000)]


def decimal(rand):
    return [rand.randint(1, 10**rand.randint(1, 17)) / 10**rand.randint(0, 25)
            for _ in range(30_000)]


CASES = {
    "powers-of-two": lambda rand: powers_of_two(),
    "powers-of-ten": lambda rand: powers_of_ten(),
    "bits": any_bits,
    "subnormal": subnormal,
    "decimal": decimal,
    "hard": lambda rand: [
        0.0, -0.0, 5e-324, 2.2250738585072011e-308, 2.2250738585072014e-308,
        1.7976931348623157e308, 9007199254740993.0, 1e16, 1e15, 1e22, 1e23,
        0.0001, 0.00001, 123456789012345680.0, 9.5e-7, 4.35, 0.3, 2 / 3],
}


def of_toml(value):
    """All digits, in groups: no text that JSON could keep."""
    text = f"{value:.17e}"
    at = text.index(".") + 2
    return text[:at] + "_" + text[at:]


@pytest.mark.parametrize("case", CASES)
def test_shortest(case):
    values = CASES[case](random.Random(case))
    assert len(values) > 10
    source = "a = [" + ", ".join(map(of_toml, values)) + "]\n"
    typed = json.loads(must("toml", "typed", source.encode()))
    texts = [scalar["value"] for scalar in typed["a"]]
    assert texts == [repr(value) for value in values]
