# SPDX-License-Identifier: MIT
"""XML against Python's xml.etree, with random trees and broken documents."""
import json
import random
import xml.etree.ElementTree as ET

import pytest

from test_cases import convert, must

NAMES = ["a", "b", "c", "item", "_x", "a-b.c", "é", "名前", "a·b", "B2"]
BITS = ["x", " ", "\n", "\t", "\r", "&", "<", ">", '"', "'", "]]>", "é", "😀",
        "\u2028", "\u0085", "\ufeff", "0", "text"]
BLANK = " \t\r\n"


def typed(value):
    if isinstance(value, str):
        return {"type": "string", "value": value}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return {key: typed(item) for key, item in value.items()}


def untyped(value):
    if isinstance(value, list):
        return [untyped(item) for item in value]
    if isinstance(value.get("type"), str):
        return value["value"]
    return {key: untyped(item) for key, item in value.items()}


# ---- trees ---------------------------------------------------------------

def random_text(rng):
    return "".join(rng.choice(BITS) for _ in range(rng.choice([0, 1, 1, 3, 9])))


def attributes(texts):
    return {"@attributes": texts} if texts else {}


def random_value(rng, depth):
    """A value as one reads it from XML."""
    if depth == 0 or rng.random() < 0.4:
        return random_text(rng)
    names = rng.sample(NAMES, rng.choice([0, 0, 1, 2]))
    value = attributes({name: random_text(rng) for name in names})
    if value and rng.random() < 0.3:
        text = random_text(rng)
        return {**value, "#text": text} if text else value
    for name in rng.sample(NAMES, rng.randrange(0 if value else 1, 4)):
        items = [random_value(rng, depth - 1)
                 for _ in range(rng.choice([1, 1, 2, 5]))]
        value[name] = items if len(items) > 1 else items[0]
    return value


def random_root(rng):
    """Some hundred trees in one document."""
    return {"root": {"t": [random_value(rng, 4) for _ in range(100)]}}


def of_element(element):
    """What an element of Python's is as a value; None: mixed content."""
    value = attributes(dict(element.attrib))
    text = element.text or ""
    for child in element:
        inner = of_element(child)
        if inner is None or text.strip(BLANK):
            return None
        if child.tag not in value:
            value[child.tag] = inner
        elif isinstance(value[child.tag], list):
            value[child.tag].append(inner)
        else:
            value[child.tag] = [value[child.tag], inner]
        text = child.tail or ""
    if len(element) and text.strip(BLANK):
        return None
    if not value:
        return text
    if text and not len(element):
        value["#text"] = text
    return value


def pythons(text):
    root = ET.fromstring(text)
    inner = of_element(root)
    return None if inner is None else {root.tag: inner}


# ---- documents -----------------------------------------------------------

def escaped(rng, text, quote=""):
    """@text as it may be written, one way or another."""
    out = ""
    for char in text:
        kind = rng.random()
        if char in "&<>\r" + quote or (quote and char in "\n\t"):
            kind = 0
        if kind < 0.1:
            out += rng.choice([f"&#{ord(char)};", f"&#x{ord(char):X};"])
        elif kind < 0.15 and not quote:
            out += f"<![CDATA[{char}]]>"
        else:
            out += char
    return out


def between(rng):
    return rng.choice(["", "", "\n", " \t", "<!-- x -->", "<?p q?>", "&#32;"])


def written(rng, name, value):
    if isinstance(value, list):
        return between(rng).join(written(rng, name, item) for item in value)
    if isinstance(value, str):
        value = {"#text": value} if value else {}
    head = name
    for key, text in value.get("@attributes", {}).items():
        quote = rng.choice("'\"")
        head += (rng.choice([" ", "\n ", "\t"]) + key +
                 rng.choice(["=", " = "]) + quote +
                 escaped(rng, text, quote) + quote)
    inner = escaped(rng, value.get("#text", ""))
    children = [written(rng, key, item) for key, item in value.items()
                if key[0] not in "@#"]
    if children:
        children = [between(rng), *children, between(rng)]
        inner = between(rng).join(children)
    if not inner and rng.random() < 0.5:
        return f"<{head}/>"
    return f"<{head}>{inner}</{name}>"


@pytest.mark.parametrize("seed", range(20))
def test_trees_are_read(seed):
    rng = random.Random(f"read {seed}")
    tree = random_root(rng)
    text = written(rng, "root", tree["root"])
    assert pythons(text) == tree, "the test is wrong"
    assert untyped(json.loads(must("xml", "typed", text.encode()))) == tree


@pytest.mark.parametrize("seed", range(20))
def test_trees_are_written(seed):
    """Python reads the same, and so do we."""
    rng = random.Random(f"write {seed}")
    tree = random_root(rng)
    text = must("typed", "xml", json.dumps(typed(tree)).encode())
    assert pythons(text) == tree
    assert untyped(json.loads(must("xml", "typed", text))) == tree
    assert must("xml", "xml", text) == text


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1", "US-ASCII"])
def test_other_encodings(encoding):
    """The same trees in other bytes."""
    rng = random.Random(encoding)
    tree = random_root(rng)
    text = written(rng, "root", tree["root"])
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + text
    if encoding != "UTF-16":
        # Names cannot be written as references.
        for name in NAMES:
            text = text.replace(name, name.encode("ascii", "replace").decode()
                                .replace("?", "_"))
    data = text.encode(encoding, "xmlcharrefreplace")
    if b"<![CDATA[&#" in data:
        data = data.replace(b"<![CDATA[&#", b"<![CDATA[-")
    assert untyped(json.loads(must("xml", "typed", data))) == pythons(data)


@pytest.mark.parametrize("seed", range(4))
def test_broken(seed):
    """Documents are refused exactly where Python's are, and where text stands
    beside elements."""
    rng = random.Random(f"broken {seed}")
    whole = written(rng, "r", {"@attributes": {"k": "v"}, "c": "t",
                               "b": ["1", {"@attributes": {"x": "&"}}]})
    refused = 0
    for _ in range(120):
        at = rng.randrange(len(whole))
        put = rng.choice(["", "", "<", ">", "&", "'", '"', "/", "x", "=", " ",
                          "<d/>", "]]>", "--", "\x0b", "&lt;", "</b>", "\ufffe"])
        text = whole[:at] + put + whole[at + rng.choice([0, 1, 1, 3]):]
        try:
            expected = pythons(text)
        except ET.ParseError:
            expected = None
        code, out, said = convert("xml", "typed", text.encode())
        assert (code == 0) == (expected is not None), (text, said)
        if expected is None:
            refused += 1
        else:
            assert untyped(json.loads(out)) == expected, text
    assert 0 < refused < 120


# ---- what is not written -------------------------------------------------

def with_attribute(key, value):
    return {"r": {"@attributes": {"a": "1"}, key: value}}


REFUSED = {
    "string": ("x", ""),
    "list": ([{"a": "1"}], ""),
    "empty-root": ({}, ""),
    "two-roots": ({"a": "1", "b": "2"}, ""),
    "list-of-roots": ({"a": ["1", "2"]}, "/a"),
    "attributes-as-root": ({"@attributes": {"a": "1"}}, "/@attributes"),
    "text-as-root": ({"#text": "1"}, "/#text"),
    "list-empty": ({"r": {"a": []}}, "/r/a"),
    "list-in-list": ({"r": {"a": ["1", ["2", "3"]]}}, "/r/a/1"),
    "list-in-first-of-list": ({"r": {"a": [["2", "3"], "1"]}}, "/r/a/0"),
    "text-list": (with_attribute("#text", ["x", "y"]), "/r/#text"),
    "text-empty": (with_attribute("#text", ""), "/r/#text"),
    "text-alone": ({"r": {"#text": "x"}}, "/r/#text"),
    "text-beside-element": ({"r": {"#text": "x", "a": "y"}}, "/r/#text"),
    "text-beside-all": ({"r": {"@attributes": {"a": "1"}, "#text": "x",
                               "b": "y"}}, "/r/#text"),
    "attributes-text": ({"r": {"@attributes": "a"}}, "/r/@attributes"),
    "attributes-list": ({"r": {"@attributes": [{"a": "1"}, {"b": "2"}]}},
                        "/r/@attributes"),
    "attributes-none": ({"r": {"@attributes": {}}}, "/r/@attributes"),
    "attributes-none-beside-element": ({"r": {"@attributes": {}, "a": "1"}},
                                       "/r/@attributes"),
    "attribute-map": ({"r": {"@attributes": {"a": {"b": "1"}}}},
                      "/r/@attributes/a"),
    "attribute-list": ({"r": {"x": {"@attributes": {"a": ["1", "2"]}}}},
                       "/r/x/@attributes/a"),
    "attribute-outside": ({"r": {"@a": "1"}}, "/r/@a"),
    "name-empty": ({"r": {"": "1"}}, "/r/"),
    "name-empty-attribute": (with_attribute("a", {"@attributes": {"": "1"}}),
                             "/r/a/@attributes/"),
    "name-blank-attribute": ({"r": {"@attributes": {"a": "1", "b c": "2"}}},
                             "/r/@attributes/b c"),
    "name-attribute-in-list": (
        {"r": {"x": ["1", {"@attributes": {"1a": "2"}}]}},
        "/r/x/1/@attributes/1a"),
    "name-attribute-emoji": ({"r": {"@attributes": {"😀": "2"}}},
                             "/r/@attributes/😀"),
    "name-blank": ({"r": {"a b": "1"}}, "/r/a b"),
    "name-blank-root": ({" r": "1"}, "/ r"),
    "name-digit": ({"r": {"1a": "1"}}, "/r/1a"),
    "name-hyphen": ({"r": {"-a": "1"}}, "/r/-a"),
    "name-hash": ({"r": {"#a": "1"}}, "/r/#a"),
    "name-slash": ({"r": {"a/b": "1"}}, "/r/a~1b"),
    "name-tag": ({"r": {"a><b": "1"}}, "/r/a><b"),
    "name-attributes": ({"r": {"é x='1'": "1"}}, "/r/é x='1'"),
    "name-at": ({"r": {"@attributes": {"@a": "1"}}}, "/r/@attributes/@a"),
    "name-attributes-inside": (
        {"r": {"@attributes": {"@attributes": "1"}}},
        "/r/@attributes/@attributes"),
    "name-text-inside": ({"r": {"@attributes": {"#text": "1"}}},
                         "/r/@attributes/#text"),
    "name-like-attributes": ({"r": {"@attributesx": {"a": "1"}}},
                             "/r/@attributesx"),
    "name-extender-first": ({"r": {"·a": "1"}}, "/r/·a"),
    "name-emoji": ({"r": {"😀": "1"}}, "/r/😀"),
    "name-nul": ({"r": {"a\0": "1"}}, "/r/a?"),
    "name-in-list": ({"r": {"x": [{"ok": "1"}, {"!": "1"}]}}, "/r/x/1/!"),
    "character-nul": ({"r": {"a": "x\0"}}, "/r/a"),
    "character-control": ({"r": {"a": {"b": "\x1f"}}}, "/r/a/b"),
    "character-fffe": ({"r": "x\ufffe"}, "/r"),
    "character-ffff": ({"r": {"a": ["x", "\uffff"]}}, "/r/a/1"),
    "character-in-attribute": ({"r": {"@attributes": {"a": "\x08"}}},
                               "/r/@attributes/a"),
    "character-in-text": (with_attribute("#text", "\x0c"), "/r/#text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """What would be read back as something else is not written, and the pointer
    says where it is."""
    value, pointer = REFUSED[name]
    code, out, said = convert("typed", "xml",
                              json.dumps(typed(value)).encode())
    assert code == 1 and not out
    assert said.startswith(pointer + ": "), said


def test_names_as_expat_has_them():
    """Each character, first or not, is taken in a name if it is in Python's."""
    rng = random.Random("names")
    chars = [chr(c) for c in range(0x20, 0x250)] + \
        [chr(rng.randrange(0x250, 0xD800)) for _ in range(40)]
    good = []
    for char in chars:
        try:
            ET.fromstring(f"<r><a{char}b/></r>")
        except ET.ParseError:
            continue
        good.append(char)
    good = [char for char in good if char not in BLANK + "/>:"]
    tree = {"r": {f"a{char}b": "" for char in good}}
    text = must("typed", "xml", json.dumps(typed(tree)).encode())
    assert pythons(text) == tree
    for char in rng.sample([c for c in chars if c not in good + [":"]], 40):
        code, _, said = convert("typed", "xml", json.dumps(
            typed({"r": {f"a{char}b": ""}})).encode())
        assert code == 1 and "no name" in said, hex(ord(char))
