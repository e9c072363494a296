# SPDX-License-Identifier: MIT
"""What flock(2) and fcntl(2) say of locks: the same plays in a plain directory
and on the mount (S21, S24).  What the mount does beyond is in test_rules.py.
"""
import itertools

import pytest

from lock_play import for_kinds, parse, play

# ---- who excludes whom ---------------------------------------------------


def matrix():
    """Two processes, each with each mode, of each kind."""
    lines = []
    for kind, (one, two) in itertools.product(
            ("flock", "posix", "ofd"), itertools.product(("SH", "EX"),
                                                         repeat=2)):
        said = "0" if one == two == "SH" else "EAGAIN"
        back = "EAGAIN" if "EX" in (one, two) else "0"
        lines.append(
            f"{kind}.{one}.{two}: a open 1 f RDWR; b open 1 f RDWR; "
            f"a {kind} 1 {one}; b {kind} 1 {two}|NB = {said}; "
            f"a {kind} 1 UN; b {kind} 1 {two}|NB; "
            f"a {kind} 1 {one}|NB = {back}; b {kind} 1 UN; "
            f"a {kind} 1 EX|NB; b {kind} 1 SH|NB = EAGAIN; a {kind} 1 UN; "
            f"b {kind} 1 EX|NB")
    for one, two in itertools.permutations(("flock", "posix", "ofd"), 2):
        said = "0" if "flock" in (one, two) else "EAGAIN"
        lines.append(
            f"{one}.{two}: a open 1 f RDWR; b open 1 f RDWR; a {one} 1 EX; "
            f"b {two} 1 EX|NB = {said}; b {two} 1 SH|NB = {said}; "
            f"a {one} 1 UN; b {two} 1 EX|NB; a {one} 1 SH|NB = {said}")
    return parse("\n".join(lines))


MATRIX = matrix()

# ---- flock ---------------------------------------------------------------

FLOCK = parse("""
up: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 SH; a flock 1 EX|NB;
    b flock 1 SH|NB = EAGAIN; a flock 1 UN; b flock 1 SH|NB
down: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a flock 1 SH|NB;
    b flock 1 SH|NB; a flock 1 EX|NB = EAGAIN; b flock 1 EX|NB
up.refused.loses: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 SH;
    b flock 1 SH; a flock 1 EX|NB = EAGAIN; b flock 1 EX|NB;
    a flock 1 SH|NB = EAGAIN
up.waits: a open 1 f RDONLY; b open 1 f RDONLY; c open 1 f RDONLY;
    a flock 1 SH; b flock 1 SH; a& flock 1 EX = waits; b flock 1 UN; a done;
    c flock 1 SH|NB = EAGAIN
up.interrupted.loses: a open 1 f RDONLY; b open 1 f RDONLY; a handler;
    a flock 1 SH; b flock 1 SH; a& flock 1 EX = waits; a send;
    a done = EINTR; b flock 1 EX|NB
down.wakes: a open 1 f RDONLY; b open 1 f RDONLY; c open 1 f RDONLY;
    a flock 1 EX; b& flock 1 SH = waits; a flock 1 SH; b done;
    c flock 1 EX|NB = EAGAIN; c flock 1 SH|NB
again: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a flock 1 EX|NB;
    a flock 1 EX; b flock 1 SH|NB = EAGAIN; a flock 1 UN; b flock 1 EX|NB
unlock.nothing: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 UN;
    a flock 1 UN|NB; b flock 1 EX|NB; a flock 1 UN; a flock 1 SH|NB = EAGAIN
unlock.by.another: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX;
    b flock 1 UN; b flock 1 EX|NB = EAGAIN
dup: a open 1 f RDONLY; a dup 1 2; b open 1 f RDONLY; a flock 1 SH;
    a flock 2 EX|NB; b flock 1 SH|NB = EAGAIN; a close 1;
    b flock 1 SH|NB = EAGAIN; a close 2; b flock 1 EX|NB
dup.unlock: a open 1 f RDONLY; a dup 1 2; b open 1 f RDONLY; a flock 1 EX;
    a flock 2 UN; b flock 1 EX|NB; a close 1; a flock 2 SH|NB = EAGAIN
two.opens: a open 1 f RDONLY; a open 2 f RDONLY; b open 1 f RDONLY;
    a flock 1 EX; a.t flock 2 SH|NB = EAGAIN; a.t close 2;
    b flock 1 SH|NB = EAGAIN; a close 1; b flock 1 EX|NB
modes: a open 1 f RDONLY; a open 2 f WRONLY; a open 3 f RDWR|APPEND;
    b open 1 f RDONLY; a flock 1 EX; b flock 1 SH|NB = EAGAIN; a flock 1 UN;
    a flock 2 SH; b flock 1 EX|NB = EAGAIN; a flock 2 UN; a flock 3 EX;
    b flock 1 SH|NB = EAGAIN; a close 1; b flock 1 SH|NB = EAGAIN; a close 3;
    b flock 1 EX|NB
bad: a open 1 f RDONLY; a flock 1 0 = EINVAL; a flock 1 NB = EINVAL;
    a flock 1 SH|EX = EINVAL; a flock 1 EX|UN = EINVAL; a flock 1 16 = EINVAL;
    b open 1 f RDONLY; b flock 1 EX|NB
bad.fd: a open 1 f RDONLY; a open 2 f PATH; a flock 2 SH = EBADF;
    a flock 2 EX|NB = EBADF; a close 1; a flock 1 SH = EBADF
fork: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a fork c; a close 1;
    b flock 1 SH|NB = EAGAIN; c flock 1 EX|NB; c close 1; b flock 1 EX|NB
fork.unlock: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a fork c;
    c flock 1 UN; b flock 1 EX|NB; a flock 1 SH|NB = EAGAIN
fork.exit: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a fork c;
    c exit; b flock 1 SH|NB = EAGAIN; a close 1; b flock 1 EX|NB
fork.kill: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a fork c;
    a kill; b flock 1 SH|NB = EAGAIN; c kill; b flock 1 EX|NB
fork.closed.dup: a open 1 f RDONLY; a flock 1 EX; a fork c; a close 1;
    a open 2 f RDONLY; a dup 2 3; a flock 2 SH|NB = EAGAIN; c exit;
    a flock 2 EX|NB
fork.closed.inherited: a open 9 f RDONLY; a fork b; b open 1 f RDONLY;
    b flock 1 EX; b fork c; b close 1; b open 2 f RDONLY;
    b flock 2 SH|NB = EAGAIN; c exit; b flock 2 EX|NB
fork.closed.inherited.writer: a open 9 f RDWR; a fork b; b open 1 f RDWR;
    b flock 1 EX; b fork c; b close 1; b open 2 f RDWR;
    b flock 2 EX|NB = EAGAIN; c exit; b flock 2 EX|NB
fork.closed.inherited.late: a open 9 f RDONLY; a fork b; b open 1 f RDONLY;
    b open 2 f RDONLY; b flock 1 EX; b fork c; b close 1;
    b flock 2 EX|NB = EAGAIN; c exit; b flock 2 EX|NB
fork.closed.ended: a.t open 9 f RDONLY; a.t end; a open 1 f RDONLY;
    a flock 1 EX; a fork c; a close 1; a open 2 f RDONLY;
    a flock 2 SH|NB = EAGAIN; c exit; a flock 2 EX|NB
fork.converts: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a fork c;
    c flock 1 SH; b flock 1 SH|NB; a flock 1 EX|NB = EAGAIN
exec: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a exec 1;
    b flock 1 SH|NB = EAGAIN; a flock 1 UN; b flock 1 EX|NB
exec.closes: a open 1 f RDONLY; b open 1 f RDONLY; a flock 1 EX; a exec;
    b flock 1 EX|NB
threads: a open 1 f RDONLY; b open 1 f RDONLY; a.t flock 1 SH;
    a flock 1 EX|NB; b flock 1 SH|NB = EAGAIN; a.u flock 1 UN; b flock 1 EX|NB
threads.wait: a open 1 f RDONLY; a open 2 f RDONLY; a flock 1 EX;
    a.t& flock 2 EX = waits; a flock 1 UN; a done; a.u flock 1 SH|NB = EAGAIN;
    a.u flock 2 UN; a flock 1 EX|NB
""")

# ---- ranges --------------------------------------------------------------

# Of both kinds, which only differ in whom they belong to.
RANGES = for_kinds("""
whole: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 0; b map KIND 1 4 = WWWW;
    b KIND 1 SH|NB 1000000 1 = EAGAIN; a KIND 1 UN 0 0; b map KIND 1 4 = ....;
    b KIND 1 EX|NB 0 0
split: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 2 12; a KIND 1 UN 6 3;
    b map KIND 1 16 = ..WWWW...WWWWW..; b get KIND 1 EX 7 1 = free;
    b KIND 1 EX|NB 6 3; b KIND 1 SH|NB 5 1 = EAGAIN; b KIND 1 SH|NB 9 1 = EAGAIN
split.twice: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 SH 0 0;
    a KIND 1 UN 2 2; a KIND 1 UN 6 2; b map KIND 1 10 = RR..RR..RR;
    a KIND 1 UN 0 5; b map KIND 1 10 = .....R..RR; a KIND 1 UN 0 0;
    b map KIND 1 10 = ..........
merge: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 5; a KIND 1 EX 10 5;
    b map KIND 1 16 = WWWWW.....WWWWW.; a KIND 1 EX 5 5;
    b map KIND 1 16 = WWWWWWWWWWWWWWW.
overlap: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 12; a KIND 1 SH 4 4;
    b map KIND 1 14 = WWWWRRRRWWWW..; b KIND 1 SH|NB 4 4;
    b KIND 1 SH|NB 4 5 = EAGAIN; a KIND 1 EX|NB 3 2 = EAGAIN;
    b map KIND 1 14 = WWWWRRRRWWWW..; b KIND 1 UN 4 4; a KIND 1 EX 2 3;
    b map KIND 1 14 = WWWWWRRRWWWW..
overlap.both: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 SH 0 6;
    a KIND 1 SH 10 6; a KIND 1 EX 4 8; b map KIND 1 18 = RRRRWWWWWWWWRRRR..
inside.same: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 12;
    a KIND 1 EX 4 4; a KIND 1 UN 5 1; b map KIND 1 14 = WWWWW.WWWWWW..
to.end: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 8 0;
    b KIND 1 EX|NB 0 8; b KIND 1 SH|NB 0 9 = EAGAIN;
    b KIND 1 SH|NB 9223372036854775807 1 = EAGAIN; a KIND 1 UN 12 4;
    b KIND 1 EX|NB 12 4; b KIND 1 SH|NB 16 1 = EAGAIN;
    b KIND 1 SH|NB 5000000000 1 = EAGAIN
far: a open 1 f RDWR; b open 1 f RDWR;
    a KIND 1 EX 9223372036854775807 1;
    b KIND 1 EX|NB 0 9223372036854775807; b KIND 1 SH|NB 0 0 = EAGAIN;
    a KIND 1 UN 0 0; b KIND 1 SH|NB 0 0
negative: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 8 -4;
    b map KIND 1 12 = ....WWWW....; a KIND 1 UN 6 -1;
    b map KIND 1 12 = ....W.WW....; a KIND 1 SH|NB 2 -2;
    b map KIND 1 12 = RR..W.WW....
current: a open 1 f RDWR; b open 1 f RDWR; a seek 1 4 SET = 4;
    a KIND 1 EX 2 3 CUR; b map KIND 1 12 = ......WWW...; a KIND 1 SH -4 2 CUR;
    b map KIND 1 12 = RR....WWW...; a KIND 1 EX 0 -2 CUR;
    b map KIND 1 12 = RRWW..WWW...; a KIND 1 EX -5 1 CUR = EINVAL;
    a seek 1 0 CUR = 4
end: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX -60 2 END;
    b map KIND 1 8 = ....WW..; a KIND 1 SH 0 0 END;
    b KIND 1 EX|NB 63 1; b KIND 1 EX|NB 64 1 = EAGAIN; b KIND 1 SH|NB 64 0;
    a KIND 1 EX -62 -2 END; b map KIND 1 8 = WW..WW..;
    a KIND 1 UN -64 0 END; b map KIND 1 8 = ........
bad: a open 1 f RDWR; a KIND 1 EX -1 1 = EINVAL; a KIND 1 EX 3 -4 = EINVAL;
    a KIND 1 UN -1 1 = EINVAL; a KIND 1 EX 1 9223372036854775807;
    a KIND 1 EX 2 9223372036854775807 = EOVERFLOW; a KIND 1 EX 0 1 7 = EINVAL;
    a KIND 1 EX 9223372036854775807 0 END = EOVERFLOW
access: a open 1 f RDONLY; a open 2 f WRONLY; a open 3 f PATH;
    a KIND 1 EX = EBADF; a KIND 1 EX|NB = EBADF; a KIND 2 SH = EBADF;
    a KIND 2 SH|NB = EBADF; a KIND 3 SH|NB = EBADF; a KIND 3 UN = EBADF;
    a get KIND 3 SH = EBADF; a KIND 1 UN; a KIND 2 UN; a get KIND 1 EX = free;
    a get KIND 2 SH = free; a KIND 1 SH; a close 1; a close 2;
    b open 1 f RDWR; b KIND 1 EX|NB; a KIND 1 SH = EBADF
refused.leaves: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR;
    a KIND 1 EX 0 4; b KIND 1 SH 6 4; a KIND 1 EX|NB 2 8 = EAGAIN;
    a KIND 1 SH|NB 2 8; c map KIND 1 12 = WWRRRRRRRR..; a KIND 1 UN 0 0;
    c map KIND 1 12 = ......RRRR..
up.refused.keeps: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 SH; b KIND 1 SH;
    a KIND 1 EX|NB = EAGAIN; b KIND 1 EX|NB = EAGAIN; b KIND 1 UN;
    a KIND 1 EX|NB; b KIND 1 SH|NB = EAGAIN
up.waits.keeps: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR;
    a KIND 1 SH; b KIND 1 SH; a& KIND 1 EX = waits; b KIND 1 UN; a done;
    c KIND 1 SH|NB = EAGAIN
up.interrupted.keeps: a open 1 f RDWR; b open 1 f RDWR; a handler;
    a KIND 1 SH; b KIND 1 SH; a& KIND 1 EX = waits; a send; a done = EINTR;
    b KIND 1 EX|NB = EAGAIN; a KIND 1 UN; b KIND 1 EX|NB
part: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 10;
    b& KIND 1 EX 5 10 = waits; a KIND 1 UN 0 5; b waits; a KIND 1 SH 5 5;
    b waits; a KIND 1 UN 9 1; b waits; a KIND 1 UN 5 4; b done;
    a map KIND 1 16 = .....WWWWWWWWWW.
beside: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 10; b KIND 1 EX 10 10;
    a KIND 1 EX 30 0; b& KIND 1 EX 20 11 = waits; a KIND 1 UN 30 1; b done
get: a open 1 f RDWR; b open 1 f RDONLY; b get KIND 1 EX = free;
    a KIND 1 SH 4 8; b get KIND 1 SH = free; a get KIND 1 EX = free;
    b get KIND 1 EX 0 4 = free; b get KIND 1 EX 12 0 = free
threads: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 4; a.t KIND 1 SH 2 4;
    b map KIND 1 8 = WWRRRR..; a.u KIND 1 UN 0 0; b map KIND 1 8 = ........
close: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 4; a KIND 1 SH 8 0;
    a close 1; b KIND 1 EX|NB
exit: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 4; a KIND 1 SH 8 0;
    a exit; b KIND 1 EX|NB
exec: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 4; a exec 1;
    b map KIND 1 6 = WWWW..; a KIND 1 EX 4 1; b map KIND 1 6 = WWWWW.;
    a KIND 1 UN; b KIND 1 EX|NB
exec.closes: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX 0 4; a exec;
    b KIND 1 EX|NB
""", ("posix", "ofd"))

# What one kind has for itself.
OWNERS = parse("""
posix.get: a open 1 f RDWR; b open 1 f RDONLY; a posix 1 SH 4 8;
    b get posix 1 EX 0 20 = SH 4 8 a; a posix 1 EX 2 0;
    b get posix 1 EX 0 20 = EX 2 0 a; b get posix 1 SH 7 1 = EX 2 0 a;
    b get posix 1 SH 7 -7 = EX 2 0 a; b get posix 1 EX 0 2 = free;
    b get posix 1 EX -63 2 END = EX 2 0 a; a posix 1 UN 4 0;
    b get posix 1 EX 0 0 = EX 2 2 a
posix.get.merged: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX 0 5;
    a posix 1 EX 5 5; b get posix 1 SH 7 1 = EX 0 10 a; a posix 1 EX 10 0;
    b get posix 1 SH 7 1 = EX 0 0 a; a posix 1 SH 5 1;
    b get posix 1 SH 6 1 = EX 6 0 a; b get posix 1 EX 5 1 = SH 5 1 a
ofd.get: a open 1 f RDWR; b open 1 f RDONLY; a ofd 1 SH 4 8;
    b get ofd 1 EX 0 20 = SH 4 8 -1; a ofd 1 EX 12 0;
    b get ofd 1 SH 0 20 = EX 12 0 -1; a get ofd 1 EX = free
mixed.get: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX 4 8;
    b get ofd 1 EX = EX 4 8 a / FUSE EX 4 8 -1; a posix 1 UN; a ofd 1 SH 2 2;
    b get ofd 1 EX = SH 2 2 -1
posix.closes.another: a open 1 f RDWR; a open 2 f RDONLY; b open 1 f RDWR;
    a posix 1 EX; a close 2; b posix 1 EX|NB; a posix 1 SH|NB = EAGAIN
posix.closes.later: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX;
    a open 2 f RDONLY; b posix 1 SH|NB = EAGAIN; a close 2; b posix 1 EX|NB
posix.closes.dup: a open 1 f RDWR; a dup 1 2; b open 1 f RDWR; a posix 1 EX;
    a close 2; b posix 1 EX|NB
posix.closes.link: a link f g; a open 1 f RDWR; a open 2 g RDONLY;
    b open 1 g RDWR; a posix 1 EX; b posix 1 SH|NB = EAGAIN; a close 2;
    b posix 1 EX|NB
posix.closes.thread: a open 1 f RDWR; a open 2 f RDONLY; b open 1 f RDWR;
    a posix 1 EX; a.t close 2; b posix 1 EX|NB
posix.closes.first: a.t open 2 f RDONLY; a open 1 f RDWR; b open 1 f RDWR;
    a posix 1 EX; a.u close 2; b posix 1 EX|NB
posix.closes.ended: a.t open 2 f RDONLY; a.t end; a open 1 f RDWR;
    b open 1 f RDWR; a posix 1 EX; a close 2; b posix 1 EX|NB
posix.closes.ended.others: a.t open 2 f RDONLY; c.t open 2 f RDONLY; a.t end;
    c.t end; a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR;
    a posix 1 EX 0 4; c posix 1 EX 4 4; c close 2; b map posix 1 8 = WWWW....;
    a close 2; b posix 1 EX|NB
posix.closes.inherited: a open 2 f RDONLY; a fork c; c open 1 f RDWR;
    b open 1 f RDWR; c posix 1 EX; c close 2;
    b posix 1 EX|NB = 0 / LIMIT EAGAIN; c close 1; b posix 1 EX|NB
posix.closes.inherited.by.parent: a open 2 f RDONLY; a fork c; b open 1 f RDWR;
    c open 1 f RDWR; a open 1 f RDWR; a posix 1 EX 0 4; c posix 1 EX 8 4;
    a close 2; b map posix 1 12 = ........WWWW / LIMIT WWWW....WWWW; a close 1;
    b map posix 1 12 = ........WWWW; c exit; b posix 1 EX|NB
posix.closed.before: a open 2 f RDONLY; a fork c; a close 2; a open 1 f RDWR;
    b open 1 f RDWR; a posix 1 EX; c close 2; b posix 1 SH|NB = EAGAIN;
    c exit; b posix 1 SH|NB = EAGAIN; a close 1; b posix 1 EX|NB
posix.closed.before.shared: a open 2 f RDONLY; a fork c; a close 2;
    a open 1 f RDONLY; b open 1 f RDWR; a posix 1 SH; c exit;
    b posix 1 EX|NB = EAGAIN; a close 1; b posix 1 EX|NB
posix.inherited.exit: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH; b posix 1 EX|NB = EAGAIN; c exit; b posix 1 EX|NB
posix.inherited.kill: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH 4 4; b get posix 1 EX = SH 4 4 c; c kill;
    b get posix 1 EX = free; b posix 1 EX|NB
posix.inherited.close: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH; c close 1; b map posix 1 4 = ....; b posix 1 EX|NB
posix.left.by.exec: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    a posix 1 SH; a exec; b posix 1 EX|NB
posix.kept.by.exec: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    a posix 1 SH; a exec 1; b posix 1 EX|NB = EAGAIN; a exit;
    b posix 1 EX|NB
posix.inherited.awaited: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH; b& posix 1 EX = waits; c exit; b done
posix.inherited.awaited.close: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH; b& posix 1 EX = waits; c close 1; b done
posix.inherited.late: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    b posix 1 EX; c& posix 1 SH = waits; b posix 1 UN; c done;
    b posix 1 EX|NB = EAGAIN; c exit; b posix 1 EX|NB
posix.inherited.both: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    a posix 1 SH 0 4; c posix 1 SH 2 4; c exit; b map posix 1 8 = RRRR....;
    b get posix 1 EX = SH 0 4 a; a close 1; b posix 1 EX|NB
posix.inherited.younger: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH; c close 1; c open 2 f RDWR; c posix 2 EX 0 4;
    b map posix 1 8 = WWWW....; b posix 1 EX|NB = EAGAIN; c close 2;
    b posix 1 EX|NB
posix.inherited.successor: a open 1 f RDONLY; a fork c; b open 1 f RDWR;
    c posix 1 SH 0 4; c exit; a fork d; d posix 1 SH 2 4;
    b map posix 1 8 = ..RRRR..; d exit; b posix 1 EX|NB
posix.inherited.left: a open 2 f RDONLY; a fork c; a fork d; a close 2;
    a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX 0 4; c posix 2 SH 4 4;
    b map posix 1 8 = WWWWRRRR; c exit; b map posix 1 8 = WWWW....; d exit;
    b map posix 1 8 = WWWW....; a close 1; b posix 1 EX|NB
posix.left.to.child: a open 1 f RDONLY; b open 1 f RDWR; a posix 1 SH;
    a fork c; b posix 1 EX|NB = EAGAIN; a close 1; b posix 1 EX|NB
posix.dup.of.reader: a open 1 f RDONLY; a dup 1 2; b open 1 f RDWR;
    a posix 1 SH; b posix 1 EX|NB = EAGAIN; a close 2; b posix 1 EX|NB;
    a posix 1 SH|NB = EAGAIN
posix.dup.of.reader.first: a open 1 f RDONLY; a dup 1 2; b open 1 f RDWR;
    a posix 2 SH; a close 2; b posix 1 EX|NB; a posix 1 SH|NB = EAGAIN
posix.dup.of.reader.younger: a open 1 f RDONLY; a dup 1 2; b open 1 f RDWR;
    a posix 1 SH 0 4; a close 2; a posix 1 SH 6 2; b map posix 1 8 = ......RR;
    b posix 1 EX|NB = EAGAIN; a close 1; b posix 1 EX|NB
posix.dup.of.reader.later: a open 1 f RDONLY; b open 1 f RDWR; a posix 1 SH;
    a dup 1 2; a close 2; b posix 1 EX|NB = 0 / LIMIT EAGAIN; a close 1;
    b posix 1 EX|NB
posix.closes.after.exec: a open 2 f RDONLY; a open 1 f RDWR; b open 1 f RDWR;
    a posix 1 EX; a exec 1; b posix 1 EX|NB
posix.closes.path: a open 1 f RDWR; a open 2 f PATH; b open 1 f RDWR;
    a posix 1 EX; a close 2; b posix 1 SH|NB = EAGAIN; a close 1;
    b posix 1 EX|NB
posix.closes.others: a open 1 f RDWR; a open 2 g RDWR|CREAT; b open 1 f RDWR;
    b open 2 f RDONLY; a posix 1 EX; a close 2; b close 2;
    b posix 1 SH|NB = EAGAIN; a close 1; b posix 1 EX|NB
posix.closes.flock: a open 1 f RDWR; a open 2 f RDWR; b open 1 f RDWR;
    a flock 1 EX; a ofd 1 EX 0 4; a posix 1 EX 8 4; a close 2;
    b flock 1 SH|NB = EAGAIN; b map posix 1 12 = WWWW........
ofd.closes: a open 1 f RDWR; a open 2 f RDWR; a dup 1 3; b open 1 f RDWR;
    a ofd 1 EX; a close 2; b ofd 1 SH|NB = EAGAIN; a close 1;
    b ofd 1 SH|NB = EAGAIN; a close 3; b ofd 1 EX|NB
posix.fork: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX 0 4; a fork c;
    c posix 1 SH|NB 0 4 = EAGAIN; c get posix 1 SH 0 4 = EX 0 4 a;
    c posix 1 UN 0 0; b posix 1 SH|NB 0 4 = EAGAIN; c posix 1 EX 8 4;
    a posix 1 SH|NB 8 1 = EAGAIN; c close 1; b map posix 1 12 = WWWW........
posix.fork.exit: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX; a fork c;
    c exit; b posix 1 SH|NB = EAGAIN; a exit; b posix 1 EX|NB
posix.fork.survives: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX; a fork c;
    a kill; b posix 1 EX|NB; c posix 1 SH|NB = EAGAIN
ofd.fork: a open 1 f RDWR; b open 1 f RDWR; a ofd 1 EX 0 4; a fork c;
    c ofd 1 EX|NB 2 4; a close 1; b map ofd 1 8 = WWWWWW..; c ofd 1 UN 0 3;
    b map ofd 1 8 = ...WWW..; c exit; b ofd 1 EX|NB
ofd.fork.unlock: a open 1 f RDWR; b open 1 f RDWR; a ofd 1 EX; a fork c;
    c ofd 1 UN; b ofd 1 EX|NB; a ofd 1 SH|NB = EAGAIN
ofd.kill: a open 1 f RDWR; b open 1 f RDWR; a ofd 1 EX; a fork c; a kill;
    b ofd 1 SH|NB = EAGAIN; c kill; b ofd 1 EX|NB
posix.threads: a open 1 f RDWR; a open 2 f RDWR; b open 1 f RDWR;
    a posix 1 EX; a.t posix 2 EX|NB; b posix 1 SH|NB = EAGAIN;
    a.t posix 2 UN; b posix 1 EX|NB
ofd.threads: a open 1 f RDWR; a open 2 f RDWR; a ofd 1 EX;
    a.t ofd 2 SH|NB = EAGAIN; a.t& ofd 2 EX = waits; a ofd 1 UN; a done;
    a.u ofd 1 SH|NB = EAGAIN
mixed.threads: a open 1 f RDWR; a open 2 f RDWR; a posix 1 EX 0 4;
    a.t ofd 2 EX|NB 0 1 = EAGAIN; a.t ofd 2 EX|NB 4 1;
    a.u posix 1 SH|NB 4 1 = EAGAIN
mixed.waits: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR; a posix 1 EX;
    b& ofd 1 SH = waits; a posix 1 UN; b done; c& posix 1 EX = waits;
    b ofd 1 UN; c done
raw: a open 1 f RDWR; a raw 1 F_SETLK 7 SET 0 1 0 = EINVAL;
    a raw 1 F_SETLKW -1 SET 0 1 0 = EINVAL;
    a raw 1 F_SETLK F_WRLCK 3 0 1 0 = EINVAL;
    a raw 1 F_GETLK F_UNLCK SET 0 1 0 = EINVAL;
    a raw 1 F_GETLK 7 SET 0 1 0 = EINVAL;
    a raw 1 F_GETLK F_WRLCK SET -1 1 0 = EINVAL;
    a raw 1 F_OFD_SETLK F_WRLCK SET 0 1 5 = EINVAL;
    a raw 1 F_OFD_SETLKW F_WRLCK SET 0 1 5 = EINVAL;
    a raw 1 F_OFD_GETLK F_WRLCK SET 0 1 5 = EINVAL;
    a raw 1 F_OFD_SETLK 7 SET 0 1 0 = EINVAL;
    a raw 1 F_SETLK F_WRLCK SET 0 1 12345; b open 1 f RDWR;
    b get posix 1 EX = EX 0 1 a
lockf: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDONLY; a seek 1 8 SET = 8;
    a lockf 1 F_LOCK 4; b map posix 1 14 = ........WWWW..; a lockf 1 F_TLOCK -4;
    b map posix 1 14 = ....WWWWWWWW..; b lockf 1 F_TEST 4;
    b lockf 1 F_TEST 5 = EACCES; b lockf 1 F_TLOCK 5 = EAGAIN;
    b lockf 1 F_TLOCK 4; a lockf 1 F_ULOCK 2;
    b map posix 1 14 = ....WWWW..WW..; a lockf 1 F_TEST 0;
    a lockf 1 F_ULOCK 0; b map posix 1 14 = ....WWWW......;
    a lockf 1 F_ULOCK -4; c lockf 1 F_TLOCK 1 = EBADF; b lockf 1 F_TLOCK 0;
    a lockf 1 F_TEST 0 = EACCES; a lockf 1 F_TLOCK 0 = EAGAIN;
    a& lockf 1 F_LOCK 0 = waits; b close 1; a done
""")

# ---- waiting -------------------------------------------------------------

WAITING = for_kinds("""
unlock: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX; b& KIND 1 EX = waits;
    a KIND 1 UN; b done; a KIND 1 SH|NB = EAGAIN
close: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX; b& KIND 1 EX = waits;
    a close 1; b done
exit: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX; b& KIND 1 SH = waits;
    a exit; b done
kill: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX; b& KIND 1 EX = waits;
    a kill; b done
shared: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR; a KIND 1 SH;
    b KIND 1 SH; c& KIND 1 EX = waits; a KIND 1 UN; c waits; b KIND 1 UN;
    c done; a KIND 1 SH|NB = EAGAIN
readers: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR; d open 1 f RDWR;
    a KIND 1 EX; b& KIND 1 SH = waits; c& KIND 1 SH = waits;
    d& KIND 1 SH = waits; a KIND 1 UN; b done; c done; d done;
    a KIND 1 EX|NB = EAGAIN; a KIND 1 SH|NB
one.by.one: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR; a KIND 1 EX;
    b& KIND 1 EX = waits; a KIND 1 UN; b done; c& KIND 1 EX = waits;
    b KIND 1 UN; c done; a& KIND 1 SH = waits; c KIND 1 UN; a done
signal: a open 1 f RDWR; b open 1 f RDWR; b handler; a KIND 1 EX;
    b& KIND 1 EX = waits; b send; b done = EINTR; b KIND 1 EX|NB = EAGAIN;
    a KIND 1 UN; b KIND 1 EX|NB
signal.shared: a open 1 f RDWR; b open 1 f RDWR; b handler; a KIND 1 EX;
    b& KIND 1 SH = waits; b send; b done = EINTR; a KIND 1 UN; a KIND 1 EX|NB
restart: a open 1 f RDWR; b open 1 f RDWR; b handler restart; a KIND 1 EX;
    b& KIND 1 EX = waits; b send; b waits; b send; b waits; a KIND 1 UN;
    b done; a KIND 1 SH|NB = EAGAIN
waiter.killed: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR; a KIND 1 EX;
    b& KIND 1 EX = waits; b kill; a KIND 1 UN; c KIND 1 EX|NB
waiter.killed.first: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR;
    a KIND 1 EX; b& KIND 1 EX = waits; c& KIND 1 EX = waits; b kill; c waits;
    a KIND 1 UN; c done
thread.waits: a open 1 f RDWR; b open 1 f RDWR; b KIND 1 EX;
    a.t& KIND 1 EX = waits; a open 2 f RDONLY; b KIND 1 UN; a done;
    b KIND 1 SH|NB = EAGAIN
exit.meanwhile: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR; b KIND 1 EX;
    a.t& KIND 1 EX = waits; c& KIND 1 EX = waits; a exit; c waits;
    b KIND 1 UN; c done
other.file: a open 1 f RDWR; a open 2 g RDWR|CREAT; b open 1 f RDWR;
    a KIND 2 EX; a KIND 1 EX; b& KIND 1 EX = waits; a KIND 2 UN; b waits;
    a close 2; b waits; a KIND 1 UN; b done
""") | for_kinds("""
closed.meanwhile: a open 1 f RDWR; b open 1 f RDWR; b KIND 1 EX;
    a.t& KIND 1 EX = waits; a close 1; b KIND 1 UN; a done; b KIND 1 EX|NB
""", ("flock", "ofd")) | parse("""
posix.closed.meanwhile: a open 1 f RDWR; b open 1 f RDWR; b posix 1 EX;
    a.t& posix 1 EX = waits; a close 1; b posix 1 UN; a done = EBADF;
    b posix 1 EX|NB
deadlock: a open 1 f RDWR; b open 1 f RDWR; a posix 1 EX 0 1; b posix 1 EX 1 1;
    a& posix 1 EX 1 1 = waits; b posix 1 EX 0 1 = EDEADLK; a waits;
    b posix 1 UN 1 1; a done
deadlock.shared: a open 1 f RDWR; b open 1 f RDWR; a posix 1 SH; b posix 1 SH;
    a& posix 1 EX = waits; b posix 1 EX = EDEADLK; a waits; b posix 1 UN;
    a done
deadlock.files: a open 1 f RDWR; a open 2 g RDWR|CREAT; b open 1 f RDWR;
    b open 2 g RDWR|CREAT; a posix 1 EX; b posix 2 EX; a& posix 2 EX = waits;
    b posix 1 SH = EDEADLK; a waits; b close 2; a done
deadlock.three: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR;
    a posix 1 EX 0 1; b posix 1 EX 1 1; c posix 1 EX 2 1;
    a& posix 1 EX 1 1 = waits; b& posix 1 EX 2 1 = waits;
    c posix 1 EX 0 1 = EDEADLK; c posix 1 UN; b done; b posix 1 UN; a done
no.deadlock: a open 1 f RDWR; b open 1 f RDWR; c open 1 f RDWR;
    a posix 1 EX 0 1; b posix 1 EX 1 1; c posix 1 EX 2 1;
    b& posix 1 EX 0 1 = waits; c& posix 1 EX 1 1 = waits; a posix 1 EX 3 1;
    a posix 1 SH|NB 2 1 = EAGAIN; a posix 1 UN; b done; b posix 1 UN; c done
""")

# ---- files of all sorts --------------------------------------------------

FILES = for_kinds("""
symlink: a symlink f l; a open 1 l RDWR; b open 1 f RDWR; a KIND 1 EX;
    b KIND 1 SH|NB = EAGAIN; a close 1; b KIND 1 EX|NB
hardlink: a link f g; a open 1 f RDWR; b open 1 g RDWR; a KIND 1 EX;
    b KIND 1 SH|NB = EAGAIN; b& KIND 1 EX = waits; a KIND 1 UN; b done
hardlink.later: a open 1 f RDWR; a KIND 1 EX; b link f g; b open 1 g RDWR;
    b KIND 1 SH|NB = EAGAIN; b unlink f; b KIND 1 SH|NB = EAGAIN;
    c open 1 g RDWR; c KIND 1 SH|NB = EAGAIN; a KIND 1 UN; b KIND 1 EX|NB;
    c KIND 1 SH|NB = EAGAIN
hardlink.gone: a link f g; a open 1 g RDWR; b open 1 f RDWR; a KIND 1 EX;
    a unlink g; b KIND 1 SH|NB = EAGAIN; c open 1 f RDWR;
    c KIND 1 SH|NB = EAGAIN; a close 1; c KIND 1 EX|NB
unlinked: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX; c unlink f;
    b KIND 1 SH|NB = EAGAIN; c open 1 f RDWR|CREAT; c KIND 1 EX|NB;
    d open 1 f RDWR|CREAT; d KIND 1 SH|NB = EAGAIN; a KIND 1 UN;
    b KIND 1 EX|NB; c close 1; d KIND 1 EX|NB
unlinked.waiter: a open 1 f RDWR; b open 1 f RDWR; a KIND 1 EX;
    b& KIND 1 EX = waits; c unlink f; b waits; c open 1 f RDWR|CREAT;
    c KIND 1 EX; a close 1; b done; c KIND 1 UN
renamed: a open 1 f RDWR; a KIND 1 EX; b rename f g; b open 1 g RDWR;
    b KIND 1 SH|NB = EAGAIN; b& KIND 1 EX = waits; c open 1 f RDWR|CREAT;
    c KIND 1 EX|NB; a close 1; b done
renamed.directory: a mkdir d; a rename f d/f; a open 1 d/f RDWR; a KIND 1 EX;
    b rename d e; b open 1 e/f RDWR; b KIND 1 SH|NB = EAGAIN; b mkdir d;
    c open 1 d/f RDWR|CREAT; c KIND 1 EX|NB; a close 1; b KIND 1 EX|NB
two.files: a open 1 f RDWR; a open 2 g RDWR|CREAT; b open 1 f RDWR;
    b open 2 g RDWR|CREAT; a KIND 1 EX; b KIND 2 EX|NB; b KIND 1 SH|NB = EAGAIN;
    a KIND 2 SH|NB = EAGAIN; a close 1; b KIND 1 EX|NB
create: a open 1 n RDWR|CREAT; b open 1 n RDWR|CREAT; a KIND 1 EX;
    b KIND 1 SH|NB = EAGAIN; a close 1; b KIND 1 EX|NB; a open 1 n RDWR;
    a KIND 1 SH|NB = EAGAIN
create.trunc: a open 1 n RDWR|CREAT|TRUNC; b open 1 n RDWR|CREAT|TRUNC;
    a KIND 1 EX; b KIND 1 SH|NB = EAGAIN; b& KIND 1 EX = waits; a close 1;
    b done; a open 1 n RDWR|CREAT|TRUNC; a KIND 1 SH|NB = EAGAIN; b close 1;
    a KIND 1 EX|NB
create.append: a open 1 n WRONLY|CREAT|APPEND; b open 1 n WRONLY|CREAT|APPEND;
    a KIND 1 EX; b KIND 1 EX|NB = EAGAIN; a close 1; b KIND 1 EX|NB
trunc: a open 1 f RDWR; a KIND 1 EX; b open 1 f RDWR|TRUNC;
    b KIND 1 SH|NB = EAGAIN; c open 1 f RDWR|TRUNC; c KIND 1 SH|NB = EAGAIN;
    a close 1; b KIND 1 EX|NB; c KIND 1 SH|NB = EAGAIN
fifo: a mkfifo p; a open 1 p RDWR; b open 1 p RDWR; a KIND 1 EX;
    b KIND 1 SH|NB = EAGAIN; b& KIND 1 EX = waits; a close 1; b done
""") | parse("""
create.rdonly: a open 1 n RDONLY|CREAT; b open 1 n RDONLY|CREAT; a flock 1 EX;
    b flock 1 SH|NB = EAGAIN; a flock 1 UN; b flock 1 EX|NB
create.excl: a open 1 n WRONLY|CREAT|EXCL; a flock 1 EX;
    b open 1 n WRONLY|CREAT|EXCL = EEXIST; b open 1 n WRONLY|CREAT;
    b flock 1 SH|NB = EAGAIN; a close 1; b flock 1 EX|NB
dir: a mkdir d; a open 1 d RDONLY; b open 1 d RDONLY|DIRECTORY; a flock 1 EX;
    b flock 1 SH|NB = EAGAIN; c open 1 d RDONLY; a flock 1 SH; b flock 1 SH|NB;
    c flock 1 EX|NB = EAGAIN; a close 1; b flock 1 EX|NB
dir.ranges: a mkdir d; a open 1 d RDONLY; b open 1 d RDONLY;
    a posix 1 SH 0 4; b get posix 1 EX 0 0 = SH 0 4 a; a posix 1 EX|NB = EBADF;
    b ofd 1 SH|NB 0 0; a get ofd 1 EX 5 0 = SH 0 0 -1
""")


@pytest.fixture
def perform(grounds, pool):
    """Perform a play in both places; both must say what is written."""
    def run(steps, name="f"):
        for ground in grounds:
            said = play(ground, steps, pool, name)
            if said:
                pytest.fail(said, pytrace=False)
    return run


def plays(table):
    return pytest.mark.parametrize("steps", list(table.values()),
                                   ids=list(table))


@plays(MATRIX)
def test_modes(perform, steps):
    """S21: shared and exclusive, of each kind, and which kinds know of each
    other: EWOULDBLOCK, which is EAGAIN, where one is in the way."""
    perform(steps)


@pytest.mark.parametrize("name", ["f.log", "f.db"])
def test_modes_of_classes(grounds, pool, name):
    """S21, S26: the same for files that are not staged."""
    for number, steps in enumerate(MATRIX.values()):
        for ground in grounds:
            ground = ground.below(str(number))
            said = play(ground, steps, pool, name)
            assert not said, said


@plays(FLOCK)
def test_flock(perform, steps):
    """S21, S24: conversions, copies of descriptors, fork, exec, threads."""
    perform(steps)


@plays(RANGES)
def test_ranges(perform, steps):
    """S21, S24: ranges that are split and merged, from any whence."""
    perform(steps)


@plays(OWNERS)
def test_owners(perform, steps):
    """S21, S24: POSIX locks are the process's, OFD locks the open file's."""
    perform(steps)


@plays(WAITING)
def test_waiting(perform, steps):
    """S24: who waits gets it when nobody is in the way any more, is told
    EINTR by a signal, and EDEADLK where POSIX locks would wait for ever."""
    perform(steps)


@plays(FILES)
def test_files(perform, steps):
    """S21, S25: the lock is the file's, whatever name it is opened by and
    whatever becomes of that."""
    perform(steps)
