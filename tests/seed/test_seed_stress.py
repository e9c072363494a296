# SPDX-License-Identifier: MIT
"""Nothing is lost: exact counts, full disks, killed writers, broken files."""
import asyncio
import errno
import json
import os
import random
import select
import signal
import struct
import threading
import time

import pytest

from atomicio import (AsyncSafeFile, AsyncTimeoutError, FileAppendError,
                      FileReadError, FileWriteError, SafeFile,
                      ThreadedSafeFile, delete_file)
from harness.loop import loop_mount, make_image
from harness.mount import Mount
from harness.tools import scale
from seed_help import (SECONDS, Holder, Pipe, in_threads, run_in_loop, takes)

CLASSES = [SafeFile, ThreadedSafeFile, AsyncSafeFile]
THREADS, EACH = 20, max(5, int(50 * scale()))
PROCESSES, ROUNDS = 16, max(10, int(200 * scale()))


def add_one(file):
    with file.locked() as f:
        f.write({"n": (f.read() or {"n": 0})["n"] + 1})


async def add_one_async(file):
    async with file.locked() as f:
        await f.write({"n": (await f.read() or {"n": 0})["n"] + 1})


def add_many(cls, path, times):
    if cls is AsyncSafeFile:
        async def all_of_them():
            file = AsyncSafeFile(path)
            for _ in range(times):
                await add_one_async(file)
        asyncio.run(all_of_them())
    else:
        file = cls(path)
        for _ in range(times):
            add_one(file)


# ---- exact counts -------------------------------------------------------------

@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("cls", [SafeFile, ThreadedSafeFile])
def test_threads(cls, folder, shared):
    path = folder / "n.json"
    one = cls(path)

    def work():
        file = one if shared else cls(path)
        for _ in range(EACH):
            add_one(file)
    in_threads([work] * THREADS)
    assert SafeFile(path).read() == {"n": THREADS * EACH}


def test_tasks(folder):
    path = folder / "n.json"

    async def work():
        file = AsyncSafeFile(path)
        for _ in range(EACH):
            await add_one_async(file)

    async def main():
        await asyncio.gather(*(work() for _ in range(THREADS)))
    run_in_loop(main())
    assert SafeFile(path).read() == {"n": THREADS * EACH}


def test_processes(folder, crew):
    path = folder / "n.json"
    for _ in range(PROCESSES):
        crew.start(add_many, SafeFile, path, ROUNDS)
    crew.join()
    assert SafeFile(path).read() == {"n": PROCESSES * ROUNDS}


def test_mixed_classes(folder, crew):
    """All classes, in processes and threads, on one file."""
    path, times = folder / "n.json", ROUNDS // 2
    for n in range(6):
        crew.start(add_many, CLASSES[n % 3], path, times)
    in_threads([lambda cls=cls: add_many(cls, path, times)
                for cls in CLASSES])
    crew.join()
    assert SafeFile(path).read() == {"n": 9 * times}


def test_appends(folder, crew):
    """By all classes at once: every line is there, and whole."""
    path, times = folder / "log.txt", max(10, ROUNDS // 4)

    def write(number):
        file = SafeFile(path)
        for n in range(times):
            file.append(f"{number}:{n}:{'x' * 100}\n")
    for number in range(8):
        crew.start(write, number)
    crew.join()
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"{p}:{n}:{'x' * 100}" for p in range(8)
                                   for n in range(times))


def test_killed_at_random(folder, crew, tmp_path):
    """Each process counts what it has done in a file of its own, on no mount:
    what is in the shared one is that, or one more for who was killed in
    between."""
    path, rng = folder / "n.json", random.Random(1)
    record = struct.Struct("=qq")

    def work(number):
        file = SafeFile(path)
        with open(tmp_path / f"done{number}", "wb", buffering=0) as log:
            for n in range(1000000):
                log.seek(0)
                log.write(record.pack(n + 1, n))  # begun, done
                add_one(file)
                log.seek(0)
                log.write(record.pack(n + 1, n + 1))
    kills = max(4, int(24 * scale()))
    for number in range(kills):
        crew.start(work, number)
    victims = list(crew.members)
    begun = done = 0
    for number, victim in enumerate(victims):
        time.sleep(rng.random() * 0.05)  # any instant
        victim.kill()
        victim.join()
        log = tmp_path / f"done{number}"
        if log.exists() and log.stat().st_size:
            b, d = record.unpack(log.read_bytes()[:record.size])
            begun, done = begun + b, done + d
    crew.members.clear()
    counted = (SafeFile(path, 20).read() or {"n": 0})["n"]
    assert done <= counted <= begun
    add_one(SafeFile(path, 20))
    assert SafeFile(path).read() == {"n": counted + 1}


# ---- time-outs beside work ------------------------------------------------------

def test_long_holder(kind, folder, crew):
    """Somebody holds it for 3 s: attempts of 1 s time out, those that wait get
    it, and nothing is lost."""
    path = folder / "n.json"
    SafeFile(path).write({"n": 1})
    holder = Holder(crew, SafeFile(path))
    waiting = [threading.Thread(target=add_one, args=(SafeFile(path),))
               for _ in range(3)]
    for thread in waiting:
        thread.start()
    end = time.monotonic() + 3

    def attempt():
        with takes(1), pytest.raises(AsyncTimeoutError):
            kind(path, 1).update({"n": -1})
    in_threads([attempt] * 3)
    while time.monotonic() < end:
        with pytest.raises(AsyncTimeoutError):
            kind(path, 0.2).update({"n": -1})
    holder.release()
    for thread in waiting:
        thread.join(SECONDS)
    assert SafeFile(path).read() == {"n": 4}


# ---- readers ---------------------------------------------------------------------

def test_deleted_and_made_again(folder, crew):
    """A reader sees a whole version or none."""
    path, rounds = folder / "a.json", max(50, int(1000 * scale()))
    value = {"list": list(range(200))}
    over = Pipe()

    def read():
        file, seen = SafeFile(path), 0
        while not select.select([over.read_fd], [], [], 0)[0]:
            found = file.read()
            assert found is None or found == value
            seen += found is not None
        assert seen
    for _ in range(2):
        crew.start(read)
    file = SafeFile(path)
    for _ in range(rounds):
        file.write(value)
        delete_file(path)
    file.write(value)
    # One of them has to have seen it.
    end = time.monotonic() + 1
    while time.monotonic() < end:
        file.write(value)
    over.say()
    over.say()
    crew.join()
    assert os.listdir(folder) == ["a.json"]


# ---- failures ----------------------------------------------------------------------

@pytest.fixture(scope="module", params=["plain", "mount"])
def small(request, tmp_path_factory, daemon):
    """A directory of a real file system of 16 MiB, or a mount of it; and where
    it can be filled, beside the mount."""
    if os.getuid() != 0:
        pytest.skip("needs root, for a loop mount")
    base = tmp_path_factory.mktemp("small")
    image = make_image(base / "image", 16 << 20, "mkfs.ext4", "-q")
    with loop_mount(image, base / "disk") as disk:
        (disk / "src").mkdir()
        if request.param == "plain":
            yield disk / "src", disk / "fill"
            return
        mount = Mount(base, [], program=daemon, source=disk / "src").start()
        for line in ("rolled back 'a.json'", "'a.json': ENOSPC",
                     "room on the disk", "disk is full"):
            mount.allow_log(line)
        yield mount.mnt, disk / "fill"
        mount.finish()


def test_disk_full(kind, small):
    """The old file stays, nothing is left, and all works again."""
    directory, fill = small
    path = directory / "a.json"
    file = kind(path)
    file.write({"old": True})
    before = path.read_bytes()
    with open(fill, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(1 << 20))
        except OSError as e:
            assert e.errno == errno.ENOSPC
    for _ in range(3):
        with pytest.raises(FileWriteError) as caught:
            file.write({"new": "x" * (4 << 20)})
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == errno.ENOSPC
    with pytest.raises(FileAppendError):
        file.append("x" * (4 << 20))
    assert path.read_bytes() == before
    assert [name for name in os.listdir(directory)
            if name != ".atomicfs"] == ["a.json"]
    fill.unlink()
    file.write({"new": True})
    assert file.read() == {"new": True}
    path.unlink()


def test_permission_denied(kind, folder):
    if os.getuid() != 0:
        pytest.skip("needs root, to become another user")
    path = folder / "a.json"
    kind(path).write([1])
    for one in (folder, *folder.parents):
        if one.stat().st_mode & 0o001 == 0:
            one.chmod(one.stat().st_mode | 0o011)
    path.chmod(0o600)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            for error, operation in (
                    (FileReadError, lambda: kind(path, 1).read()),
                    (FileWriteError, lambda: kind(path, 1).write([2])),
                    (FileWriteError,
                     lambda: kind(folder / "b.json", 1).write([2]))):
                with pytest.raises(error) as caught:
                    operation()
                assert caught.value.errno == errno.EACCES
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert kind(path).read() == [1]
    assert os.listdir(folder) == ["a.json"]


@pytest.mark.parametrize("suffix, text, line, column", [
    ("json", '{\n  "a": 1,\n  "b": tru\n}', 3, 8),
    ("yaml", "a: 1\nb: [1, 2\nc: 3\n", 3, 1),
    ("toml", "a = 1\nb = \n", 2, 5),
    ("csv", 'a,b\n1,"2\n', 2, 3),
    ("xml", "<a>\n <b></a>\n", 2, 7),
])
def test_corrupted(kind, folder, suffix, text, line, column):
    """The error says where, and writing anew recovers."""
    path = folder / f"a.{suffix}"
    path.write_text(text)
    with pytest.raises(FileReadError) as caught:
        kind(path).read()
    assert isinstance(caught.value, ValueError)
    assert caught.value.line == line
    assert abs(caught.value.column - column) <= 2
    with pytest.raises(Exception):
        kind(path).update({"a": 1})
    assert path.read_text() == text
    value = {"csv": [{"a": "1"}], "xml": {"a": "1"}}.get(suffix, {"a": 1})
    kind(path).write(value)
    assert kind(path).read() == value


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_large(kind, folder, suffix):
    """More than 10 MB."""
    path = folder / f"a.{suffix}"
    value = {"rows": [{"id": n, "text": "x" * 1000} for n in range(10500)]}
    kind(path).write(value)
    assert path.stat().st_size > 10_000_000
    assert kind(path).read() == value


def test_killed_writer_of_a_large_file(folder, crew):
    """SIGKILL at any time: the old one, or the new one."""
    path, rng = folder / "a.json", random.Random(2)
    old, new = {"v": 1}, {"v": ["x" * 1000] * 2000}
    for _ in range(max(5, int(20 * scale()))):
        SafeFile(path, 20).write(old)
        process = crew.start(lambda: SafeFile(path).write(new))
        time.sleep(rng.random() * 0.02)  # any instant
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert json.loads(path.read_text()) in (old, new)
    crew.members.clear()
    # What a kill left in an unlucky instant, the next writer takes away.
    SafeFile(path, 20).write(old)
    assert os.listdir(folder) == ["a.json"]
