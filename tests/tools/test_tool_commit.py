# SPDX-License-Identifier: MIT
"""S16: atomicio commit and abort."""
import os

import pytest
from cli import atomicio, call, copied_tool, refused
from harness.mount import tool_path
from harness.tools import bash, clean_env

REPLACE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@pytest.fixture
def f(mount):
    (mount / "f").write_bytes(b"old")
    return mount / "f"


def slurp(peer, path):
    return peer.slurp(os.fspath(path))


@pytest.fixture
def script(mount):
    """A bash script in the mount that can call atomicio."""
    def run(text):
        env = clean_env(A=os.fspath(tool_path()))
        return bash(text, mount.mnt, env=env)
    return run


def test_commit_descriptor(f, peer):
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    atomicio("commit", str(fd), pass_fds=[fd])
    assert slurp(peer, f) == b"one"
    os.write(fd, b"two")
    assert slurp(peer, f) == b"one"
    os.close(fd)
    assert slurp(peer, f) == b"onetwo"


def test_abort_descriptor(mount, f, peer):
    mount.expect_log("rolled back 'f'.*aborted")
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    atomicio("abort", str(fd), pass_fds=[fd])
    os.close(fd)
    assert slurp(peer, f) == b"old"
    assert [item["data"] for item in mount.quarantine()] == [b"one"]


def test_commit_in_shell(f, script):
    """As the manual says."""
    script('"$A" commit 3 3>>f')
    assert f.read_bytes() == b"old"
    script('echo more > g; exec 3>>f; echo new >&3; "$A" commit 3;'
           '[ "$(cat g)" = more ]; exec 3>&-')
    assert f.read_bytes() == b"oldnew\n"


def test_script_of_the_manual(mount, script):
    """Publish in between, and take back the rest."""
    mount.expect_log("rolled back 'table.csv'.*aborted")
    script('''
        exec 3> table.csv
        echo head >&3
        echo rows >&3 && "$A" commit 3
        { echo half >&3; false; } || "$A" abort 3
        exec 3>&-''')
    assert (mount / "table.csv").read_text() == "head\nrows\n"


def test_commit_path(f, peer):
    """What another process writes."""
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"one")
    assert f.read_bytes() == b"old"
    atomicio("commit", f)
    assert f.read_bytes() == b"one"
    peer.close(fd)


def test_abort_path(mount, f, peer):
    mount.expect_log("rolled back 'f'.*aborted")
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"one")
    atomicio("abort", "f", cwd=mount.mnt)
    peer.close(fd)
    assert f.read_bytes() == b"old"


def test_new_file_by_path(mount, peer):
    """It has no directory entry yet."""
    fd = peer.open(mount / "new", REPLACE)
    peer.write(fd, b"one")
    assert not (mount / "new").exists()
    atomicio("commit", mount / "new")
    assert (mount / "new").read_bytes() == b"one"
    peer.close(fd)


def test_links(mount, peer, tmp_path):
    """A path that leads there by symlinks, also out of another directory, and
    to a file that is not there yet."""
    (mount / "d").mkdir()
    (mount / "d/relative").symlink_to("../new")
    (tmp_path / "absolute").symlink_to(mount / "d/relative")
    (mount / "loop").symlink_to("loop")
    fd = peer.open(mount / "new", REPLACE)
    peer.write(fd, b"one")
    atomicio("commit", tmp_path / "absolute")
    assert (mount / "new").read_bytes() == b"one"
    peer.close(fd)
    assert "symbolic links" in refused("commit", mount / "loop")


def test_file_named_by_a_number(mount, peer):
    fd = peer.open(mount / "77", REPLACE)
    peer.write(fd, b"one")
    assert "descriptor 77 is not open" in refused("commit", "77",
                                                  cwd=mount.mnt)
    atomicio("commit", "./77", cwd=mount.mnt)
    assert (mount / "77").read_bytes() == b"one"
    peer.close(fd)


def test_several(mount, f, peer):
    """One that fails does not keep the others."""
    fd = peer.open(f, REPLACE)
    peer.write(fd, b"one")
    assert "nobody has it open" in refused("commit", mount / "nothing", f)
    assert f.read_bytes() == b"one"
    peer.close(fd)


def test_conflict(mount, f, peer):
    """S20: what close(2) would report."""
    mount.expect_log("rolled back 'f'.*conflict")
    mount.expect_log("close 'f': ESTALE")
    fd = os.open(f, os.O_WRONLY)
    os.write(fd, b"mine")
    peer.spew(os.fspath(f), b"theirs")
    said = refused("commit", str(fd), pass_fds=[fd])
    assert "replaced by somebody else" in said
    try:
        os.close(fd)
    except OSError:
        pass
    assert f.read_bytes() == b"theirs"


def test_refused(mount, f, tmp_path):
    assert "not open here" in refused("commit", "99")
    assert "not open here" in refused("abort", "9" * 30)
    assert "nobody has it open" in refused("commit", f)
    assert "Is a directory" in refused(
        "commit", f"{mount.mnt}/.")
    assert "File name too long" in refused("commit", mount / ("n" * 256))
    assert "not a file of an atomicfs" in refused("commit", tmp_path / "x")
    with open(f, encoding="ascii") as reader:
        said = refused("commit", str(reader.fileno()),
                       pass_fds=[reader.fileno()])
    assert "not open for writing" in said
    with open(tmp_path / "plain", "w", encoding="ascii") as plain:
        said = refused("abort", str(plain.fileno()), pass_fds=[plain.fileno()])
    assert "not a file of an atomicfs mount" in said


@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
def test_other_user(mount, f, tmp_path):
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    said = refused("abort", f, program=copied_tool(tmp_path), user=1000,
                   group=1000)
    assert "somebody else is writing it" in said
    os.close(fd)
    assert f.read_bytes() == b"one"


def test_quiet(mount, f):
    """Success says nothing."""
    fd = os.open(f, REPLACE)
    os.write(fd, b"one")
    assert call("commit", str(fd), pass_fds=[fd]).stdout == ""
    os.close(fd)
