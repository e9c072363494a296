# SPDX-License-Identifier: MIT
"""tests/bench/formats and tests/bench/python do what they say, and those that
are compared do the same work; how fast anything is, is not judged."""
import csv
import io
import json
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
SECONDS = 90


def bench(name, *args):
    return subprocess.run([HERE / name, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, timeout=SECONDS)


def cells(table):
    """The rows of a Markdown table, which nothing else is beside."""
    lines = table.splitlines()
    assert all(re.fullmatch(r"\|.*\|", line) for line in lines), table
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    assert len({len(row) for row in rows}) == 1
    assert set(rows.pop(1)) == {"---"}
    return rows


@pytest.fixture(scope="module")
def formats():
    """The program, as a module."""
    loader = SourceFileLoader("bench_formats", str(HERE / "formats"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module  # dataclasses look there
    loader.exec_module(module)
    yield module
    del sys.modules[loader.name]


# ---- formats ---------------------------------------------------------------

def test_formats(tmp_path, formats):
    out = tmp_path / "figures.json"
    done = bench("formats", "--mib", 0.1, "--rounds", 2, "--json", out)
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(out.read_text())
    assert [f["row"] for f in figures] == [row.name for row in formats.ROWS]
    shown = cells(done.stdout)[1:]
    for row, figure, line in zip(formats.ROWS, figures, shown, strict=True):
        assert line[:2] + line[3:4] == [row.format, row.work, row.against]
        unit = "MiB" if row.work == "memory" else "ms"
        assert line[2].endswith(unit) and line[4].endswith(unit)
        assert figure["theirs"] > 0
        assert figure["ours"] > 0 or row.work == "memory"
        assert figure["ratio"] == round(figure["ours"] / figure["theirs"], 2)
        assert line[5] == f"{figure['ratio']:.2f}"
        assert figure["limit"] == row.limit
        assert figure["ok"] == (not row.limit or figure["ratio"] <= row.limit)
        assert line[6:] == ([f"<= {row.limit:g}",
                             "ok" if figure["ok"] else "missed"]
                            if row.limit else ["", ""])


def test_some_rows(tmp_path):
    done = bench("formats", "--mib", 0.01, "--rounds", 1, "--rows", "csv-load")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row[:2] for row in cells(done.stdout)[1:]] == [["csv", "load"]]
    done = bench("formats", "--rows", "nonsense")
    assert done.returncode == 2 and "no such row" in done.stderr


class Works:
    """What the works of formats.c make of one document each."""

    def __init__(self, formats, place):
        self.formats, self.place = formats, place
        self.files = formats.make_documents(place, 50_000)

    def text(self, name):
        return self.files[name].read_text(encoding="utf-8")

    def result(self, work, name):
        out = self.place / "result"
        done = subprocess.run(
            [self.formats.PROGRAM, work, name, self.files[name], out],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, "")
        assert int(done.stdout) > 0
        return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def works(formats, tmp_path_factory):
    return Works(formats, tmp_path_factory.mktemp("documents"))


def test_json(works):
    records = json.loads(works.text("json"))
    assert len(records) > 50
    for work in ("load", "jansson-load"):
        assert int(works.result(work, "json")) == len(records)
    for work in ("dump", "jansson-dump"):
        assert json.loads(works.result(work, "json")) == records


def scalars(value):
    if isinstance(value, dict):
        return sum(1 + scalars(one) for one in value.values())
    if isinstance(value, list):
        return sum(map(scalars, value))
    return 1


def test_yaml(works):
    records = yaml.safe_load(works.text("yaml"))
    assert records[:50] == json.loads(works.text("json"))[:50]
    assert int(works.result("load", "yaml")) == len(records)
    assert int(works.result("libyaml-events", "yaml")) == scalars(records)
    for work in ("dump", "libyaml-emit"):
        assert yaml.safe_load(works.result(work, "yaml")) == records


def test_toml(works):
    records = tomllib.loads(works.text("toml"))
    assert records["record"][:50] == json.loads(works.text("json"))[:50]
    assert works.result("load", "toml") == "1\n"
    assert tomllib.loads(works.result("dump", "toml")) == records


def test_csv(works):
    def rows(text):
        return list(csv.DictReader(io.StringIO(text, newline="")))
    found = rows(works.text("csv"))
    assert found[0]["id"] == "0" and len(found) > 50
    assert int(works.result("load", "csv")) == len(found)
    assert rows(works.result("dump", "csv")) == found


def test_xml(works):
    def tree(element):
        """Without the blanks of the layout."""
        return (element.tag, element.attrib, (element.text or "").strip(),
                [tree(child) for child in element])
    root = ElementTree.fromstring(works.text("xml"))
    assert len(root) > 50
    assert works.result("load", "xml") == "1\n"
    assert int(works.result("expat-events", "xml")) == len(list(root.iter()))
    again = ElementTree.fromstring(works.result("dump", "xml"))
    assert tree(again) == tree(root)


@pytest.mark.parametrize("work, name, text", [
    ("load", "json", "[1,"), ("jansson-load", "json", "[1,"),
    ("libyaml-events", "yaml", "[1,"), ("libyaml-emit", "yaml", "a: ]"),
    ("expat-events", "xml", "<a>"), ("nonsense", "json", "[]"),
    ("load", "nonsense", "[]")])
def test_failures(formats, tmp_path, work, name, text):
    """What cannot be done has no time."""
    path = tmp_path / "document"
    path.write_text(text)
    done = subprocess.run([formats.PROGRAM, work, name, path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("formats: ")


# ---- python ----------------------------------------------------------------

def test_python(tmp_path):
    out, work = tmp_path / "figures.json", tmp_path / "work"
    work.mkdir()
    done = bench("python", "--dir", work, "--count", 2, "--rounds", 2,
                 "--json", out)
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(out.read_text())
    assert figures["ours"] > 0 and figures["plain"] > 0
    assert figures["ratio"] == round(figures["ours"] / figures["plain"], 2)
    assert figures["ok"] == (figures["ratio"] <= figures["limit"])
    assert [len(ms) for ms in figures["runs"]] == [2, 2]
    rows = cells(done.stdout)
    assert rows[0] == ["work", "atomicio ms", "plain ms", "ratio", "goal", ""]
    assert rows[1][0] == "SafeFile.write of 1 KB"
    assert rows[1][3:] == [f"{figures['ratio']:.2f}", "<= 1.3",
                           "ok" if figures["ok"] else "missed"]
    assert not list(work.iterdir())
