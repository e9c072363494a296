# SPDX-License-Identifier: MIT
"""atomicio read, write, update, append, validate, formats."""
import gzip
import json
import os
import pty
import re
import select
import stat
import subprocess

import pytest
from documents import (DATA, FORMAT, LOCK, MISSING, SLOW, TIMEOUT, USAGE, env,
                       fails, own_directory, prints, script, tool, write_conf)
from harness.mount import tool_path

VALUE = {"name": "Ada", "tags": ["x", "z"], "deep": {"a": 1, "b": None}}


@pytest.fixture(params=["plain", "mount"])
def where(request, tmp_path, place):
    """A directory, as it is and in a mount."""
    return tmp_path if request.param == "plain" else place


# ---- read ------------------------------------------------------------------

def test_read(where):
    path = where / "a.json"
    path.write_text(json.dumps(VALUE))
    assert prints("read", path) == json.dumps(VALUE, indent=2) + "\n"
    assert prints("read", "--to", "yaml", path) == (
        "name: Ada\ntags:\n  - x\n  - z\ndeep:\n  a: 1\n  b: null\n")
    assert prints("read", path, "--as-bytes") == json.dumps(VALUE)


@pytest.mark.parametrize("name, text, shown", [
    ("a.txt", "one\ntwo", "one\ntwo\n"),
    ("a.txt", "line\n", "line\n"),
    ("a.txt", "", ""),
    ("a.json", '"caf\u00e9 \\u0041"', "caf\u00e9 A\n"),
    ("a.json", "1.50", "1.50\n"),
    ("a.json", " \n", "null\n"),
    ("a.yaml", "", "null\n"),
    ("a.toml", "", "{}\n"),
    ("a.csv", "", "[]\n"),
    ("a.csv", "h\n1\n", '[\n  {\n    "h": "1"\n  }\n]\n'),
    ("a.xml", "<a><b>1</b></a>", '{\n  "a": {\n    "b": "1"\n  }\n}\n'),
    ("a.toml", "d = 1979-05-27", '{\n  "d": "1979-05-27"\n}\n'),
    ("a.yaml", "[{\u00e4: \u2014/<>&'}]",
     '[\n  {\n    "\u00e4": "\u2014/<>&\'"\n  }\n]\n'),
])
def test_read_each(tmp_path, name, text, shown):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert prints("read", tmp_path / name) == shown


def test_read_gzip(tmp_path):
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"[1]"))
    assert prints("read", path) == "[\n  1\n]\n"


def test_read_errors(tmp_path):
    missing = tmp_path / "none.json"
    assert "No such file" in fails(MISSING, "read", missing)
    bad = tmp_path / "bad.json"
    bad.write_text('{"a": 1,\n "b": tru}')
    assert fails(DATA, "read", bad).startswith(f"{bad}:2:7: ")
    assert "bad.json" in fails(DATA, "read", tmp_path / "bad.json/x.json")
    other = tmp_path / "a.unknown"
    other.write_text("x")
    assert "no format is known" in fails(FORMAT, "read", other)
    assert prints("read", other, "--as-bytes") == "x"
    bad.write_text("[1]")
    assert "no format 'nope'" in fails(FORMAT, "read", bad, "--to", "nope")
    assert "a row of CSV is a map, not an integer" in fails(DATA, "read", bad, "--to", "csv")
    fails(USAGE, "read", bad, "--to", "yaml", "--as-bytes")
    fails(USAGE, "read")
    fails(USAGE, "read", bad, bad)


# ---- write -----------------------------------------------------------------

def test_write(where):
    path = where / "a.yaml"
    assert prints("write", path, json.dumps(VALUE)) == ""
    assert path.read_text().startswith("name: Ada\n")
    path.chmod(0o640)
    assert prints("write", path, "-", text="[1]") == ""
    assert path.read_text() == "- 1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(where) == ["a.yaml"]


def test_write_other_formats(tmp_path):
    path = tmp_path / "a.json"
    prints("write", path, "a: 1.50", "--from", "yaml")
    assert path.read_text() == '{\n    "a": 1.50\n}\n'
    text = tmp_path / "a.txt"
    prints("write", text, '{"as": it is}')
    assert text.read_text() == '{"as": it is}'
    prints("write", "--as-bytes", text, "-", text=b"\xff\0")
    assert text.read_bytes() == b"\xff\0"
    unknown = tmp_path / "a.unknown"
    prints("write", "--as-bytes", unknown, "x")
    assert unknown.read_text() == "x"


@pytest.mark.parametrize("name, data, code, message", [
    ("a.json", "{", DATA, r"DATA:1:2: "),
    ("a.toml", '{"a": null}', DATA, r"atomicio: .*a\.toml: at /a: TOML "),
    ("a.csv", '{"a": 1}', DATA, r"atomicio: .*a\.csv: .*list of maps"),
    ("a.unknown", "1", FORMAT, r"atomicio: .*no format is known"),
    ("none/a.json", "1", MISSING, r"atomicio: .*No such file"),
])
def test_write_errors(tmp_path, name, data, code, message):
    """The old file stays."""
    path = tmp_path / name
    if path.parent == tmp_path:
        path.write_text("old")
    line = fails(code, "write", path, data)
    assert re.match(message, line), line
    if path.parent == tmp_path:
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == [name]


# ---- update ----------------------------------------------------------------

@pytest.mark.parametrize("old, data, new", [
    (None, '{"a": 1}', {"a": 1}),
    ({"a": 1, "b": {"c": 1}}, '{"b": {"d": 2}}', {"a": 1, "b": {"d": 2}}),
    ([1], "[2, 3]", [1, 2, 3]),
    ({"a": 1}, "[2]", [2]),
    ([1], '{"a": 1}', {"a": 1}),
    ("text", "5", 5),
])
def test_update(where, old, data, new):
    path = where / "a.json"
    if old is not None:
        path.write_text(json.dumps(old))
    prints("update", path, data)
    assert json.loads(path.read_text()) == new


def test_update_deep(where):
    path = where / "a.yaml"
    path.write_text("a: {b: 0x1F, c: 2}\nd: 1\n")
    prints("update", "--deep", path, "-", text='{"a": {"c": null}, "d": null}')
    assert "0x1F" in path.read_text()
    assert json.loads(prints("read", path)) == {"a": {"b": 31}}


def test_update_at_once(where):
    """No update is lost."""
    path = where / "a.json"
    path.write_text("[]")
    running = [subprocess.Popen([tool_path(), "update", path, f"[{n}]"],
                                env=env()) for n in range(20)]
    assert [p.wait(60 * SLOW) for p in running] == [0] * 20
    assert sorted(json.loads(path.read_text())) == list(range(20))


# ---- append ----------------------------------------------------------------

def test_append(where):
    path = where / "log.unknown"
    prints("append", path, "one\n")
    prints("append", path, "-", text="two")
    assert path.read_text() == "one\ntwo"
    assert "Is a directory" in fails(DATA, "append", where, "x")


def test_append_to_gzip(where):
    path = where / "a.txt.gz"
    prints("append", path, "one ")
    prints("append", path, "-", text="two")
    assert prints("read", path) == "one two\n"
    assert gzip.decompress(path.read_bytes()) == b"one two"


# ---- locks -----------------------------------------------------------------

@pytest.fixture
def held(where):
    """A file that another process has locked."""
    path = where / "a.json"
    path.write_text("1")
    holder = subprocess.Popen(
        ["flock", path, "sh", "-c", "echo runs; exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"runs\n"
    yield path, holder
    holder.stdin.close()
    holder.wait(60 * SLOW)
    holder.stdout.close()


@pytest.mark.parametrize("words", [
    ("read",), ("write", "2"), ("update", "2"), ("append", "2")],
    ids=lambda words: words[0])
def test_locked(held, words):
    path, _ = held
    for limit in (["-n"], ["-w", "0.05"], ["--wait=0.05"], ["--nonblock"]):
        line = fails(TIMEOUT, words[0], *limit, path, *words[1:])
        assert str(path) in line
    assert path.read_text() == "1"
    fails(USAGE, words[0], "-n", "-w", "1", path, *words[1:])
    fails(USAGE, words[0], "-w", "x", path, *words[1:])


def test_waits(held):
    path, holder = held
    waiter = subprocess.Popen([tool_path(), "write", "-w", "60", path, "2"],
                              env=env())
    with pytest.raises(subprocess.TimeoutExpired):
        waiter.wait(0.2)
    holder.stdin.close()
    assert waiter.wait(60 * SLOW) == 0
    assert path.read_text() == "2\n"
    assert LOCK == 5


# ---- validate --------------------------------------------------------------

def test_validate(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text("a: 1\n")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = 1\na = 2\n")
    assert prints("validate", good) == ""
    assert prints("validate", "--from", "json", "-", text="[]") == ""
    assert fails(DATA, "validate", bad).startswith(f"{bad}:2:1: ")
    done = tool("validate", bad, good, tmp_path / "none.json",
                tmp_path / "a.unknown")
    assert done.returncode == DATA and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{bad}:2:1: ")
    assert "none.json: No such file" in lines[1]
    assert "no format is known" in lines[2]
    assert tool("validate", tmp_path / "none.json", bad).returncode == MISSING


@pytest.mark.parametrize("name, valid", [
    ("json", False), ("xml", False), ("typed", False), ("yaml", True),
    ("toml", True), ("csv", True), ("txt", True)])
def test_validate_empty(name, valid):
    """As the format's specification says it."""
    if valid:
        assert prints("validate", "--from", name, "-", text="") == ""
    else:
        assert fails(DATA, "validate", "--from", name, "-", text="")


def test_validate_by_a_program(tmp_path):
    plugins = own_directory(tmp_path / "formats.d")
    check = script(plugins / "check", "import json, sys\n"
                   "if 'users' not in json.load(sys.stdin):\n"
                   "    print('no users', file=sys.stderr)\n"
                   "    sys.exit(3)\n")
    write_conf(plugins, "users", suffix=".users.json", base="json",
               validate=str(check))
    path = tmp_path / "a.users.json"
    path.write_text('{"users": []}')
    words = ("validate", "--formats-dir", plugins, path)
    assert prints(*words) == ""
    path.write_text("{}")
    assert fails(DATA, *words) == f"atomicio: {path}: no users"
    path.write_text("{")
    assert fails(DATA, *words).startswith(f"{path}:1:2: ")


def test_progress(tmp_path):
    """On a terminal one line says how far it is, and it is taken away."""
    plugins = own_directory(tmp_path / "formats.d")
    write_conf(plugins, "slow", suffix=".slow", base="txt", validate=str(
        script(plugins / "slow", "sleep 0.15\n", "/bin/sh")))
    paths = [tmp_path / f"f{n}.slow" for n in range(4)]
    for path in paths:
        path.write_text("x")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [tool_path(), "validate", "--formats-dir", plugins, *paths],
        env=env(TERM="xterm"), stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while select.select([ours], [], [], 60 * SLOW)[0]:
            shown += os.read(ours, 4096)
    except OSError:  # nobody has the terminal any more
        pass
    os.close(ours)
    assert process.wait(60 * SLOW) == 0
    assert re.search(rb"[234] of 4", shown), shown
    assert shown.endswith(b"\x1b[K"), shown


# ---- formats ---------------------------------------------------------------

def test_formats():
    lines = prints("formats").splitlines()
    assert [line.split()[0] for line in lines] == [
        "csv", "json", "toml", "txt", "typed", "xml", "yaml"]
    assert lines[-1].split()[1:] == [".yaml", ".yml", ".yaml.gz", ".yml.gz",
                                     "builtin"]
    told = {f["name"]: f for f in json.loads(prints("formats", "--json"))}
    assert told["json"]["suffixes"] == [".json", ".json.gz"]
    for one in told.values():
        assert one["loaded"] and one["load"] and one["dump"]
        assert one["kind"] == one["source"] == "builtin"


def test_formats_failed(tmp_path):
    plugins = own_directory(tmp_path / "formats.d")
    write_conf(plugins, "bad", suffix=".bad", base="nope", validate="/bin/true")
    line = [x for x in prints("formats", "--formats-dir", plugins).splitlines()
            if x.startswith("bad ")][0]
    assert "NOT LOADED: there is no such base format" in line
    told = [f for f in json.loads(prints("formats", "--json", "--formats-dir",
                                         plugins)) if f["name"] == "bad"][0]
    assert not told["loaded"] and "base format" in told["reason"]
    assert "not loaded" in fails(FORMAT, "convert", "--formats-dir", plugins,
                                 "--from", "bad", "--to", "json", text="")
