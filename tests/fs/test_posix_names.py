# SPDX-License-Identifier: MIT
"""Names: rename, link, unlink, directories, special files (S7, S15, S27)."""
import itertools

import pytest
from posix_table import parse, posix  # noqa: F401 (a fixture)

# What may stand at one of two names.
KINDS = {
    "none": "",
    "file": "file {} content-{}",
    "dir": "mkdir {}",
    "full": "mkdir {}; file {}/x inside-{}",
    "link": "symlink target-{} {}",
    "fifo": "mknod {} S_IFIFO",
    "openfile": "file {} content-{}; open 5 {} RDWR; write 5 NEW",
}


def make(kind, name):
    return KINDS[kind].format(name, name, name)


def pairs(call, after, kinds=None):
    kinds = kinds or list(KINDS)
    return [f"{a}.{b}: {make(a, 'a')}; " +
            make(b, "b").replace("open 5", "open 6")
            .replace("write 5", "write 6") +
            f"; {call}; {after}; close 5; close 6; {after}; ls ."
            for a, b in itertools.product(kinds, kinds)]


def rename_table(flags):
    """With nothing open: what is open follows in rename_open."""
    kinds = [k for k in KINDS if k != "openfile"]
    return parse("\n".join(pairs(f"rename a b {flags}",
                                 "state a; state b; ls a; ls b", kinds)))


def link_table():
    kinds = [k for k in KINDS if k != "openfile"]
    return parse("\n".join(pairs("link a b", "state a; state b", kinds)))


RENAME = """
into.self: mkdir d; rename d d/e; ls .
into.deep: mkdir d; mkdir d/e; rename d d/e/f; ls .; ls d
over.parent: mkdir d; mkdir d/e; rename d/e d; ls d
same: file a abc; mark a; rename a a; state a
same.hard: file a abc; link a b; rename a b; state a; state b
same.dir: mkdir d; rename d d; ls .
slash.file: file a abc; rename a/ b; rename a b/; ls .
slash.dir: mkdir a; rename a/ b/; ls .
slash.missing: rename a/ b/; ls .
dot: mkdir d; rename . b; rename d/. b; rename d/.. b; rename d .; ls .
nodir: file a abc; rename a d/b; rename d/a b; ls .
filedir: file a abc; file b 123; rename a b/c; ls .
long: file a abc; rename a %(n255)s; ls .; rename %(n255)s %(n256)s; rename %(n256)s a; ls .
move: mkdir d; mkdir e; file d/a abc; mark .; mark d; mark e; rename d/a e/b; times d; times e; times .; state e/b; ls d; ls e
move.dir: mkdir d; mkdir d/s; file d/s/f abc; mkdir e; rename d/s e/t; stat d; stat e; state e/t/f
times.file: file a abc; mark a; rename a b; times b a
times.over: file a abc; file b 123; link b c; mark c; rename a b; times c; stat c; state b
times.dir: mkdir d; mark d; rename d e; times e d
flags.bad: file a abc; rename a b 0x80; rename a b RENAME_NOREPLACE|RENAME_EXCHANGE; ls .
whiteout: file a abc; rename a b RENAME_WHITEOUT; stat a; state b
exchange.dirs: mkdir d; file d/x abc; mkdir e; file e/y def; rename d e RENAME_EXCHANGE; ls d; ls e
exchange.nested: mkdir d; mkdir d/e; rename d d/e RENAME_EXCHANGE; ls .
exchange.times: file a 1; file b 2; mark a; mark b; rename a b RENAME_EXCHANGE; times a b; times b a; state a; state b
tree: mkdir d; file d/f abc; open 1 d RDONLY; rename d e; stat e/f; open 2 e/f RDWR; rename e g; write 2 X; close 2; state g/f; fstate 1; close 1
nlink: mkdir a; mkdir a/b; mkdir c; stat .; stat a; rename a/b c/b; stat a; stat c; rmdir c/b; stat c
many: many . 300; rename file-000007 new; rename file-000008 new; stat new; rmall .; ls .
"""

# S15: a shadow follows its name.
OPEN = """
before.close: file b old; open 1 a RDWR|CREAT|TRUNC; write 1 new; rename a b; state b; write 1 er; close 1; state b; ls .
before.close.new: open 1 a RDWR|CREAT|EXCL; write 1 new; rename a b; stat b; close 1; state b; ls .
before.close.update: file a abcdef; open 1 a RDWR; write 1 X; rename a b; state b; close 1; state b; ls .
before.close.moved: mkdir d; open 1 a RDWR|CREAT; write 1 new; rename a d/b; close 1; state d/b; ls .; ls d
before.close.twice: open 1 a RDWR|CREAT; write 1 new; rename a b; rename b c; write 1 er; close 1; state c; ls .
before.close.back: open 1 a RDWR|CREAT; write 1 new; rename a b; rename b a; close 1; state a; ls .
before.close.noreplace: file b old; open 1 a RDWR|CREAT; write 1 new; rename a b RENAME_NOREPLACE; rename a c RENAME_NOREPLACE; close 1; ls .; state c
before.close.exchange: file b old; open 1 a RDWR|CREAT; write 1 new; rename a b RENAME_EXCHANGE; close 1; state a; state b
before.close.exchange.update: file a one; file b two; open 1 a RDWR; write 1 X; rename a b RENAME_EXCHANGE; write 1 Y; close 1; state a; state b
over.open: file a new; file b old; open 1 b RDWR; write 1 lost; rename a b; state b; write 1 more; close 1; state b; ls .
over.open.read: file a new; file b old; open 1 b RDONLY; rename a b; read 1 9; close 1; state b
dir.moved: mkdir d; open 1 d/a RDWR|CREAT; write 1 new; rename d e; state e/a; close 1; state e/a; ls e
dir.moved.update: mkdir d; file d/a abc; open 1 d/a RDWR; write 1 X; rename d e; write 1 Y; close 1; state e/a; ls e
atomic.replace: file f old; open 1 t RDWR|CREAT|EXCL 0600; write 1 new; fsync 1; close 1; rename t f; state f; ls .
link.open: open 1 a RDWR|CREAT|EXCL; write 1 abc; link a b; child state b; close 1; state a; state b
link.update: file a abc; open 1 a RDWR; write 1 X; link a b; child state b; close 1; state a; state b
link.after: file a abc; open 1 a RDWR; write 1 X; link a b; write 1 Y; close 1; state a; state b
link.then.write: file a abc; link a b; open 1 a RDWR; write 1 X; close 1; state a; state b; open 1 b WRONLY|TRUNC; write 1 Q; close 1; state a; state b
unlink.open: file a abc; open 1 a RDWR; write 1 X; unlink a; read 1 9 0; write 1 Y 5; read 1 9 0; close 1; ls .
unlink.open.new: open 1 a RDWR|CREAT|EXCL; write 1 X; unlink a; stat a; write 1 Y; read 1 9 0; close 1; ls .
unlink.open.again: open 1 a RDWR|CREAT|EXCL; write 1 old; unlink a; open 2 a RDWR|CREAT|EXCL; write 2 new; close 1; state a; close 2; state a; ls .
unlink.open.read: file a abc; open 1 a RDONLY; unlink a; read 1 9; fstate 1; close 1; ls .
unlink.trunc: file a abc; open 1 a WRONLY|TRUNC; unlink a; write 1 X; close 1; ls .
unlink.hard: file a abc; link a b; open 1 a RDWR; write 1 X; unlink a; close 1; ls .
unlink.child: file a abc; open 1 a RDWR; write 1 X; child unlink a; close 1; ls .
taken.mkdir: open 1 a RDWR|CREAT|EXCL; mkdir a; symlink x a; mknod a S_IFIFO; link . a; close 1; state a
taken.child: open 1 a RDWR|CREAT|EXCL; child mkdir a; child symlink x a; child mknod a S_IFIFO; child open 2 a RDWR|CREAT|EXCL; close 1; state a
rmdir.open: mkdir d; open 1 d/a RDWR|CREAT; write 1 X; rmdir d; close 1; rmdir d; ls d
rmdir.held: mkdir d; open 1 d RDONLY; rmdir d; fstate 1; close 1; ls .
dir.new: mkdir d; open 1 d/a RDWR|CREAT; ls d; child ls .; close 1; ls d
reopen.fd: file a abc; open 1 a RDONLY; reopen 1 RDONLY 2; read 2 9; close 1; close 2
"""

LINKS = """
link.nlink: file a abc; link a b; link a c; stat a; unlink a; stat b; state c
link.dir: mkdir d; link d e; ls .
link.symlink: file t abc; symlink t a; link a b; stat b; link a c AT_SYMLINK_FOLLOW; stat c; stat t
link.dangling: symlink t a; link a b; link a c AT_SYMLINK_FOLLOW; ls .
link.fifo: mknod a S_IFIFO; link a b; stat b
link.missing: link a b; link a d/b; ls .
link.slash: file a abc; link a/ b; link a b/; ls .
link.flags: file a abc; link a b 0x40; ls .
link.long: file a abc; link a %(n255)s; link a %(n256)s; ls .
link.times: file a abc; mark a; mark .; link a b; times a; times .; mark a; unlink b; times a
link.fd: file a abc; open 1 a RDONLY; flink 1 b; proclink 1 c; close 1; stat a; ls .
link.fd.gone: file a abc; open 1 a RDONLY; unlink a; flink 1 b; proclink 1 c; close 1; ls .
hard.append: file a abc; link a b; open 1 b WRONLY|APPEND; write 1 X; close 1; state a; state b
hard.truncate: file a abcdef; link a b; truncate b 2; state a; state b
hard.chmod: file a abc; link a b; chmod b 0600; state a
hard.seen: file a abc; link a b; open 1 a RDWR; write 1 X; state a; close 1; state b
unlink.missing: unlink a; unlink d/a; unlink ''
unlink.dir: mkdir d; unlink d; unlink d/; unlink d AT_REMOVEDIR; ls .
unlink.slash: file a abc; unlink a/; ls .
unlink.symlink: file t abc; symlink t a; unlink a; ls .
unlink.dot: mkdir d; unlink d/.; unlink d/..; unlink .; rmdir d/.; rmdir d/..; ls .
unlink.times: file a abc; link a b; mark .; mark b; unlink a; times .; times b
rmdir.full: mkdir d; file d/f abc; rmdir d; unlink d/f; rmdir d; ls .
rmdir.file: file a abc; rmdir a; rmdir a/; ls .
rmdir.link: mkdir d; symlink d l; rmdir l; rmdir l/; ls .
rmdir.missing: rmdir d; rmdir ''
mkdir.modes: mkdir a 0; mkdir b 0777; mkdir c 07777; mkdir d 01755; mkdir e 02755; stat a; stat b; stat c; stat d; stat e
mkdir.exists: mkdir d; mkdir d; mkdir d/; file f abc; mkdir f; symlink x l; mkdir l; ls .
mkdir.slash: mkdir d/; mkdir e//; ls .
mkdir.dot: mkdir .; mkdir ..; mkdir x/.; ls .
mkdir.long: mkdir %(n255)s; mkdir %(n256)s; ls .
mkdir.nodir: mkdir d/e; file f abc; mkdir f/e
mkdir.times: mark .; mkdir d; times .; stat .; mark .; rmdir d; times .; stat .
mknod.types: mknod a S_IFREG 0640; mknod b S_IFIFO 0640; mknod c S_IFSOCK 0640; mknod d S_IFCHR 0640 1 3; mknod e S_IFBLK 0640 7 99; ls .; stat a; stat b; stat c; stat d; stat e
mknod.zero: mknod a 0 0600; stat a; open 1 a RDWR; write 1 X; close 1; state a
mknod.dir: mknod a S_IFDIR; mknod b S_IFLNK; mknod c 0xf000; ls .
mknod.exists: file a abc; mknod a S_IFIFO; mknod a S_IFREG; state a
mknod.user: chmod . 0777; as 1000; mknod a S_IFCHR 0666 1 3; mknod b S_IFBLK 0666 7 9; mknod c S_IFIFO; mknod d S_IFSOCK; mknod e S_IFREG; as 0; ls .; stat c; stat e
fifo.use: mknod f S_IFIFO 0600; open 1 f RDWR; write 1 abc; read 1 9; close 1; stat f
fifo.full: mknod f S_IFIFO 0600; open 1 f WRONLY|NONBLOCK; open 2 f RDONLY|NONBLOCK; open 1 f WRONLY|NONBLOCK; write 1 xyz; read 2 9; close 1; read 2 9; close 2
fifo.rename: mknod f S_IFIFO; open 1 f RDWR; write 1 abc; rename f g; open 2 g RDWR; read 2 9; close 1; close 2
socket.use: bind s 1; connect s; stat s; close 1; connect s; unlink s; connect s; bind s 1; close 1; bind s 2
symlink.read: symlink target a; readlink a; readlink a 3; readlink a 0; stat a; readlink missing; file f abc; readlink f; mkdir d; readlink d
symlink.empty: symlink '' a; ls .
symlink.exists: file a abc; symlink x a; symlink x d/a; state a
symlink.long: symlink %(n4095)s a; readlink a; symlink %(n4096)s b; ls .
symlink.longname: symlink x %(n255)s; readlink %(n255)s; symlink x %(n256)s
symlink.bytes: symlink %%ff%%fe%%0a%%20x a; readlink a
symlink.slash: symlink x a/; ls .
symlink.through: mkdir d; file d/f abc; symlink d l; state l/f; ls l; open 1 l/f RDWR; write 1 X; close 1; state d/f
symlink.up: mkdir d; symlink ../t d/l; file t abc; open 1 d/l RDWR; write 1 X; close 1; state t
symlink.chown: symlink x a; chown a 5 6 AT_SYMLINK_NOFOLLOW; stat a; chmod a 0600 AT_SYMLINK_NOFOLLOW; stat a
symlink.times: symlink x a; utimens a 5 6 AT_SYMLINK_NOFOLLOW; mtime a; atime a
symlink.rename: symlink x a; symlink y b; rename a b; readlink b; ls .
"""

DIRS = """
ls.empty: mkdir d; ls d; stat d
ls.types: mkdir d; file f abc; symlink x l; mknod p S_IFIFO; mknod s S_IFSOCK; mknod c S_IFCHR 0644 1 3; ls .
ls.missing: ls d; file f abc; ls f; ls f/
ls.link: mkdir d; file d/x abc; symlink d l; ls l; ls l/
ls.many: mkdir d; many d 3000; seekdir d 0; seekdir d 1; seekdir d 1500; seekdir d 3001; seekdir d 9999; rmall d; rmdir d; ls .
ls.grow: mkdir d; many d 50; lsnew d; stat d
ls.deep: mkdir a; mkdir a/b; mkdir a/b/c; mkdir a/b/c/d; file a/b/c/d/f abc; state a/b/c/d/f; ls a/b/c/d/..; ls a/b/../..; stat a/./b/.././b/c
names.bytes: file %%ff%%fe abc; file %%0a 1; file a%%20b 2; file %%e4%%bd%%a0 3; file %%5c 4; file * 5; file -rf 6; ls .; state %%ff%%fe; rename %%ff%%fe %%80%%81; state %%80%%81; unlink %%0a; ls .
names.case: file a 1; file A 2; state a; state A; ls .
names.255: file %(n255)s abc; state %(n255)s; open 1 %(n255)s RDWR; write 1 X; close 1; state %(n255)s; truncate %(n255)s 1; state %(n255)s; mkdir %(m255)s; file %(m255)s/%(n255)s 2; state %(m255)s/%(n255)s; ls %(m255)s
names.256: file %(n256)s abc; mkdir %(n256)s; mknod %(n256)s S_IFIFO; stat %(n256)s; unlink %(n256)s; rmdir %(n256)s; ls .
names.bytes255: file %(b255)s abc; state %(b255)s; unlink %(b255)s; ls .
path.4095: file f abc; deep 4095 f; deep 4096 f; deep 4097 f; deep 3000 f
path.dots: mkdir d; file f abc; stat d/../f; stat ./././f; stat d/./../d/../f; stat d//../f; stat missing/../f; stat f/..; stat f/.
path.slash: mkdir d; file f abc; stat d/; stat f/; stat d//; stat missing/
dotname: file .hidden abc; mkdir .d; ls .; state .hidden
statfs: statfs .; file f abc; statfs f; statfs missing; mkdir d; statfs d
"""

LONG = {"n255": "n" * 255, "n256": "n" * 256, "m255": "m" * 255,
        "n4095": "n" * 4095, "n4096": "n" * 4096, "b255": "%e9" * 255}

GROUPS = {
    "rename-pairs": rename_table("0"),
    "rename-noreplace": rename_table("RENAME_NOREPLACE"),
    "rename-exchange": rename_table("RENAME_EXCHANGE"),
    "link-pairs": link_table(),
    "rename": parse(RENAME % LONG),
    "open": parse(OPEN),
    "links": parse(LINKS % LONG),
    "dirs": parse(DIRS % LONG),
}

PROMISED = {}


@pytest.mark.parametrize("group", list(GROUPS))
def test_names(group, posix):
    """S7, S15, S27: calls on names do what they do on the plain directory."""
    posix(GROUPS[group], PROMISED)
