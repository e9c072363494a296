# SPDX-License-Identifier: MIT
"""One program that does everything a mount is asked to do to files.

Run as `scenario.py MOUNT LOG`, it does its steps in order and writes to LOG
(outside the mount) what it knows: `start STEP`, then `done STEP` when the step
is finished and its result has been seen by a fresh open, so that it must
outlast the death of the daemon.  It ends at the first error, which is how it
notices that the daemon is gone.

FILES says what each step may leave behind: for every file its content before
and after, None for a file that is not there.
"""
import fcntl
import os
import signal
import subprocess
import sys

BIG = 200_000
ATIO_IOC_ABORT = 0xAF02


def block(letter, size=BIG):
    return letter * size


# What is there at the start.
START = {
    "replaced": block("a"), "updated": block("b"), "appended": block("c"),
    "linked-1": block("d"), "linked-2": block("d"), "synced": block("e"),
    "truncated": block("f"), "target": block("g"), "killed": block("h"),
    "unlinked": block("i"), "mapped": block("j"), "aborted": block("k"),
    "moved": block("l"), "shell": block("m"), "hard-synced": block("n"),
    "hard-synced-2": block("n"),
}

# step: {file: content after it}
AFTER = {
    "new": {"new": block("A")},
    "new-empty": {"empty": ""},
    "replace": {"replaced": block("B", 300_000)},
    "update": {"updated": "X" * 5000 + block("b")[5000:]},
    "append": {"appended": block("c") + "more"},
    "hardlink": {"linked-1": block("D"), "linked-2": block("D")},
    "fsync": {"synced": block("E")},
    "fsync-new": {"synced-new": block("F")},
    "truncate": {"truncated": block("f", 1000)},
    "rename-open": {"target": block("G"), "tmp": None},
    "rename-replace": {"moved": block("L"), "moved.tmp": None},
    "tmpfile": {"from-tmpfile": block("H")},
    "link-open": {"link-a": block("I"), "link-b": block("I")},
    "killed": {"killed": block("h")},
    "unlink-open": {"unlinked": None},
    "map": {"mapped": "Z" * 4096 + block("j")[4096:]},
    "shell": {"shell": "one\ntwo\n"},
    "aborted": {"aborted": block("k")},
    "hard-fsync": {"hard-synced": block("N"), "hard-synced-2": block("N")},
}


def write(fd, text):
    data = text.encode()
    while data:
        data = data[os.write(fd, data):]


def put(path, text, flags):
    fd = os.open(path, flags, 0o644)
    try:
        write(fd, text)
    finally:
        os.close(fd)


def new():
    put("new", block("A"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def new_empty():
    os.close(os.open("empty", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def replace():
    put("replaced", block("B", 300_000), os.O_WRONLY | os.O_TRUNC)


def update():
    put("updated", "X" * 5000, os.O_RDWR)


def append():
    put("appended", "more", os.O_WRONLY | os.O_APPEND)


def hardlink():
    put("linked-1", block("D"), os.O_RDWR)


def fsync():
    fd = os.open("synced", os.O_WRONLY | os.O_TRUNC)
    write(fd, block("E"))
    os.fsync(fd)
    print("synced synced", file=LOG, flush=True)
    os.close(fd)


def fsync_new():
    fd = os.open("synced-new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    write(fd, block("F"))
    os.fsync(fd)
    print("synced synced-new", file=LOG, flush=True)
    os.close(fd)


def truncate():
    os.truncate("truncated", 1000)


def rename_open():
    fd = os.open("tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    write(fd, block("G"))
    os.rename("tmp", "target")
    os.close(fd)


def rename_replace():
    put("moved.tmp", block("L"), os.O_WRONLY | os.O_CREAT)
    os.rename("moved.tmp", "moved")


def tmpfile():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
    write(fd, block("H"))
    here = os.open(".", os.O_RDONLY)
    # Only with a directory descriptor does Python pass AT_SYMLINK_FOLLOW.
    os.link(f"/proc/self/fd/{fd}", "from-tmpfile", src_dir_fd=here,
            dst_dir_fd=here, follow_symlinks=True)
    os.close(here)
    os.close(fd)


def link_open():
    fd = os.open("link-a", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    write(fd, block("I"))
    os.link("link-a", "link-b")
    os.close(fd)


def killed():
    """A writer that dies in the middle: nothing of it may be seen."""
    code = ("import os, signal\n"
            "fd = os.open('killed', os.O_WRONLY | os.O_TRUNC)\n"
            "os.write(fd, b'half')\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n")
    done = subprocess.run([sys.executable, "-c", code],
                          stderr=subprocess.PIPE)
    if done.returncode != -signal.SIGKILL:
        raise OSError(f"the writer that is to be killed: {done.stderr}")


def unlink_open():
    fd = os.open("unlinked", os.O_RDWR)
    write(fd, "lost")
    os.unlink("unlinked")
    os.close(fd)


def map_write():
    import mmap
    fd = os.open("mapped", os.O_RDWR)
    with mmap.mmap(fd, 4096) as area:
        area[:] = b"Z" * 4096
    os.close(fd)


def shell():
    subprocess.run(["sh", "-ec", "{ echo one; echo two; } > shell"],
                   check=True, stderr=subprocess.PIPE)


def hard_fsync():
    fd = os.open("hard-synced", os.O_RDWR)
    write(fd, block("N"))
    os.fsync(fd)
    print("synced hard-synced", file=LOG, flush=True)
    print("synced hard-synced-2", file=LOG, flush=True)
    os.close(fd)


def aborted():
    fd = os.open("aborted", os.O_RDWR)
    write(fd, "never")
    fcntl.ioctl(fd, ATIO_IOC_ABORT)
    os.close(fd)


STEPS = {
    "new": new, "new-empty": new_empty, "replace": replace, "update": update,
    "append": append, "hardlink": hardlink, "fsync": fsync,
    "fsync-new": fsync_new, "truncate": truncate, "rename-open": rename_open,
    "rename-replace": rename_replace, "tmpfile": tmpfile,
    "link-open": link_open, "killed": killed, "unlink-open": unlink_open,
    "map": map_write, "shell": shell, "hard-fsync": hard_fsync,
    "aborted": aborted,
}
LOG = None


def content(directory, name):
    """What is in a file, None when there is none."""
    try:
        with open(os.path.join(directory, name), encoding="latin-1",
                  newline="") as f:
            return f.read()
    except FileNotFoundError:
        return None


def prepare(directory):
    """What the scenario starts from, made directly in the source."""
    for name, text in START.items():
        if name not in ("linked-2", "hard-synced-2"):
            with open(os.path.join(directory, name), "w") as f:
                f.write(text)
    os.link(os.path.join(directory, "linked-1"),
            os.path.join(directory, "linked-2"))
    os.link(os.path.join(directory, "hard-synced"),
            os.path.join(directory, "hard-synced-2"))


def main(mount, log):
    global LOG
    os.chdir(mount)
    LOG = open(log, "w", encoding="ascii")
    try:
        for name, step in STEPS.items():
            print(f"start {name}", file=LOG, flush=True)
            step()
            for file, text in AFTER[name].items():
                if content(".", file) != text:
                    print(f"wrong {file} after {name}", file=LOG, flush=True)
                    return 1
            print(f"done {name}", file=LOG, flush=True)
    except (OSError, subprocess.CalledProcessError) as e:
        print(f"error {e}", file=LOG, flush=True)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
