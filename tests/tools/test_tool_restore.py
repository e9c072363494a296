# SPDX-License-Identifier: MIT
"""atomicio quarantine restore, on a mount and on a source."""
import json
import os
import stat

import pytest
from cli import atomicio, call, drops_in_mount, ids, refused, roll_back
from harness.tools import tree

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
DATA = bytes(range(256)) * 1200 + b"end"


class Place:
    """A mount, or a source that is not mounted."""

    def __init__(self, mount, root):
        self.mount, self.root = mount, root

    def __truediv__(self, name):
        return self.root / name

    def restore(self, *args, **kwargs):
        return atomicio("quarantine", "restore", "-C", self.root, *args,
                        **kwargs)

    def refused(self, *args, **kwargs):
        """It fails, and changes nothing at all."""
        before, items = tree(self.root), ids_of(self.mount)
        said = refused("quarantine", "restore", "-C", self.root, *args,
                       **kwargs)
        assert tree(self.root) == before
        assert ids_of(self.mount) == items
        return said


def ids_of(mount):
    names = os.listdir(mount.src / ".atomicfs/quarantine")
    return sorted(n for n in names if not n.endswith(".json"))


@pytest.fixture(params=[pytest.param("mount", marks=drops_in_mount), "source"])
def place(mount, request):
    """place(how, ...) prepares items; what follows happens in the place."""
    def settle():
        if request.param == "mount":
            return Place(mount, mount.mnt)
        mount.stop()
        return Place(mount, mount.src)
    return settle


def change(mount, name, **members):
    """Rewrite the description of an item."""
    path = mount.src / ".atomicfs/quarantine" / (name + ".json")
    item = json.loads(path.read_bytes())
    item.update(members)
    path.write_text(json.dumps(item))


# ---- content and metadata ------------------------------------------------

def test_restore(mount, place):
    """Content and mode; the item is gone, and there is nothing else."""
    (mount / "d").mkdir()
    name = roll_back(mount, "d/f", DATA, mode=0o640)
    here = place()
    assert here.restore(name) == "d/f: restored\n"
    assert (here / "d/f").read_bytes() == DATA
    assert stat.S_IMODE((here / "d/f").stat().st_mode) == 0o640
    assert sorted(tree(here.root)) == ["d", "d/f"]
    assert os.listdir(mount.src / ".atomicfs/quarantine") == []


@root_only
def test_owner(mount, place):
    name = roll_back(mount, "f", b"x")
    change(mount, name, owner=1234, group=567)
    here = place()
    here.restore(name)
    st = (here / "f").stat()
    assert (st.st_uid, st.st_gid) == (1234, 567)


@root_only
def test_no_setuid(mount, place):
    """A description may have been written by somebody else."""
    name = roll_back(mount, "f", b"x")
    change(mount, name, mode=0o6755)
    here = place()
    done = call("quarantine", "restore", "-C", here.root, name)
    assert done.returncode == 0 and "setuid" in done.stderr
    assert stat.S_IMODE((here / "f").stat().st_mode) == 0o755


def test_xattr(mount, place):
    name = roll_back(mount, "f", b"x")
    os.setxattr(mount.src / ".atomicfs/quarantine" / name, "user.note", b"1")
    here = place()
    here.restore(name)
    assert os.getxattr(here / "f", "user.note") == b"1"


def test_sparse(mount, place):
    """Holes stay holes."""
    name = roll_back(mount, "f", b"begin")
    with open(mount.src / ".atomicfs/quarantine" / name, "r+b") as f:
        f.truncate(64 << 20)
        f.seek(32 << 20)
        f.write(b"middle")
    here = place()
    here.restore(name)
    st = (here / "f").stat()
    assert st.st_size == 64 << 20
    assert st.st_blocks * 512 < 8 << 20
    with open(here / "f", "rb") as f:
        assert f.read(5) == b"begin"
        f.seek(32 << 20)
        assert f.read(7) == b"middle\0"


# ---- where to ------------------------------------------------------------

def test_exists(mount, place):
    """What is there stays, unless --force."""
    (mount / "f").write_bytes(b"old")
    name = roll_back(mount, "f", b"new")
    here = place()
    assert "--force" in here.refused(name)
    assert (here / "f").read_bytes() == b"old"
    here.restore(name, "--force")
    assert (here / "f").read_bytes() == b"new"


def test_force_direct(mount, place):
    """S26: a name of the class `direct` is no exception."""
    (mount / "f.db").write_bytes(b"old")
    name = roll_back(mount, "f", b"new")
    here = place()
    here.restore(name, here / "f.db", "-f")
    assert (here / "f.db").read_bytes() == b"new"


def test_directory(mount, place):
    (mount / "d").mkdir()
    name = roll_back(mount, "f", b"x")
    here = place()
    for force in ([], ["--force"]):
        assert "is a directory" in here.refused(name, here / "d", *force)
    assert "not the name of a file" in here.refused(name, f"{here.root}/d/")
    assert "not the name of a file" in here.refused(name, f"{here.root}/..")


def test_to(mount, place):
    """A path as the user sees it."""
    (mount / "d").mkdir()
    one, two = (roll_back(mount, name, name.encode()) for name in "ab")
    here = place()
    here.restore(one, "../c", cwd=here / "d")
    here.restore(two, here / "d/e")
    assert (here / "c").read_bytes() == b"a"
    assert (here / "d/e").read_bytes() == b"b"


def test_to_elsewhere(mount, place, tmp_path):
    """Not where it could not be published in one step."""
    name = roll_back(mount, "f", b"x")
    here = place()
    outside = "/dev/shm" if here.root == mount.src else tmp_path
    assert "show --content" in here.refused(name, f"{outside}/f")
    assert not os.path.exists(f"{outside}/f")
    assert "No such file" in here.refused(name, here / "none/f")


def test_directory_gone(mount, place):
    (mount / "d").mkdir()
    name = roll_back(mount, "d/f", b"x")
    (mount / "d").rmdir()
    here = place()
    assert "is not there any more" in here.refused(name)
    here.restore(name, here / "f")
    assert (here / "f").read_bytes() == b"x"


@pytest.mark.parametrize("path", ["../f", "d/../../f", "link/f"])
def test_never_outside(mount, place, tmp_path, path):
    """What the description says does not lead out."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (mount / "d").mkdir()
    (mount / "link").symlink_to(outside)
    name = roll_back(mount, "f", b"x")
    change(mount, name, path=path)
    here = place()
    here.refused(name, "--force")
    assert os.listdir(outside) == []
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("path", ["", "d/", ".."])
def test_path_not_known(mount, place, path):
    name = roll_back(mount, "f", b"x")
    change(mount, name, path=path)
    here = place()
    assert "is not known" in here.refused(name)
    here.restore(name, here / "f")
    assert (here / "f").read_bytes() == b"x"


def test_unknown_item(mount, place):
    here = place()
    assert "no item" in here.refused("0123456789abcdef")
    assert "no item" in here.refused("../lock")


@drops_in_mount
def test_name_taken(mount, peer):
    """S7: by a file that is not published yet.  Nothing is left of the
    attempt."""
    name = roll_back(mount, "f", b"x")
    fd = peer.open(mount / "f", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    peer.write(fd, b"theirs")
    said = refused("quarantine", "restore", "-C", mount.mnt, name)
    assert "--force" in said
    assert ids_of(mount) == [name]
    assert os.listdir(mount.mnt) == []
    peer.close(fd)
    assert (mount / "f").read_bytes() == b"theirs"
    assert os.listdir(mount.mnt) == ["f"]


# ---- whole or not at all -------------------------------------------------

@drops_in_mount
def test_readers_keep_theirs(mount, peer):
    """S1: a restore is a version as any other."""
    (mount / "f").write_bytes(b"old")
    name = roll_back(mount, "f", b"new")
    fd = peer.open(mount / "f", os.O_RDONLY)
    atomicio("quarantine", "restore", "-C", mount.mnt, name, "-f")
    assert peer.read(fd, 10) == b"old"
    assert peer.slurp(mount / "f") == b"new"


@root_only
def test_disk_full(ext4_image, make_mount):
    """No room: nothing is changed, and the item is kept."""
    mount = make_mount("quarantine_size=15M", source=ext4_image(16 << 20))
    mount.allow_log("rolled back|disk|room|ENOSPC")
    (mount / "f").write_bytes(b"old")
    name = roll_back(mount, "f", b"x" * (6 << 20))
    (mount.src / "ballast").write_bytes(b"x" * (3 << 20))
    said = refused("quarantine", "restore", "-C", mount.mnt, name, "--force")
    assert "No space left" in said
    assert (mount / "f").read_bytes() == b"old"
    assert sorted(os.listdir(mount.mnt)) == ["ballast", "f", "lost+found"]
    assert name in ids(mount)


# ---- sources -------------------------------------------------------------

def test_source_in_use(mount):
    """The daemon must know of every change."""
    name = roll_back(mount, "f", b"x")
    said = refused("quarantine", "restore", "-C", mount.src, name)
    assert "is mounted" in said
    assert ids(mount) == [name]
    assert not (mount / "f").exists()


def test_source_not_settled(mount, peer):
    """What a crash left is decided by the user, not by the way."""
    name = roll_back(mount, "f", b"x")
    fd = peer.open(mount / "g", os.O_WRONLY | os.O_CREAT)
    peer.write(fd, b"unfinished")
    mount.kill9()
    said = refused("quarantine", "restore", "-C", mount.src, name)
    assert "atomicio recover" in said
    assert sorted(tree(mount.src)) == []
    atomicio("recover", mount.src)
    atomicio("quarantine", "restore", "-C", mount.src, name)
    assert (mount.src / "f").read_bytes() == b"x"


def test_source_drops_no_other(mount):
    """Items over the age that only a mount can know of stay."""
    old, new = (roll_back(mount, name, b"x") for name in "ab")
    change(mount, old, time=1)
    mount.stop()
    atomicio("quarantine", "restore", "-C", mount.src, new)
    assert ids_of(mount) == [old]
