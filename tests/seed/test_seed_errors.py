# SPDX-License-Identifier: MIT
"""What is raised, what it says, and that the file is as it was."""
import errno
import os
import pickle
import subprocess

import pytest

from atomicio import (AsyncLockError, AsyncTimeoutError, AtomicIOError,
                      FileAppendError, FileOperationError, FileReadError,
                      FileWriteError, FormatNotRegisteredError, SafeFile)

BROKEN = [
    ("a.json", b'{"a": 1,\n "b": }', 2, 7), ("a.json", b"[1,", 1, 4),
    ("a.json", b'{"a": 1, "a": 2}', 1, 10),
    ("a.toml", b"a = 1\nb = \n", 2, 5), ("a.yaml", b"a: [1, 2\nb: 3\n", 2, 2),
    ("a.xml", b"<a>\n</b>\n", 2, 3), ("a.json", b'["\xff"]', 1, 3),
]


def test_hierarchy():
    for cls in (FileReadError, FileWriteError, FileAppendError):
        assert issubclass(cls, FileOperationError)
    for cls in (FileOperationError, AsyncTimeoutError, AsyncLockError,
                FormatNotRegisteredError):
        assert issubclass(cls, AtomicIOError)
        assert cls("text").args
    assert issubclass(FormatNotRegisteredError, ValueError)
    assert issubclass(AsyncTimeoutError, TimeoutError)


@pytest.mark.parametrize("name, content, line, column", BROKEN)
def test_corrupted(kind, folder, name, content, line, column):
    """The place is named; update changes nothing; writing it anew helps."""
    path = folder / name
    path.write_bytes(content)
    file = kind(path)
    value = {"r": {"x": "1"}}
    for call, error in ((file.read, FileReadError),
                        (lambda: file.update(value), FileWriteError)):
        with pytest.raises(error) as caught:
            call()
        assert (caught.value.line, caught.value.column) == (line, column)
        assert f"{path}:{line}:{column}: " in str(caught.value)
        assert isinstance(caught.value, ValueError)
        assert type(caught.value).__name__ == error.__name__
        assert caught.value.path == path
        assert path.read_bytes() == content
    assert file.read_bytes() == content
    file.write(value)
    assert file.read() == value


def test_refused_value(kind, folder):
    file = kind(folder / "a.toml")
    file.write({"a": 1})
    with pytest.raises(FileWriteError) as caught:
        file.write({"a": {"b~/": [1, None]}})
    assert caught.value.pointer == "/a/b~0~1/1"
    assert file.read() == {"a": 1}


def test_errors_travel(folder):
    """From a worker process to its parent."""
    (folder / "a.json").write_text("{")
    with pytest.raises(FileReadError) as caught:
        SafeFile(folder / "a.json").read()
    errors = [caught.value, AsyncTimeoutError(2, "a.json"),
              FileWriteError("x", path=folder, errno=28),
              FormatNotRegisteredError("x", path=folder)]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


# ---- the system says no ------------------------------------------------------------

def test_directory_is_missing(kind, folder):
    file = kind(folder / "no" / "a.json")
    assert file.read() is None
    for call, error in ((lambda: file.write(1), FileWriteError),
                        (lambda: file.append(1), FileAppendError)):
        with pytest.raises(error) as caught:
            call()
        assert caught.value.errno == 2
        assert isinstance(caught.value, FileNotFoundError)
        assert str(caught.value).count("a.json") == 1


def test_is_a_directory(kind, folder):
    (folder / "a.json").mkdir()
    file = kind(folder / "a.json")
    for call, error in ((file.read, FileReadError),
                        (lambda: file.write(1), FileWriteError)):
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, IsADirectoryError)


def test_loops(kind, folder):
    """Of links, and of aliases."""
    path = folder / "a.yaml"
    path.symlink_to("b.yaml")
    (folder / "b.yaml").symlink_to("a.yaml")
    for call, error in ((kind(path).read, FileReadError),
                        (kind(path).read_bytes, FileReadError),
                        (lambda: kind(path).write(1), FileWriteError)):
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == errno.ELOOP
    path.unlink()
    path.write_text("&a [*a]\n")
    with pytest.raises(FileReadError) as caught:
        kind(path).read()
    assert isinstance(caught.value, ValueError)
    assert caught.value.line == 1 or caught.value.pointer is not None


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_busy(kind, tmp_path):
    """What cannot be replaced, because something is mounted there (as in a
    container): that is not the lock."""
    path = tmp_path / "a.json"
    for name in (path, tmp_path / "b.json"):
        name.write_text("[1]")
    subprocess.run(["mount", "--bind", tmp_path / "b.json", path], check=True)
    try:
        file = kind(path)
        for call, error in ((lambda: file.write([2]), FileWriteError),
                            (lambda: file.append("x"), FileAppendError)):
            with pytest.raises(error) as caught:
                call()
            assert caught.value.errno == errno.EBUSY
        assert file.read() == [1]
    finally:
        subprocess.run(["umount", path], check=True)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_no_room_to_append(kind, tmp_path):
    """For what is there already: the reason is said all the same."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path],
                   check=True)
    try:
        path = tmp_path / "a.txt"
        path.write_text("x" * 700_000)
        with pytest.raises(FileAppendError) as caught:
            kind(path).append("y")
        assert caught.value.errno == errno.ENOSPC
        assert str(caught.value).endswith(": No space left on device")
        assert os.listdir(tmp_path) == ["a.txt"]
        assert path.stat().st_size == 700_000
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_may_only_be_written(kind, tmp_path, crew):
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    tmp_path.chmod(0o777)
    path = tmp_path / "a.txt"
    path.write_text("old")
    os.chown(path, 65534, 65534)
    path.chmod(0o200)

    def other_user():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with pytest.raises(FileAppendError) as caught:
            kind(path).append("x")
        assert caught.value.errno == errno.EACCES
        assert str(caught.value).endswith(": Permission denied")
        kind(path).write("new")
    crew.start(other_user)
    crew.join()
    assert path.read_text() == "new"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_permission_denied(kind, tmp_path, crew):
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    path = tmp_path / "a.json"
    path.write_text("[1]")
    path.chmod(0o600)

    def other_user():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        file = kind(path)
        for call, error in ((file.read, FileReadError),
                            (lambda: file.write([2]), FileWriteError),
                            (lambda: file.append("x"), FileAppendError)):
            with pytest.raises(error) as caught:
                call()
            assert caught.value.errno == 13
            assert isinstance(caught.value, PermissionError)
            assert isinstance(caught.value.__cause__, PermissionError)
    crew.start(other_user)
    crew.join()
    assert path.read_text() == "[1]"
    assert os.listdir(tmp_path) == ["a.json"]
