# SPDX-License-Identifier: MIT
"""Formats of the program's own: what a loader and a dumper may be like."""
import csv
import gzip
import io
import json
import pickle
import xml.etree.ElementTree as ET
import zipfile

import pytest

from atomicio import (FileReadError, FileWriteError, SafeFile,
                      list_supported_formats, register_format,
                      unregister_format)
from atomicio.formats import FORMAT_REGISTRY, Format

ROWS = [{"name": "Ann", "city": "Ö, \"K\""}, {"name": "B\nC", "city": ""}]


@pytest.fixture
def register(formats_back):
    def add(suffix, loader, dumper):
        formats_back(suffix)
        register_format(suffix, loader, dumper)
    return add


def through(path, value):
    SafeFile(path).write(value)
    return SafeFile(path).read()


# ---- files as text, as bytes, as both ------------------------------------------

def load_rows(f):
    return list(csv.DictReader(f))


def dump_rows(rows, f):
    writer = csv.DictWriter(f, rows[0])
    writer.writeheader()
    writer.writerows(rows)


def load_zip(f):
    with zipfile.ZipFile(f.buffer) as archive:
        return json.loads(archive.read("data"))


def dump_zip(value, f):
    with zipfile.ZipFile(f, "w") as archive:
        archive.writestr("data", json.dumps(value))


def load_latin(f):
    """Bytes as the characters of a text file."""
    return pickle.loads(f.read().encode("latin1"))


def dump_latin(value, f):
    f.write(pickle.dumps(value).decode("latin1"))


def load_gzip(f):
    content = f.read()
    assert isinstance(content, bytes)
    return json.loads(gzip.decompress(content))


def dump_gzip(value, f):
    f.write(gzip.compress(json.dumps(value).encode()))


def load_tree(f):
    return {one.tag: one.text for one in ET.parse(f).getroot()}


def dump_tree(value, f):
    root = ET.Element("root")
    for key, text in value.items():
        ET.SubElement(root, key).text = text
    ET.ElementTree(root).write(f, encoding="unicode", xml_declaration=True)


@pytest.mark.parametrize("loader, dumper, value", [
    (json.load, json.dump, {"a": [1, "ü"]}),
    (load_rows, dump_rows, ROWS),
    (lambda f: load_rows(io.StringIO(f.read())), dump_rows, ROWS),
    (pickle.load, pickle.dump, {"set": {1, 2}, 5: None}),
    (lambda f: pickle.load(f.buffer), pickle.dump, {1, 2}),
    (load_latin, dump_latin, {"set": {1, 2}, "all": bytes(range(256))}),
    (load_gzip, dump_gzip, {"a": 1}),
    (load_zip, dump_zip, {"a": 1}),
    (load_tree, dump_tree, {"a": "ü", "b": "<x>"}),
    (lambda f: f.buffer.read(), lambda v, f: f.buffer.write(v), b"\xff\0a"),
    (lambda f: f.readlines(), lambda v, f: f.writelines(v), ["a\r\n", "b"]),
    (lambda f: [f.seek(1), f.read(), f.seek(0), f.read(1)],
     lambda v, f: f.write("abc"), [1, "bc", 0, "a"]),
], ids=["json", "csv", "csv-string", "pickle", "pickle-buffer",
        "pickle-latin1", "gzip", "zip", "xml", "buffer", "lines", "seek"])
def test_through(kind, folder, register, loader, dumper, value):
    register("mine", loader, dumper)
    file = kind(folder / "data.mine")
    assert file.read() is None
    file.write(value)
    assert FORMAT_REGISTRY[".mine"].loader is loader
    assert file.read() == value


def test_xml_of_the_library(kind, folder):
    """Attributes are one map, "@attributes", and text beside them "#text"."""
    shop = {"@attributes": {"city": "Ö", "open": "yes"},
            "owner": {"name": "Ann", "since": "1990"},
            "shelf": [{"@attributes": {"no": "1"}, "#text": "bread & salt"},
                      {"@attributes": {"no": "2"}}, "empty"]}
    file = kind(folder / "shop.xml")
    file.write({"shop": shop})
    assert file.read() == {"shop": shop}
    root = ET.parse(file.path).getroot()
    assert (root.tag, root.attrib) == ("shop", shop["@attributes"])
    assert [(one.attrib, one.text) for one in root.iter("shelf")] == [
        ({"no": "1"}, "bread & salt"), ({"no": "2"}, None), ({}, "empty")]
    shop["shelf"].append({"@attributes": {"no": 3, "full": True}})
    file.update({"shop": shop})
    assert file.read()["shop"]["shelf"][3] == {
        "@attributes": {"no": "3", "full": "true"}}
    for wrong in [{}, "a", {"a b": "1"}, {"a": ["1"]}]:
        with pytest.raises(FileWriteError, match="/shop/@attributes"):
            file.write({"shop": {"@attributes": wrong, "a": "1"}})


def test_name_of_the_file(folder, register):
    seen = []
    register(".mine", lambda f: seen.append(f.name),
             lambda v, f: seen.append(f.name))
    through(folder / "a.mine", 1)
    assert seen == [str(folder / "a.mine")] * 2


def test_closed_by_the_dumper(folder, register):
    def dump(value, f):
        with f:
            f.write(value)
    register(".mine", lambda f: f.read(), dump)
    assert through(folder / "a.mine", "text") == "text"


def test_update(kind, folder, register):
    """Merged, appended or replaced, as with those of the library."""
    register(".mine", json.load, json.dump)
    file = kind(folder / "a.mine")
    file.update({"a": {"x": 1}})
    file.update({"a": {"y": 2}, "b": 1})
    assert file.read() == {"a": {"y": 2}, "b": 1}
    file.update({"a": {"z": 3}, "b": None}, deep=True)
    assert file.read() == {"a": {"y": 2, "z": 3}}
    file.write([1])
    file.update([2])
    assert file.read() == [1, 2]


def test_update_table(kind, folder, register):
    register(".csv", load_rows, dump_rows)
    file = kind(folder / "a.csv")
    file.write(ROWS)
    file.update([{"name": "D", "city": "E"}])
    assert file.read() == [*ROWS, {"name": "D", "city": "E"}]


# ---- what goes wrong in them ----------------------------------------------------

class Broken(Exception):
    pass


def fail(*args):
    raise Broken("out of order")


def test_failing_loader(kind, folder, register):
    register(".mine", fail, lambda v, f: f.write(v))
    file = kind(folder / "a.mine")
    file.write("x")
    for call in (file.read, lambda: file.update("y")):
        with pytest.raises(FileReadError, match="a.mine.*out of order") as e:
            call()
        assert isinstance(e.value.__cause__, Broken)
    assert file.read_bytes() == b"x"
    kind(folder / "a.mine", False).write("free")


def test_failing_dumper(kind, folder, register):
    """After it has written a half: nothing of that is in the file."""
    def dump(value, f):
        f.write("half")
        fail()
    register(".mine", lambda f: f.read(), dump)
    file = kind(folder / "a.mine")
    file.write_bytes(b"old")
    for call in (file.write, file.update):
        with pytest.raises(FileWriteError, match="out of order") as caught:
            call("new")
        assert isinstance(caught.value.__cause__, Broken)
    assert file.read_bytes() == b"old"


def test_loader_is_asked_again_only_for_bytes(folder, register):
    calls = []

    def load(f):
        calls.append(f.read())
        raise KeyError
    register(".mine", load, lambda v, f: f.write(v))
    with pytest.raises(FileReadError):
        through(folder / "a.mine", "x")
    assert calls == ["x"]


def test_not_text(folder, register):
    """A text format says what is wrong with its text."""
    register(".mine", load_rows, dump_rows)
    (folder / "a.mine").write_bytes(b"name\n\xff\n")
    with pytest.raises(FileReadError, match="0xff") as caught:
        SafeFile(folder / "a.mine").read()
    assert isinstance(caught.value, ValueError)


def test_validated(folder, register):
    """As if it were a format: refused values raise ValueError, too."""
    def check(value):
        if not isinstance(value.get("users"), list):
            raise ValueError("users is missing")
        return value
    register(".users.json", lambda f: check(json.load(f)),
             lambda v, f: json.dump(check(v), f))
    file = SafeFile(folder / "all.users.json")
    file.write({"users": [1]})
    for error in (ValueError, FileWriteError):
        with pytest.raises(error, match="users is missing"):
            file.write({"people": []})
    assert file.read() == {"users": [1]}
    file.write_bytes(b"{}")
    with pytest.raises(ValueError, match="users is missing"):
        file.read()
    # Other JSON is as before.
    assert through(folder / "users.json", {"people": []}) == {"people": []}


# ---- the registry ------------------------------------------------------------------

@pytest.mark.parametrize("name", ["mine", ".mine", "MINE", ".Mine"])
def test_spellings(folder, register, name):
    register(name, json.load, json.dump)
    assert ".mine" in list_supported_formats()
    assert ".mine" in FORMAT_REGISTRY
    assert through(folder / "a.MinE", [1]) == [1]


@pytest.mark.parametrize("suffix, error", [
    ("", ValueError), (".", ValueError), ("a/b", ValueError),
    ("a\0", ValueError), (None, TypeError), (b".x", TypeError)])
def test_wrong_suffixes(suffix, error):
    with pytest.raises(error):
        register_format(suffix, json.load, json.dump)


def test_wrong_functions():
    with pytest.raises(TypeError):
        register_format(".mine", json.load, None)
    assert ".mine" not in FORMAT_REGISTRY


def test_override(folder, register):
    """And what was there before is there again."""
    register(".json", lambda f: "mine", lambda v, f: f.write("[]"))
    assert through(folder / "a.json", 5) == "mine"
    assert unregister_format("json")
    assert SafeFile(folder / "a.json").read() == []
    assert not unregister_format("json")


def test_registry_is_live():
    assert set(FORMAT_REGISTRY) == set(list_supported_formats())
    assert len(FORMAT_REGISTRY) == len(list_supported_formats())
    assert ".unknown" not in FORMAT_REGISTRY


def test_formats_of_the_library_as_functions():
    """A plugin can use them."""
    found = FORMAT_REGISTRY[".toml"]
    assert isinstance(found, Format)
    assert found.load(found.dump({"a": 1})) == {"a": 1}
    zipped = FORMAT_REGISTRY[".yaml.gz"]
    assert gzip.decompress(zipped.dump({"a": 1})) == b"a: 1\n"
    assert zipped.load(zipped.dump({"a": 1})) == {"a": 1}
