# SPDX-License-Identifier: MIT
"""CSV against Python's csv, and against the grammar of RFC 4180 as a regular
expression, with random tables and random rubbish."""
import csv
import io
import json
import random
import re

import pytest

from test_cases import convert, must

CELL = re.compile(r'"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\r\n]*)')
BITS = ["", "a", "1", " ", "\t", ",", '"', "\n", "\r\n", "\r", "é", "😀",
        "\ufeff", "\x01", "''", "\\", "x y"]


def typed(rows):
    return [{key: {"type": "string", "value": value}
             for key, value in row.items()} for row in rows]


def random_cell(rng):
    return "".join(rng.choice(BITS) for _ in range(rng.choice([0, 1, 1, 2, 5])))


def random_table(rng):
    """(names, rows of as many cells)"""
    columns = rng.choice([1, 1, 2, 3, 12])
    names = []
    while len(names) < columns:
        name = random_cell(rng)
        if name and name not in names:
            names.append(name)
    return names, [[random_cell(rng) for _ in names]
                   for _ in range(rng.randrange(1, 30))]


def random_line(rng, cells):
    """One row, with more quotes than are needed here and there."""
    out = []
    for cell in cells:
        must_be = (re.search('[,"\r\n]', cell) or cell.startswith("\ufeff") or
                   (len(cells) == 1 and not cell.strip(" \t")))
        if must_be or rng.random() < 0.3:
            cell = '"' + cell.replace('"', '""') + '"'
        out.append(cell)
    return ",".join(out)


def pythons(text):
    """What Python's csv makes of it, without the empty lines."""
    rows = [row for row in csv.reader(io.StringIO(text, newline=""),
                                      strict=True) if row]
    return rows[0], rows[1:]


@pytest.mark.parametrize("seed", range(40))
def test_tables_are_read(seed):
    """However they are quoted, and whatever ends their lines."""
    rng = random.Random(f"read {seed}")
    for _ in range(3):
        names, rows = random_table(rng)
        end = rng.choice(["\n", "\r\n"])
        text = end.join(random_line(rng, cells) for cells in [names] + rows)
        text += rng.choice(["", end, end + end])
        assert pythons(text) == (names, rows), "the test is wrong"
        said = json.loads(must("csv", "typed", text.encode()))
        assert said == typed(dict(zip(names, row)) for row in rows)
        assert [list(row) for row in said] == [names] * len(rows)


@pytest.mark.parametrize("seed", range(40))
def test_tables_are_written(seed):
    """Python reads the same, and so do we; the order of the keys of a later
    row does not matter."""
    rng = random.Random(f"write {seed}")
    for _ in range(3):
        names, rows = random_table(rng)
        maps = [dict(zip(names, row)) for row in rows]
        for row in maps[1:]:
            if rng.random() < 0.3:
                items = rng.sample(sorted(row.items()), len(row))
                row.clear()
                row.update(items)
        source = json.dumps(typed(maps)).encode()
        text = must("typed", "csv", source)
        assert pythons(text.decode()) == (names, rows)
        assert json.loads(must("csv", "typed", text)) == typed(maps)


def by_the_grammar(text):
    """The rows, or None: a loop over cells, which knows nothing of how the
    library does it."""
    rows, at = [], 0
    while at < len(text):
        row, begin = [], at
        while True:
            match = CELL.match(text, at)
            row.append(match["plain"] if match["quoted"] is None
                       else match["quoted"].replace('""', '"'))
            at = match.end()
            if text[at:at + 1] != ",":
                break
            at += 1
        end = re.compile(r"\r?\n|\Z").match(text, at)
        if not end:
            return None
        if at > begin:
            rows.append(row)
        at = end.end()
    return rows


def as_maps(rows):
    """What the rows say, or None: no names, or not as many cells."""
    if not rows:
        return []
    names = rows[0]
    if "" in names or len(set(names)) < len(names):
        return None
    if any(len(row) != len(names) for row in rows):
        return None
    return [dict(zip(names, row)) for row in rows[1:]]


@pytest.mark.parametrize("seed", range(5))
def test_rubbish(seed):
    """Right and wrong documents are told apart as by the grammar."""
    rng = random.Random(f"rubbish {seed}")
    right = 0
    for _ in range(100):
        text = "".join(rng.choice('aab,,"""\n\n\r é') for _ in
                       range(rng.randrange(1, 14)))
        rows = by_the_grammar(text)
        if not text.strip(" \t\r\n"):
            rows = []
        maps = None if rows is None else as_maps(rows)
        code, out, said = convert("csv", "typed", text.encode())
        assert (code == 0) == (maps is not None), (text, said)
        if maps is not None:
            assert json.loads(out) == typed(maps), text
            right += 1
    assert 0 < right < 100


REFUSED = {
    "no-list": ({"a": "1"}, ""),
    "string": ("x", ""),
    "list-of-strings": (["a"], "/0"),
    "list-of-lists": ([["a"]], "/0"),
    "empty-map": ([{}], "/0"),
    "empty-maps": ([{}, {}], "/0"),
    "key-missing": ([{"a": "1", "b": "2"}, {"a": "1"}], "/1"),
    "key-more": ([{"a": "1"}, {"a": "1", "b": "2"}], "/1"),
    "key-other": ([{"a": "1", "b": "2"}, {"a": "1", "c": "2"}], "/1"),
    "key-empty": ([{"": "1"}], "/0/"),
    "nested-map": ([{"a": {"b": "1"}}], "/0/a"),
    "nested-list": ([{"a": "1"}, {"a": ["1"]}], "/1/a"),
    "nul": ([{"a/b": "x\0"}], "/0/a~1b"),
    "nul-in-name": ([{"x\0": "1"}], "/0/"),
}


def tagged(value):
    if isinstance(value, str):
        return {"type": "string", "value": value}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return {key: tagged(item) for key, item in value.items()}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """What would be lost is not written, and the pointer says where."""
    value, pointer = REFUSED[name]
    code, out, said = convert("typed", "csv",
                              json.dumps(tagged(value)).encode())
    assert code == 1 and not out
    assert said.startswith(pointer), said


def test_empty_list():
    assert must("typed", "csv", b"[]") == b""
