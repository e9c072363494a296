# SPDX-License-Identifier: MIT
"""Every method of every class, on every ground."""
import copy
import gzip
import os
import pickle
from pathlib import Path

import pytest

import atomicio
from atomicio import (AsyncSafeFile, FileAppendError,
                      FileWriteError, FormatNotRegisteredError, SafeFile,
                      ThreadedSafeFile, register_format)
from seed_help import run_in_loop

SUFFIXES = ["json", "yaml", "yml", "toml", "json.gz", "yaml.gz"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_write_and_read(kind, folder, suffix):
    value = {"c": True, "a": {"b": [1, "x", 2.5]}}
    file = kind(folder / f"data.{suffix}")
    file.write(value)
    assert file.read() == value
    assert list(file.read()) == ["c", "a"]


def test_json_as_text(kind, folder):
    """Four columns, in the order of the keys, characters as they are."""
    file = kind(folder / "a.json")
    file.write({"z": 1, "a": ["ü"]})
    assert (folder / "a.json").read_text() == (
        '{\n    "z": 1,\n    "a": [\n        "ü"\n    ]\n}\n')


def test_yaml_as_text(kind, folder):
    file = kind(folder / "a.yaml")
    file.write({"z": {"b": 1}, "a": ["ü", "no"]})
    text = (folder / "a.yaml").read_text()
    assert text.startswith("z:\n  b: 1\n") and "ü" in text
    assert '"no"' in text or "'no'" in text
    assert file.read() == {"z": {"b": 1}, "a": ["ü", "no"]}


def test_text_and_tables(kind, folder):
    text, table = kind(folder / "a.txt"), kind(folder / "a.csv")
    text.write("one\ntwo\n")
    assert text.read() == "one\ntwo\n"
    table.write([{"name": "Ann", "age": 30}, {"name": "B, C", "age": 4}])
    assert table.read() == [{"name": "Ann", "age": "30"},
                            {"name": "B, C", "age": "4"}]


@pytest.mark.parametrize("suffix", [*SUFFIXES, "csv", "xml", "txt"])
def test_missing(kind, folder, suffix):
    file = kind(folder / f"missing.{suffix}")
    assert file.read() is None
    assert file.read_bytes() is None
    assert not os.listdir(folder)


@pytest.mark.parametrize("suffix, value", [
    ("json", None), ("yaml", None), ("xml", None), ("toml", {}), ("csv", []),
    ("txt", "")])
def test_blank(kind, folder, suffix, value):
    (folder / f"blank.{suffix}").write_bytes(b"")
    assert kind(folder / f"blank.{suffix}").read() == value


# ---- update ---------------------------------------------------------------

def test_update_dict(kind, folder):
    """One level deep."""
    file = kind(folder / "a.json")
    file.update({"a": {"x": 1}, "b": 1})
    assert file.read() == {"a": {"x": 1}, "b": 1}
    file.update({"a": {"y": 2}, "c": None})
    assert file.read() == {"a": {"y": 2}, "b": 1, "c": None}


def test_update_deep(kind, folder):
    """RFC 7396: None deletes."""
    file = kind(folder / "a.json")
    file.update({"a": {"x": 1, "y": None}, "b": 1}, deep=True)
    assert file.read() == {"a": {"x": 1}, "b": 1}
    file.update({"a": {"y": {"z": 2}}, "b": None}, deep=True)
    assert file.read() == {"a": {"x": 1, "y": {"z": 2}}}
    file.update([1], deep=True)
    assert file.read() == [1]


def test_update_list(kind, folder):
    file = kind(folder / "a.json")
    file.write([1])
    file.update([2, [3]])
    assert file.read() == [1, 2, [3]]


@pytest.mark.parametrize("old, new", [
    ([1], {"a": 1}), ({"a": 1}, [1]), ("x", "y"), (1, None), (None, [1])])
def test_update_replaces(kind, folder, old, new):
    file = kind(folder / "a.json")
    file.write(old)
    file.update(new)
    assert file.read() == new


# ---- bytes ----------------------------------------------------------------

def test_bytes(kind, folder):
    file = kind(folder / "any.thing")
    content = bytes(range(256)) * 5
    for one in (content, bytearray(content), memoryview(content), b""):
        file.write_bytes(one)
        assert file.read_bytes() == bytes(one)


def test_append(kind, folder):
    file = kind(folder / "log")
    for text in ("one\n", 2, None, " ü\0"):
        file.append(text)
    assert file.read_bytes() == "one\n2None ü\0".encode()


@pytest.mark.parametrize("name, value, text, new", [
    ("a.txt", "x", "y", "xy"),
    ("a.yaml", {"a": 1}, "b: 2\n", {"a": 1, "b": 2}),
    ("a.toml", {"a": 1}, "b = 2\n", {"a": 1, "b": 2}),
    ("a.csv", [{"a": "1"}], "2\n", [{"a": "1"}, {"a": "2"}]),
    ("a.xml", {"a": "1"}, "<!-- more -->", {"a": "1"}),
    ("a.json", [1], "\n", [1]),
    ("a.txt.gz", "x", "y", "xy"),
    ("a.CSV.GZ", [{"a": "1"}], "2\n", [{"a": "1"}, {"a": "2"}]),
    ("a.yaml.gz", {"a": 1}, "b: 2\n", {"a": 1, "b": 2})])
def test_append_to_each_format(kind, folder, name, value, text, new):
    """Under gzip, too, it becomes part of the document."""
    file = kind(folder / name)
    file.write(value)
    file.append(text)
    assert file.read() == new
    file.append("")
    with file.locked() as f:
        assert f.read() == new
    kind(folder / f"new-{name}").append(text)
    content = (folder / f"new-{name}").read_bytes()
    if name.lower().endswith(".gz"):
        content = gzip.decompress(content)
    assert content == text.encode()


def test_append_to_ones_own_gzip(kind, folder, formats_back):
    """What is behind such a suffix is then nobody else's affair."""
    formats_back(".txt.gz")
    register_format(".txt.gz", lambda f: f.read(), lambda v, f: f.write(v))
    kind(folder / "a.txt.gz").append("one ")
    kind(folder / "a.txt.gz").append("two")
    assert (folder / "a.txt.gz").read_text() == "one two"
    kind(folder / "a.unknown.gz").append("text")
    assert (folder / "a.unknown.gz").read_text() == "text"


@pytest.mark.parametrize("method, value, error", [
    ("write_bytes", "text", FileWriteError),
    ("write_bytes", 5, FileWriteError),
    ("append", b"bytes", FileAppendError),
    ("append", "\ud800", FileAppendError),
    ("write", object(), FileWriteError)])
def test_wrong_arguments(kind, folder, method, value, error):
    file = kind(folder / "a.json")
    file.write([1])
    with pytest.raises(error) as caught:
        getattr(file, method)(value)
    assert isinstance(caught.value.__cause__, (TypeError, ValueError))
    assert caught.value.path == folder / "a.json"
    assert file.read() == [1]


def test_unknown_format(kind, folder):
    assert ".pickle" not in atomicio.FORMAT_REGISTRY
    file = kind(folder / "a.strange")
    for call in (file.read, lambda: file.write(1), lambda: file.update(1)):
        with pytest.raises(FormatNotRegisteredError, match="a.strange"):
            call()
    with pytest.raises(ValueError):
        file.read()


# ---- objects --------------------------------------------------------------

def test_attributes():
    assert SafeFile("a.json").timeout is True
    assert ThreadedSafeFile("a.json").timeout is None
    assert AsyncSafeFile("a.json", 2.5).timeout == 2.5
    for path in ("a.json", Path("a.json"), b"a.json"):
        assert SafeFile(path).path == Path("a.json")
    assert repr(SafeFile("a.json")) == "SafeFile('a.json', timeout=True)"


@pytest.mark.parametrize("path, error", [
    ("", ValueError), ("a\0b", ValueError), (None, TypeError),
    (5, TypeError)])
@pytest.mark.parametrize("cls", [SafeFile, ThreadedSafeFile, AsyncSafeFile])
def test_wrong_paths(cls, path, error):
    with pytest.raises(error):
        cls(path)


@pytest.mark.parametrize("cls", [SafeFile, ThreadedSafeFile])
def test_context(cls, folder):
    with cls(folder / "a.json") as file:
        file.write([1])
        assert isinstance(file, cls)
        # It locks nothing by itself.
        assert SafeFile(folder / "a.json", timeout=False).read() == [1]


def test_async_context(folder):
    async def use():
        async with AsyncSafeFile(folder / "a.json") as file:
            await file.write([1])
            return await file.read()
    assert run_in_loop(use()) == [1]


def test_section_has_every_method(kind, folder):
    """What locked() gives."""
    methods = {"read", "write", "update", "read_bytes", "write_bytes",
               "append", "locked", "supported_formats", "cleanup_locks",
               "list_supported_formats", "path", "timeout"}
    with kind(folder / "a.json").locked() as f:
        assert not [name for name in methods if not hasattr(f, name)]
        f.write({"a": 1})
        f.update({"b": 2})
        assert f.read() == {"a": 1, "b": 2}
        f.write_bytes(b"[1")
        f.append("]")
        assert f.read_bytes() == b"[1]"


def test_lists_of_formats(kind):
    file = kind("a.json")
    for listed in (file.list_supported_formats(), file.supported_formats(),
                   SafeFile.list_supported_formats(),
                   atomicio.list_supported_formats()):
        assert listed == sorted(listed)
        assert {".json", ".yaml", ".yml", ".toml", ".txt", ".csv", ".xml",
                ".json.gz"} <= set(listed)


@pytest.mark.parametrize("cls", [SafeFile, ThreadedSafeFile, AsyncSafeFile])
def test_objects_travel(cls):
    """To another process, or as a copy."""
    file = cls("a.json", 5, durable=False)
    for again in (pickle.loads(pickle.dumps(file)), copy.copy(file)):
        assert type(again) is cls
        assert (again.path, again.timeout, again.durable) == (
            file.path, 5, False)


def test_not_durable(folder):
    file = SafeFile(folder / "a.json", durable=False)
    file.write([1])
    assert file.read() == [1]


# ---- what else becomes of the file -----------------------------------------

def test_attributes_of_the_file_stay(kind, folder):
    path = folder / "a.json"
    path.write_text("{}")
    path.chmod(0o640)
    os.setxattr(path, "user.mark", b"x")
    kind(path).write({"a": 1})
    kind(path).update({"b": 2})
    assert path.stat().st_mode & 0o7777 == 0o640
    assert os.getxattr(path, "user.mark") == b"x"


def test_links(kind, folder):
    """Targets of symbolic links are written, and hard links stay."""
    (folder / "a.json").write_text("{}")
    os.link(folder / "a.json", folder / "hard.json")
    (folder / "soft.json").symlink_to("a.json")
    kind(folder / "soft.json").write({"a": 1})
    assert (folder / "soft.json").is_symlink()
    for name in ("a", "hard", "soft"):
        assert kind(folder / f"{name}.json").read() == {"a": 1}


def test_no_side_effects(kind, folder):
    kind(folder / "a.json").write(1)
    kind(folder / "a.json").append("")
    with kind(folder / "new.json").locked():
        pass
    assert "a.json" in os.listdir(folder)
    assert set(os.listdir(folder)) <= {"a.json", "new.json"}


@pytest.mark.parametrize("name", [
    "with blanks in it .json", "ü\n'\"$*.json", "x" * 250 + ".json",
    "-rf.json", ".hidden.json", "UPPER.JSON", ".json"])
def test_names(kind, folder, name):
    deep = folder / "one dir" / "another"
    deep.mkdir(parents=True)
    file = kind(deep / name)
    file.write({"a": 1})
    file.append("\n")
    assert file.read() == {"a": 1}
    assert os.listdir(deep) == [name]
