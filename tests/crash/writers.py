# SPDX-License-Identifier: MIT
"""Files that say which version they are, and a program that writes them.

Run as `writers.py DIRECTORY LOG NAME SEED`, it writes version after version of
five files, in five ways, until it is killed or the mount is gone, and says in
LOG (on another file system) what it knows: `S FILE VERSION` before it starts
one, `F` after its fsync has returned, `V` after a fresh open has read it.
Nobody else writes these files.
"""
import os
import random
import sys
import zlib

WAYS = ("replace", "update", "synced", "renamed", "linked")
FIXED = 60_000  # size of those that are rewritten in place
CHUNK = 9_000   # bytes a write(2): no version is written in one piece


def text(name, version):
    """All of one version."""
    size = FIXED
    if name.endswith(("replace", "renamed")):
        size = 1000 + version * 7919 % 90_000
    unit = f"{name}={version};".encode()
    body = (unit * (size // len(unit) + 1))[:size]
    return b"%s %d %d %08x\n" % (name.encode(), version, size,
                                 zlib.crc32(body)) + body


def version_of(name, data):
    """Which version @data wholly is.  ValueError: it is none."""
    head = data.split(b"\n", 1)[0].split(b" ")
    if len(head) != 4 or head[0] != name.encode() or not head[1].isdigit():
        raise ValueError(f"{name}: begins with {data[:40]!r}, "
                         f"{len(data)} bytes")
    version = int(head[1])
    if data != text(name, version):
        raise ValueError(f"{name}: not wholly version {version}")
    return version


class Writer:
    def __init__(self, directory, log, name, seed):
        self.directory, self.name = directory, name
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.random = random.Random(seed)
        self.versions = dict.fromkeys(WAYS, 0)

    def say(self, letter, file, version):
        os.write(self.log, f"{letter} {file} {version}\n".encode())

    def put(self, path, data, flags, sync):
        fd = os.open(path, flags | os.O_CREAT, 0o644)
        try:
            for at in range(0, len(data), CHUNK):
                os.pwrite(fd, data[at:at + CHUNK], at)
            os.ftruncate(fd, len(data))
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)

    def step(self, way):
        self.versions[way] += 1
        version = self.versions[way]
        file = f"{self.name}-{way}"
        path = os.path.join(self.directory, file)
        data = text(file, version)
        sync = way == "synced" or self.random.random() < 0.2
        self.say("S", file, version)
        if way == "renamed":
            self.put(path + ".tmp", data, os.O_WRONLY | os.O_TRUNC, sync)
            os.rename(path + ".tmp", path)
            sync = False  # the rename is not synced
        elif way == "replace":
            self.put(path, data, os.O_WRONLY | os.O_TRUNC, sync)
        else:
            self.put(path, data, os.O_RDWR, sync)
        if sync:
            self.say("F", file, version)
        with open(path, "rb") as f:
            seen = version_of(file, f.read())
        if seen != version:
            raise ValueError(f"{file}: read {seen} after writing {version}")
        self.say("V", file, version)
        if way == "linked" and version == 1:
            os.link(path, path + ".link")

    def run(self):
        while True:
            self.step(self.random.choice(WAYS))


def files_of(name):
    """{file as found in the directory: name its content carries}"""
    files = {f"{name}-{way}": f"{name}-{way}" for way in WAYS}
    files[f"{name}-renamed.tmp"] = f"{name}-renamed"
    files[f"{name}-linked.link"] = f"{name}-linked"
    return files


def read_logs(paths):
    """{letter: {file: highest version}}"""
    known = {"S": {}, "F": {}, "V": {}}
    for path in paths:
        if not os.path.exists(path):
            continue
        with open(path, "rb") as f:
            lines = f.read().split(b"\n")[:-1]
        for line in lines:
            letter, file, version = line.decode().split(" ")
            known[letter][file] = max(int(version),
                                      known[letter].get(file, 0))
    return known


def check(directory, names, before, after, floor):
    """Each file is wholly a version: at least what @before had reached by
    @floor ("F" or "V"), at most what @after had started.  Returns what was
    found, {file: version}."""
    found = {}
    expected = {}
    for name in names:
        expected.update(files_of(name))
    present = set(os.listdir(directory)) - {".atomicfs", "lost+found"}
    if not present <= set(expected):
        raise ValueError(f"litter: {present - set(expected)}")
    for file, name in expected.items():
        least = before[floor].get(name, 0)
        if file != name:
            least = 0
        if file not in present:
            if least:
                raise ValueError(f"{file}: missing, {least} was "
                                 f"{'synced' if floor == 'F' else 'seen'}")
            continue
        with open(os.path.join(directory, file), "rb") as f:
            version = version_of(name, f.read())
        if not least <= version <= after["S"].get(name, 0):
            raise ValueError(f"{file}: version {version}, but {least} was "
                             f"reached and {after['S'].get(name, 0)} started")
        found[file] = version
    return found


def main(directory, log, name, seed):
    try:
        Writer(directory, log, name, int(seed)).run()
    except OSError as e:
        print(f"{name}: {e}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
