# SPDX-License-Identifier: MIT
"""What is written as YAML says the same to other readers: to PyYAML, which is
of YAML 1.1 and guesses more types than 1.2 has, and to libyaml."""
import json
import random

import pytest
import yaml

from test_cases import cases, must

# What means something somewhere in YAML.
PIECES = ["a", "word", " ", "  ", "\n", "\n\n", "\r", "\t", ": ", ":", " #", "#",
          "-", "- ", "? ", "'", '"', "\\", "ä", "\u0085", "\u00a0", "\u2028",
          "\u2029", "\ufeff", "\uffff", "\x7f", "\x80", "\x01", "\0", "\x1b",
          "😀", "no", "yes", "On", "y", "1", "1.5", "0x1F", "0b1", "017", "08",
          "---", "...", "|", ">", "%", "@", "`", "&a", "*a", "!t ", ",", "[", "]", "{",
          "}", "~", "=", "<<", "null", "True", ".", "+", "e3", "e+3",
          "2001-01-01", "1:30", "1:30.5", "_", ".inf", ".NaN"]


def draw_text(rng):
    count = 40 if rng.random() < 0.03 else rng.randrange(5)
    return "".join(rng.choice(PIECES) for _ in range(count))


def draw_number(rng):
    if rng.random() < 0.5:
        return rng.randrange(-10**rng.randrange(1, 40), 10**rng.randrange(40))
    # As 1e+22, JSON's text for it is no number in YAML 1.1.
    return rng.choice([0.0, -0.0, 0.1, 1.5, -2.5e-7, 1.25e+22, 123456.789])


def draw_value(rng, depth=0):
    kind = rng.randrange(10)
    if kind < 2 and depth < 5:
        return [draw_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind < 5 and depth < 5:
        return {draw_text(rng): draw_value(rng, depth + 1)
                for _ in range(rng.randrange(4))}
    if kind == 5:
        return draw_number(rng)
    if kind == 6:
        return rng.choice([None, True, False])
    return draw_text(rng)


def same(a, b):
    """Of the same types, too, and in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()),
                                               list(b.values()))
    return repr(a) == repr(b)


LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]


@pytest.mark.parametrize("loader", LOADERS, ids=["pyyaml", "libyaml"])
@pytest.mark.parametrize("seed", range(4))
def test_random(loader, seed):
    rng = random.Random(seed)
    values = [draw_value(rng) for _ in range(400)]
    text = must("json", "yaml", json.dumps(values).encode())
    read = yaml.load(text.decode(), loader)
    wrong = [(a, b) for a, b in zip(values, read) if not same(a, b)]
    assert not wrong, wrong[0]
    assert len(read) == len(values)


@pytest.mark.parametrize("loader", LOADERS, ids=["pyyaml", "libyaml"])
def test_every_short_string(loader):
    """As a value, as a key, as all of a document."""
    rng = random.Random(5)
    strings = set(PIECES) | {a + b for a in PIECES for b in PIECES}
    strings = sorted(strings | {a + "\n" for a in strings})
    strings = rng.sample(strings, 3000)
    value = [strings, dict.fromkeys(strings, "x")]
    text = must("json", "yaml", json.dumps(value).encode())
    assert same(value, yaml.load(text.decode(), loader))
    for string in rng.sample(strings, 50):
        text = must("json", "yaml", json.dumps(string).encode())
        assert same(string, yaml.load(text.decode(), loader))


def events(text, loader):
    """What it consists of, without how it is written."""
    found = []
    for event in yaml.parse(text, Loader=loader):
        found.append((type(event).__name__, getattr(event, "anchor", None),
                      getattr(event, "tag", None),
                      getattr(event, "value", None),
                      getattr(event, "implicit", None)))
    return found


def good_cases():
    return [case for case in cases()
            if case.parts[-3] == "yaml" and (case / "output").exists()]


@pytest.mark.parametrize("case", good_cases(), ids=lambda case: case.name)
def test_cases_again(case):
    """Two readers agree on what the cases are written as."""
    text = must("yaml", "yaml", (case / "input").read_bytes()).decode()
    assert events(text, yaml.SafeLoader) == events(text, yaml.CSafeLoader)
