# SPDX-License-Identifier: MIT
"""atomicio recover."""
import json
import os
import subprocess

import pytest
from cli import atomicio, call, from_json, refused, roll_back
from harness.mount import unmount
from harness.tools import tree

SNAPSHOT_LIMIT = 64 << 20


def state(source):
    """Everything below, with the state directory."""
    return tree(source), tree(source / ".atomicfs/stage"), tree(
        source / ".atomicfs/quarantine")


def crashed_items(mount):
    """Its quarantine; no daemon runs that could be asked."""
    found = []
    for path in (mount.src / ".atomicfs/quarantine").glob("*.json"):
        item = json.loads(path.read_bytes())
        item["id"] = path.name[:-len(".json")]
        item["data"] = path.with_suffix("").read_bytes()
        found.append(item)
    return found


@pytest.fixture
def crashed(mount, peer):
    """A daemon that was killed while a new version of f was written."""
    (mount / "f").write_bytes(b"old")
    fd = peer.open(mount / "f", os.O_WRONLY | os.O_TRUNC)
    peer.write(fd, b"half")
    mount.kill9()
    return mount


def test_nothing(mount):
    mount.stop()
    assert atomicio("recover", mount.src) == "nothing to settle\n"
    assert from_json("recover", mount.src) == []


def test_unfinished(crashed):
    """S18: it goes to the quarantine."""
    text = atomicio("recover", crashed.src)
    assert text.startswith("f: kept in quarantine (")
    assert text.count("\n") == 1
    assert (crashed.src / "f").read_bytes() == b"old"
    (item,) = crashed_items(crashed)
    assert (item["path"], item["data"]) == ("f", b"half")
    assert item["id"] in text
    assert atomicio("recover", crashed.src) == "nothing to settle\n"


@pytest.mark.parametrize("flag", ["-n", "--dry-run"])
def test_dry_run(crashed, flag):
    """It says what would be done, and does nothing."""
    before = state(crashed.src)
    text = atomicio("recover", flag, crashed.src)
    assert text.startswith("f: would be kept in quarantine (")
    (item,) = from_json("recover", flag, crashed.src)
    assert (item["action"], item["path"]) == ("quarantined", "f")
    assert state(crashed.src) == before
    atomicio("recover", crashed.src)
    assert state(crashed.src) != before


def test_json(crashed):
    (item,) = from_json("recover", crashed.src)
    assert item["action"] == "quarantined"
    assert (item["path"], item["error"]) == ("f", 0)
    assert [item["id"]] == [i["id"] for i in crashed_items(crashed)]


def test_odd_name(mount, peer):
    fd = peer.open(os.fsencode(mount.mnt) + b"/a\n\xff",
                   os.O_WRONLY | os.O_CREAT)
    peer.write(fd, b"half")
    mount.kill9()
    (item,) = from_json("recover", "-n", mount.src)
    assert (item["path"], item["path_escaped"]) == ("a%0A%FF", True)
    text = atomicio("recover", mount.src)
    assert text.startswith(r"a\x0a\xff: kept in quarantine (")


def test_discarded(mount):
    """Litter, and shadows without content."""
    mount.stop()
    stage = mount.src / ".atomicfs/stage"
    (stage / "litter").write_bytes(b"x")
    (stage / ("0" * 16)).touch()
    text = atomicio("recover", mount.src)
    assert text.count("(path not known): discarded (") == 2
    assert os.listdir(stage) == ["journal"]


def test_failed(mount):
    """What cannot be settled: told of, exit code 1, left as it is."""
    mount.stop()
    stage = mount.src / ".atomicfs/stage"
    (stage / "directory").mkdir()
    (stage / "litter").write_bytes(b"x")
    done = call("recover", mount.src)
    assert done.returncode == 1
    assert "left as it is: Is a directory (directory)\n" in done.stdout
    assert "discarded (litter)\n" in done.stdout
    done = call("recover", "--json", mount.src)
    assert done.returncode == 1
    (item,) = json.loads(done.stdout)
    assert (item["action"], item["id"]) == ("failed", "directory")
    assert item["error"] != 0
    (stage / "directory").rmdir()


def test_published(mount, peer):
    """S13: what was synced is published.  Smaller files are so by the sync
    itself."""
    fd = peer.open(mount / "f", os.O_WRONLY | os.O_CREAT)
    peer.write(fd, b"synced")
    peer.ftruncate(fd, SNAPSHOT_LIMIT + 1)
    peer.fsync(fd)
    seen = (mount / "f").exists()  # where files can be cloned
    mount.kill9()
    text = atomicio("recover", mount.src)
    assert seen or text.startswith("f: published (")
    with open(mount.src / "f", "rb") as f:
        assert f.read(7) == b"synced\0"
    assert (mount.src / "f").stat().st_size == SNAPSHOT_LIMIT + 1


def test_quarantine_is_kept(mount):
    """How old items may get is known to the mount only."""
    name = roll_back(mount, "f", b"x")
    mount.stop()
    path = mount.src / ".atomicfs/quarantine" / (name + ".json")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "time": 1}))
    atomicio("recover", mount.src)
    assert os.path.exists(path.with_suffix(""))


# ---- refused -------------------------------------------------------------

def test_in_use(mount):
    for flags in ([], ["--dry-run"], ["--json"]):
        assert "is mounted" in refused("recover", *flags, mount.src)
        assert "is a mount" in refused("recover", *flags, mount.mnt)


def test_no_source(tmp_path):
    """Nothing is made where nothing was."""
    assert "no source" in refused("recover", tmp_path)
    assert "No such file" in refused("recover", tmp_path / "nothing")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    assert "Not a directory" in refused("recover", tmp_path / "file")


def test_newer_version(mount):
    mount.stop()
    (mount.src / ".atomicfs/version").write_text("77\n")
    assert "newer atomicfs" in refused("recover", mount.src)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_read_only(crashed, tmp_path):
    """A dry run does without writing."""
    bound = tmp_path / "bound"
    bound.mkdir()
    subprocess.run(["mount", "--bind", crashed.src, bound], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", bound], check=True)
        text = atomicio("recover", "--dry-run", bound)
        assert text.startswith("f: would be kept in quarantine (")
        assert "read-only" in refused("recover", bound).lower()
    finally:
        unmount(bound)
