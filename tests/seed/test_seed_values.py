# SPDX-License-Identifier: MIT
"""Python values to files and back: the same value, or an error."""
import base64
import collections
import datetime as dt
import enum
import math
import random

import pytest

from atomicio import FileReadError, FileWriteError, SafeFile

UTC = dt.timezone.utc
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def through(path, value):
    file = SafeFile(path)
    file.write(value)
    return file.read()


def same(a, b):
    """Equal, of equal types, in equal order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return (list(a) == list(b) and
                all(same(x, y) for x, y in zip(a.values(), b.values())))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b))
    return a == b


SCALARS = [
    None, True, False, 0, -1, 2**63 - 1, -2**63, 2**63, 10**40, -10**400,
    0.0, -0.0, 0.1, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, "", "text",
    "ü€𝄞", "a\0b", "\x01\x1f\x7f\u2028", '"\\/\b\n', "null", "1", "no",
]


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@pytest.mark.parametrize("value", SCALARS, ids=ascii)
def test_scalars(tmp_path, suffix, value):
    for one in (value, [value], {"k": value}):
        assert same(through(tmp_path / f"a.{suffix}", one), one)


@pytest.mark.parametrize("value", [v for v in SCALARS if v is not None and not
                                   (type(v) is int and abs(v) > 2**63 - 1)],
                         ids=ascii)
def test_scalars_in_toml(tmp_path, value):
    for one in ({"k": value}, {"k": [value]}):
        assert same(through(tmp_path / "a.toml", one), one)


TIMES = [
    dt.datetime(2024, 2, 29, 23, 59, 59), dt.date(1, 1, 1), dt.date.max,
    dt.datetime(2024, 1, 2, 3, 4, 5, 678901), dt.time(0, 0),
    dt.time(23, 59, 59, 1), dt.datetime(2024, 1, 2, tzinfo=UTC),
    dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=EAST)]


@pytest.mark.parametrize("value", TIMES, ids=str)
def test_times(tmp_path, value):
    """TOML has them; JSON and YAML have their text."""
    found = through(tmp_path / "a.toml", {"t": value})["t"]
    assert same(found, value)
    if isinstance(value, dt.datetime):
        assert found.utcoffset() == value.utcoffset()
    for suffix in ("json", "yaml"):
        text = through(tmp_path / f"a.{suffix}", {"t": value})["t"]
        assert isinstance(text, str)
        assert type(value).fromisoformat(text) == value


def test_times_of_toml(tmp_path):
    """As it can be written by hand."""
    (tmp_path / "a.toml").write_text(
        "a = 1979-05-27 07:32:00z\nb = 07:32:00.123456789\n"
        "c = 1979-05-27T00:32:00.5-07:00\n")
    assert SafeFile(tmp_path / "a.toml").read() == {
        "a": dt.datetime(1979, 5, 27, 7, 32, tzinfo=UTC),
        "b": dt.time(7, 32, 0, 123456),
        "c": dt.datetime(1979, 5, 27, 0, 32, 0, 500000, tzinfo=dt.timezone(
            dt.timedelta(hours=-7)))}


def test_no_such_time(tmp_path):
    """Leap seconds are RFC 3339, but Python has none."""
    (tmp_path / "a.toml").write_text("x = [{y = 1990-12-31T23:59:60Z}]\n")
    with pytest.raises(FileReadError) as caught:
        SafeFile(tmp_path / "a.toml").read()
    assert caught.value.pointer == "/x/0/y"


@pytest.mark.parametrize("value", [
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=1))),
    dt.time(1, tzinfo=UTC)], ids=str)
def test_times_without_a_text(tmp_path, value):
    with pytest.raises(FileWriteError) as caught:
        SafeFile(tmp_path / "a.toml").write({"a": [value]})
    assert caught.value.pointer == "/a/0"
    assert isinstance(caught.value.__cause__, ValueError)


def test_bytes(tmp_path):
    content = bytes(range(256))
    assert same(through(tmp_path / "a.yaml", {"b": content})["b"], content)
    for one in (bytearray(content), memoryview(content)):
        assert through(tmp_path / "a.yaml", [one]) == [content]
    for suffix in ("json", "toml"):
        text = through(tmp_path / f"a.{suffix}", {"b": content})["b"]
        assert base64.b64decode(text) == content


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_finite(tmp_path, value):
    for suffix in ("yaml", "toml"):
        assert same(through(tmp_path / f"a.{suffix}", {"f": value}),
                    {"f": value})
    with pytest.raises(FileWriteError) as caught:
        SafeFile(tmp_path / "a.json").write({"f": [value]})
    assert caught.value.pointer == "/f/0"


# ---- keys -----------------------------------------------------------------

KEYS = [{1: "one"}, {"1": 1, 1: 2}, {1.5: "x"}, {True: 1}, {None: 1},
        {dt.date(2024, 1, 1): 1}, {(1, "x"): 1}]


@pytest.mark.parametrize("value", KEYS, ids=str)
def test_keys(tmp_path, value):
    """Never turned into strings."""
    with pytest.raises(FileWriteError):
        SafeFile(tmp_path / "a.json").write({"a": value})
    found = through(tmp_path / "a.yaml", {"a": value})["a"]
    if isinstance(next(iter(value)), dt.date):
        assert found == {"2024-01-01": 1}
    else:
        assert found == value
        assert list(map(type, found)) == list(map(type, value))


@pytest.mark.parametrize("text", ["{a: 1}: x", "{1: x, 1.0: y}"])
def test_keys_that_python_has_not(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"k:\n  ? {text}\n"
                                     if text.startswith("{a") else
                                     f"k: {text}\n")
    with pytest.raises(FileReadError) as caught:
        SafeFile(tmp_path / "a.yaml").read()
    assert caught.value.pointer == "/k"


# ---- other types ----------------------------------------------------------

class Colour(enum.IntEnum):
    RED = 7


class Word(str, enum.Enum):
    YES = "yes"


class Text(str):
    def __str__(self):
        return "not this"


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize("value, plain", [
    (Colour.RED, 7), (Word.YES, "yes"), (Text("this"), "this"),
    ((1, 2), [1, 2]), (Point(1, 2), [1, 2]),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.defaultdict(list, a=[1]), {"a": [1]}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    ({Text("k"): 1}, {"k": 1}), ({Word.YES: Colour.RED}, {"yes": 7})],
    ids=repr)
@pytest.mark.parametrize("with_time", [False, True])
def test_subclasses(tmp_path, value, plain, with_time):
    """What is a kind of str, int, dict... is written as one, whichever way it
    takes (a time makes it the slower one)."""
    path = tmp_path / "a.toml"
    more = {"t": dt.time(1)} if with_time else {}
    assert same(through(path, {**more, "v": value}), {**more, "v": plain})


@pytest.mark.parametrize("value", [
    object(), {1, 2}, 1j, b"".join, range(3), collections.deque(), len,
    dt.timedelta(1)], ids=repr)
def test_strangers(tmp_path, value):
    """Named, with the place where they are; the file stays as it was."""
    file = SafeFile(tmp_path / "a.yaml")
    file.write([1])
    with pytest.raises(FileWriteError) as caught:
        file.write({"a/b": [0, {"~": value}]})
    assert caught.value.pointer == "/a~1b/1/~0"
    assert type(value).__name__ in str(caught.value)
    assert isinstance(caught.value.__cause__, TypeError)
    assert file.read() == [1]


def test_cycles(tmp_path):
    a_list, a_dict = [], {}
    a_list.append([a_list])
    a_dict["x"] = {"y": a_dict}
    for value, pointer in ((a_list, "/0/0"), (a_dict, "/x/y")):
        with pytest.raises(FileWriteError, match="contains itself") as caught:
            SafeFile(tmp_path / "a.json").write(value)
        assert caught.value.pointer == pointer


def test_same_twice(tmp_path):
    """That is no cycle."""
    one = {"t": dt.time(1)}
    assert through(tmp_path / "a.toml", {"a": one, "b": [one, one]}) == {
        "a": one, "b": [one, one]}


@pytest.mark.parametrize("leaf", [1, dt.time(1)])
def test_deep(tmp_path, leaf):
    def nested(depth):
        value = leaf
        for _ in range(depth):
            value = [value]
        return value
    assert through(tmp_path / "a.yaml", nested(200)) is not None
    with pytest.raises(FileWriteError):
        SafeFile(tmp_path / "a.yaml").write(nested(100_000))


def test_surrogates(tmp_path):
    for value in ({"a": "\ud800"}, {"\ud800": 1}):
        with pytest.raises(FileWriteError) as caught:
            SafeFile(tmp_path / "a.json").write(value)
        assert isinstance(caught.value, ValueError)


def test_digits(tmp_path):
    """More than Python reads by itself."""
    (tmp_path / "a.json").write_text("[" + "1" * 5000 + "]")
    with pytest.raises(FileReadError):
        SafeFile(tmp_path / "a.json").read()


# ---- what the way through typed JSON must not confuse ------------------------

@pytest.mark.parametrize("value", [
    {"type": "string", "value": "x"}, {"type": "x"}, {"type": []},
    {"type": {"type": "integer", "value": "5"}, "value": "5"},
    {"type": "map", "value": [[1, 2]]}, {"type": 1, "value": {}},
    {"value": 1, "type": {"type": {}}}], ids=str)
def test_maps_with_a_type(tmp_path, value):
    for one in ({"a": value}, {"t": dt.time(1), "a": value}):
        assert through(tmp_path / "a.toml", one) == one


def test_tags_and_streams(tmp_path):
    for text in ("a: !mine 5\n", "--- 1\n--- 2\n"):
        (tmp_path / "a.yaml").write_text(text)
        with pytest.raises(FileReadError) as caught:
            SafeFile(tmp_path / "a.yaml").read()
        assert isinstance(caught.value, ValueError)


def test_aliases(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "base: &b {x: 1}\nother:\n  <<: *b\n  y: *b\n")
    assert SafeFile(tmp_path / "a.yaml").read() == {
        "base": {"x": 1}, "other": {"x": 1, "y": {"x": 1}}}


# ---- at random ------------------------------------------------------------

def a_value(dice, depth=0):
    kind = dice.randrange(12 if depth < 4 else 9)
    if kind >= 9:
        members = [a_value(dice, depth + 1)
                   for _ in range(dice.randrange(5))]
        if kind == 9:
            return members
        keys = (a_text(dice) for _ in members)
        return dict(zip(keys, members))
    return [dice.randrange(-9, 9), dice.getrandbits(80), a_text(dice),
            dice.random(), dice.choice(SCALARS), None, True,
            dt.date.fromordinal(dice.randrange(1, 3_000_000)),
            dice.randbytes(5)][kind]


def a_text(dice):
    return "".join(dice.choice("ab\"\\ü€\n:#- 1~/{}'&*!%@`,[]")
                   for _ in range(dice.randrange(8)))


def without_times(value):
    """As YAML has it: dates are strings."""
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items()}
    if isinstance(value, list):
        return list(map(without_times, value))
    return value.isoformat() if isinstance(value, dt.date) else value


def test_at_random(tmp_path):
    for seed in range(300):
        value = a_value(random.Random(seed))
        found = through(tmp_path / "a.yaml", value)
        assert same(found, without_times(value)), seed
