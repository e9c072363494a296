# SPDX-License-Identifier: MIT
"""Owners, modes, times, permissions, xattrs and ACLs (S10, S17, S27)."""
import pytest
from posix_table import Same, parse, posix  # noqa: F401 (a fixture)

MODES = """
chmod: file f abc; mark f; chmod f 0600; times f; stat f; chmod f 07777; stat f; chmod f 0; stat f; state f
chmod.dir: mkdir d; chmod d 02775; stat d; chmod d 01777; stat d
chmod.link: file t abc; symlink t f; chmod f 0600; stat t; chmod missing 0600; symlink f2 f2; chmod f2 0600
chmod.open: file f abc; open 1 f RDWR; write 1 X; fchmod 1 0640; fstate 1; close 1; state f
chmod.open.only: file f abc; mark f; open 1 f RDWR; fchmod 1 0640; close 1; times f; state f
chmod.open.path: file f abc; open 1 f RDWR; write 1 X; chmod f 0600; fstate 1; close 1; state f
chmod.open.trunc: file f abc 0755; open 1 f WRONLY|TRUNC; write 1 X; fstate 1; close 1; state f
chmod.new: open 1 f RDWR|CREAT 0600; fchmod 1 04711; write 1 X; fstate 1; close 1; state f
chmod.readonly.open: file f abc; open 1 f RDONLY; fchmod 1 0600; close 1; state f
chmod.other: file f abc; as 1000; chmod f 0777; chown f 1000 1000; touch f; stat f
chmod.group: file f abc; chown f 1000 2000; as 1000 1000; chmod f 02755; stat f; as 1000 1000 2000; chmod f 02755; stat f
chown: file f abc; mark f; chown f 5 6; times f; stat f; chown f -1 7; stat f; chown f 8 -1; stat f; chown f -1 -1; stat f
chown.suid: file f abc; chmod f 06755; chown f 5 5; stat f
chown.suid.noexec: file f abc; chmod f 02644; chown f 5 5; stat f
chown.dir: mkdir d; chmod d 06755; chown d 5 6; stat d
chown.open: file f abc; open 1 f RDWR; write 1 X; fchown 1 5 6; fstate 1; close 1; state f
chown.open.only: file f abc; open 1 f RDWR; fchown 1 5 6; close 1; state f
chown.user: file f abc; chown f 1000 1000; as 1000 1000 2000; chown f 1000 2000; stat f; chown f 1000 3000; chown f 1001 -1; chown f 1000 -1; stat f
chown.user.suid: file f abc; chown f 1000 1000; chmod f 06755; as 1000 1000 2000; chown f -1 2000; stat f
chown.link: file t abc; symlink t f; chown f 5 6; stat t; stat f; chown missing 1 1
new.owner: chmod . 0777; as 1000 2000; file f abc; mkdir d; symlink x l; mknod p S_IFIFO; stat f; stat d; stat l; stat p; open 1 . TMPFILE|RDWR; write 1 a; proclink 1 t; close 1; stat t
new.setgid: chown . 0 3000; chmod . 02777; as 1000 2000; file f abc; mkdir d; symlink x l; mknod p S_IFIFO; open 1 g WRONLY|CREAT|EXCL 02755; close 1; stat f; stat d; stat l; stat p; stat g
new.setgid.member: chown . 0 3000; chmod . 02777; as 1000 2000 3000; open 1 g WRONLY|CREAT|EXCL 02755; write 1 abc; close 1; stat g; mkdir d 02755; stat d
new.setgid.tmp: chown . 0 3000; chmod . 02777; as 1000 2000; open 1 . TMPFILE|RDWR 02755; write 1 abc; proclink 1 g; close 1; stat g
replaced.owner: file f abc 0666; chown f 5 6; chmod . 0777; as 1000; open 1 f WRONLY|TRUNC; write 1 X; close 1; state f
replaced.mode: file f abc 0606; chmod . 0777; as 1000; open 1 f WRONLY|CREAT|TRUNC 0600; write 1 X; close 1; as 0; state f
updated.owner: file f abc 0666; chown f 5 6; as 1000; open 1 f RDWR; write 1 X; close 1; state f
updated.group: file f abc 0660; chown f 5 6; as 1000 1000 6; open 1 f RDWR; write 1 X; close 1; as 0; state f
"""

SUID = """
write.user: file f abc; chmod f 06777; as 1000; open 1 f WRONLY; write 1 X; fstate 1; close 1; stat f
write.owner: file f abc; chown f 1000 1000; chmod f 06755; as 1000; open 1 f WRONLY; write 1 X; close 1; stat f
write.root: file f abc; chmod f 06777; open 1 f WRONLY; write 1 X; close 1; stat f
write.noexec: file f abc; chmod f 06666; as 1000; open 1 f WRONLY; write 1 X; close 1; stat f
write.nothing: file f abc; chmod f 06777; as 1000; open 1 f WRONLY; close 1; stat f
append.user: file f abc; chmod f 06777; as 1000; open 1 f WRONLY|APPEND; write 1 X; close 1; stat f
trunc.user: file f abc; chmod f 06777; as 1000; open 1 f WRONLY|TRUNC; close 1; stat f
trunc.user.write: file f abc; chmod f 06777; as 1000; open 1 f WRONLY|TRUNC; write 1 X; close 1; state f
trunc.root: file f abc; chmod f 06777; open 1 f WRONLY|TRUNC; write 1 X; close 1; stat f
truncate.user: file f abc; chmod f 06777; as 1000; truncate f 1; stat f
truncate.root: file f abc; chmod f 06777; truncate f 1; stat f
ftruncate.user: file f abc; chmod f 06777; as 1000; open 1 f WRONLY; ftruncate 1 1; close 1; stat f
fallocate.user: file f abc; chmod f 06777; as 1000; open 1 f WRONLY; fallocate 1 0 0 100; close 1; stat f
mmap.user: file f abc; chmod f 06777; as 1000; open 1 f RDWR; mmap 1 4096 PROT_READ|PROT_WRITE MAP_SHARED; mset 0 X; munmap; close 1; state f
copy.user: file a abc; file f 123456; chmod f 06777; as 1000; open 1 a RDONLY; open 2 f WRONLY; copy 1 - 2 - 3; close 2; close 1; state f
child.user: file f abc; chmod f 06777; open 1 f WRONLY; as 1000; write 1 X; close 1; as 0; stat f
dir.user: mkdir d; chmod d 06777; as 1000; file d/f abc; as 0; stat d; stat d/f
caps: file f abc 0755; setxattr f security.capability %%01%%00%%00%%02%%00%%04%%00%%00%%00%%00%%00%%00%%00%%00%%00%%00%%00%%00%%00%%00; getxattr f security.capability; open 1 f WRONLY; write 1 X; close 1; getxattr f security.capability; stat f
""".replace("%%", "%")

TIMES = """
utimens: file f abc; utimens f 5 6; mtime f; atime f; mark f; utimens f 7 OMIT; mtime f; atime f; times f
utimens.now: file f abc; utimens f 5 6; mark f; utimens f NOW NOW; times f; utimens f OMIT 9; mtime f; mark f; utimens f OMIT OMIT; times f; utimens f OMIT NOW; times f
utimens.old: file f abc; utimens f -5 -6; mtime f; utimens f 4000000000 4000000000; mtime f
utimens.dir: mkdir d; utimens d 5 6; mtime d; file d/f abc; mark d; times d; utimens missing 1 1
utimens.open: file f abc; open 1 f RDWR; write 1 X; futimens 1 5 6; close 1; mtime f; state f
utimens.open.before: file f abc; open 1 f RDWR; futimens 1 5 6; mark 1; write 1 X; times 1; close 1; stat f
utimens.open.only: file f abc; open 1 f RDWR; futimens 1 5 6; close 1; mtime f; state f
utimens.open.path: file f abc; open 1 f RDWR; write 1 X; utimens f 5 6; close 1; mtime f; state f
utimens.trunc: file f abc; open 1 f WRONLY|TRUNC; write 1 X; futimens 1 5 6; close 1; mtime f; state f
utimens.new: open 1 f WRONLY|CREAT|EXCL; write 1 X; futimens 1 5 6; close 1; mtime f; state f
utimens.closed: file f abc; utimens f 5 6; mtime f; state f; mtime f; open 1 f RDWR; close 1; mtime f
utimens.moved: file f abc; utimens f 5 6; rename f g; mtime g; link g h; mtime h; mark h; truncate h 1; times g h
utimens.rdonly: file f abc; open 1 f RDONLY; futimens 1 5 6; close 1; mtime f
utimens.user: file f abc 0666; as 1000; utimens f 5 6; touch f; utimens f NOW NOW; utimens f OMIT NOW; chmod f 0600; as 0; chmod f 0644; as 1000; touch f
utimens.owner: file f abc 0; chown f 1000 1000; as 1000; utimens f 5 6; mtime f; touch f
write: file f abc; mark f; open 1 f WRONLY; write 1 X; times f; close 1; times f
write.nothing: file f abc; mark f; open 1 f RDWR; write 1 ''; close 1; times f
open.only: file f abc; mark f; open 1 f RDWR; close 1; times f; open 1 f WRONLY|APPEND; close 1; times f; open 1 f RDWR|CREAT; close 1; times f
open.trunc: file f abc; mark f; open 1 f WRONLY|TRUNC; close 1; times f
read: file f abc; mark f; open 1 f RDONLY; read 1 3; close 1; times f
append: file f abc; mark f; open 1 f WRONLY|APPEND; write 1 X; close 1; times f
new: mark .; file f abc; times .; mark .; file f xyz; state f
replace.dir: file f abc; mark .; open 1 f WRONLY|CREAT; close 1; times .
chmod.times: file f abc; mark f; chmod f 0600; times f; mark f; chown f 1 1; times f; mark f; setxattr f user.a b; times f
ftruncate: file f abc; mark f; open 1 f WRONLY; ftruncate 1 1; close 1; times f
grow: file f abc; open 1 f RDWR; mark 1; write 1 X; times 1; fstate 1; close 1
"""

PERMS = """
read.none: file f abc 0600; as 1000; open 1 f RDONLY; access f R_OK; access f F_OK; stat f; truncate f 0
write.none: file f abc 0644; as 1000; open 1 f WRONLY; open 1 f RDWR; open 1 f WRONLY|TRUNC; open 1 f WRONLY|CREAT; truncate f 0; access f W_OK; state f
write.only: file f abc 0222; as 1000; open 1 f RDONLY; open 1 f WRONLY; write 1 X; close 1; open 1 f RDWR; as 0; state f
write.only.trunc: file f abc 0222; as 1000; open 1 f WRONLY|TRUNC; write 1 X; close 1; as 0; state f
write.only.append: file f abc 0222; as 1000; open 1 f WRONLY|APPEND; write 1 X; close 1; as 0; state f
write.dirreadonly: file f abc 0666; chmod . 0755; as 1000; open 1 f WRONLY; write 1 X; close 1; open 1 f WRONLY|TRUNC; write 1 Y; close 1; state f; truncate f 0; unlink f; rename f g; link f h; state f
group: file f abc 0640; chown f 0 2000; as 1000 1000; open 1 f RDONLY; as 1000 2000; open 1 f RDONLY; close 1; as 1000 1000 2000; open 1 f RDONLY; close 1; open 1 f WRONLY; as 1000 1000 2001,2002; open 1 f RDONLY
group.many: file f abc 0060; chown f 0 2005; as 1000 1000 2001,2002,2003,2004,2005; open 1 f RDWR; write 1 X; close 1; as 0; state f
owner.none: file f abc 0077; chown f 1000 1000; as 1000; open 1 f RDONLY; open 1 f WRONLY; access f R_OK|W_OK|X_OK; chmod f 0600; open 1 f RDWR; close 1
own.readonly: chmod . 0777; as 1000; open 1 f WRONLY|CREAT|EXCL 0400; write 1 abc; close 1; open 1 f WRONLY; state f
own.nothing: chmod . 0777; as 1000; open 1 f RDWR|CREAT|EXCL 0; write 1 abc; read 1 3 0; close 1; open 1 f RDONLY; as 0; state f
dir.none: mkdir d 0700; file d/f abc 0666; as 1000; stat d/f; open 1 d/f RDONLY; ls d; unlink d/f; file d/g 1; rename d/f g
dir.x: mkdir d; file d/f abc 0666; chmod d 0711; as 1000; ls d; state d/f; file d/g 1; open 1 d/f WRONLY; write 1 X; close 1; state d/f
dir.r: mkdir d; file d/f abc; chmod d 0744; as 1000; ls d; stat d/f; open 1 d/f RDONLY
dir.w: mkdir d; file d/f abc; chmod d 0733; as 1000; ls d; file d/g 1; stat d/g; unlink d/f; as 0; ls d
dir.ro: mkdir d; chmod d 0555; as 1000; file d/f abc; mkdir d/e; symlink x d/l; mknod d/p S_IFIFO; open 1 d TMPFILE|RDWR
sticky: chmod . 01777; file f abc 0666; mkdir d; chown d 1001 1001; as 1000; unlink f; rename f g; rmdir d; file mine 1; unlink mine; open 1 f WRONLY|TRUNC; write 1 X; close 1; state f
sticky.over: chmod . 01777; file f abc 0666; as 1000; file mine 1; rename mine f; state f; state mine
sticky.owner: mkdir d; chown d 1000 1000; chmod d 01777; file d/f abc; as 1000; unlink d/f; ls d
access.root: file f abc 0; access f R_OK|W_OK; access f X_OK; chmod f 0100; access f X_OK; access missing F_OK; access f 99
access.flags: file f abc 0600; chown f 1000 1000; symlink f l; access l R_OK AT_SYMLINK_NOFOLLOW; access f R_OK AT_EACCESS; as 1000; access f R_OK AT_EACCESS; access f R_OK; access f X_OK
exec.x: file p %23!/bin/sh%0aexit%203%0a 0700; as 1000; exec p; as 0; chmod p 0755; as 1000; exec p
link.user: file f abc; chmod . 0777; as 1000; link f g; symlink f s; state s; ls .
replace.user: file f abc 0644; chmod . 0777; as 1000; file t new; rename t f; state f
tmpfile.user: chmod . 0777; as 1000; open 1 . TMPFILE|RDWR 0600; write 1 abc; flink 1 f; proclink 1 f; close 1; state f
trunc.owner.gone: file f abc 0666; as 1000; open 1 f RDWR; write 1 X; as 0; chmod f 0600; as 1000; write 1 Y; close 1; as 0; state f
proc.reopen: file f abc 0644; as 1000; open 1 f RDONLY; reopen 1 RDWR 2; reopen 1 RDONLY 3; read 3 3; close 3; close 1
"""

UMASK = """
file: open 1 f WRONLY|CREAT 0666; close 1; stat f
file.trunc: open 1 f WRONLY|CREAT|TRUNC 0777; write 1 X; close 1; stat f
file.excl: open 1 f WRONLY|CREAT|EXCL 06777; close 1; stat f
rdonly: open 1 f RDONLY|CREAT 0666; close 1; stat f
tmpfile: open 1 . TMPFILE|RDWR 0666; proclink 1 f; close 1; stat f
mkdir: mkdir d 0777; mkdir e 02777; stat d; stat e
mknod: mknod f S_IFIFO 0666; mknod g S_IFREG 0666; mknod h S_IFSOCK 0777; stat f; stat g; stat h
socket: bind s 1; stat s
symlink: symlink x l; stat l
replace: file f abc 0666; open 1 f WRONLY|CREAT|TRUNC 0600; write 1 X; close 1; stat f
acl.file: setacl . default u::rwx,g::rwx,o::rx; open 1 f WRONLY|CREAT|TRUNC 0666; write 1 X; close 1; stat f; getacl f access
acl.new: setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; open 1 f WRONLY|CREAT|EXCL 0666; write 1 X; close 1; stat f; getacl f access; open 1 g WRONLY|CREAT 0600; close 1; stat g; getacl g access
acl.mkdir: setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; mkdir d 0777; stat d; getacl d access; getacl d default; mkdir e 0700; getacl e access; mknod p S_IFIFO 0666; getacl p access; mknod r S_IFREG 0666; getacl r access
acl.tmpfile: setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; open 1 . TMPFILE|RDWR 0666; write 1 X; proclink 1 f; close 1; stat f; getacl f access
acl.rdonly: setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; open 1 f RDONLY|CREAT 0666; close 1; stat f; getacl f access
"""

XATTR = """
user: file f abc; setxattr f user.a one; getxattr f user.a; getxattr f user.a 0; getxattr f user.a 2; getxattr f user.a 3; listxattr f; removexattr f user.a; getxattr f user.a; removexattr f user.a; listxattr f
flags: file f abc; setxattr f user.a 1 XATTR_REPLACE; setxattr f user.a 1 XATTR_CREATE; setxattr f user.a 2 XATTR_CREATE; setxattr f user.a 3 XATTR_REPLACE; getxattr f user.a; setxattr f user.a 4 XATTR_CREATE|XATTR_REPLACE; setxattr f user.a 4 99; getxattr f user.a
empty: file f abc; setxattr f user.a ''; getxattr f user.a; getxattr f user.a 0; listxattr f; setxattr f '' b; setxattr f user. b; setxattr f a b; setxattr f nosuch.a b
sizes: file f abc; setxattr f user.a x*1000; getxattr f user.a; getxattr f user.a 999; getxattr f user.a 1000; setxattr f user.b x*70000; setxattr f user.c x*65537; listxattr f; listxattr f 3; listxattr f 0
big: file f abc; setxattr f user.a x*3000; setxattr f user.b x*60000; listxattr f
name: file f abc; setxattr f user.%(n250)s x; getxattr f user.%(n250)s; setxattr f user.%(n251)s x; listxattr f
many: file f abc; setxattr f user.a 1; setxattr f user.b 2; setxattr f user.c 3; setxattr f trusted.d 4; listxattr f; as 1000; listxattr f; getxattr f trusted.d; setxattr f user.a 9; setxattr f trusted.e 1
trusted: file f abc; setxattr f trusted.a 1; getxattr f trusted.a; removexattr f trusted.a; listxattr f
security: file f abc; setxattr f security.test 1; getxattr f security.test; listxattr f; as 1000; getxattr f security.test; setxattr f security.test 2
binary: file f abc; setxattr f user.a %%00%%01%%ff; getxattr f user.a; getxattr f user.a 3
kinds: mkdir d; setxattr d user.a 1; getxattr d user.a; file t abc; symlink t l; setxattr l user.a 1; getxattr t user.a; lsetxattr l user.a 1; lsetxattr l trusted.a 1; lgetxattr l trusted.a; llistxattr l; lremovexattr l trusted.a; mknod p S_IFIFO; setxattr p user.a 1; setxattr p trusted.a 1; getxattr p trusted.a; setxattr missing user.a 1; listxattr missing
perm: file f abc 0600; as 1000; getxattr f user.a; setxattr f user.a 1; listxattr f; as 0; chmod f 0644; as 1000; getxattr f user.a; setxattr f user.a 1
readonly: file f abc 0444; chown f 1000 1000; as 1000; setxattr f user.a 1; getxattr f user.a
fd: file f abc; open 1 f RDWR; fsetxattr 1 user.a 1; fgetxattr 1 user.a; flistxattr 1; fremovexattr 1 user.a; flistxattr 1; close 1
fd.rdonly: file f abc; open 1 f RDONLY; fsetxattr 1 user.a 1; fgetxattr 1 user.a; close 1; getxattr f user.a
fd.path: file f abc; open 1 f PATH; fsetxattr 1 user.a 1; fgetxattr 1 user.a; flistxattr 1; close 1
kept.replace: file f abc; setxattr f user.a 1; setxattr f trusted.b 2; setxattr f security.test 3; open 1 f WRONLY|TRUNC; write 1 X; close 1; state f; listxattr f; getxattr f user.a; getxattr f trusted.b; getxattr f security.test
kept.update: file f abc; setxattr f user.a 1; setxattr f trusted.b 2; open 1 f RDWR; write 1 X; close 1; state f; listxattr f
kept.truncate: file f abc; setxattr f user.a 1; truncate f 1; listxattr f; state f
kept.append: file f abc; setxattr f user.a 1; open 1 f WRONLY|APPEND; write 1 X; close 1; listxattr f; state f
open.set: file f abc; open 1 f RDWR; write 1 X; fsetxattr 1 user.a 1; close 1; getxattr f user.a; state f
open.only: file f abc; mark f; open 1 f RDWR; fsetxattr 1 user.a 1; close 1; getxattr f user.a; times f; state f
open.path: file f abc; open 1 f RDWR; write 1 X; setxattr f user.a 1; fgetxattr 1 user.a; close 1; getxattr f user.a; state f
open.remove: file f abc; setxattr f user.a 1; open 1 f RDWR; write 1 X; fremovexattr 1 user.a; close 1; listxattr f; state f
open.new: open 1 f RDWR|CREAT|EXCL; fsetxattr 1 user.a 1; write 1 X; close 1; getxattr f user.a; state f
rename: file f abc; setxattr f user.a 1; rename f g; getxattr g user.a; link g h; getxattr h user.a
"""

ACL = """
set: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; stat f; getacl f access; listxattr f; chmod f 0600; stat f; getacl f access; chmod f 0664; getacl f access
simple: file f abc; setacl f access u::rw-,g::r--,o::r--; stat f; getacl f access; listxattr f
remove: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; removexattr f system.posix_acl_access; stat f; getacl f access
bad: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,o::---; setacl f access u::rw-; setacl f access ''; setacl f default u::rw-,g::r--,o::---; setxattr f system.posix_acl_access x; stat f
user: file f abc; setacl f access u::rw-,u:1000:rw-,g::---,m::rw-,o::---; as 1000; open 1 f RDWR; write 1 X; close 1; state f; setacl f access u::rwx,g::---,o::---; as 1001; open 1 f RDONLY
mask: file f abc; setacl f access u::rw-,u:1000:rw-,g::---,m::r--,o::---; as 1000; open 1 f RDONLY; close 1; open 1 f WRONLY; access f R_OK; access f W_OK
denied: file f abc; setacl f access u::rw-,u:1000:---,g::r--,m::rw-,o::rw-; as 1000; open 1 f RDONLY; as 1001; open 1 f RDWR; close 1
group: file f abc; setacl f access u::rw-,g::---,g:2000:rw-,m::rw-,o::---; as 1000 1000 2000; open 1 f RDWR; write 1 X; close 1; as 1000 1000 2001; open 1 f RDONLY; as 0; state f
dir: mkdir d 0700; setacl d access u::rwx,u:1000:r-x,g::---,m::r-x,o::---; file d/f abc; as 1000; ls d; state d/f; file d/g 1
kept.replace: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; open 1 f WRONLY|TRUNC; write 1 X; close 1; state f; getacl f access; as 1000; open 1 f RDWR; close 1
kept.update: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; open 1 f RDWR; write 1 X; close 1; state f; getacl f access
kept.user: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; as 1000; open 1 f WRONLY|TRUNC; write 1 X; close 1; as 0; state f; getacl f access
kept.hard: file f abc; link f g; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; open 1 g RDWR|TRUNC; write 1 X; close 1; state f; getacl f access
open.chmod: file f abc; setacl f access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; open 1 f RDWR; write 1 X; fchmod 1 0640; close 1; stat f; getacl f access
default: setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; getacl . default; listxattr .; file f abc; getacl f access; stat f; mkdir d; getacl d default; getacl d access; file d/g 1; getacl d/g access; symlink x l; mknod p S_IFIFO; getacl p access
default.replace: file f abc; setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; open 1 f WRONLY|TRUNC; write 1 X; close 1; stat f; getacl f access
default.setgid: chown . 0 3000; chmod . 02777; setacl . default u::rwx,u:1001:rwx,g::r-x,m::rwx,o::---; as 1000 1000; file f abc; stat f; as 0; getacl f access
default.remove: setacl . default u::rwx,g::r-x,o::---; removexattr . system.posix_acl_default; getacl . default; file f abc; stat f
default.rename: setacl . default u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---; mkdir d; removexattr d system.posix_acl_default; file d/f abc; rename d/f f; getacl f access; stat f
link: file t abc; symlink t l; setacl l access u::rw-,u:1000:rw-,g::r--,m::rw-,o::---; getacl t access
suid: file f abc 06755; chmod f 06755; setacl f access u::rwx,u:1000:rw-,g::r-x,m::rwx,o::---; stat f
fd.user: file f abc; as 1000; setacl f access u::rw-,g::r--,o::rw-; stat f
"""

LONG = {"n250": "n" * 250, "n251": "n" * 251}

GROUPS = {
    "modes": (parse(MODES), 0o022), "suid": (parse(SUID), 0o022),
    "times": (parse(TIMES), 0o022), "perms": (parse(PERMS), 0o022),
    "umask-022": (parse(UMASK), 0o022), "umask-077": (parse(UMASK), 0o077),
    "umask-000": (parse(UMASK), 0), "umask-027": (parse(UMASK), 0o027),
    "xattr": (parse(XATTR % LONG), 0o022), "acl": (parse(ACL), 0o022),
}

# Setuid and setgid bits go when the file is published, for what its openers
# may do; on a plain directory at each write, for what its writer may do.
PROMISED = {
    "write.user": [Same("S17", "fstate 1 = 0 -0777", "fstate 1 = 0 -6777")],
    "mmap.user": [Same("S17", "-6777", "-0777")],
    "child.user": [Same("S17", "-0777", "-6777")],
}


@pytest.mark.parametrize("group", list(GROUPS))
def test_attr(group, posix):
    """S10, S17, S27: attributes, and who may do what, are those of the plain
    directory."""
    cases, umask = GROUPS[group]
    posix(cases, PROMISED, umask)
