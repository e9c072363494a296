# SPDX-License-Identifier: MIT
"""What cannot work is refused: one clear line, an exit code, nothing changed.

Rules: S29 (two daemons on one source), S30 (who may mount).
"""
import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from harness.mount import daemon_path as program, unmount
from support import Daemon, is_mounted

SECONDS = 20


def snapshot(top):
    """Everything about a tree that a daemon could change, times included."""
    result = {}
    for directory, names, files in os.walk(top):
        for path in [directory, *(os.path.join(directory, n)
                                  for n in names + files)]:
            st = os.lstat(path)
            content = b""
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as f:
                    content = f.read()
            result[os.path.relpath(path, top)] = (
                st.st_mode, st.st_ino, st.st_nlink, st.st_uid, st.st_gid,
                st.st_size, st.st_mtime_ns, st.st_ctime_ns, content)
    return result


@pytest.fixture
def place(tmp_path):
    """A source with a file, and a mountpoint."""
    source, mount = tmp_path / "source", tmp_path / "mount"
    source.mkdir()
    mount.mkdir()
    (source / "file").write_text("content\n")
    (source / "dir").mkdir()
    yield source, mount
    unmount(mount)


def run(*args, wrap=(), **more):
    return subprocess.run([*wrap, program(), *args], timeout=SECONDS,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **more)


def refused(done, *words):
    """One line on stderr that says @words; no success."""
    lines = done.stderr.splitlines()
    assert done.returncode > 0, f"{done.returncode}: {done.stderr!r}"
    assert done.stdout == ""
    assert len(lines) == 1, f"not one line: {done.stderr!r}"
    assert lines[0].startswith("atomicfs: "), lines[0]
    assert len(lines[0]) > len("atomicfs: ") + 8
    for word in words:
        assert word.lower() in lines[0].lower(), f"no {word!r}: {lines[0]}"


BAD_ARGUMENTS = {
    "nothing": [],
    "one": ["SOURCE"],
    "three": ["SOURCE", "MOUNT", "MOUNT"],
    "letter": ["-Z", "SOURCE", "MOUNT"],
    "long": ["--nonsense", "SOURCE", "MOUNT"],
    "option": ["-o", "nonsense", "SOURCE", "MOUNT"],
    "option-value": ["-o", "nonsense=1", "SOURCE", "MOUNT"],
    "no-option": ["SOURCE", "MOUNT", "-o"],
    "durability": ["-o", "durability=maybe", "SOURCE", "MOUNT"],
    "durability-empty": ["-o", "durability=", "SOURCE", "MOUNT"],
    "durability-bare": ["-o", "durability", "SOURCE", "MOUNT"],
    "conflict": ["-o", "conflict=both", "SOURCE", "MOUNT"],
    "on_kill": ["-o", "on_kill=cry", "SOURCE", "MOUNT"],
    "passthrough": ["-o", "passthrough=on!", "SOURCE", "MOUNT"],
    "timeout": ["-o", "entry_timeout=soon", "SOURCE", "MOUNT"],
    "timeout-negative": ["-o", "entry_timeout=-1", "SOURCE", "MOUNT"],
    "timeout-nan": ["-o", "entry_timeout=nan", "SOURCE", "MOUNT"],
    "size": ["-o", "quarantine_size=big", "SOURCE", "MOUNT"],
    "size-negative": ["-o", "quarantine_size=-1", "SOURCE", "MOUNT"],
    "size-huge": ["-o", "quarantine_size=99999999999999999999G", "SOURCE",
                  "MOUNT"],
    "age": ["-o", "quarantine_age=old", "SOURCE", "MOUNT"],
    "notify": ["-o", "notify-ready=x", "SOURCE", "MOUNT"],
    "policy": ["-o", "policy=/nonexistent/policy", "SOURCE", "MOUNT"],
    "source-missing": ["SOURCE/missing", "MOUNT"],
    "source-file": ["SOURCE/file", "MOUNT"],
    "source-empty": ["", "MOUNT"],
    "mount-missing": ["SOURCE", "MOUNT/missing"],
    "mount-file": ["SOURCE", "SOURCE/file"],
    "mount-empty": ["SOURCE", ""],
    "mount-inside": ["SOURCE", "SOURCE/dir"],
    "source-inside": ["SOURCE/dir", "SOURCE"],
}
# The word by which the reader knows what is meant.
SAYS = {
    "durability": "maybe", "conflict": "both", "on_kill": "cry",
    "passthrough": "on!", "timeout": "soon", "size": "big", "age": "old",
    "policy": "/nonexistent/policy", "source-missing": "missing",
    "source-file": "file", "mount-missing": "missing", "option": "nonsense",
    "option-value": "nonsense", "long": "nonsense",
}


@pytest.mark.parametrize("foreground", [True, False], ids=["-f", "daemon"])
@pytest.mark.parametrize("name", list(BAD_ARGUMENTS))
def test_arguments(name, foreground, place):
    """Wrong options and folders: one line that names what is wrong, an exit
    code, nothing changed and nothing mounted."""
    source, mount = place
    args = [a.replace("SOURCE", str(source)).replace("MOUNT", str(mount))
            for a in BAD_ARGUMENTS[name]]
    before = snapshot(source)
    done = run(*(["-f"] if foreground else []), *args)
    refused(done, *([SAYS[name]] if name in SAYS else []))
    assert snapshot(source) == before
    assert not is_mounted(mount)
    assert list(mount.iterdir()) == []


def test_policy_rule(place, tmp_path):
    """A policy with a bad rule is refused with its file and line."""
    source, mount = place
    policy = tmp_path / "policy"
    policy.write_text("# comment\natomic *.txt\nwonderful *.md\n")
    before = snapshot(source)
    done = run("-f", "-o", f"policy={policy}", source, mount)
    refused(done, str(policy), "3")
    assert snapshot(source) == before


def test_help_and_version():
    """Asking for help is no error."""
    for args in (["--help"], ["-h"], ["--version"], ["-V"]):
        done = run(*args)
        assert done.returncode == 0, (args, done)
        assert done.stdout and not done.stderr


@pytest.mark.parametrize("foreground", [True, False], ids=["-f", "daemon"])
def test_source_in_use(foreground, place, tmp_path):
    """S29: the second daemon on a source refuses, and the first goes on."""
    source, mount = place
    other = tmp_path / "other"
    other.mkdir()
    with Daemon(program(), source, mount) as first:
        assert first.alive, first.errors()
        before = snapshot(source)
        done = run(*(["-f"] if foreground else []), source, other)
        refused(done, "in use")
        assert snapshot(source) == before
        assert not is_mounted(other)
        (mount / "file").write_text("still writable\n")
        # Beside the mount a commit is seen when the mount has shown it.
        assert (mount / "file").read_text() == "still writable\n"
        assert (source / "file").read_text() == "still writable\n"


def test_source_in_use_by_another_name(place, tmp_path):
    """S29: a symlink to the source and a bind mount of it are that source."""
    source, mount = place
    other, bound = tmp_path / "other", tmp_path / "bound"
    link = tmp_path / "link"
    other.mkdir()
    bound.mkdir()
    link.symlink_to(source)
    subprocess.run(["mount", "--bind", source, bound], check=True)
    try:
        with Daemon(program(), source, mount) as first:
            assert first.alive, first.errors()
            for name in (link, bound):
                refused(run("-f", name, other))
                assert not is_mounted(other)
    finally:
        unmount(bound)


def test_after_the_first(place):
    """S29: a daemon that has ended, in whichever way, leaves the source free.
    """
    source, mount = place
    for end in ("stop", "kill"):
        daemon = Daemon(program(), source, mount)
        assert daemon.alive, daemon.errors()
        getattr(daemon, end)()
    with Daemon(program(), source, mount) as last:
        assert last.alive, last.errors()


def test_newer_state(place):
    """A state directory of a newer version is not touched."""
    source, mount = place
    with Daemon(program(), source, mount) as daemon:
        assert daemon.alive, daemon.errors()
    version = source / ".atomicfs" / "version"
    assert version.read_text() == "1\n"
    version.write_text("2\n")
    before = snapshot(source)
    refused(run("-f", source, mount), "version")
    assert snapshot(source) == before
    assert not is_mounted(mount)


def test_state_is_no_directory(place):
    """A file or a symlink in the place of the state directory is left alone.
    """
    source, mount = place
    state = source / ".atomicfs"
    for make in (lambda: state.write_text("mine"),
                 lambda: state.symlink_to(source / "dir")):
        make()
        before = snapshot(source)
        refused(run("-f", source, mount), ".atomicfs")
        assert snapshot(source) == before
        state.unlink()


def test_readonly_source(place):
    """A source that cannot be written to is refused."""
    source, mount = place
    before = snapshot(source)
    subprocess.run(["mount", "--bind", source, source], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", source], check=True)
        refused(run("-f", source, mount), "read-only")
        assert not is_mounted(mount)
    finally:
        unmount(source)
    assert snapshot(source) == before


@contextlib.contextmanager
def ramfs(path):
    path.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "none", path], check=True)
    try:
        yield path
    finally:
        unmount(path)


def test_no_xattrs(place, tmp_path):
    """A file system without extended attributes is refused."""
    _, mount = place
    with ramfs(tmp_path / "ram") as source:
        (source / "file").write_text("content\n")
        before = snapshot(source)
        refused(run("-f", source, mount), "attribute")
        assert snapshot(source) == before
        assert not is_mounted(mount)


def in_namespace(*commands):
    """Prefix that runs a command where @commands were done before, in a mount
    namespace of its own."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
            "; ".join([*commands, 'exec "$@"']), "sh"]


@pytest.fixture
def own_place(place):
    """A place that belongs to an ordinary user."""
    source, mount = place
    for path in (source, mount, source / "file", source / "dir"):
        os.chown(path, 1000, 1000)
    for above in Path(source).parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    return place


def test_unprivileged_without_fusermount(own_place):
    """S30: a user without fusermount3 is told so."""
    source, mount = own_place
    before = snapshot(source)
    done = run("-f", source, mount, wrap=[
        *in_namespace("mount --bind /dev/null /usr/bin/fusermount3",
                      "mount --bind /dev/null /bin/fusermount3",
                      "mount -t tmpfs none /dev",
                      "mknod -m 666 /dev/null c 1 3",
                      "mknod -m 666 /dev/fuse c 10 229"),
        "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"])
    refused(done, "fusermount3")
    assert snapshot(source) == before


def test_unprivileged_foreign_source(place):
    """S30: a user cannot mount what is not writable to that user."""
    source, mount = place
    for above in Path(source).parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    before = snapshot(source)
    done = run("-f", source, mount, wrap=[
        "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"])
    refused(done)
    assert snapshot(source) == before
    assert not is_mounted(mount)


def test_no_dev_fuse(place):
    """S30: without /dev/fuse the daemon says what is missing."""
    source, mount = place
    before = snapshot(source)
    done = run("-f", source, mount,
               wrap=in_namespace("mount -t tmpfs none /dev",
                                 "mknod -m 666 /dev/null c 1 3"))
    refused(done, "/dev/fuse")
    assert snapshot(source) == before
