# SPDX-License-Identifier: MIT
"""atomicio quarantine list, show and drop."""
import os
import time

import pytest
from cli import (atomicio, call, copied_tool, drops_in_mount, from_json, ids,
                 refused, roll_back)

DATA = bytes(range(256)) * 600 + b"end"


def rows(text):
    """The table, without its heading."""
    heading, *lines = text.splitlines()
    assert heading.split() == ["ID", "TIME", "SIZE", "REASON", "PID",
                               "COMMAND", "PATH"]
    return lines


# ---- list ----------------------------------------------------------------

def test_empty(mount):
    text = atomicio("quarantine", "list", "-C", mount.mnt)
    assert text == "the quarantine is empty\n"
    assert from_json("quarantine", "list", "-C", mount.mnt) == []


def test_list(mount):
    (mount / "d").mkdir()
    one = roll_back(mount, "d/one", b"x")
    two = roll_back(mount, "two words", b"x" * 2048)
    lines = rows(atomicio("quarantine", "list", "-C", mount.mnt))
    assert len(lines) == 2
    said = lines[0].split()
    assert said[0] == one
    assert said[3:5] == ["1", "aborted"]
    assert said[5] == str(os.getpid())
    assert said[7] == "d/one"
    assert lines[1].startswith(two)
    assert " 2.0 KiB  aborted  " in lines[1]
    assert lines[1].endswith("  two words")
    # The columns stand one below the other.
    assert lines[0].index("aborted") == lines[1].index("aborted")
    assert lines[0].index("d/one") == lines[1].index("two words")


def test_list_time(mount):
    """Local time, as TZ says."""
    roll_back(mount, "f", b"x")
    at = mount.quarantine()[0]["time"]
    (line,) = rows(atomicio("quarantine", "list", "-C", mount.mnt))
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) in line


def test_list_json(mount):
    name = roll_back(mount, "f", b"abc", mode=0o640)
    (item,) = from_json("quarantine", "list", "-C", mount.mnt)
    assert item["id"] == name
    assert (item["path"], item["reason"]) == ("f", "aborted")
    assert (item["size"], item["mode"], item["pid"]) == (3, 0o640, os.getpid())
    assert (item["uid"], item["owner"], item["group"]) == (
        os.getuid(), os.getuid(), os.getgid())
    assert item["command"]
    assert item["time"] == mount.quarantine()[0]["time"]


ODD = b"a\n\x1b[31m\xff\\\xe2\x80\xae\xc3\xa9"


def test_odd_name(mount):
    """No name does anything to a terminal."""
    name = roll_back(mount, ODD, b"x")
    escaped = r"a\x0a\x1b[31m\xff\\\xe2\x80\xae" + "é"
    (line,) = rows(atomicio("quarantine", "list", "-C", mount.mnt))
    assert line.endswith("  " + escaped)
    assert f"path     {escaped}\n" in atomicio("quarantine", "show", "-C",
                                               mount.mnt, name)
    (item,) = from_json("quarantine", "list", "-C", mount.mnt)
    assert item["path"] == "a%0A%1B[31m%FF\\%E2%80%AE%C3%A9"
    assert item["path_escaped"] is True


# ---- where ---------------------------------------------------------------

def test_place(mount, tmp_path):
    """The mount or source that the directory lies in."""
    (mount / "d/e").mkdir(parents=True)
    (tmp_path / "link").symlink_to(mount / "d")
    name = roll_back(mount, "f", b"x")
    for directory in (mount.mnt, mount / "d/e", tmp_path / "link", mount.src,
                      mount.src / "d"):
        for args, kwargs in ((["-C", directory], {}),
                             ([f"-C{directory}"], {}),
                             (["--mount", directory], {}),
                             ([f"--mount={directory}"], {}),
                             ([], {"cwd": directory})):
            (item,) = from_json("quarantine", "list", *args, **kwargs)
            assert item["id"] == name
    assert "neither in an atomicfs mount" in refused(
        "quarantine", "list", "-C", tmp_path)
    assert "No such file" in refused("quarantine", "list", "-C",
                                     tmp_path / "nothing")


def test_unmounted(mount):
    """A source tells it without a mount, too."""
    name = roll_back(mount, "f", b"bytes")
    mount.stop()
    (item,) = from_json("quarantine", "list", "-C", mount.src)
    assert item["id"] == name
    assert atomicio("quarantine", "show", "-C", mount.src, name,
                    "--content") == "bytes"
    atomicio("quarantine", "drop", "-C", mount.src, name)
    assert from_json("quarantine", "list", "-C", mount.src) == []


def test_directory_of_that_name(tmp_path):
    """Anybody may have a directory .@ctl: it makes no mount."""
    (tmp_path / ".@ctl/quarantine").mkdir(parents=True)
    assert "neither in an atomicfs mount" in refused(
        "quarantine", "list", "-C", tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
def test_other_user(mount, tmp_path):
    roll_back(mount, "f", b"x")
    tool = {"program": copied_tool(tmp_path), "user": 1000, "group": 1000}
    assert "only root and the user who mounted" in refused(
        "quarantine", "list", "-C", mount.mnt, **tool)
    assert "Permission denied" in refused("quarantine", "list", "-C",
                                          mount.src, **tool)


# ---- show ----------------------------------------------------------------

def test_show(mount):
    name = roll_back(mount, "f", b"abc", mode=0o640)
    text = atomicio("quarantine", "show", name, cwd=mount.mnt)
    said = dict(line.split(None, 1) for line in text.splitlines())
    assert said["id"] == name
    assert (said["path"], said["size"]) == ("f", "3 bytes")
    assert (said["reason"], said["pid"]) == ("aborted", str(os.getpid()))
    assert said["mode"] == f"0640, owner {os.getuid()}, group {os.getgid()}"


def test_show_json(mount):
    name = roll_back(mount, "f", b"abc")
    (item,) = from_json("quarantine", "list", "-C", mount.mnt)
    assert from_json("quarantine", "show", "-C", mount.mnt, name) == item


def test_show_content(mount, tmp_path):
    """The bytes, and nothing else."""
    name = roll_back(mount, "f", DATA)
    with open(tmp_path / "out", "wb") as out:
        done = call("quarantine", "show", "--content", name, "-C", mount.mnt,
                    stdout=out)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out").read_bytes() == DATA
    with open("/dev/full", "wb") as full:
        done = call("quarantine", "show", "--content", name, "-C", mount.mnt,
                    stdout=full)
    assert done.returncode == 1 and "No space left" in done.stderr


@pytest.mark.parametrize("name", ["0000000000000000", "x", "../lock", "",
                                  "a" * 300, "0.json"])
def test_show_unknown(mount, name):
    roll_back(mount, "f", b"x")
    for flags in ([], ["--json"], ["--content"]):
        refused("quarantine", "show", "-C", mount.mnt, name, *flags)


@drops_in_mount
def test_damaged(mount):
    """A description that cannot be read: said so, and hides no other; it can
    be dropped."""
    bad, good = (roll_back(mount, name, b"x") for name in "ab")
    path = mount.src / ".atomicfs/quarantine" / (bad + ".json")
    path.write_text("{")
    assert "damaged" in refused("quarantine", "show", "-C", mount.mnt, bad)
    (line,) = rows(atomicio("quarantine", "list", "-C", mount.mnt))
    assert line.startswith(good)
    atomicio("quarantine", "drop", "-C", mount.mnt, bad)
    assert ids(mount) == [good]


# ---- drop ----------------------------------------------------------------

@drops_in_mount
def test_drop(mount):
    one, two, three = (roll_back(mount, name, b"x") for name in "abc")
    atomicio("quarantine", "drop", "-C", mount.mnt, two)
    assert ids(mount) == [one, three]
    atomicio("quarantine", "drop", "-C", mount.mnt, three, one)
    assert os.listdir(mount.src / ".atomicfs/quarantine") == []


@drops_in_mount
def test_drop_unknown(mount):
    """The others go all the same."""
    one, two = (roll_back(mount, name, b"x") for name in "ab")
    said = refused("quarantine", "drop", "-C", mount.mnt, one, "77", two)
    assert "no item '77'" in said
    assert ids(mount) == []


@drops_in_mount
def test_drop_all(mount):
    for name in "abc":
        roll_back(mount, name, b"x")
    atomicio("quarantine", "drop", "--all", "-C", mount.mnt)
    assert os.listdir(mount.src / ".atomicfs/quarantine") == []
    atomicio("quarantine", "drop", "--all", "-C", mount.mnt)
