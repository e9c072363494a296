# SPDX-License-Identifier: MIT
"""Reading, writing, sizes, maps and flushes of open files (S10, S27)."""
import itertools

import pytest
from posix_table import Same, parse, posix  # noqa: F401 (a fixture)

WRITE = """
write: file f abcdef; open 1 f WRONLY; write 1 XY; lseek 1 0 SEEK_CUR; close 1; state f
write.empty: file f abcdef; open 1 f WRONLY; write 1 ''; close 1; state f
write.end: file f abcdef; open 1 f RDWR; lseek 1 0 SEEK_END; write 1 XY; read 1 9; read 1 9 0; close 1; state f
write.beyond: file f abc; open 1 f RDWR; lseek 1 100 SEEK_SET; write 1 Z; fstate 1; close 1; state f
write.rdonly: file f abc; open 1 f RDONLY; write 1 Z; ftruncate 1 0; fallocate 1 0 0 10; close 1; state f
write.big: open 1 f RDWR|CREAT; write 1 x*3000000; write 1 y*1 1500000; fstate 1; close 1; state f
write.sparse: open 1 f RDWR|CREAT; write 1 end 100000000; fsync 1; lseek 1 0 SEEK_DATA; lseek 1 0 SEEK_HOLE; close 1; stat f; blocks f
write.twice: file f abc; open 1 f RDWR; open 2 f RDWR; write 1 X 0; read 2 9 0; write 2 Y 2; read 1 9 0; close 2; read 1 9 0; close 1; state f
write.seen: file f abc; open 1 f RDWR; write 1 X 0; state f; write 1 wxyz 0; stat f; state f; close 1; state f
trunc.seen: file f abc; open 1 f WRONLY|TRUNC; stat f; write 1 X; state f; close 1; state f
pwrite: file f abc; open 1 f RDWR; write 1 Z 1; read 1 1; write 1 Q; close 1; state f
pwrite.negative: file f abc; open 1 f RDWR; write 1 Z -1; read 1 1 -1; close 1; state f
pwrite.huge: file f abc; open 1 f RDWR; write 1 Z 0x7fffffffffffffff; close 1; state f
pwrite.append: file f abc; open 1 f RDWR|APPEND; write 1 Z 0; close 1; state f
append: file f abc; open 1 f RDWR|APPEND; write 1 def; lseek 1 0 SEEK_SET; write 1 ghi; lseek 1 0 SEEK_CUR; read 1 9 0; close 1; state f
append.two: file f abc; open 1 f WRONLY|APPEND; open 2 f WRONLY|APPEND; write 1 1; write 2 2; write 1 3; close 1; write 2 4; close 2; state f
append.trunc: file f abc; open 1 f WRONLY|APPEND|TRUNC; write 1 X; write 1 Y; close 1; state f
append.grow: file f abc; open 1 f WRONLY|APPEND; ftruncate 1 10; write 1 Z; ftruncate 1 2; write 1 Y; close 1; state f
writev: file f abcdef; open 1 f RDWR; writev 1 XY 1; writev 1 Z; readv 1 2 0; readv 1 1; close 1; state f
writev.flags: file f abc; open 1 f RDWR; writev 1 XY 0 RWF_APPEND; writev 1 Q 0 RWF_DSYNC; writev 1 R 0 RWF_SYNC; readv 1 4 0 RWF_HIPRI; close 1; state f
read.end: file f abc; open 1 f RDONLY; read 1 2; read 1 2; read 1 2; read 1 9 3; read 1 9 100; read 1 0; close 1
read.wronly: file f abc; open 1 f WRONLY; read 1 1; read 1 1 0; mmap 1 4096 PROT_READ MAP_SHARED; close 1
dup: file f abcdef; open 1 f RDWR; dup 1 2; write 1 X; write 2 Y; close 1; write 2 Z; lseek 2 0 SEEK_CUR; close 2; state f
dup.child: file f abcdef; open 1 f RDWR; write 1 X; child write 1 Y; child close 1; write 1 Z; close 1; state f
dup.child.append: file f abc; open 1 f WRONLY|APPEND; child write 1 1; child write 1 2; write 1 3; close 1; state f; child state f
child.reads: file f abc; open 1 f RDWR; write 1 X 0; child read 1 9 0; child fstate 1; close 1; child state f
child.trunc: file f abc; open 1 f RDWR; child ftruncate 1 1; fstate 1; close 1; state f
child.creates: child file f abc; state f; child truncate f 1; state f; child unlink f; state f
"""

SIZE = """
truncate.shrink: file f abcdef; truncate f 3; state f
truncate.grow: file f abc; truncate f 10; state f
truncate.same: file f abc; mark f; truncate f 3; times f; state f
truncate.zero: file f abc; truncate f 0; state f; truncate f 0; state f
truncate.negative: file f abc; truncate f -1; state f
truncate.huge: file f abc; truncate f 0x7fffffffffffffff; state f
truncate.dir: mkdir d; truncate d 0
truncate.missing: truncate f 0; ls .
truncate.link: file t abc; symlink t f; truncate f 1; state t
truncate.dangling: symlink t f; truncate f 1; ls .
truncate.loop: symlink f f; truncate f 1
truncate.fifo: mknod f S_IFIFO; truncate f 0
truncate.slash: file f abc; truncate f/ 0
truncate.nodir: truncate d/f 0
truncate.long: truncate %(n256)s 0
truncate.times: file f abc; mark f; truncate f 1; times f; mark f; truncate f 9; times f
truncate.open: file f abcdef; open 1 f RDWR; write 1 XY 4; truncate f 5; fstate 1; close 1; state f
truncate.reader: file f abcdef; open 1 f RDONLY; truncate f 3; state f; read 1 9 0; lseek 1 0 SEEK_END; close 1
ftruncate.shrink: file f abcdef; open 1 f RDWR; ftruncate 1 2; fstate 1; lseek 1 0 SEEK_END; close 1; state f
ftruncate.grow: file f abc; open 1 f RDWR; ftruncate 1 8; read 1 9 0; close 1; state f
ftruncate.negative: file f abc; open 1 f RDWR; ftruncate 1 -1; close 1; state f
ftruncate.only: file f abc; mark f; open 1 f WRONLY; ftruncate 1 3; close 1; times f
ftruncate.shrinkgrow: file f abcdef; open 1 f RDWR; ftruncate 1 1; ftruncate 1 6; close 1; state f
ftruncate.page: file f x*10000; open 1 f RDWR; ftruncate 1 4097; ftruncate 1 8192; read 1 10 4090; close 1; state f
"""

ALLOC_MODES = {
    "plain": "0",
    "keep": "FALLOC_FL_KEEP_SIZE",
    "punch": "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE",
    "punchonly": "FALLOC_FL_PUNCH_HOLE",
    "zero": "FALLOC_FL_ZERO_RANGE",
    "zerokeep": "FALLOC_FL_ZERO_RANGE|FALLOC_FL_KEEP_SIZE",
    "unshare": "FALLOC_FL_UNSHARE_RANGE",
    "mixed": "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_ZERO_RANGE|FALLOC_FL_KEEP_SIZE",
    "unknown": "0x8000",
}
ALLOC_RANGES = {"in": "4096 4096", "over": "16384 16384", "odd": "100 1000",
                "empty": "0 0", "negative": "-1 10", "beyond": "65536 4096"}


def alloc_table():
    lines = [
        f"{mode}.{where}: file f x*20000; open 1 f RDWR; "
        f"fallocate 1 {flags} {span}; fstate 1; close 1; state f"
        for (mode, flags), (where, span)
        in itertools.product(ALLOC_MODES.items(), ALLOC_RANGES.items())]
    return parse("\n".join(lines) + """
    collapse: file f x*20000; open 1 f RDWR; fallocate 1 FALLOC_FL_COLLAPSE_RANGE 4096 4096; close 1; stat f
    insert: file f x*20000; open 1 f RDWR; fallocate 1 FALLOC_FL_INSERT_RANGE 4096 4096; close 1; stat f
    rdonly: file f abc; open 1 f RDONLY; fallocate 1 0 0 10; close 1; state f
    dir: mkdir d; open 1 d RDONLY; fallocate 1 0 0 10; close 1
    new: open 1 f RDWR|CREAT; fallocate 1 0 0 5000; fstate 1; close 1; state f
    only.keep: file f abc; open 1 f RDWR; fallocate 1 FALLOC_FL_KEEP_SIZE 0 50000; close 1; state f
    times: file f x*9000; mark f; open 1 f RDWR; fallocate 1 FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE 0 4096; close 1; times f
    append: file f abc; open 1 f RDWR|APPEND; fallocate 1 0 0 10; write 1 Z; close 1; state f
    """)


SEEK = """
data.plain: file f x*10000; open 1 f RDWR; lseek 1 0 SEEK_DATA; lseek 1 0 SEEK_HOLE; lseek 1 9999 SEEK_DATA; lseek 1 10000 SEEK_DATA; lseek 1 10000 SEEK_HOLE; close 1
data.hole: open 1 f RDWR|CREAT; write 1 x*4096 0; write 1 x*4096 65536; fsync 1; lseek 1 0 SEEK_HOLE; lseek 1 4096 SEEK_DATA; lseek 1 5000 SEEK_DATA; lseek 1 65536 SEEK_HOLE; lseek 1 70000 SEEK_DATA; close 1; open 1 f RDONLY; lseek 1 0 SEEK_HOLE; lseek 1 4096 SEEK_DATA; close 1
data.unsynced: open 1 f RDWR|CREAT; write 1 x*4096 65536; lseek 1 0 SEEK_DATA; lseek 1 65536 SEEK_HOLE; close 1; open 1 f RDONLY; lseek 1 0 SEEK_DATA; close 1
data.kept: open 1 f RDWR|CREAT; write 1 x*4096 1048576; close 1; open 1 f RDWR; write 1 y 1048576; fsync 1; lseek 1 0 SEEK_DATA; close 1; open 1 f RDONLY; lseek 1 0 SEEK_DATA; close 1; blocks f
data.grown: open 1 f RDWR|CREAT; ftruncate 1 100000; fsync 1; lseek 1 0 SEEK_DATA; lseek 1 0 SEEK_HOLE; close 1
data.punched: file f x*65536; open 1 f RDWR; fsync 1; fallocate 1 FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE 8192 8192; lseek 1 0 SEEK_HOLE; lseek 1 8192 SEEK_DATA; close 1; open 1 f RDONLY; lseek 1 0 SEEK_HOLE; close 1
set: file f abc; open 1 f RDWR; lseek 1 5 SEEK_SET; lseek 1 -1 SEEK_SET; lseek 1 -10 SEEK_CUR; lseek 1 -1 SEEK_END; read 1 9; lseek 1 1 SEEK_CUR; lseek 1 0 99; close 1
end.grown: file f abc; open 1 f RDWR; open 2 f RDWR; write 2 x*100; lseek 1 0 SEEK_END; close 2; lseek 1 0 SEEK_END; close 1
fifo: mknod f S_IFIFO; open 1 f RDWR; lseek 1 0 SEEK_SET; close 1
"""

MOVE = """
copy.all: file a abcdef; open 1 a RDONLY; open 2 b RDWR|CREAT; copy 1 - 2 - 100; copy 1 - 2 - 100; lseek 1 0 SEEK_CUR; close 2; close 1; state b
copy.part: file a abcdef; file b 123456; open 1 a RDONLY; open 2 b RDWR; copy 1 1 2 3 2; lseek 2 0 SEEK_CUR; fstate 2; close 2; close 1; state b; state a
copy.self: file a x*9000; open 1 a RDWR; copy 1 0 1 10000 9000; close 1; state a
copy.overlap: file a x*9000; open 1 a RDWR; copy 1 0 1 100 9000; close 1; state a
copy.append: file a abc; file b 123; open 1 a RDONLY; open 2 b RDWR|APPEND; copy 1 - 2 - 3; close 2; close 1; state b
copy.rdonly: file a abc; file b 123; open 1 a RDONLY; open 2 b RDONLY; copy 1 - 2 - 3; close 2; close 1; state b
copy.wronly: file a abc; file b 123; open 1 a WRONLY; open 2 b WRONLY; copy 1 - 2 - 3; close 2; close 1; state b
copy.big: file a x*2000000; open 1 a RDONLY; open 2 b WRONLY|CREAT|TRUNC; copy 1 - 2 - 2000000; close 2; close 1; state b
copy.own: open 1 a RDWR|CREAT; write 1 abcdef; open 2 b RDWR|CREAT; copy 1 0 2 0 6; close 2; close 1; state a; state b
copy.dir: mkdir d; open 1 d RDONLY; open 2 b RDWR|CREAT; copy 1 - 2 - 10; close 2; close 1
clone: file a abc; open 1 a RDONLY; open 2 b RDWR|CREAT; clone 1 2; close 2; state b
sendfile: file a abcdef; open 1 a RDONLY; open 2 b WRONLY|CREAT; sendfile 2 1 2 100; sendfile 2 1 - 2; lseek 1 0 SEEK_CUR; close 2; close 1; state b
sendfile.append: file a abc; file b 123; open 1 a RDONLY; open 2 b WRONLY|APPEND; sendfile 2 1 - 9; close 2; close 1; state b
sendfile.big: file a x*3000000; open 1 a RDONLY; open 2 b WRONLY|CREAT; sendfile 2 1 - 3000000; close 2; close 1; state b
splice: file a abcdef; file b 123456; open 1 a RDONLY; open 2 b RDWR; splice 1 1 2 2 3; splice 1 - 2 - 1; close 2; close 1; state b
splice.end: file a abc; open 1 a RDONLY; open 2 b WRONLY|CREAT; splice 1 3 2 0 10; close 2; close 1; state b
splice.append: file a abc; file b 123; open 1 a RDONLY; open 2 b WRONLY|APPEND; splice 1 - 2 - 3; close 2; close 1; state b
"""

MAPS = """
shared.write: file f abcdef; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; mset 1 XY; read 1 9 0; munmap; close 1; state f
shared.after: file f abcdef; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; close 1; mset 1 XY; mget 0 6; msync MS_SYNC; munmap; state f
shared.msync: file f abcdef; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; mset 0 Q; msync MS_SYNC; state f; mset 1 R; msync MS_ASYNC; close 1; munmap; state f
shared.read: file f abcdef; open 1 f RDONLY; mmap 1 4096 PROT_READ MAP_SHARED; close 1; mget 0 6; mget 6 4; mprotect PROT_READ|PROT_WRITE; munmap
shared.rdonly: file f abcdef; open 1 f RDONLY; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; close 1
shared.wronly: file f abcdef; open 1 f WRONLY; mmap 1 4096 PROT_WRITE MAP_SHARED; mmap 1 4096 PROT_READ MAP_PRIVATE; close 1
shared.new: open 1 f RDWR|CREAT; ftruncate 1 8192; mmap 1 8192 PROT_READ|PROT_WRITE MAP_SHARED; mset 4096 page2; munmap; close 1; state f
shared.seen: file f abcdef; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; write 1 ZZ 2; mget 0 6; munmap; close 1; state f
shared.grow: file f abc; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; ftruncate 1 10; mset 5 V; mget 0 10; munmap; close 1; state f
shared.offset: file f x*10000; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED 4096; mset 0 Q; munmap; close 1; state f
shared.past: file f abc; open 1 f RDWR; mmap 1 8192 PROT_READ MAP_SHARED; mget 5000 1
private.write: file f abcdef; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_PRIVATE; mset 1 XY; mget 0 6; read 1 9 0; munmap; close 1; state f
private.rdonly: file f abcdef; open 1 f RDONLY; mmap 1 4096 PROT_READ|PROT_WRITE MAP_PRIVATE; mset 1 XY; mget 0 6; munmap; close 1; state f
private.exec: file f abcdef; open 1 f RDONLY; mmap 1 4096 PROT_READ|PROT_EXEC MAP_PRIVATE; mget 0 3; munmap; close 1
empty: file f ''; open 1 f RDWR; mmap 1 4096 PROT_READ MAP_SHARED; munmap; mmap 1 0 PROT_READ MAP_SHARED; close 1
odd: file f abc; open 1 f RDWR; mmap 1 4096 PROT_READ MAP_SHARED 100; close 1
dir: mkdir d; open 1 d RDONLY; mmap 1 4096 PROT_READ MAP_SHARED; close 1
path: file f abc; open 1 f PATH; mmap 1 4096 PROT_READ MAP_SHARED; close 1
times.shared: file f abcdef; mark f; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; mset 1 XY; munmap; close 1; times f; state f
times.msync: file f abcdef; mark f; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; mset 1 XY; msync MS_SYNC; times f; munmap; close 1; times f; state f
times.closed: file f abcdef; mark f; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; close 1; mset 1 XY; munmap; times f; state f
times.private: file f abcdef; mark f; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_PRIVATE; mset 1 XY; munmap; close 1; times f
times.read: file f abcdef; mark f; open 1 f RDONLY; mmap 1 4096 PROT_READ MAP_SHARED; mget 0 3; munmap; close 1; times f
"""

SYNC = """
fsync: file f abc; open 1 f RDWR; write 1 X; fsync 1; child state f; write 1 Y; fdatasync 1; child state f; close 1; state f
fsync.new: open 1 f RDWR|CREAT|EXCL; write 1 X; fsync 1; child state f; write 1 Y; close 1; state f
fsync.rdonly: file f abc; open 1 f RDONLY; fsync 1; fdatasync 1; syncfs 1; close 1
fsync.unchanged: file f abc; mark f; open 1 f RDWR; fsync 1; close 1; times f; state f
fsync.dir: mkdir d; open 1 d RDONLY; fsync 1; fdatasync 1; syncfs 1; close 1
fsync.trunc: file f abc; open 1 f RDWR|TRUNC; write 1 X; fsync 1; child state f; write 1 Y; close 1; state f
syncfs: file f abc; open 1 f RDWR; write 1 X; syncfs 1; close 1; state f
range: file f abc; open 1 f RDWR; write 1 X; sync_file_range 1 0 0 SYNC_FILE_RANGE_WRITE|SYNC_FILE_RANGE_WAIT_AFTER; sync_file_range 1 0 0 0x80; sync_file_range 1 -1 0 0; close 1; state f
range.fifo: mknod f S_IFIFO; open 1 f RDWR; sync_file_range 1 0 0 SYNC_FILE_RANGE_WRITE; fsync 1; close 1
fadvise: file f x*20000; open 1 f RDWR; fadvise 1 0 0 POSIX_FADV_DONTNEED; read 1 4 9000; fadvise 1 0 0 POSIX_FADV_WILLNEED; fadvise 1 0 0 99; close 1
"""

LONG = {"n256": "n" * 256}

GROUPS = {
    "write": parse(WRITE), "size": parse(SIZE % LONG),
    "allocate": alloc_table(), "seek": parse(SEEK), "move": parse(MOVE),
    "map": parse(MAPS), "sync": parse(SYNC),
}

PROMISED = {
    # The reader was opened before: it keeps its version.
    "truncate.reader": [Same("S1", "read 1 9 0 = 3 'abc'",
                             "read 1 9 0 = 6 'abcdef'"),
                        Same("S1", "SEEK_END = 3", "SEEK_END = 6")],
    # No FUSE file system is asked for these (fuse_file_fallocate in
    # fs/fuse/file.c of Linux): said as by a file system without them.
    "collapse": [Same("FUSE", "4096 4096 = 0", "4096 4096 = EOPNOTSUPP"),
                 Same("FUSE", "s15904", "s20000")],
    "insert": [Same("FUSE", "4096 4096 = 0", "4096 4096 = EOPNOTSUPP"),
               Same("FUSE", "s24096", "s20000")],
}


@pytest.mark.parametrize("group", list(GROUPS))
def test_io(group, posix):
    """S10, S27: calls on open files do what they do on the plain directory,
    mtime and ctime after a write through a map included."""
    posix(GROUPS[group], PROMISED)
