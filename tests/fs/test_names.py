# SPDX-License-Identifier: MIT
"""Names at their limits (S27): length, bytes, depth, number."""
import json
import os
import signal
import subprocess
import sys

import pytest

MANY = 100_000
ODD = {
    "255-bytes": b"n" * 255,
    "255-high-bytes": b"\xe9" * 255,
    "not-utf8": b"\xff\xfe\x80",
    "newline": b"one\ntwo\n",
    "only-newline": b"\n",
    "escape": b"\x1b[31mred\x1b[0m",
    "spaces": b"  leading and trailing  ",
    "backslash": b"a\\b\\n",
    "quotes": b"'\"`$(x)",
    "dash": b"-rf",
    "star": b"*",
    "dots": b"...",
    "tilde": b"file~",
    "percent": b"%s%n%d",
    "forged": b"x': EIO: y\natomicfs: write 'z",
}


def inside(directory, name):
    return os.path.join(os.fsencode(directory), name)


@pytest.mark.parametrize("name", list(ODD))
def test_every_operation(name, mount):
    """S27: create, read, list, replace, update, truncate, rename, link and
    remove by that name."""
    base, src = os.fsencode(mount.mnt), os.fsencode(mount.src)
    path = inside(base, ODD[name])
    with open(path, "wb") as f:
        f.write(b"one")
    assert os.listdir(base) == [ODD[name]]
    assert open(inside(src, ODD[name]), "rb").read() == b"one"
    with open(path, "wb") as f:
        f.write(b"second")
    with open(path, "r+b") as f:
        f.write(b"S")
    os.truncate(path, 4)
    assert open(path, "rb").read() == b"Seco"
    os.rename(path, inside(base, b"plain"))
    os.rename(inside(base, b"plain"), path)
    os.link(path, inside(base, b"other"))
    with open(path, "ab") as f:
        f.write(b"nd")
    assert open(inside(base, b"other"), "rb").read() == b"Second"
    os.unlink(inside(base, b"other"))
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, b"X")
    os.fsync(fd)
    os.close(fd)
    assert open(path, "rb").read() == b"Xecond"
    os.unlink(path)
    os.mkdir(path)
    with open(inside(path, ODD[name]), "wb") as f:
        f.write(b"deep")
    assert os.listdir(path) == [ODD[name]]
    os.unlink(inside(path, ODD[name]))
    os.rmdir(path)
    assert os.listdir(base) == []


KILLED = """
import os, signal, sys
fd = os.open(os.fsencode(sys.argv[1]), os.O_WRONLY | os.O_CREAT)
os.write(fd, b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", list(ODD))
def test_rolled_back(name, mount):
    """S19: a rollback under that name: one line in the log, whatever the name
    holds, and an item of the quarantine that knows the name."""
    mount.allow_log(r"^atomicfs: rolled back '")
    path = inside(mount.mnt, ODD[name])
    done = subprocess.run([sys.executable, "-c", KILLED, path])
    assert done.returncode == -signal.SIGKILL
    mount.settle()
    assert not os.path.exists(path)
    lines = mount.text().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].isprintable(), lines
    kept = list((mount.src / ".atomicfs" / "quarantine").glob("*.json"))
    assert len(kept) == 1
    said = json.loads(kept[0].read_text())
    assert said["reason"] == "killed"
    if name not in ("not-utf8", "255-high-bytes"):
        assert said["path"].encode() == ODD[name]


def test_too_long(mount):
    """S27: 256 bytes are too many, for every call that takes a name."""
    path = inside(mount.mnt, b"n" * 256)
    for call in (lambda: open(path, "wb"), lambda: os.mkdir(path),
                 lambda: os.stat(path), lambda: os.unlink(path),
                 lambda: os.symlink(b"x", path),
                 lambda: os.rename(path, path + b"x")):
        with pytest.raises(OSError, match="name too long"):
            call()


def test_deeper_than_a_path(mount):
    """S27: a directory whose path is longer than any path may be (4096) is
    reached step by step; files there are replaced and updated."""
    name = "d" * 200
    fds = [os.open(mount.mnt, os.O_RDONLY)]
    try:
        for _ in range(30):
            os.mkdir(name, dir_fd=fds[-1])
            fds.append(os.open(name, os.O_RDONLY, dir_fd=fds[-1]))
        deep = fds[-1]
        for text, flags in ((b"one", os.O_CREAT | os.O_EXCL),
                            (b"second", os.O_TRUNC), (b"S", 0)):
            fd = os.open("file", os.O_WRONLY | flags, dir_fd=deep)
            os.write(fd, text)
            os.close(fd)
        fd = os.open("file", os.O_RDONLY, dir_fd=deep)
        assert os.read(fd, 100) == b"Second"
        os.close(fd)
        os.rename("file", "other", src_dir_fd=deep, dst_dir_fd=deep)
        assert os.listdir(deep) == ["other"]
        os.rename("other", "up", src_dir_fd=deep, dst_dir_fd=fds[0])
        assert (mount / "up").read_bytes() == b"Second"
    finally:
        for fd in fds:
            os.close(fd)


def test_path_of_4095(mount):
    """S27: the longest path there may be works in every call."""
    path = os.fsencode(mount.mnt)
    parts = []
    while len(path) + 201 < 4000:
        path += b"/" + b"p" * 200
        parts.append(path)
        os.mkdir(path)
    path += b"/" + b"f" * (4094 - len(path))
    assert len(path) == 4095
    for text in (b"one", b"second"):
        with open(path, "wb") as f:
            f.write(text)
    os.truncate(path, 3)
    with open(path, "rb") as f:
        assert f.read() == b"sec"
    with pytest.raises(OSError, match="name too long"):
        os.stat(path + b"f")
    os.unlink(path)
    for part in reversed(parts):
        os.rmdir(part)


@pytest.mark.limit(180)
def test_a_hundred_thousand_files(mount):
    """S27: a directory of 100,000 files: listed whole, written in, emptied,
    each name once."""
    box = mount.src / "box"
    box.mkdir()
    names = {f"file-{i:06d}" for i in range(MANY)}
    here = os.open(box, os.O_RDONLY)
    for name in names:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    seen = os.listdir(mount / "box")
    assert len(seen) == MANY
    assert set(seen) == names
    assert sum(1 for e in os.scandir(mount / "box") if e.is_file()) == MANY
    for i in (0, MANY // 2, MANY - 1):
        path = mount / f"box/file-{i:06d}"
        path.write_text("new")
        assert path.read_text() == "new"
    (mount / "box" / "one-more").write_text("new")
    assert len(os.listdir(mount / "box")) == MANY + 1
    subprocess.run(["rm", "-rf", mount / "box"], check=True)
    assert os.listdir(mount.src) == [".atomicfs"]
