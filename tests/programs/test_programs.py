# SPDX-License-Identifier: MIT
"""Programs of every day: what they do on the mount is what they do in a plain
directory, and others see old or new while they do it."""
import importlib
import mmap
import os
import shelve
import stat
import subprocess
import tempfile

import pytest

from harness.tools import bash, difference, need, run, tree

TEXT = "".join(f"line {n}\n" for n in range(2000))


def details(directory):
    """All that an archive keeps of each file: owner, times, xattrs, links."""
    found = {}
    for here, dirs, files in os.walk(directory):
        for name in dirs + files:
            path = os.path.join(here, name)
            st = os.lstat(path)
            found[os.path.relpath(path, directory)] = (
                oct(st.st_mode), st.st_uid, st.st_gid, st.st_rdev,
                st.st_mtime_ns,
                {x: os.getxattr(path, x, follow_symlinks=False)
                 for x in sorted(os.listxattr(path, follow_symlinks=False))})
    return found


def plant(directory):
    """A tree with everything that a file system knows."""
    directory.mkdir()
    bash("""
    mkdir -p a/b/c empty
    seq 5000 > a/numbers; : > a/nothing; printf '\\0\\377' > a/b/bytes
    head -c 3000000 /dev/zero | tr '\\0' x > big
    truncate -s 10M sparse; echo end >> sparse
    ln -s a/numbers link; ln -s /nowhere dangling; ln a/numbers a/b/hard
    mkfifo fifo
    chmod 4755 a/nothing; chmod 2750 a/b; chmod 600 big; chmod 1777 empty
    echo n > "$(printf 'new\\nline')"; echo u > grün; echo s > ' space '
    """, directory)
    os.setxattr(directory / "a/numbers", "user.note", b"\0value")
    os.setxattr(directory / "a/b", "user.dir", b"d")
    if os.getuid() == 0:
        os.chown(directory / "big", 1234, 5678)
        os.chown(directory / "link", 1, 2, follow_symlinks=False)
        os.setxattr(directory / "big", "trusted.t", b"t")
        run(["setfacl", "-m", "u:1000:r", directory / "a/numbers"])
        run(["setfacl", "-d", "-m", "g:1000:rx", directory / "empty"])


    # Long ago, each another time, the directories last.
    n = 0
    for here, dirs, files in os.walk(directory, topdown=False):
        for name in files + dirs:
            n += 1_000_000_007
            os.utime(os.path.join(here, name), ns=(n, n),
                     follow_symlinks=False)


def same(a, b):
    assert tree(a) == tree(b), difference(tree(a), tree(b))
    x, y = details(a), details(b)
    assert x == y, difference(x, y)


# ---- archives and copies -------------------------------------------------

def test_tar(place, tmp_path):
    """S17, S27: into the mount, out of it, and within it."""
    need("tar", "setfacl")
    plant(tmp_path / "plain")
    keep = ["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-S"]
    run(["tar", *keep, "-cf", tmp_path / "a.tar", "-C", tmp_path, "plain"])
    run(["tar", *keep, "-xpf", tmp_path / "a.tar", "-C", place])
    same(tmp_path / "plain", place / "plain")
    run(["tar", *keep, "-cf", place / "b.tar", "-C", place, "plain"])
    (tmp_path / "out").mkdir()
    run(["tar", *keep, "-xpf", place / "b.tar", "-C", tmp_path / "out"])
    same(tmp_path / "plain", tmp_path / "out/plain")
    run(["tar", *keep, "-df", place / "b.tar", "-C", place])
    run(["tar", "-czf", place / "c.tgz", "-C", place, "plain"])
    run(["tar", "-rf", place / "b.tar", "-C", place, "c.tgz"])
    assert "c.tgz" in run(["tar", "-tf", place / "b.tar"])
    # Once more over what is there.
    run(["tar", *keep, "-xpf", tmp_path / "a.tar", "-C", place])
    same(tmp_path / "plain", place / "plain")


@pytest.mark.parametrize("how", [[], ["--inplace"], ["--inplace", "--no-W"]],
                         ids=lambda h: "".join(h) or "default")
def test_rsync(place, tmp_path, how):
    """S2, S9, S15, S17: twice; the second time nothing is to be done."""
    need("rsync")
    plain = tmp_path / "plain"
    plant(plain)
    rsync = ["rsync", "-aHAXi", "--fsync", "--delete", *how]
    first = run([*rsync, f"{plain}/", f"{place}/copy/"])
    assert "numbers" in first
    same(plain, place / "copy")
    assert run([*rsync, f"{plain}/", f"{place}/copy/"]) == ""
    before = os.stat(place / "copy/big")
    with open(plain / "big", "r+b") as f:
        f.seek(1_500_000)
        f.write(b"changed")
    (plain / "a/nothing").unlink()
    # rsync takes directories for the same that differ by parts of a second.
    os.utime(plain / "a", (5, 5))
    assert run([*rsync, f"{plain}/", f"{place}/copy/"]).count("\n") >= 2
    same(plain, place / "copy")
    assert os.stat(place / "copy/big").st_size == before.st_size
    assert run([*rsync, "-c", f"{place}/copy/", f"{plain}/"]) == ""


def test_cp(place, tmp_path):
    """S4, S10, S17: cp in all its ways."""
    plant(tmp_path / "plain")
    run(["cp", "-a", tmp_path / "plain", place / "one"])
    same(tmp_path / "plain", place / "one")
    run(["cp", "-a", "--sparse=always", place / "one", place / "two"])
    same(tmp_path / "plain", place / "two")
    run(["cp", "-a", place / "two", tmp_path / "back"])
    same(tmp_path / "plain", tmp_path / "back")
    outcome = []
    for d in (tmp_path, place):
        (d / "f").write_text(TEXT)
        outcome.append(bash("""
        cp f g; cp --reflink=auto f h; cp -l f i; cp -s $PWD/f j; rm j
        echo x > k; cp -b f k; cp --backup=numbered f k; cp -u f g
        cp --remove-destination f g; cp -f f h; cp --attributes-only f l
        cp -n k g; cp f . 2>/dev/null || echo $?; cat k~ k.~1~
        md5sum f g h i k; stat -c '%n %h %s' *
        """.replace("*", "f g h i k k~ k.~1~ l"), d))
    assert outcome[0] == outcome[1]


def test_mv_and_install(place, tmp_path):
    """S2, S15, S17: mv into, within and out of the mount; install."""
    plant(tmp_path / "plain")
    run(["cp", "-a", tmp_path / "plain", tmp_path / "moving"])
    run(["mv", tmp_path / "moving", place / "in"])
    same(tmp_path / "plain", place / "in")
    run(["mv", place / "in", place / "within"])
    run(["mv", place / "within", tmp_path / "out"])
    same(tmp_path / "plain", tmp_path / "out")
    assert os.listdir(place) == []
    outcome = []
    for d in (tmp_path, place):
        (d / "prog").write_text(TEXT)
        outcome.append(bash("""
        install -m 711 prog bin; install -D -m 644 prog d/e/prog
        install -C -v prog bin > /dev/null; install -b prog bin
        touch a b; mv -T a b; mv -b prog b; mv -n b bin
        mkdir m; mv bin b m; stat -c '%n %a %s' m/bin m/b d/e/prog bin~ b~
        """, d))
    assert outcome[0] == outcome[1]


# ---- changing a file -----------------------------------------------------

def test_sed(place):
    """S15, S17: sed -i."""
    f = place / "f"
    f.write_text(TEXT)
    f.chmod(0o640)
    reader = open(f)
    run(["sed", "-i", "s/line/row/", "f"], place)
    assert f.read_text() == TEXT.replace("line", "row")
    assert stat.S_IMODE(f.stat().st_mode) == 0o640
    run(["sed", "-i.bak", "-e", "2,$d", "f"], place)
    assert f.read_text() == "row 0\n"
    assert (place / "f.bak").read_text() == TEXT.replace("line", "row")
    run(["sed", "-n", "-i", "w copy", "f.bak"], place)
    assert (place / "copy").read_text() == TEXT.replace("line", "row")
    assert (place / "f.bak").read_text() == ""
    run(["perl", "-pi", "-e", "s/row/LINE/", "f"], place)
    assert f.read_text() == "LINE 0\n"
    assert reader.read() == TEXT
    reader.close()
    assert sorted(os.listdir(place)) == ["copy", "f", "f.bak"]


def test_patch(place, tmp_path):
    """S15, S17: diff and patch, forwards, backwards, and refused."""
    need("patch")
    for name in ("old", "new"):
        (place / name).mkdir()
        (place / name / "f").write_text(TEXT)
        (place / name / "gone").write_text("gone\n")
    (place / "new/f").write_text(TEXT.replace("line 100\n", "l\n") + "end\n")
    (place / "new/gone").unlink()
    (place / "new/made").write_text("made\n")
    bash("diff -ruN old new > p || test $? = 1", place)
    bash("cp -a old work; cd work; patch -s -p1 < ../p", place)
    assert tree(place / "work") == tree(place / "new")
    bash("patch -s -R -p1 < ../p", place / "work")
    assert tree(place / "work") == tree(place / "old")
    bash("sed -i 's/line 99$/other/; s/line 1999/x/' f; "
         "! patch -s -p1 < ../p; test -s f.rej; test -s f.orig",
         place / "work")


def test_dd(place, peer):
    """S5, S6, S10: dd conv=notrunc into the middle of a file."""
    f = place / "f"
    f.write_bytes(b"." * 100_000)
    with subprocess.Popen(["dd", "of=f", "conv=notrunc", "bs=10", "seek=5",
                           "status=none", "iflag=fullblock"], cwd=place,
                          stdin=subprocess.PIPE) as dd:
        dd.stdin.write(b"new" * 10)
        dd.stdin.flush()
        assert peer.slurp(f) == b"." * 100_000
    assert dd.returncode == 0
    assert f.read_bytes() == b"." * 50 + b"new" * 10 + b"." * 99_920
    for options, want in (
            ("conv=notrunc,fsync bs=1 seek=3 count=2", b"." * 3 + b"AA"),
            ("oflag=append conv=notrunc bs=1 count=2", None),
            ("bs=1 seek=3 count=2", b"." * 3 + b"AA")):
        run(["sh", "-c", f"yes A | tr -d '\\n' | dd of=f {options} "
             "iflag=fullblock status=none 2> /dev/null"], place)
        data = f.read_bytes()
        assert data.startswith(want) if want else data.endswith(b"AA")
    assert f.read_bytes() == b"...AA"
    run(["dd", "if=/dev/zero", "of=g", "bs=1M", "count=3", "oflag=direct",
         "status=none"], place)
    assert (place / "g").stat().st_size == 3 << 20


# ---- python --------------------------------------------------------------

def test_mkstemp_and_replace(place, peer):
    """S2, S15: the careful way to write a file goes on working."""
    f = place / "f"
    for n in range(50):
        fd, name = tempfile.mkstemp(dir=place, prefix=".f-")
        with open(fd, "w") as new:
            new.write(f"version {n}\n" * 100)
            if n % 2:
                new.flush()
                os.fsync(fd)
            if n % 5 == 0:
                os.replace(name, f)  # before its close
        if n % 5:
            os.replace(name, f)
        assert peer.slurp(f) == f"version {n}\n".encode() * 100
        assert peer.listdir(place) == ["f"]
    with tempfile.NamedTemporaryFile(dir=place) as gone:
        gone.write(b"x")
    with tempfile.TemporaryFile(dir=place) as gone:
        gone.write(b"x" * 10_000)
        gone.seek(0)
        assert gone.read() == b"x" * 10_000
    assert os.listdir(place) == ["f"]


@pytest.mark.parametrize("kind", ["dbm.dumb", "dbm.ndbm", "default"])
def test_shelve(place, kind):
    """S5, S10: shelve, over several ways to keep it."""
    if kind == "default":
        def open_it():
            return shelve.open(os.fspath(place / "s"))
    else:
        module = importlib.import_module(kind)

        def open_it():
            return shelve.Shelf(module.open(os.fspath(place / "s"), "c"))
    for n in range(5):
        with open_it() as s:
            assert len(s) == n * 20
            for i in range(20):
                s[f"{n}-{i}"] = {"n": n, "text": "x" * i * 10}
            s.sync()
            s[f"{n}-0"] = n
    with open_it() as s:
        assert [s[f"{n}-0"] for n in range(5)] == [0, 1, 2, 3, 4]
        assert s["4-19"] == {"n": 4, "text": "x" * 190}


def test_mmap_writers(place, peer):
    """S6, S10: two processes that write to one file by shared mappings."""
    f = place / "f"
    f.write_bytes(b"." * 8192)
    fd = os.open(f, os.O_RDWR)
    theirs = peer.open(f, os.O_RDWR)
    key = peer.mmap(theirs, 0, mmap.PROT_READ | mmap.PROT_WRITE)
    with mmap.mmap(fd, 0) as area:
        area[0:4] = b"mine"
        peer.map_write(key, 4096, b"theirs")
        assert area[4096:4102] == b"theirs"
        assert peer.map_read(key, 0, 4) == b"mine"
        assert run(["cat", f]) == "." * 8192
    os.close(fd)
    peer.map_close(key)
    peer.close(theirs)
    want = b"mine" + b"." * 4092 + b"theirs" + b"." * 4090
    assert f.read_bytes() == want


def test_tmpfile_and_link(place, peer):
    """S7, S10, S15: O_TMPFILE, filled, then given a name."""
    fd = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"content")
    assert peer.listdir(place) == []
    # With a descriptor python calls linkat, which can follow the link.
    root = os.open("/", os.O_PATH)
    os.link(f"/proc/self/fd/{fd}", place / "f", src_dir_fd=root)
    os.close(root)
    assert peer.slurp(place / "f") == b"content"
    os.close(fd)
    assert peer.slurp(place / "f") == b"content"
    st = peer.stat(place / "f")
    assert (stat.S_IMODE(st.st_mode), st.st_nlink) == (0o640, 1)
    fd = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"dropped")
    os.close(fd)
    assert peer.listdir(place) == ["f"]
