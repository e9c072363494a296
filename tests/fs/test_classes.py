# SPDX-License-Identifier: MIT
"""Which files are staged and which are not (S26)."""
import errno
import os
import signal
import subprocess
import sys

import pytest

from harness.mount import mountinfo, unmount
from harness.tools import IOC_COMMIT

W, R = os.O_WRONLY, os.O_RDONLY
APPEND = W | os.O_APPEND
MAGIC = b"SQLite format 3\0"
KIB = 1024


def refused(error, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == error, e.value


def kind(path, peer, flags=os.O_RDWR):
    """How a write to @path, an existing file, is done: `direct` when others
    see it before close, else `atomic`."""
    old = path.read_bytes()
    fd = peer.open(path, flags)
    peer.write(fd, b"written by kind()")
    now = path.read_bytes()
    peer.close(fd)
    assert path.read_bytes() != old, "the write was lost"
    return "atomic" if now == old else "direct"


def kinds(mount, peer, names):
    found = {}
    for name in names:
        (mount.src / name).parent.mkdir(parents=True, exist_ok=True)
        (mount.src / name).write_bytes(b"old content")
        found[name] = kind(mount / name, peer)
    return found


# ---- append --------------------------------------------------------------

def test_records_are_visible_at_once(mount, peer):
    """S26: each write(2) to an append file is there when it returns, and
    nothing is staged; one who has it open for reading may read on."""
    log = mount / "x.log"
    fd = peer.open(log, APPEND | os.O_CREAT, 0o640)
    assert os.listdir(mount.mnt) == ["x.log"]
    want = b""
    with open(log, "rb", buffering=0) as follower:
        for i in range(50):
            record = b"record %d\n" % i
            assert peer.write(fd, record) == len(record)
            want += record
            assert log.read_bytes() == want
            assert os.stat(log).st_size == len(want)
            assert follower.read(99) == record
    peer.close(fd)
    assert log.read_bytes() == (mount.src / "x.log").read_bytes() == want
    assert mount.status()["transactions"]["staged"] == 0
    assert os.stat(log).st_mode & 0o777 == 0o640


def test_appenders_share_an_append_file(mount, peer):
    """S26: two who append see each other's records between their own."""
    log = mount / "x.log"
    mine = os.open(log, APPEND | os.O_CREAT)
    theirs = peer.open(log, APPEND | os.O_CREAT)
    want = b""
    for i in range(20):
        os.write(mine, b"mine %d\n" % i)
        peer.write(theirs, b"theirs %d\n" % i)
        want += b"mine %d\ntheirs %d\n" % (i, i)
        assert log.read_bytes() == want
    os.close(mine)
    peer.close(theirs)
    assert log.read_bytes() == want


RECORDS = 12
APPENDER = """
import os, sys
path, who, size, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
for number in range(count):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    head = f"{who} {number:4} ".encode()
    data = head + who.encode() * (size - len(head) - 1) + b"\\n"
    assert os.write(fd, data) == size
    os.close(fd)
"""


@pytest.mark.parametrize("size", [300, 5000, 100_000])
def test_eight_appenders(mount, size):
    """S26: records of 8 processes are all there, each in one piece, those of
    a process in order."""
    log = mount / "x.log"
    running = [subprocess.Popen([sys.executable, "-c", APPENDER, log, who,
                                 str(size), str(RECORDS)])
               for who in "abcdefgh"]
    assert [p.wait() for p in running] == [0] * 8
    seen = {who: [] for who in "abcdefgh"}
    data = log.read_bytes()
    assert len(data) == 8 * RECORDS * size
    for line in data.splitlines():
        who, number, rest = line.decode().split()
        assert rest == who * len(rest), "two records are mixed"
        assert len(line) == size - 1
        seen[who].append(int(number))
    assert all(n == list(range(RECORDS)) for n in seen.values()), seen
    assert mount.status()["transactions"]["staged"] == 0


def test_records_of_a_killed_appender(mount, peer):
    """S19, S26: what was appended stays when its writer is killed."""
    log = mount / "x.log"
    log.write_bytes(b"old\n")
    fd = peer.open(log, APPEND)
    peer.write(fd, b"last words\n")
    peer.kill(signal.SIGKILL)
    assert log.read_bytes() == b"old\nlast words\n"
    assert mount.quarantine() == []


@pytest.mark.parametrize("flags", [W | os.O_TRUNC, os.O_RDWR, W])
def test_other_opens_of_an_append_file(mount, peer, flags):
    """S26: an open without O_APPEND is atomic."""
    log = mount / "x.log"
    log.write_bytes(b"old content, longer than what is new")
    assert kind(log, peer, flags) == "atomic"
    assert mount.status()["transactions"]["staged"] >= 2


def test_log_is_rotated(mount, peer):
    """S26: an appender goes on in the file that it has open, whatever its
    name becomes; the next file of the name is another."""
    log, old = mount / "x.log", mount / "x.log.1"
    fd = peer.open(log, APPEND | os.O_CREAT)
    peer.write(fd, b"one\n")
    os.rename(log, old)
    peer.write(fd, b"two\n")
    assert old.read_bytes() == b"one\ntwo\n"
    fd2 = peer.open(log, APPEND | os.O_CREAT)
    peer.write(fd2, b"three\n")
    peer.write(fd, b"four\n")
    assert log.read_bytes() == b"three\n"
    assert old.read_bytes() == b"one\ntwo\nfour\n"
    peer.close(fd)
    peer.close(fd2)


def test_log_is_truncated(mount, peer):
    """S26: an appender goes on in a log that others empty or rewrite, as
    `logrotate` does it with `copytruncate`."""
    def truncate(path):
        os.truncate(path, 0)

    def replace(path):
        path.write_bytes(b"")

    log = mount / "x.log"
    for empty in (truncate, replace):
        fd = peer.open(log, APPEND | os.O_CREAT)
        peer.write(fd, b"one\n")
        empty(log)
        peer.write(fd, b"two\n")
        assert log.read_bytes() == b"two\n"
        peer.close(fd)
        assert log.read_bytes() == b"two\n"


def test_log_is_updated_under_an_appender(mount, peer):
    """S20, S26: an update of a log does not lose what is appended meanwhile.
    """
    log = mount / "x.log"
    fd = peer.open(log, APPEND | os.O_CREAT)
    peer.write(fd, b"one\n")
    mount.allow_log("ESTALE|rolled back 'x.log'")
    mine = os.open(log, os.O_RDWR)
    os.write(mine, b"ONE")
    peer.write(fd, b"between\n")
    try:
        os.close(mine)
    except OSError as e:
        assert e.errno == errno.ESTALE, e
    peer.write(fd, b"two\n")
    peer.close(fd)
    assert log.read_bytes().lower() == b"one\nbetween\ntwo\n"


# ---- direct --------------------------------------------------------------

@pytest.mark.parametrize("name", ["x.db", "x.sqlite", "x.sqlite3"])
def test_direct_file(mount, peer, name):
    """S26: a direct file is written in place: seen at once, by handles that
    were open before too, and no transaction is begun."""
    path = mount / name
    fd = peer.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    assert path.read_bytes() == b""
    peer.pwrite(fd, b"first page", 0)
    inode = os.stat(path).st_ino
    with open(path, "rb", buffering=0) as reader:
        assert reader.read(99) == b"first page"
        peer.pwrite(fd, b"FIRST", 0)
        assert os.pread(reader.fileno(), 99, 0) == b"FIRST page"
        peer.ftruncate(fd, 5)
        assert os.stat(path).st_size == 5
        assert os.pread(reader.fileno(), 99, 0) == b"FIRST"
    refused(errno.EBADF, peer.ioctl, fd, IOC_COMMIT)
    peer.close(fd)
    path.write_bytes(b"truncated in place")
    st = os.stat(path)
    assert (st.st_ino, st.st_mode & 0o777) == (inode, 0o640)
    assert (mount.src / name).read_bytes() == b"truncated in place"
    n = mount.status()["transactions"]
    assert (n["staged"], n["commits"]) == (0, 0)


def test_direct_writer_is_killed(mount, peer):
    """S19, S26: a direct file keeps what its killed writer wrote."""
    (mount / "x.db").write_bytes(b"old content")
    fd = peer.open(mount / "x.db", os.O_RDWR)
    peer.write(fd, b"new")
    peer.kill(signal.SIGKILL)
    assert (mount / "x.db").read_bytes() == b"new content"
    assert mount.quarantine() == []


def test_sqlite_magic(mount, peer):
    """S26: what begins with SQLite's magic is direct, whatever its name; what
    only nearly does is not."""
    contents = {"database": MAGIC + bytes(100), "only-magic": MAGIC,
                "short": MAGIC[:-1], "other": MAGIC[:-1] + b"x",
                "later": b"x" + MAGIC, "empty": b""}
    for name, content in contents.items():
        (mount.src / name).write_bytes(content)
    found = {name: kind(mount / name, peer) for name in contents}
    assert found == {"database": "direct", "only-magic": "direct",
                     "short": "atomic", "other": "atomic", "later": "atomic",
                     "empty": "atomic"}


TAILS = ["-wal", "-shm", "-journal"]


@pytest.mark.parametrize("tail", TAILS)
def test_companions(mount, peer, tail):
    """S26: the companions of a database are direct, also while they are being
    made; a name that only ends like one is not."""
    (mount.src / "data").write_bytes(MAGIC + bytes(100))
    (mount.src / "plain").write_bytes(b"no database")
    found = {}
    for base in ("data", "x.db", "plain", "nothing"):
        fd = peer.open(mount / (base + tail), os.O_RDWR | os.O_CREAT)
        peer.write(fd, b"header")
        found[base] = (mount / (base + tail)).exists()
        peer.close(fd)
        assert (mount / (base + tail)).read_bytes() == b"header"
    assert found == {"data": True, "x.db": True, "plain": False,
                     "nothing": False}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_nested_mount(make_mount, tmp_path, peer):
    """S26: what is mounted below the source is direct."""
    nested = tmp_path / "m0/src/nested"
    nested.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", nested], check=True)
    try:
        m = make_mount()
        (m / "nested/f").write_bytes(b"old content")
        (m / "f").write_bytes(b"old content")
        assert kind(m / "nested/f", peer) == "direct"
        assert kind(m / "f", peer) == "atomic"
        fd = peer.open(m / "nested/new", W | os.O_CREAT | os.O_EXCL)
        peer.write(fd, b"new")
        assert (m / "nested/new").read_bytes() == b"new"
        peer.close(fd)
        assert (nested / "new").read_bytes() == b"new"
        refused(errno.EXDEV, os.rename, m / "f", m / "nested/g")
        m.stop()
    finally:
        unmount(nested)
        assert not mountinfo(nested)


# ---- when it is decided --------------------------------------------------

def test_direct_until_the_last_close(mount, peer, make_peer):
    """S26: a database that loses its magic while somebody writes it stays
    direct for all until the last of them has closed."""
    other = make_peer()
    path = mount / "data"
    path.write_bytes(MAGIC + b"rows")
    fd = peer.open(path, os.O_RDWR)
    peer.pwrite(fd, b"no database any more", 0)
    for i in range(3):
        second = other.open(path, os.O_RDWR)
        other.pwrite(second, b"second %d" % i, 0)
        assert path.read_bytes().startswith(b"second %d" % i)
        assert peer.pread(fd, 8, 0) == b"second %d" % i
        other.close(second)
    peer.close(fd)
    assert kind(path, peer) == "atomic"


def test_atomic_until_the_last_close(mount, peer, make_peer):
    """S26: a file that becomes a database while it is being written stays
    staged for all until the last of them has closed."""
    other = make_peer()
    path = mount / "data"
    path.write_bytes(b"old content, not of a database")
    fd = peer.open(path, os.O_RDWR)
    peer.pwrite(fd, MAGIC, 0)
    second = other.open(path, os.O_RDWR)
    other.pwrite(second, b"second", 100)
    assert path.read_bytes() == b"old content, not of a database"
    peer.close(fd)
    assert path.read_bytes()[:16] == MAGIC
    other.pwrite(second, b"SECOND", 100)
    assert b"SECOND" not in path.read_bytes()
    other.close(second)
    assert path.read_bytes()[:16] == MAGIC
    assert path.read_bytes()[100:] == b"SECOND"
    assert kind(path, peer) == "direct"


def test_append_and_atomic_side_by_side(mount, peer):
    """S26: an update of a log, begun while nobody appends, is published; what
    is appended after that follows it."""
    log = mount / "x.log"
    log.write_bytes(b"one\ntwo\n")
    fd = os.open(log, os.O_RDWR)
    os.pwrite(fd, b"ONE", 0)
    assert peer.slurp(log) == b"one\ntwo\n"
    os.close(fd)
    peer.spew(log, b"three\n", os.O_APPEND)
    assert log.read_bytes() == b"ONE\ntwo\nthree\n"


# ---- policy --------------------------------------------------------------

@pytest.mark.mount_options("policy=none")
def test_policy_none(mount, peer):
    """S26: policy=none: everything is atomic, databases and logs too."""
    names = ["x.db", "x.sqlite", "x.sqlite3", "x.log", "x.db-wal", "plain"]
    assert kinds(mount, peer, names) == dict.fromkeys(names, "atomic")
    (mount.src / "data").write_bytes(MAGIC + bytes(100))
    assert kind(mount / "data", peer) == "atomic"
    assert kind(mount / "x.log", peer, APPEND) == "atomic"
    assert mount.status()["options"]["policy"] == "none"


def policy_file(tmp_path, text):
    path = tmp_path / "policy"
    path.write_text(text)
    return path


def test_first_match_wins(make_mount, tmp_path, peer):
    """S26: the first rule that matches decides, and any rule before what is
    built in."""
    m = make_mount("policy=" + str(policy_file(tmp_path, """
# the order counts
atomic  keep.dat
direct  *.dat       # all others
atomic  *.dat
append  *.dat
direct  exact
atomic  own.db
append  *.journal
""")))
    names = ["keep.dat", "a.dat", "exact", "exactly", "own.db", "other.db",
             "plain"]
    assert kinds(m, peer, names) == {
        "keep.dat": "atomic", "a.dat": "direct", "exact": "direct",
        "exactly": "atomic", "own.db": "atomic", "other.db": "direct",
        "plain": "atomic"}
    for name, want in (("x.journal", "direct"), ("x.log", "direct"),
                       ("plain", "atomic")):
        (m.src / name).write_bytes(b"old content")
        assert kind(m / name, peer, APPEND) == want
    assert kind(m / "x.journal", peer, W) == "atomic"


def test_rules_with_paths(make_mount, tmp_path, peer):
    """S26: a glob with a slash is for the path from the mount's root, one
    without for the name in any directory."""
    m = make_mount("policy=" + str(policy_file(tmp_path, """
atomic  a/b/*.dat
direct  /a/*.dat
direct  deep/**/f
direct  *.raw
direct  [xy]?z
""")))
    assert kinds(m, peer, [
        "a/1.dat", "a/b/1.dat", "a/c/1.dat", "b/a/1.dat", "deep/f",
        "deep/1/2/f", "deep/1/g", "1.raw", "q/r/1.raw", "x1z", "q/yyz", "z1z",
    ]) == {
        "a/1.dat": "direct", "a/b/1.dat": "atomic", "a/c/1.dat": "atomic",
        "b/a/1.dat": "atomic", "deep/f": "direct", "deep/1/2/f": "direct",
        "deep/1/g": "atomic", "1.raw": "direct", "q/r/1.raw": "direct",
        "x1z": "direct", "q/yyz": "direct", "z1z": "atomic"}


def test_rule_against_the_magic(make_mount, tmp_path, peer):
    """S26: a rule that says atomic holds for a database too."""
    m = make_mount("policy=" + str(policy_file(tmp_path, "atomic mine*\n")))
    for name in ("mine", "theirs"):
        (m.src / name).write_bytes(MAGIC + bytes(100))
    assert kind(m / "mine", peer) == "atomic"
    assert kind(m / "theirs", peer) == "direct"


def test_without_what_is_built_in(make_mount, tmp_path, peer):
    """S26: `no-builtin` leaves the rules of the file only."""
    m = make_mount("policy=" + str(policy_file(
        tmp_path, "direct *.raw\nno-builtin\n")))
    names = ["x.db", "x.sqlite", "x.db-wal", "x.raw"]
    assert kinds(m, peer, names) == {**dict.fromkeys(names, "atomic"),
                                     "x.raw": "direct"}
    (m.src / "data").write_bytes(MAGIC + bytes(100))
    assert kind(m / "data", peer) == "atomic"


def test_class_follows_the_name(make_mount, tmp_path, peer):
    """S26: a file that gets another name gets the class of that at the next
    open."""
    m = make_mount("policy=" + str(policy_file(tmp_path, "direct raw/*\n")))
    (m / "raw").mkdir()
    (m / "f").write_bytes(b"old content")
    assert kind(m / "f", peer) == "atomic"
    os.rename(m / "f", m / "raw/f")
    (m / "raw/f").write_bytes(b"old content")
    assert kind(m / "raw/f", peer) == "direct"
    os.rename(m / "raw/f", m / "f")
    (m / "f").write_bytes(b"old content")
    assert kind(m / "f", peer) == "atomic"
    assert kind(m / "f", peer, APPEND) == "atomic"


WRONG = {
    "class": ("atomic *\n\nwonderful *.md\n", 3),
    "no-glob": ("# one\ndirect\n", 2),
    "bracket": ("direct *\natomic *\ndirect [ab\n", 3),
    "backslash": ("direct *\\\n", 1),
    "case": ("Direct *\n", 1),
    "nul": ("direct *\0\n", 1),
    "long": ("atomic *\n" + "direct " + "x" * 5000 + "\n", 2),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_wrong_policy(daemon, tmp_path, what):
    """S26: a wrong rule is refused at the start, in one line that names the
    file and the line."""
    text, line = WRONG[what]
    path = policy_file(tmp_path, text)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    done = subprocess.run([daemon, "-f", "-o", f"policy={path}", source,
                           target], stdin=subprocess.DEVNULL, timeout=60,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode > 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    # A long name is cut in messages, never the line's number.
    assert f"{str(path)[:100]}:{line}: " in done.stderr, done.stderr
    assert not mountinfo(target)
    assert os.listdir(source) == []
