# SPDX-License-Identifier: MIT
"""What is raised, what it says, and that the file is as it was."""
import os
import pickle

import pytest

import atomicio
from atomicio import (AsyncLockError, AsyncTimeoutError, AtomicIOError,
                      FileAppendError, FileOperationError, FileReadError,
                      FileWriteError, FormatNotRegisteredError, SafeFile)
from harness.mount import Mount
from harness.tools import scaled

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


def test_is_a_directory(kind, folder):
    (folder / "a.json").mkdir()
    file = kind(folder / "a.json")
    for call, error in ((file.read, FileReadError),
                        (lambda: file.write(1), FileWriteError)):
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, IsADirectoryError)


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


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a loop mount")
@pytest.mark.parametrize("on_mount", [False, True])
def test_disk_full(kind, tmp_path, ext4_image, daemon, on_mount):
    """A real one: the old file stays, whole, and nothing else is left."""
    disk = ext4_image(4 << 20)
    where = disk
    if on_mount:
        (disk / "src").mkdir()
        mount = Mount(tmp_path, ["quarantine_size=1"], source=disk / "src",
                      program=daemon).start()
        mount.allow_log(".*")
        where = mount.mnt
    try:
        file = kind(where / "a.json")
        file.write(["old"])
        with open(disk / "filler", "wb") as f:
            while f.tell() < 2 << 20:
                f.write(bytes(1 << 16))
        big = ["x" * 1000] * 3000
        for call, error in ((lambda: file.write(big), FileWriteError),
                            (lambda: file.update(big), FileWriteError),
                            (lambda: file.append("x" * 3000000),
                             FileAppendError)):
            with pytest.raises(error) as caught:
                call()
            assert caught.value.errno == 28
            assert isinstance(caught.value, OSError)
            assert file.read() == ["old"]
        assert set(os.listdir(where)) - {"lost+found", "filler"} == {
            "a.json"}
        os.unlink(disk / "filler")
        file.write(["new"])
        assert file.read() == ["new"]
    finally:
        if on_mount:
            mount.finish()


# ---- size, and coming and going ------------------------------------------------------

@pytest.mark.parametrize("suffix", ["json", "json.gz", "yaml", "toml"])
def test_big(folder, suffix):
    """More than 10 MB."""
    value = {"rows": [{"id": n, "name": f"row {n}", "text": "x" * 400}
                      for n in range(scaled(27_000))]}
    file = SafeFile(folder / f"big.{suffix}")
    file.write(value)
    if suffix != "json.gz" and scaled(27_000) >= 27_000:
        assert (folder / f"big.{suffix}").stat().st_size > 10_000_000
    assert file.read() == value


def test_deleted_and_made_again(folder, crew):
    """1000 times, beside readers that see all of it or nothing."""
    path, times = folder / "a.json", scaled(1000)
    value = {"list": list(range(50))}
    over = folder / "over"

    def read():
        file, seen = SafeFile(path), set()
        while not over.exists():
            found = file.read()
            assert found is None or found == value
            seen.add(found is None)
    for _ in range(2):
        crew.start(read)
    file = SafeFile(path, durable=False)
    for _ in range(times):
        file.write(value)
        atomicio.delete_file(path, missing_ok=False)
    over.touch()
    crew.join()
    assert not path.exists()
