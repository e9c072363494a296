# SPDX-License-Identifier: MIT
"""Programs of every day that are killed half way (S19), and what a kill does
not undo."""
import mmap
import os
import pty
import select
import signal
import subprocess

import pytest

from harness.mount import descendants
from harness.tools import bash, clean_env
from scene import Scene

OLD = b"the old file\n" * 1000
NEW = b"the new bytes " * 4000


@pytest.fixture
def scene(mount):
    mount.allow_log(r"rolled back 'f'.*killed.*kept in quarantine as")
    return Scene(mount, None)


@pytest.fixture
def f(scene):
    path = scene.mount / "f"
    path.write_bytes(OLD)
    return path


def position(pid, path):
    """How far process @pid has come in @path, -1 when it is not open."""
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == os.fspath(path):
                with open(f"/proc/{pid}/fdinfo/{fd}") as info:
                    return int(info.readline().split()[1])
    except OSError:
        pass  # it ended, or closed one just now
    return -1


def wait_written(pid, path, size):
    """Until @pid or a child of it has written @size bytes to @path."""
    for _ in range(10_000):
        if any(position(one, path) >= size
               for one in (pid, *descendants(pid))):
            return
        select.select([], [], [], 0.001)
    raise AssertionError("it does not write")


def check(scene, saved, current=OLD, command=None):
    """f is @current, and the quarantine has @saved."""
    assert (scene.mount / "f").read_bytes() == current
    items = scene.take_items()
    assert [(i["path"], i["reason"]) for i in items] == [("f", "killed")]
    assert items[0]["data"] == saved
    if command:
        assert items[0]["command"] == command
    scene.check_no_litter(["f"])


# ---- programs ------------------------------------------------------------

@pytest.mark.parametrize("argv", [
    ["dd", "of=f", "bs=1000", "status=none"],
    ["cp", "/dev/stdin", "f"],
    ["tee", "f"],
    ["sh", "-c", "cat > f"],
    ["bash", "-c", "cat > f; echo no > g"],
    ["bash", "-c", "{ head -c 14; cat; } > f; echo no > g"],
    ["bash", "-c", "exec 3> f; (cat >&3)"],
], ids=" ".join)
def test_program(scene, f, argv):
    """S19: its input stops, then it is killed, with all of its children."""
    with subprocess.Popen(argv, cwd=scene.mount.mnt, stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, env=clean_env(),
                          start_new_session=True) as program:
        program.stdin.write(NEW)
        program.stdin.flush()
        wait_written(program.pid, f, len(NEW))
        os.killpg(program.pid, signal.SIGKILL)
    assert program.returncode == -signal.SIGKILL
    check(scene, NEW)


def test_interrupt_key(scene, f):
    """S19: Ctrl-C at a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(scene.mount.mnt)
        os.execvp("sh", ["sh", "-c", "exec cat > f"])
    os.write(terminal, b"one line\n")
    wait_written(pid, f, 9)
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGINT
    os.close(terminal)
    check(scene, b"one line\n", command="cat")


def test_only_the_opener_counts(scene, f):
    """S19: what only inherited the descriptor may die, the rest counts."""
    bash("{ echo a; sh -c 'echo b; kill -9 $$' || echo c; } > f",
         scene.mount.mnt)
    assert f.read_bytes() == b"a\nb\nc\n"
    bash("(yes | head -c 100000 > f)", scene.mount.mnt)
    assert f.read_bytes() == b"y\n" * 50000
    assert scene.take_items() == []
    scene.check_no_litter(["f"])


# ---- ways to write -------------------------------------------------------

def test_synced_before(scene, f, peer):
    """S13, S19: what fsync has published stands, what follows does not."""
    fd = peer.open(f, os.O_WRONLY | os.O_TRUNC)
    peer.write(fd, b"synced")
    peer.fsync(fd)
    peer.write(fd, b", not synced")
    peer.kill(signal.SIGKILL)
    check(scene, b"synced, not synced", current=b"synced")


def test_closed_before(scene, f, peer):
    """S19: a kill after the last close changes nothing."""
    peer.spew(f, b"closed")
    peer.kill(signal.SIGKILL)
    assert f.read_bytes() == b"closed"
    assert scene.take_items() == []


def test_nothing_written(scene, f, peer):
    """S19: there is nothing to keep of a shadow that was never written."""
    peer.open(f, os.O_WRONLY | os.O_TRUNC)
    peer.open(f, os.O_RDWR)
    peer.kill(signal.SIGKILL)
    assert f.read_bytes() == OLD
    assert scene.take_items() == []
    scene.check_no_litter(["f"])


@pytest.mark.parametrize("closed", (False, True))
def test_mapped(scene, f, peer, closed):
    """S10, S19: bytes written through a shared mapping."""
    fd = peer.open(f, os.O_RDWR)
    area = peer.mmap(fd, 0, mmap.PROT_READ | mmap.PROT_WRITE)
    peer.map_write(area, 4, b"MAPPED")
    if closed:
        peer.close(fd)
    peer.kill(signal.SIGKILL)
    check(scene, OLD[:4] + b"MAPPED" + OLD[10:])


@pytest.mark.parametrize("flags", (os.O_TRUNC, 0))
def test_hard_links(scene, f, peer, flags):
    """S17, S19: all names keep the old content."""
    os.link(f, scene.mount / "g")
    fd = peer.open(f, os.O_WRONLY | flags)
    peer.write(fd, NEW)
    peer.kill(signal.SIGKILL)
    assert (scene.mount / "g").read_bytes() == f.read_bytes() == OLD
    items = scene.take_items()
    assert [i["data"] for i in items] == [NEW]
    assert os.stat(f).st_ino == os.stat(scene.mount / "g").st_ino
    scene.check_no_litter(["f", "g"])


def test_renamed_before(scene, f, peer):
    """S15, S19: what rename has promised is void with the writer."""
    new = scene.mount / "new"
    fd = peer.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    peer.write(fd, NEW)
    peer.rename(new, scene.mount / "g")
    assert sorted(peer.listdir(scene.mount.mnt)) == ["f", "g"]
    scene.mount.expect_log("rolled back 'g'.*killed")
    peer.kill(signal.SIGKILL)
    items = scene.take_items()
    assert [(i["path"], i["data"]) for i in items] == [("g", NEW)]
    scene.check_no_litter(["f"])


def test_truncated(scene, f, peer):
    """S8, S19: ftruncate alone is a change too."""
    fd = peer.open(f, os.O_RDWR)
    peer.ftruncate(fd, 5)
    peer.kill(signal.SIGKILL)
    check(scene, OLD[:5])


def test_the_name_is_free_again(scene, peer):
    """S7, S19: a new file whose writer was killed holds its name no longer."""
    f = scene.mount / "f"
    fd = peer.open(f, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    peer.write(fd, NEW)
    with pytest.raises(FileExistsError):
        f.open("x")
    peer.kill(signal.SIGKILL)
    scene.mount.settle()
    with f.open("xb") as mine:
        mine.write(b"mine")
    check(scene, NEW, current=b"mine")


def test_several_files(scene, peer):
    """S19: all that one process had open, each by itself."""
    names = [f"f{i}" for i in range(20)]
    scene.mount.expect_log("rolled back 'f[0-9]+'.*killed")
    for name in names[:10]:
        (scene.mount / name).write_bytes(OLD)
    for name in names:
        fd = peer.open(scene.mount / name,
                       os.O_WRONLY | os.O_TRUNC | os.O_CREAT)
        peer.write(fd, name.encode())
    peer.kill(signal.SIGTERM)
    items = scene.take_items()
    assert sorted((i["path"], i["data"].decode()) for i in items) == sorted(
        (name, name) for name in names)
    assert [(scene.mount / n).read_bytes() for n in names[:10]] == [OLD] * 10
    scene.check_no_litter(names[:10])


@pytest.mark.mount_options("on_kill=commit")
def test_commit_on_kill(scene, f, peer):
    """S19: with on_kill=commit what was written until then is published."""
    fd = peer.open(f, os.O_WRONLY | os.O_TRUNC)
    peer.write(fd, b"half")
    peer.kill(signal.SIGKILL)
    scene.mount.settle()
    assert f.read_bytes() == b"half"
    assert scene.take_items() == []
    scene.check_no_litter(["f"])
