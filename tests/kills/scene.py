# SPDX-License-Identifier: MIT
"""Writers that are killed, and what has to be there afterwards."""
import json
import os
import struct
import subprocess
from pathlib import Path

CHUNK = 4096
WORDS = CHUNK // 8


def compile_writer(directory):
    program = Path(directory) / "writer"
    subprocess.run(["cc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra",
                    "-D_GNU_SOURCE", "-pthread", "-o", program,
                    Path(__file__).with_name("writer.c")], check=True)
    return program


def chunk(number):
    """What writer.c writes as chunk @number."""
    first = number * WORDS + 1
    return struct.pack(f"<{WORDS}Q", *range(first, first + WORDS))


class Writer:
    """A running writer.c; see there for @how and @end."""

    def __init__(self, program, path, how, chunks, threads=1, end="pause",
                 wrapper=(), **popen):
        self.how, self.chunks, self.end = how, chunks, end
        self.path = Path(path)
        self.old = self.path.read_bytes() if how != "new" else b""
        self.process = subprocess.Popen(
            [*wrapper, program, path, how, str(chunks), str(threads), end],
            stdout=subprocess.PIPE, **popen)
        self.said = []

    def wait_for(self, word):
        """Until the writer says @word; False: it ended without."""
        while not self.said or self.said[-1] != word:
            line = self.process.stdout.readline()
            if not line:
                return False
            self.said.append(line.decode().strip())
        return True

    def wait_lines(self, n):
        """Until it has said @n lines, or ended."""
        while len(self.said) < n:
            line = self.process.stdout.readline()
            if not line:
                return
            self.said.append(line.decode().strip())

    def kill(self, number):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """It ends; -N when signal N has ended it."""
        rest = self.process.stdout.read().decode()
        self.process.stdout.close()
        self.said += rest.split()
        return self.process.wait()

    def reported(self):
        """The chunks that were written for certain."""
        return [int(word) for word in self.said if word.isdigit()]

    def complete(self):
        """The file, had it not been killed."""
        new = b"".join(map(chunk, range(self.chunks)))
        if self.how == "append":
            return self.old + new
        return new + self.old[len(new):] if self.how == "update" else new

    def check_saved(self, data):
        """@data, from the quarantine, is all that was reported, and nothing
        that nobody has written."""
        start, base = 0, b""
        if self.how in ("update", "append"):
            base = self.old
        if self.how == "append":
            start = len(self.old)
            assert data[:start] == self.old
        done = set(self.reported())
        assert len(data) <= len(self.complete())
        for i in range(self.chunks):
            at = start + i * CHUNK
            part, want = data[at:at + CHUNK], chunk(i)
            if part == want:
                continue
            assert i not in done, f"chunk {i} was written, but is lost"
            # The kernel may stop a write in its middle.
            same = len(os.path.commonprefix([part, want]))
            before = base[at:at + CHUNK].ljust(len(part), b"\0")
            # A byte that is the same before and after may be counted twice.
            assert part[same:] == before[same:len(part)], (
                f"chunk {i} holds what nobody wrote")
        end = start + self.chunks * CHUNK
        assert data[end:] == base[end:]


class Scene:
    """A mount, and the quarantine as an administrator sees it in there."""

    def __init__(self, mount, program):
        self.mount, self.program = mount, program
        self.ctl = mount / ".@ctl/quarantine"

    def writer(self, name, how, chunks, **kwargs):
        return Writer(self.program, self.mount / name, how, chunks, **kwargs)

    def take_items(self):
        """What is in the quarantine, which is empty afterwards."""
        self.mount.settle()
        items = []
        for name in sorted(os.listdir(self.ctl)):
            if not name.endswith(".json"):
                continue
            data = self.ctl / name[:-len(".json")]
            item = json.loads((self.ctl / name).read_bytes())
            item["data"] = data.read_bytes()
            items.append(item)
            data.unlink()
        assert os.listdir(self.ctl) == []
        return items

    def check_no_litter(self, names):
        """Nothing but @names, neither in the mount nor in the source, and no
        shadow."""
        self.mount.settle()
        assert sorted(os.listdir(self.mount.mnt)) == sorted(names)
        assert sorted(os.listdir(self.mount.src)) == sorted(
            [*names, ".atomicfs"])
        state = self.mount.src / ".atomicfs"
        assert set(os.listdir(state / "stage")) <= {"journal"}

    def check_rolled_back(self, writer, pid=None):
        """It was killed: the old file, the new bytes in quarantine."""
        name = writer.path.name
        if writer.how == "new":
            assert not writer.path.exists()
            self.check_no_litter([])
        else:
            assert writer.path.read_bytes() == writer.old
            self.check_no_litter([name])
        items = self.take_items()
        assert len(items) == 1, items
        assert (items[0]["path"], items[0]["reason"]) == (name, "killed")
        assert items[0]["pid"] == (pid or writer.process.pid)
        assert items[0]["command"] == "writer"
        writer.check_saved(items[0]["data"])
