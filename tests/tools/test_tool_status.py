# SPDX-License-Identifier: MIT
"""atomicio status."""
import json
import os
import subprocess

import pytest
from cli import atomicio, call, copied_tool, from_json, refused, roll_back
from harness.mount import unmount
from support import Daemon

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def lines(text):
    """{label: rest} of the indented lines."""
    return dict(line.strip().split(None, 1)
                for line in text.splitlines()[1:])


def all_mounts(source):
    """What is said of the mounts of @source.  Other mounts may be there that
    do not answer: that must not hide ours."""
    done = call("status", "--json")
    assert done.returncode in (0, 1)
    assert (done.returncode == 1) == (done.stderr != "")
    return [one for one in json.loads(done.stdout)
            if one["source"] == os.fspath(source)]


def test_text(mount, io):
    """S30: which path is in use, and why; and the rest."""
    fd = os.open(mount / "f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x")
    text = atomicio("status", mount.mnt)
    os.close(fd)
    assert text.startswith(f"{mount.mnt}  (source {mount.src})\n")
    said = lines(text)
    assert f"pid {mount.proc.pid}, " in said["daemon"]
    assert said["path"] == f"{io}: {mount.status()['io']['reason']}"
    assert said["open"] == "transactions 1, files 1"
    assert "staged 1, commits 0" in said["transactions"]
    assert said["locks"].startswith("held 0, waiting 0, grants 0")
    assert said["quarantine"] == "empty"
    assert "durability=full" in said["options"]
    assert said["disk"].endswith("iB free")


def test_quarantine(mount):
    roll_back(mount, "f", b"x" * 1536)
    assert lines(atomicio("status", mount.mnt))["quarantine"] == (
        "1 item, 1.5 KiB")


@pytest.mark.mount_options("durability=none", "conflict=last")
def test_options(mount):
    said = lines(atomicio("status", mount.mnt))["options"]
    assert "durability=none" in said and "conflict=last" in said


def test_json(mount):
    """The daemon's own object."""
    said, own = from_json("status", mount.mnt), mount.status()
    assert set(said) == set(own)
    for key in ("version", "pid", "source", "mountpoint", "io", "options"):
        assert said[key] == own[key]


def test_from_inside(mount):
    """Any path in the mount will do."""
    (mount / "d/e").mkdir(parents=True)
    (mount / "d/f").touch()
    pid = mount.proc.pid
    assert from_json("status", mount / "d/e")["pid"] == pid
    assert from_json("status", mount / "d/f")["pid"] == pid
    assert from_json("status", ".", cwd=mount / "d")["pid"] == pid


def test_all(mount):
    said = all_mounts(mount.src)
    assert [one["pid"] for one in said] == [mount.proc.pid]
    assert f"{mount.mnt}  (source " in call("status").stdout


@root_only
def test_bound_elsewhere(mount, tmp_path):
    """A mount that is bound to other places is one mount; a part of it says
    where to look."""
    (mount / "d").mkdir()
    (tmp_path / "all").mkdir()
    (tmp_path / "part").mkdir()
    subprocess.run(["mount", "--bind", mount.mnt, tmp_path / "all"],
                   check=True)
    subprocess.run(["mount", "--bind", mount / "d", tmp_path / "part"],
                   check=True)
    try:
        assert len(all_mounts(mount.src)) == 1
        pid = from_json("status", tmp_path / "all")["pid"]
        assert pid == mount.proc.pid
        assert "neither in an atomicfs mount" in refused(
            "status", tmp_path / "part")
    finally:
        unmount(tmp_path / "part")
        unmount(tmp_path / "all")


@root_only
def test_hidden(mount, daemon, tmp_path):
    """Of mounts at one place, the newest answers."""
    source = tmp_path / "source"
    source.mkdir()
    subprocess.run([daemon, source, mount.mnt], check=True)
    try:
        assert len(all_mounts(source)) == 1
        assert all_mounts(mount.src) == []
        hidden = f"atomicio: {mount.mnt}: hidden under another mount\n"
        assert hidden in call("status").stderr
    finally:
        subprocess.run(["umount", mount.mnt], check=True)
    assert len(all_mounts(mount.src)) == 1


@root_only
def test_hidden_by_another_kind(mount):
    subprocess.run(["mount", "-t", "tmpfs", "none", mount.mnt], check=True)
    try:
        assert all_mounts(mount.src) == []
        hidden = f"atomicio: {mount.mnt}: hidden under another mount\n"
        assert hidden in call("status").stderr
    finally:
        subprocess.run(["umount", mount.mnt], check=True)
    assert len(all_mounts(mount.src)) == 1


@pytest.fixture
def oddly_named(tmp_path, daemon):
    """A mount whose path has everything that mountinfo escapes."""
    path = tmp_path / "a b\tc\\d\ne"
    source = tmp_path / "source"
    path.mkdir()
    source.mkdir()
    try:
        with Daemon(daemon, source, path) as running:
            assert running.alive, running.errors()
            yield path, source
    finally:
        while os.path.ismount(path):
            subprocess.run(["fusermount3", "-uz", path], check=True)


def test_odd_name(oddly_named):
    path, source = oddly_named
    assert [one["mountpoint"] for one in all_mounts(source)] == [str(path)]
    assert r"/a b\x09c\\d\x0ae  (source " in call("status").stdout
    assert atomicio("status", path).count("\n") > 5


def test_no_mount(tmp_path):
    assert "neither in an atomicfs mount" in refused("status", tmp_path)
    assert "No such file" in refused("status", tmp_path / "nothing")


def test_source(mount):
    assert "is a source, not a mount" in refused("status", mount.src)


def test_dead_daemon(mount):
    mount.proc.kill()
    mount.proc.wait()
    try:
        said = refused("status", mount.mnt)
    finally:
        mount.kill9()
    assert "fusermount3 -uz" in said


@root_only
def test_other_user(mount, tmp_path):
    """Only root and the user who mounted may look."""
    said = refused("status", mount.mnt, program=copied_tool(tmp_path),
                   user=1000, group=1000)
    assert "only root and the user who mounted" in said
