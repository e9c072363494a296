# SPDX-License-Identifier: MIT
"""TOML against Python's tomllib: random documents, damaged ones, and what is
written; and how fast and large a document is loaded.

tomllib is known to differ from TOML 1.0 and from what is promised here in:
integers beyond 64 bits, which it takes; the second 60 and the year 0000, which
it refuses; nesting, which it limits by its stack; and fractions of seconds,
which it cuts to 6 digits, where here a time has at most 63 characters.
"""
import datetime as dt
import json
import math
import random
import re
import resource
import subprocess
import time
import tomllib

import pytest

import toml_random
from harness.tools import scaled
from test_cases import convert, must, program

BATCH = 100
DOCUMENTS, DAMAGED, SKELETONS, TREES = 1000, 2000, 1000, 4000
INT64 = range(-2**63, 2**63)


# ---- values --------------------------------------------------------------

def moment(kind):
    """Dates and times that Python does not have stay text."""
    def read(text):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            return text
    return read


READ = {
    "string": str,
    "integer": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
    "datetime": moment(dt.datetime),
    "datetime-local": moment(dt.datetime),
    "date-local": moment(dt.date),
    "time-local": moment(dt.time),
}


def untyped(node):
    """Values as tomllib has them."""
    if isinstance(node, list):
        return [untyped(member) for member in node]
    if isinstance(node.get("type"), str):
        return READ[node["type"]](node["value"])
    return {key: untyped(value) for key, value in node.items()}


def typed(value):
    if isinstance(value, dict):
        return {key: typed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [typed(member) for member in value]
    kind = {str: "string", int: "integer", float: "float", bool: "bool",
            dt.date: "date-local", dt.time: "time-local"}.get(type(value))
    if isinstance(value, dt.datetime):
        kind = "datetime" if value.tzinfo else "datetime-local"
    if isinstance(value, (dt.date, dt.time)):
        return {"type": kind, "value": value.isoformat()}
    return {"type": kind, "value": str(value).lower() if kind == "bool"
            else str(value)}


def same(a, b):
    """Equal, of the same type, and in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b) or
                a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, dt.datetime):
        return a == b and a.utcoffset() == b.utcoffset()
    return a == b


def regardless(value):
    """With all maps in the order of their keys."""
    if isinstance(value, list):
        return [regardless(member) for member in value]
    if isinstance(value, dict):
        return {key: regardless(value[key]) for key in sorted(value)}
    return value


def integers(value):
    if isinstance(value, (list, dict)):
        members = value.values() if isinstance(value, dict) else value
        return [n for member in members for n in integers(member)]
    return [value] if type(value) is int else []


def load(text):
    """(values, message): what our parser makes of it."""
    code, out, said = convert("toml", "typed", text.encode())
    return (None, said) if code else (untyped(json.loads(out)), said)


def load_other(text):
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return None, str(error)


def batches(count):
    return range(max(1, scaled(count) // BATCH))


# ---- reading -------------------------------------------------------------

def liberty(text, theirs):
    """Whether tomllib may differ on this document; see above."""
    if theirs is not None:
        return any(n not in INT64 for n in integers(theirs)) or bool(
            re.search(r":\d\d\.\d{40}", text))
    return bool(re.search(r":60|0000-\d\d-\d\d", text))


def check_same_opinion(text, where):
    ours, said = load(text)
    theirs, their_reason = load_other(text)
    if (ours is None) != (theirs is None):
        assert liberty(text, theirs), (where, text, said, their_reason)
    elif ours is not None:
        assert same(ours, theirs), (where, text)
    return ours is not None and theirs is not None


@pytest.mark.parametrize("batch", batches(DOCUMENTS))
def test_random_documents(batch):
    """Each says what it was made of, to tomllib and to us, and again after it
    was written, where the order stays, too."""
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        rng = random.Random(f"document {seed}")
        table = toml_random.table(rng)
        text = toml_random.document(rng, table)
        theirs, said = load_other(text)
        assert theirs is not None, (seed, said, text)
        assert same(regardless(theirs), regardless(table)), (seed, text)
        values = must("toml", "typed", text.encode())
        assert same(untyped(json.loads(values)), theirs), (seed, text)
        again = must("toml", "toml", text.encode())
        assert same(tomllib.loads(again.decode()), theirs), (seed, text)
        assert must("toml", "typed", again) == values, (seed, text)
        assert must("toml", "toml", again) == again, (seed, text)


@pytest.mark.parametrize("batch", batches(DAMAGED))
def test_damaged_documents(batch):
    good = 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        rng = random.Random(f"damage {seed}")
        text = toml_random.document(rng, toml_random.table(rng, 2))
        good += check_same_opinion(toml_random.damage(rng, text), seed)
    assert 0 < good < BATCH  # else the damage says nothing


@pytest.mark.parametrize("batch", batches(SKELETONS))
def test_what_may_be_added_to_tables(batch):
    good = 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        text = toml_random.skeleton(random.Random(f"skeleton {seed}"))
        good += check_same_opinion(text, seed)
        if load(text)[0] is not None:
            again = must("toml", "toml", text.encode())
            assert same(load(again.decode())[0], load(text)[0]), text
    assert 0 < good < BATCH


@pytest.mark.parametrize("text", [
    "a = 9223372036854775808", "a = 23:59:60", "a = 0000-01-01",
    "a = 00:00:00." + "1" * 60, "a = " + "[" * 128 + "]" * 128])
def test_liberties(text):
    """The list above is not longer than it has to be."""
    assert (load(text)[0] is None) != (load_other(text)[0] is None)


# ---- writing -------------------------------------------------------------

@pytest.mark.parametrize("batch", batches(TREES))
def test_random_trees(batch):
    """What is written from values alone, tomllib reads as these values.  Many
    trees are one document, which is as good, and faster."""
    rng = random.Random(f"trees {batch}")
    for _ in range(10):
        trees = {f"t{i}": toml_random.table(rng) for i in range(BATCH // 10)}
        trees.update(toml_random.table(rng))
        text = must("typed", "toml", json.dumps(typed(trees)).encode())
        theirs = tomllib.loads(text.decode())
        assert same(regardless(theirs), regardless(trees)), text.decode()
        ours = untyped(json.loads(must("toml", "typed", text)))
        assert same(ours, theirs)


def test_order_of_what_is_written():
    """Entries before tables, and else the order of the map."""
    trees = {"b": {"z": {}, "y": 1, "x": [{}], "w": [1], "a": 2}, "a": 1,
             "c": [{"d": {"e": 1}, "f": 2}]}
    text = must("typed", "toml", json.dumps(typed(trees)).encode()).decode()
    assert text == ("a = 1\n\n[b]\ny = 1\nw = [1]\na = 2\n\n[b.z]\n\n"
                    "[[b.x]]\n\n[[c]]\nf = 2\n\n[c.d]\ne = 1\n")


# ---- speed ---------------------------------------------------------------

def like_a_lock_file(size):
    rng = random.Random("lock file")
    parts, total = [], 0
    while total < size:
        n = len(parts)
        parts.append(
            f'[[package]]\nname = "package-{n}"\nversion = "{n % 10}.0.1"\n'
            f'source = "registry+https://example.org/index"\n'
            f'checksum = "{rng.getrandbits(256):064x}"\ndependencies = [\n'
            f' "first",\n "second 0.1",\n "third-{n}",\n]\ncount = {n * 37}\n'
            f'ratio = {rng.random()}\nenabled = true\n'
            f'when = 2020-01-{n % 28 + 1:02}T07:32:00Z\n\n')
        total += len(parts[-1])
    return "".join(parts)


def seconds_of(argv, text):
    """CPU time of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, input=text, stdout=subprocess.DEVNULL, check=True,
                   timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime -
            before.ru_utime - before.ru_stime)


@pytest.mark.memory
def test_speed():
    """To load a document and write it takes a fifth, at most, of what it takes
    tomllib to load it (a tenth on a machine with nothing else to do)."""
    text = like_a_lock_file(10_000_000)
    begin = time.process_time()
    tomllib.loads(text)
    theirs = time.process_time() - begin
    ours = min(seconds_of([program(), "toml", "toml"], text.encode())
               for _ in range(5))
    assert ours * 5 < theirs
