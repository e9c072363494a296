# SPDX-License-Identifier: MIT
"""The ways of data: reads that need no daemon (S3), flushes that fail (S12),
opens that cannot be redirected."""
import errno
import os
import select
import signal
import subprocess

import pytest

W, R = os.O_WRONLY, os.O_RDONLY
MIB = 1 << 20
SIZE = 4 * MIB
PATIENCE_SECONDS = 60

NO_FSYNC = r"""
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd)
{
	if (access(getenv("NO_FSYNC"), F_OK) < 0)
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}
"""


def refused(error, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == error, e.value


# ---- reading -------------------------------------------------------------

def read_all(peer, fd):
    """Through a process of its own: it may hang."""
    data = b""
    for at in range(0, SIZE, MIB):
        peer.start("pread", fd, MIB, at)
        if not select.select([peer._answers], [], [], PATIENCE_SECONDS)[0]:
            return None
        data += peer.finish()
    return data


@pytest.mark.mount_options("entry_timeout=100000")
def test_reads_need_no_daemon(mount, peer, io):
    """S3: a committed file is read by the kernel alone: from the backing file
    under passthrough, else from the page cache, also by a later open."""
    content = os.urandom(MIB) * (SIZE // MIB)
    (mount / "f").write_bytes(content)
    if io == "served":
        fd = peer.open(mount / "f", R)
        assert read_all(peer, fd) == content
        peer.close(fd)
    fd = peer.open(mount / "f", R)
    mount.proc.send_signal(signal.SIGSTOP)
    try:
        found = read_all(peer, fd)
    finally:
        mount.proc.send_signal(signal.SIGCONT)
    assert found is not None, "a read waited for the daemon"
    assert found == content
    peer.close(fd)


# ---- flushing ------------------------------------------------------------

class Disk:
    """Fails every fsync(2) of the daemon while `broken`."""

    def __init__(self, directory):
        self.flag = directory / "no-fsync"
        source, self.library = directory / "no.c", directory / "no.so"
        source.write_text(NO_FSYNC)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.library, source],
                       check=True)
        # With a sanitizer its library is not the first any more.
        given = os.environ.get("ASAN_OPTIONS", "")
        self.env = {"LD_PRELOAD": str(self.library),
                    "NO_FSYNC": str(self.flag),
                    "ASAN_OPTIONS": given + ":verify_asan_link_order=0"}

    def breaks(self):
        self.flag.touch()

    def works(self):
        self.flag.unlink()


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


@pytest.fixture
def on_disk(make_mount, disk):
    mount = make_mount(env=disk.env)
    mount.expect_log("EIO")
    (mount / "f").write_bytes(b"old")
    return mount


def check_rolled_back(mount, peer):
    assert peer.slurp(mount / "f") == b"old" == (mount / "f").read_bytes()
    assert [item["data"] for item in mount.quarantine()] == [b"new"]


def test_flush_fails_at_close(on_disk, disk, peer):
    """S12, S19: EIO of the flush is what close says, the old version stays,
    and the new bytes are kept."""
    fd = os.open(on_disk / "f", W | os.O_TRUNC)
    os.write(fd, b"new")
    disk.breaks()
    refused(errno.EIO, os.close, fd)
    disk.works()
    check_rolled_back(on_disk, peer)


@pytest.mark.parametrize("flags", [os.O_TRUNC, 0], ids=["replace", "update"])
def test_flush_fails_once(on_disk, disk, peer, flags):
    """S12, S13: after an fsync that failed with EIO the shadow is poisoned: a
    flush that succeeds does not publish it."""
    fd = os.open(on_disk / "f", W | flags)
    os.write(fd, b"new")
    disk.breaks()
    refused(errno.EIO, os.fsync, fd)
    disk.works()
    refused(errno.EIO, os.fsync, fd)
    refused(errno.EIO, os.close, fd)
    check_rolled_back(on_disk, peer)


# ---- opens without a path ------------------------------------------------

def test_reopen_for_writing(mount, peer):
    """S1, S6: an open for writing through /proc cannot be sent to a shadow
    while others read the very version: EBUSY, and they are not disturbed."""
    f = mount / "f"
    f.write_bytes(b"old")
    fd = os.open(f, R)
    other = peer.open(f, R)
    refused(errno.EBUSY, os.open, f"/proc/self/fd/{fd}", W | os.O_TRUNC)
    assert peer.read(other, 10) == b"old"
    peer.close(other)
    os.close(fd)
    assert f.read_bytes() == b"old"
