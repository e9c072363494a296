# SPDX-License-Identifier: MIT
"""Many processes at once (S2, S4-S6, S17, S20)."""
import os
import subprocess
from collections import Counter

import pytest

from harness.tools import scaled, scale

SECONDS = 4  # of each torn-read run; 20 with ATOMICFS_TEST_SCALE=5


def counts(program, *args):
    """What the program printed, {"word": number}."""
    done = subprocess.run([program, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    return dict(zip(words[::2], map(int, words[1::2]))), done.stderr


def test_no_stale_read(mount, compiled):
    """S2, S6: 20,000 opens after a close, 8 processes: none is stale, none
    fails."""
    n, said = counts(compiled("stale"), mount.mnt, 8, scaled(20000))
    assert n["stale"] == 0 and n["errors"] == 0, said
    assert n["checks"] >= scaled(20000)


@pytest.mark.parametrize("how", ["replace", "rename"])
def test_no_torn_read(mount, compiled, how):
    """S1, S4, S6: 16 replace one file, 16 read it."""
    # Who renames before the close may be renamed over before it (S15).
    mount.allow_log("rolled back 'f': orphaned")
    n, said = counts(compiled("torn"), mount / "f", 16, 16, SECONDS * scale(),
                     how)
    assert n["torn"] == 0 and n["errors"] == 0, said
    assert n["reads"] > 100 and n["writes"] > 10, n
    assert os.listdir(mount.mnt) == ["f"]


def test_no_torn_read_of_updates(mount, compiled):
    """S1, S5: one updates a file in place, 16 read it."""
    n, said = counts(compiled("torn"), mount / "f", 1, 16,
                     SECONDS / 2 * scale(), "update")
    assert n["torn"] == 0 and n["errors"] == 0, said
    assert n["reads"] > 100 and n["writes"] > 10, n


def test_no_torn_read_of_hard_links(mount, compiled):
    """S1, S17: a file with two names, rewritten in place."""
    (mount / "f").write_bytes(b"")
    os.link(mount / "f", mount / "g")
    n, said = counts(compiled("torn"), mount / "f", 2, 6,
                     SECONDS / 2 * scale(), "replace")
    assert n["torn"] == 0 and n["errors"] == 0, said
    assert (mount / "f").read_bytes() == (mount / "g").read_bytes()
    assert os.stat(mount / "g").st_nlink == 2


@pytest.mark.parametrize("how", ["short", "long", "mixed", "create"])
@pytest.mark.parametrize("name", ["records", "records.log"])
def test_no_record_is_lost(mount, compiled, how, name):
    """S5, S20, S26: 8 processes append 200 records each."""
    f = mount / name
    if how != "create":
        f.touch()
    done = subprocess.run([compiled("append"), f, "8", str(scaled(200)), how],
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    lines = f.read_bytes().splitlines()
    seen = Counter(tuple(map(int, line.split()[:2])) for line in lines)
    want = {(p, n) for p in range(8) for n in range(scaled(200))}
    assert set(seen) == want, f"{len(want - set(seen))} are lost"
    assert set(seen.values()) == {1}
    for process, number, *x in (line.split() for line in lines):
        assert len(b"".join(x)) == (int(process) * 7 + int(number)) % 90


def test_appends_while_others_replace(mount, compiled, make_peer):
    """S6, S20: appenders get no error but ESTALE at close, and no torn file,
    whatever others do to the name."""
    f = mount / "f"
    f.write_bytes(b"0\n")
    peer = make_peer()
    for i in range(200):
        fd = os.open(f, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"appended\n")
        peer.spew(f, b"%d\n" % i)
        os.close(fd)
        assert f.read_bytes() == b"%d\nappended\n" % i


def test_same_new_name(mount, make_peer):
    """S4, S7: of many that create one name with O_EXCL, one wins."""
    peers = [make_peer() for _ in range(6)]
    for i in range(50):
        path = mount / f"f{i}"
        for one in peers:
            one.start("open", path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        won = []
        for one in peers:
            try:
                won.append((one, one.finish()))
            except FileExistsError:
                pass
        assert len(won) == 1
        one, fd = won[0]
        one.write(fd, b"x")
        one.close(fd)
        assert path.read_bytes() == b"x"


def test_directories_under_load(mount, compiled, make_peer):
    """S2, S27: renames of directories while files in them are written."""
    peer = make_peer()
    (mount / "a").mkdir()
    for i in range(200):
        here, there = (mount / "a", mount / "b")[::1 if i % 2 == 0 else -1]
        fd = os.open(here / "f", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, b"%d" % i)
        peer.start("rename", here, there)
        os.close(fd)
        peer.finish()
        assert (there / "f").read_bytes() == b"%d" % i
