# SPDX-License-Identifier: MIT
"""open(2): every kind of flag on every kind of file (S10, S27).

S10: everything POSIX works on a shadow.  S27: everything else is what the
backing file system does.
"""
import itertools

import pytest
from posix_table import Same, parse, posix  # noqa: F401 (a fixture)

ACCESS = ["RDONLY", "WRONLY", "RDWR", "ACCMODE"]
FLAGS = ["CREAT", "EXCL", "TRUNC", "APPEND"]
SPECIAL = ["DIRECTORY", "NOFOLLOW", "PATH", "CREAT|DIRECTORY",
           "PATH|DIRECTORY", "PATH|NOFOLLOW", "CREAT|NOFOLLOW",
           "TRUNC|NOFOLLOW", "TRUNC|DIRECTORY", "TMPFILE", "TMPFILE|EXCL",
           "CREAT|EXCL|NOFOLLOW", "SYNC", "DSYNC|CREAT", "CLOEXEC",
           "NOATIME", "PATH|CREAT|TRUNC"]

# What stands at the name `f` before the open.
SETUPS = {
    "missing": "",
    "file": "file f abcdef",
    "empty": "file f ''",
    "readonly": "file f abcdef 0444",
    "dir": "mkdir f",
    "link": "file t abcdef; symlink t f",
    "linkdir": "mkdir t; symlink t f",
    "dangling": "symlink t f",
    "loop": "symlink f f",
    "longlink": "symlink %s f" % ("x" * 256),
    "socket": "mknod f S_IFSOCK",
    "null": "mknod f S_IFCHR 0666 1 3",
    "hard": "file t abcdef; link t f",
}
# Where the name does not lead to a file at all.
NAMES = {
    "slash": ("file f abc", "f/"),
    "slashdir": ("mkdir f", "f/"),
    "slashmissing": ("", "f/"),
    "slashlink": ("file t abc; symlink t f", "f/"),
    "nodir": ("", "d/f"),
    "filedir": ("file d abc", "d/f"),
    "dot": ("", "."),
    "dotdot": ("mkdir d", "d/.."),
    "emptyname": ("", "''"),
    "name255": ("", "n" * 255),
    "name256": ("", "n" * 256),
    "name256dir": ("", "n" * 256 + "/f"),
    "dirlink": ("mkdir d; symlink d l", "l/f"),
    "danglingdir": ("symlink d l", "l/f"),
    "loopdir": ("symlink l l", "l/f"),
}
# Flags that matter where a name is wrong.
NAME_FLAGS = ["RDONLY", "RDWR", "WRONLY|CREAT", "WRONLY|CREAT|EXCL",
              "WRONLY|CREAT|TRUNC", "WRONLY|TRUNC", "RDONLY|CREAT",
              "RDONLY|DIRECTORY", "RDWR|CREAT|DIRECTORY", "PATH",
              "RDONLY|NOFOLLOW", "RDWR|CREAT|NOFOLLOW", "RDWR|TMPFILE"]
AFTER = "write 1 XY; fstate 1; close 1; state f; ls ."


def flag_sets():
    for access in ACCESS:
        for n in range(len(FLAGS) + 1):
            for more in itertools.combinations(FLAGS, n):
                yield "|".join((access,) + more)
        for more in SPECIAL:
            yield access + "|" + more


def case(name, setup, flags, path, after=AFTER):
    return f"{name}: {setup}; open 1 {path} {flags} 0640; {after}"


def table(setup):
    return parse("\n".join(
        case(f"{setup}.{flags}", SETUPS[setup], flags, "f")
        for flags in flag_sets()))


def names_table():
    return parse("\n".join(
        case(f"{name}.{flags}", setup, flags, path,
             "write 1 XY; fstate 1; close 1; stat f; ls .")
        for name, (setup, path) in NAMES.items() for flags in NAME_FLAGS))


def fifo_table():
    """Never one that would wait for the other end."""
    sets = ["RDONLY|NONBLOCK", "WRONLY|NONBLOCK", "RDWR", "RDWR|NONBLOCK",
            "RDWR|TRUNC", "RDWR|CREAT", "RDWR|CREAT|EXCL", "RDWR|APPEND",
            "PATH", "RDWR|DIRECTORY", "RDONLY|NONBLOCK|TRUNC",
            "WRONLY|NONBLOCK|CREAT|TRUNC"]
    return parse("\n".join(
        case("fifo." + flags, "mknod f S_IFIFO", flags, "f",
             "write 1 XY; read 1 2; fstate 1; close 1; stat f; ls .")
        for flags in sets))


def more_table():
    return parse("""
    path.read: file f abc; open 1 f PATH; read 1 3; write 1 x; fstate 1; fsync 1; ftruncate 1 0; fchmod 1 0600; fcntl 1 F_GETFL; close 1; state f
    path.reopen: file f abc; open 1 f PATH; reopen 1 RDONLY 2; read 2 9; close 2; reopen 1 WRONLY 3; write 3 xyz; close 3; close 1; state f
    path.reopen.read: file f abc; open 1 f RDONLY; reopen 1 WRONLY 3; write 3 xyz; close 3; close 1; state f
    path.link: file t abc; symlink t f; open 1 f PATH|NOFOLLOW; fstate 1; close 1
    path.dir: mkdir d; open 1 d PATH; stat d; close 1
    getfl: file f abc; open 1 f RDWR|APPEND|NONBLOCK; fcntl 1 F_GETFL; fcntl 1 F_SETFL NONBLOCK; fcntl 1 F_GETFL; lseek 1 0 SEEK_SET; write 1 Z; close 1; state f
    setfl.append: file f abc; open 1 f RDWR; fcntl 1 F_SETFL APPEND; write 1 Z; close 1; state f
    cloexec: file f abc; open 1 f RDWR|CLOEXEC; fcntl 1 F_GETFD; dup 1 2; fcntl 2 F_GETFD; close 1; close 2
    tmpfile: open 1 . TMPFILE|RDWR 0640; write 1 abc; fstate 1; ls .; proclink 1 f; state f; close 1; state f; ls .
    tmpfile.flink: open 1 . TMPFILE|RDWR 0640; write 1 abc; flink 1 f; close 1; state f
    tmpfile.drop: open 1 . TMPFILE|RDWR 0640; write 1 abc; close 1; ls .
    tmpfile.excl: open 1 . TMPFILE|RDWR|EXCL 0640; write 1 abc; proclink 1 f; flink 1 f; close 1; ls .
    tmpfile.wronly: open 1 . TMPFILE|WRONLY 0600; write 1 abc; proclink 1 f; close 1; state f
    tmpfile.rdonly: open 1 . TMPFILE|RDONLY 0600; close 1; ls .
    tmpfile.taken: file f old; open 1 . TMPFILE|RDWR 0640; write 1 abc; proclink 1 f; close 1; state f
    tmpfile.after: open 1 . TMPFILE|RDWR 0640; write 1 abc; proclink 1 f; write 1 def; close 1; state f
    tmpfile.meta: open 1 . TMPFILE|RDWR 0640; fchmod 1 0751; fchown 1 7 8; fsetxattr 1 user.a b; futimens 1 5 6; proclink 1 f; close 1; state f; getxattr f user.a; mtime f
    tmpfile.file: file f abc; open 1 f TMPFILE|RDWR; ls .
    tmpfile.missing: open 1 d TMPFILE|RDWR; ls .
    tmpfile.twice: open 1 . TMPFILE|RDWR; write 1 abc; proclink 1 f; proclink 1 g; close 1; state f; state g
    tmpfile.truncate: open 1 . TMPFILE|RDWR; write 1 abcdef; ftruncate 1 2; fsync 1; fstate 1; proclink 1 f; close 1; state f
    create.mode.0000: open 1 f RDWR|CREAT|EXCL 0; write 1 abc; read 1 3 0; close 1; state f
    create.mode.0444: open 1 f WRONLY|CREAT|TRUNC 0444; write 1 abc; close 1; state f
    create.mode.suid: open 1 f WRONLY|CREAT|TRUNC 06755; fstate 1; close 1; state f
    create.mode.sticky: open 1 f WRONLY|CREAT|TRUNC 01644; fstate 1; close 1; state f
    create.rdonly: open 1 f RDONLY|CREAT 0640; state f; child state f; close 1; state f
    create.rdonly.excl: open 1 f RDONLY|CREAT|EXCL 0640; state f; close 1; state f
    create.nothing: open 1 f WRONLY|CREAT 0640; close 1; state f
    create.excl.nothing: open 1 f WRONLY|CREAT|EXCL 0640; close 1; state f
    create.twice: open 1 f RDWR|CREAT|EXCL; open 2 f RDWR|CREAT|EXCL; write 1 a; close 1; open 2 f RDWR|CREAT|EXCL; state f
    create.join: open 1 f RDWR|CREAT; write 1 abc; open 2 f RDWR|CREAT; write 2 Z 1; close 2; read 1 3 0; close 1; state f
    creat.trunc.excl: file f abc; open 1 f RDWR|CREAT|EXCL|TRUNC; state f
    noatime.owner: file f abc; open 1 f RDONLY|NOATIME; read 1 3; close 1
    noatime.other: file f abc 0666; chmod . 0777; as 1000; open 1 f RDONLY|NOATIME; open 1 f RDONLY; close 1
    nodev.zero: mknod f S_IFCHR 0666 1 5; open 1 f RDWR; read 1 4; write 1 abc; close 1; stat f
    device.none: mknod f S_IFCHR 0666 250 250; open 1 f RDWR; stat f
    block.none: mknod f S_IFBLK 0666 250 250; open 1 f RDWR; stat f
    dir.write: mkdir d; open 1 d RDONLY|DIRECTORY; write 1 x; read 1 1; ftruncate 1 0; fsync 1; fdatasync 1; fallocate 1 0 0 10; lseek 1 0 SEEK_SET; close 1
    symlink.chain: file a abc; symlink a b; symlink b c; symlink c d; open 1 d RDWR|TRUNC; write 1 xy; close 1; state a; stat d
    symlink.create: symlink t f; open 1 f WRONLY|CREAT 0600; write 1 abc; close 1; state t; stat f
    symlink.create.excl: symlink t f; open 1 f WRONLY|CREAT|EXCL 0600; ls .
    symlink.abs: file t abc; symlink /nonexistent/x f; open 1 f RDONLY; open 1 f WRONLY|CREAT; ls .
    text.busy: file p %23!/bin/sh%0aexit%207%0a 0755; exec p; chmod p 0644; exec p; chmod p 0711; exec p
    exec.notype: file p abc 0755; exec p; exec missing; mkdir d; exec d
    direct.write: file f ''; open 1 f RDWR|DIRECT; dwrite 1 8192 0; dread 1 4096 4096; dread 1 4096 8192; close 1; state f
    direct.read: file f x*10000; open 1 f RDONLY|DIRECT; dread 1 4096 0; dread 1 4096 8192; dread 1 4096 12288; close 1
    direct.create: open 1 f RDWR|DIRECT|CREAT 0600; dwrite 1 4096 0; dwrite 1 4096 12288; ftruncate 1 13000; close 1; state f
    sync.write: file f abc; open 1 f WRONLY|SYNC; write 1 xyz; close 1; state f; open 1 f WRONLY|DSYNC|APPEND; write 1 123; close 1; state f
    badfd: read 1 1; write 1 a; close 1; fsync 1; ftruncate 1 1; fstate 1; lseek 1 0 SEEK_SET; fchmod 1 0; fchown 1 0 0; dup 1 2; futimens 1 1 1
    """)


GROUPS = {f"on-{name}": (lambda name=name: table(name)) for name in SETUPS}
GROUPS.update({"names": names_table, "fifo": fifo_table, "more": more_table})

PROMISED = {
    # A writer by a magic link gets a file that others read only if it can be
    # led to its shadow by name (DESIGN.md, "The way of a write", 2).
    "path.reopen.read": [
        Same("DESIGN", "reopen 1 WRONLY 3 = 0 | write 3 xyz = 3 | close 3 = 0",
             "reopen 1 WRONLY 3 = EBUSY | write 3 xyz = EBADF | "
             "close 3 = EBADF"),
        Same("DESIGN", "'xyz'", "'abc'")],
    # The kernel opens the backing file with the flags of open(2) and does
    # not follow fcntl(2) afterwards (backing_file_open).
    "passthrough:getfl": [Same("kernel", "s3 'Zbc'", "s4 'abcZ'")],
}


@pytest.mark.parametrize("group", list(GROUPS))
def test_open(group, posix):
    """S10, S27: open(2) says and does what it does on the plain directory."""
    posix(GROUPS[group](), PROMISED)
