# SPDX-License-Identifier: MIT
"""atomicio convert: one format to another, whole or not at all."""
import gzip
import json
import os
import signal
import stat
import subprocess

import pytest
from cli import refused
from documents import (DATA, FORMAT, MISSING, USAGE, env, fails, own_directory,
                       prints, script, tool, write_conf)
from harness.mount import tool_path

JSON = '{"name": "Ada", "tags": ["x", "z"], "size": 1.50}\n'
IN_FORMATS = {
    "yaml": "name: Ada\ntags:\n  - x\n  - z\nsize: 1.50\n",
    "toml": 'name = "Ada"\ntags = ["x", "z"]\nsize = 1.50\n',
    "json": json.dumps(json.loads(JSON), indent=4).replace("1.5", "1.50")
            + "\n",
}
ROWS = '[{"a": "1", "b": "x, y"}, {"a": "", "b": "z"}]'


@pytest.fixture(params=["plain", "mount"])
def where(request, tmp_path, place):
    """A directory, as it is and in a mount."""
    return tmp_path if request.param == "plain" else place


def converted(text, source, target):
    return prints("convert", "--from", source, "--to", target, text=text)


# ---- formats ---------------------------------------------------------------

@pytest.mark.parametrize("source", IN_FORMATS)
@pytest.mark.parametrize("target", IN_FORMATS)
def test_each_to_each(source, target):
    """The order of keys and the spelling of numbers stay."""
    assert converted(IN_FORMATS[source], source, target) == IN_FORMATS[target]


def test_csv():
    assert converted(ROWS, "json", "csv") == 'a,b\n1,"x, y"\n,z\n'
    assert json.loads(converted('a,b\n1,"x, y"\n,z\n', "csv", "json")
                      ) == json.loads(ROWS)


def test_xml():
    text = '{"a": {"@attributes": {"id": "1"}, "b": ["x", "y"]}}'
    xml = converted(text, "json", "xml")
    assert '<a id="1">' in xml and xml.count("<b>") == 2
    assert json.loads(converted(xml, "xml", "json")) == json.loads(text)


def test_txt():
    assert converted("some\ntext\n", "txt", "json") == '"some\\ntext\\n"\n'
    assert converted('"some\\ntext\\n"', "json", "txt") == "some\ntext\n"


def test_typed():
    """Nothing gets lost on the way."""
    toml = "d = 1979-05-27\nn = 0x1F\n"
    typed = converted(toml, "toml", "typed")
    assert json.loads(typed)["d"] == {"type": "date-local",
                                      "value": "1979-05-27"}
    assert converted(typed, "typed", "toml") == "d = 1979-05-27\nn = 31\n"


def test_names(where):
    """Names of files tell the format, unless a flag does."""
    (where / "a.json").write_text(JSON)
    assert prints("convert", "a.json", "b.yaml", cwd=where) == ""
    assert (where / "b.yaml").read_text() == IN_FORMATS["yaml"]
    assert prints("convert", "b.yaml", "c.toml.GZ", cwd=where) == ""
    assert gzip.decompress((where / "c.toml.GZ").read_bytes()
                           ).decode() == IN_FORMATS["toml"]
    assert prints("convert", "c.toml.GZ", "--to", "json",
                  cwd=where) == IN_FORMATS["json"]
    (where / "data").write_text(IN_FORMATS["toml"])
    prints("convert", "--from=toml", "data", "--to=yaml", "out", cwd=where)
    assert (where / "out").read_text() == IN_FORMATS["yaml"]
    prints("convert", "--from", "json", "--", "-", "-.yml", text=JSON,
           cwd=where)
    assert (where / "-.yml").read_text() == IN_FORMATS["yaml"]
    prints("convert", "a.json", "--to", "yaml", "a.json", cwd=where)
    assert (where / "a.json").read_text() == IN_FORMATS["yaml"]


# ---- what is refused -------------------------------------------------------

@pytest.mark.parametrize("words, code, message", [
    ([], FORMAT, "say with --from in which format standard input is"),
    (["-"], FORMAT, "say with --from in which format standard input is"),
    (["a.json"], USAGE, "say with --to which format it shall be"),
    (["a.json", "-"], USAGE, "say with --to which format it shall be"),
    (["a.json", "b"], FORMAT, "b: no format is known for this name"),
    (["a"], FORMAT, "a: no format is known for this name"),
    (["a", "b.json"], FORMAT, "a: no format is known for this name"),
    (["a.json", "--to", "nonsense"], FORMAT, "there is no format 'nonsense'"),
    (["--from", "j", "a.json", "--to", "json"], FORMAT, "no format 'j'"),
    (["a.json", "--to"], USAGE, "--to needs a value"),
    (["a.json", "--too", "json"], USAGE, "unknown option '--too'"),
    (["a", "b", "c"], USAGE, "unexpected 'c'"),
    (["none.json", "--to", "yaml"], MISSING, "none.json: No such file or"),
    (["no/a.json", "--to", "yaml"], MISSING, "no/a.json: No such file or"),
    (["a.json", "no/b.yaml"], MISSING, "No such file or directory"),
    (["a.json/", "--from", "json", "--to", "yaml"], DATA, "Not a directory"),
    ([".", "--from", "json", "--to", "yaml"], DATA, "Is a directory"),
])
def test_refused(tmp_path, words, code, message):
    (tmp_path / "a.json").write_text(JSON)
    line = refused("convert", *words, code=code, cwd=tmp_path, env=env())
    assert message in line
    assert os.listdir(tmp_path) == ["a.json"]


def test_place_of_fault(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: 1\nb: [x\n")
    assert fails(DATA, "convert", path, "--to", "json").startswith(
        f"{path}:3:1: ")
    assert fails(DATA, "convert", "--from", "json", "--to", "yaml",
                 text='{"ä": ?}').startswith("<stdin>:1:7: ")


@pytest.mark.parametrize("text, source, target, pointer", [
    ('{"a": [1, null]}', "json", "toml", "/a/1"),
    ("a: {1: x}", "yaml", "json", "/a/1"),
    ("a: .nan", "yaml", "json", "/a"),
    ('{"a": {"b/c": "x\\u0000"}}', "json", "xml", "/a/b~1c"),
    ('[{"a": [1]}]', "json", "csv", "/0/a"),
])
def test_cannot_be_held(tmp_path, text, source, target, pointer):
    """Nothing changes silently; the old file stays."""
    out = tmp_path / "out"
    out.write_text("old")
    line = fails(DATA, "convert", "--from", source, "--to", target, "-", out,
                 text=text)
    assert line.startswith("atomicio: standard input: at " + pointer)
    assert out.read_text() == "old"


def test_name_of_file(tmp_path):
    """It is said once, also where the rest of the message has such a word."""
    for name in ("a", "-", "XML"):
        (tmp_path / name).write_text("h\n1\n")
        line = fails(DATA, "convert", "--from", "csv", "--to", "xml",
                     f"./{name}", cwd=tmp_path)
        assert line.startswith(f"atomicio: ./{name}: XML is a map")
        if name != "-":
            line = fails(DATA, "convert", "--from", "csv", "--to", "xml", name,
                         cwd=tmp_path)
            assert line.startswith(f"atomicio: {name}: XML is a map")
    line = fails(DATA, "convert", "--from", "json", "--to", "txt",
                 text='{"non-text": 1}')
    assert line.startswith("atomicio: standard input: ")
    line = fails(MISSING, "read", "none.json", cwd=tmp_path)
    assert line.count("none.json") == 1


@pytest.mark.parametrize("data, message", [
    (b"\xff\xfe", "<stdin>:1:1: byte 0xFF is not UTF-8"),
    (b'{"a": "\x00"}', "<stdin>:1:8: "),
    (b"\x7fELF" + bytes(100), "<stdin>:1:1: "),
    (b"", None),
])
def test_binary(data, message):
    words = ("convert", "--from", "json", "--to", "yaml")
    if message:
        assert fails(DATA, *words, text=data).startswith(message)
    else:
        assert prints(*words, text=data) == "null\n"


@pytest.mark.parametrize("source, blank", [
    ("json", " \n"), ("yaml", "# only this\n"), ("xml", " "),
])
def test_no_value(tmp_path, source, blank):
    """A blank file stays one; a null that somebody wrote does not become one."""
    path = tmp_path / f"in.{source}"
    for text in ("", blank):
        path.write_text(text)
        for target in ("toml", "csv", "txt"):
            assert prints("convert", path, "--to", target) == ""
            prints("convert", path, tmp_path / f"out.{target}.gz")
            assert gzip.decompress(
                (tmp_path / f"out.{target}.gz").read_bytes()) == b""
        assert fails(DATA, "convert", path, "--to", "xml") == (
            f"atomicio: {path}: there is no value, and XML is one element, no "
            "more and no less")
        for target in ("json", "yaml"):
            assert prints("convert", path, "--to", target) == "null\n"
    for target in ("toml", "csv"):
        assert "not a null" in fails(DATA, "convert", "--from", "json", "--to",
                                     target, text="null")


def test_gzip(tmp_path):
    path = tmp_path / "a.json.gz"
    whole = gzip.compress(JSON.encode())
    path.write_bytes(whole)
    assert prints("convert", path, "--to", "yaml") == IN_FORMATS["yaml"]
    for data in (whole[:-9], whole + b"more", JSON.encode()):
        path.write_bytes(data)
        assert "gzip" in fails(DATA, "convert", path, "--to", "yaml")
    path.write_bytes(gzip.compress(bytes(80 << 20)))  # a bomb
    assert f"gzip: unpacks to more than {64 << 20} bytes" in fails(
        DATA, "convert", path, "--to", "yaml")


# ---- big -------------------------------------------------------------------

def test_big(tmp_path):
    """More than 16 MiB are refused; unzipped there may be more."""
    value = ["x" * 1000] * (20 << 10)
    text = json.dumps(value)
    path = tmp_path / "big.json"
    path.write_text(text)
    assert fails(DATA, "convert", path, "--to", "yaml") == (
        f"atomicio: {path}: larger than 16 MiB")
    assert "larger than 16 MiB" in fails(
        DATA, "convert", "--from", "json", "--to", "yaml", text=text)
    zipped = tmp_path / "big.json.gz"
    zipped.write_bytes(gzip.compress(text.encode(), 1))
    assert prints("convert", zipped, tmp_path / "out.json") == ""
    assert json.loads((tmp_path / "out.json").read_text()) == value
    path.write_text(text[:15 << 20] + '"]')
    out = prints("convert", path, "--to", "yaml")
    assert len(out) > 14 << 20


# ---- OUT is a file like any other ------------------------------------------

def test_keeps_what_it_is(where):
    out = where / "out.yaml"
    out.write_text("old")
    out.chmod(0o640)
    (where / "link.yaml").symlink_to("out.yaml")
    prints("convert", "--from", "json", "-", "link.yaml", text=JSON, cwd=where)
    assert (where / "link.yaml").is_symlink()
    assert out.read_text() == IN_FORMATS["yaml"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert sorted(os.listdir(where)) == ["link.yaml", "out.yaml"]


def test_not_writable(tmp_path):
    out = tmp_path / "dir.yaml"
    out.mkdir()
    assert "Is a directory" in fails(DATA, "convert", "--from", "json", "-",
                                     out, text=JSON)


def test_killed(where, tmp_path, module_mount):
    """SIGKILL at any time leaves the old one or the new one; what it left of
    its own in one unlucky instant, the next one takes away."""
    module_mount.allow_log(r"rolled back .*/out\.yaml': killed")
    out = where / "out.yaml"
    text = json.dumps([{"key": n, "text": "x" * 100} for n in range(2000)])
    (tmp_path / "in.json").write_text(text)
    prints("convert", tmp_path / "in.json", out)
    new = out.read_bytes()
    old = b"old\n" * 10000
    before = sorted(os.listdir(where))
    seen = set()
    for n in range(30):
        out.write_bytes(old)
        process = subprocess.Popen(
            [tool_path(), "convert", tmp_path / "in.json", out], env=env())
        try:
            process.wait(n * 0.001)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        now = out.read_bytes()
        assert now in (old, new)
        seen.add(now)
        assert [name for name in sorted(os.listdir(where))
                if not name.startswith(".atomicio-")] == before
    assert old in seen
    prints("convert", tmp_path / "in.json", out)
    assert sorted(os.listdir(where)) == before


def test_plugin_fails_late(tmp_path):
    """A plugin that dies while it writes leaves the old file."""
    plugins = own_directory(tmp_path / "formats.d")
    write_conf(plugins, "p", suffix=".p", dump=str(script(
        plugins / "p.py", "import os; print('half', flush=True); os.abort()")))
    out = tmp_path / "out.p"
    out.write_text("old")
    assert "the plugin crashed: Aborted" in fails(
        DATA, "convert", "--formats-dir", plugins, "--from", "json", "-", out,
        text="1")
    assert out.read_text() == "old"


# ---- the output ------------------------------------------------------------

def test_output_full():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [tool_path(), "convert", "--from", "json", "--to", "yaml"],
            input=JSON, env=env(), stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=60)
    assert done.returncode == DATA
    assert done.stderr == (
        "atomicio: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("ignored", [False, True])
def test_output_closed(ignored):
    """Nobody reads any more: the usual end of a filter, or a failure."""
    text = json.dumps(["x" * 100] * 10000)
    read, write = os.pipe()
    process = subprocess.Popen(
        [tool_path(), "convert", "--from", "json", "--to", "yaml"],
        stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE,
        env=env(), text=True, restore_signals=not ignored)
    os.close(write)
    os.close(read)
    said = process.communicate(text, timeout=60)[1]
    if ignored:
        assert process.returncode == DATA
        assert said == "atomicio: cannot write the output: Broken pipe\n"
    else:
        assert (process.returncode, said) == (-signal.SIGPIPE, "")


def test_input_closed():
    done = subprocess.run(
        ["sh", "-c", '"$0" convert --from json --to yaml <&-', tool_path()],
        env=env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == DATA
    assert done.stderr == "atomicio: standard input: Bad file descriptor\n"


def test_help():
    assert tool("convert", "--help").stdout.startswith(
        "usage: atomicio convert [OPTIONS] [IN|-] [OUT|-]\n")
