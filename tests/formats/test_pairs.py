# SPDX-License-Identifier: MIT
"""Random values through every pair of formats, against the table of what each
format can hold: exact, re-typed to a text, or an error that names the place."""
import base64
import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from harness.mount import TOP
from harness.tools import scaled

BUILD = Path(os.environ.get("ATOMICFS_BUILD", TOP / "build"))
DRIVER = BUILD / "tests/formats/codec"
TREES = 120


class CannotHold(Exception):
    pass


# ---- values, as typed JSON -----------------------------------------------------

SCALARS = [("null", ""), ("bool", "true"), ("bool", "false"), ("integer", "0"),
           ("integer", "-9223372036854775808"),
           ("integer", "9223372036854775808"),
           ("integer", "123456789012345678901234567890"), ("float", "0.1"),
           ("float", "1e+300"), ("float", "-0.0"), ("float", "inf"),
           ("float", "nan"), ("string", ""), ("string", "text"),
           ("string", "no"), ("string", "012"), ("string", " a\nb\tc "),
           ("string", "caf\u00e9 \U0001F600"), ("string", "nul\0"),
           ("string", "bell\x07"), ("string", "<&>\"'"),
           ("datetime", "1979-05-27T07:32:00Z"),
           ("datetime-local", "1979-05-27T07:32:00.5"),
           ("date-local", "1979-05-27"), ("time-local", "07:32:00"),
           ("bytes", base64.b64encode(b"\0\xffab").decode())]
# So that whole documents are held, too.
COMMON = [s for s in SCALARS if s[0] in ("bool", "float", "string", "integer")
          and s[1] not in ("inf", "nan", "nul\0", "bell\x07")
          and len(s[1]) < 19]
TIMES = ("datetime", "datetime-local", "date-local", "time-local")


def scalar(rng, scalars):
    kind, text = rng.choice(scalars)
    return {"type": kind, "value": text}


def is_scalar(value):
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def element(rng, scalars, depth):
    """What XML can hold, or almost."""
    attributes = {f"a{n}": scalar(rng, scalars)
                  for n in range(rng.choice([0, 1, 1, 2]))}
    if rng.random() < 0.1:
        attributes["a0"] = value(rng, scalars, depth - 1)
    key = rng.choice(["#text", "k0", "k0"])
    inner = value(rng, scalars, rng.choice([0, depth - 1]))
    members = [("@attributes", attributes), (key, inner)]
    rng.shuffle(members)
    return dict(members[rng.choice([0, 0, 0, 1]):])


def value(rng, scalars, depth):
    kind = rng.choice("smlte") if depth else "s"
    if kind == "s":
        return scalar(rng, scalars)
    if kind == "m":
        return {f"k{n}": value(rng, scalars, depth - 1)
                for n in range(rng.randint(0, 3))}
    if kind == "e":
        return element(rng, scalars, depth)
    if kind == "t":
        keys = [f"c{n}" for n in range(rng.randint(1, 3))]
        return [{k: scalar(rng, scalars) for k in keys}
                for _ in range(rng.randint(1, 3))]
    return [value(rng, scalars, depth - 1) for _ in range(rng.randint(0, 3))]


def document(rng):
    scalars = rng.choice([SCALARS, COMMON, COMMON])
    inner = value(rng, scalars, 3)
    return rng.choice([inner, {"root": inner}])


# ---- the table -------------------------------------------------------------------

def string(text):
    return {"type": "string", "value": text}


def is_big(node):
    return (node["type"] == "integer"
            and not -2**63 <= int(node["value"]) < 2**63)


def json_scalar(node):
    if node["value"] in ("inf", "-inf", "nan") and node["type"] == "float":
        raise CannotHold
    return (string(node["value"]) if node["type"] in (*TIMES, "bytes")
            else node)


def yaml_scalar(node):
    return string(node["value"]) if node["type"] in TIMES else node


def toml_scalar(node):
    if node["type"] == "null" or is_big(node):
        raise CannotHold
    return string(node["value"]) if node["type"] == "bytes" else node


def text_scalar(node):
    if "\0" in node["value"]:
        raise CannotHold
    return string(node["value"])


def xml_scalar(node):
    if node["type"] == "null" or "\x07" in node["value"]:
        raise CannotHold
    return text_scalar(node)


def mapped(node, function):
    if is_scalar(node):
        return function(node)
    if isinstance(node, list):
        return [mapped(one, function) for one in node]
    return {key: mapped(one, function) for key, one in node.items()}


def to_toml(node):
    if is_scalar(node) or isinstance(node, list):
        raise CannotHold
    return mapped(node, toml_scalar)


def to_csv(node):
    if not isinstance(node, list) or any(
            is_scalar(row) or not isinstance(row, dict) or not row
            or list(row) != list(node[0]) for row in node):
        raise CannotHold
    if not all(is_scalar(cell) for row in node for cell in row.values()):
        raise CannotHold
    return mapped(node, text_scalar)


def xml_element(node):
    if is_scalar(node):
        return xml_scalar(node)
    if not isinstance(node, dict) or not node:
        raise CannotHold
    return {key: xml_attributes(one) if key == "@attributes"
            else xml_text(node) if key == "#text" else xml_member(one)
            for key, one in node.items()}


def xml_attributes(node):
    if is_scalar(node) or not isinstance(node, dict) or not node:
        raise CannotHold
    if not all(is_scalar(one) for one in node.values()):
        raise CannotHold
    return mapped(node, xml_scalar)


def xml_text(node):
    """An element has text or elements, and is a text where that is all."""
    if len(node) == 1 or set(node) - {"@attributes", "#text"}:
        raise CannotHold
    if not is_scalar(node["#text"]) or not node["#text"]["value"]:
        raise CannotHold
    return xml_scalar(node["#text"])


def xml_member(node):
    """A list is a repeated element, which one or none is not."""
    if isinstance(node, list):
        if len(node) < 2:
            raise CannotHold
        return [xml_element(one) for one in node]
    return xml_element(node)


def to_xml(node):
    if is_scalar(node) or not isinstance(node, dict) or len(node) != 1:
        raise CannotHold
    if "@attributes" in node or "#text" in node:
        raise CannotHold
    return {key: xml_element(one) for key, one in node.items()}


HELD = {"json": lambda node: mapped(node, json_scalar),
        "yaml": lambda node: mapped(node, yaml_scalar),
        "toml": to_toml, "csv": to_csv, "xml": to_xml,
        "typed": lambda node: node}


# ---- the pairs ---------------------------------------------------------------------

def convert(source, target, text):
    """What is written, or None and what is said."""
    done = subprocess.run([DRIVER, source, target], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stdout.decode() if done.returncode == 0 else None


def expected(node, target):
    try:
        return HELD[target](node)
    except CannotHold:
        return None


@pytest.mark.parametrize("first", HELD)
@pytest.mark.parametrize("second", HELD)
def test_pair(first, second):
    """Typed to the first, to the second, and back to typed."""
    rng, held = random.Random(f"{first}-{second}"), 0
    for _ in range(scaled(TREES)):
        tree = document(rng)
        want = expected(tree, first)
        text = convert("typed", first, json.dumps(tree))
        assert (text is None) == (want is None), (tree, text)
        if text is None:
            continue
        assert json.loads(convert(first, "typed", text)) == want, (tree, text)
        again = expected(want, second)
        text = convert(first, second, text)
        assert (text is None) == (again is None), (want, text)
        if text is not None:
            held += 1
            assert json.loads(convert(second, "typed", text)) == again, (
                want, text)
    if "csv" in (first, second) and {"toml", "xml"} & {first, second}:
        assert held == 0  # a list, or a map
    else:
        assert held >= scaled(TREES) // 30
