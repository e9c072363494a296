# SPDX-License-Identifier: MIT
"""Writers that die: the old file stays whole, what they had written is in
quarantine, nothing is left elsewhere (S19)."""
import os
import random
import signal
import subprocess

import pytest

from cgroup import limited
from scene import Scene, compile_writer

SEED = int(os.environ.get("ATOMICFS_TEST_SEED", "20240229"))
ROUNDS = 300
HOWS = ("replace", "update", "append", "new")
OLD = b"".join(b"line %d of the old file\n" % i for i in range(3000))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT,
           signal.SIGABRT)
# unshare of some versions complains about the signals it does not know.
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.fixture(scope="session")
def writer_program(tmp_path_factory):
    return compile_writer(tmp_path_factory.mktemp("writer"))


@pytest.fixture
def scene(mount, writer_program):
    mount.allow_log(r"rolled back 'f'.*killed.*kept in quarantine as")
    return Scene(mount, writer_program)


@pytest.fixture
def f(scene):
    path = scene.mount / "f"
    path.write_bytes(OLD)
    return path


def start(scene, how, chunks=40, **kwargs):
    """A writer of f, which is an old file unless @how is `new`."""
    if how == "new":
        (scene.mount / "f").unlink(missing_ok=True)
    writer = scene.writer("f", how, chunks, **kwargs)
    return writer


# ---- one signal ----------------------------------------------------------

@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_signal(scene, f, how, number):
    """S19: a writer that a signal ends has not written."""
    writer = start(scene, how)
    assert writer.wait_for("written")
    assert writer.kill(number) == -number
    scene.check_rolled_back(writer)


@pytest.mark.parametrize("how", HOWS)
def test_crash(scene, f, how):
    """S19: a writer that crashes by itself has not written."""
    writer = start(scene, how, end="segv")
    assert writer.wait() == -signal.SIGSEGV
    scene.check_rolled_back(writer)


@pytest.mark.parametrize("how", ("replace", "update", "new"))
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_threads(scene, f, how, number):
    """S19: all threads of a writer die together."""
    writer = start(scene, how, chunks=120, threads=8)
    writer.wait_lines(60)
    assert writer.kill(number) == -number
    scene.check_rolled_back(writer)


@pytest.mark.parametrize("end", ("alone-pause", "alone-segv"))
@pytest.mark.parametrize("how", ("replace", "update", "new"))
def test_opener_is_gone(scene, f, how, end):
    """S19: the thread that opened the file ended long before the process."""
    writer = start(scene, how, threads=4, end=end)
    if end == "alone-segv":
        assert writer.wait() == -signal.SIGSEGV
    else:
        assert writer.wait_for("written")
        assert writer.kill(signal.SIGKILL) == -signal.SIGKILL
    scene.check_rolled_back(writer)


@pytest.mark.parametrize("threads", (1, 4))
@pytest.mark.parametrize("end", ("exit", "alone-exit"))
@pytest.mark.parametrize("how", ("replace", "update", "new"))
def test_exit_publishes(scene, f, how, end, threads):
    """S19: exit() without close is no death by a signal, for any thread."""
    writer = start(scene, how, threads=threads, end=end)
    assert writer.wait() == 0
    assert f.read_bytes() == writer.complete()
    scene.check_no_litter(["f"])
    assert scene.take_items() == []


def test_handled_signal_publishes(scene, f):
    """S19: a program that handles its signal and exits has ended well."""
    script = "trap 'echo bye; exit 3' TERM; echo hello; kill -TERM $$; :"
    with open(f, "wb") as out:
        shell = subprocess.Popen(["bash", "-c", script], stdout=out)
    assert shell.wait() == 3
    scene.mount.settle()
    assert f.read_bytes() == b"hello\nbye\n"
    script = ("exec > f; trap 'echo bye; exit 3' TERM; echo hi; "
              "kill -TERM $$; :")
    shell = subprocess.run(["bash", "-c", script], cwd=scene.mount.mnt)
    assert shell.returncode == 3
    assert f.read_bytes() == b"hi\nbye\n"
    assert scene.take_items() == []


# ---- out of memory -------------------------------------------------------

@pytest.mark.skipif(os.getuid() != 0, reason="needs control groups")
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("end", ("memory", "alone-memory"))
def test_out_of_memory(scene, f, how, end):
    """S19: a writer that the kernel kills for want of memory."""
    with limited(32 << 20) as group:
        writer = start(scene, how, end=end, preexec_fn=group.enter)
        assert writer.wait() == -signal.SIGKILL
        assert group.oom_kills() == "1"
    scene.check_rolled_back(writer)


# ---- another pid namespace -----------------------------------------------

def child_of(pid):
    children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    assert len(children) == 1
    return int(children[0])


@pytest.mark.skipif(os.getuid() != 0, reason="needs namespaces")
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("threads", (1, 6))
def test_pid_namespace(scene, f, how, threads):
    """S19: a writer that has another pid in there than out here."""
    if how == "append":
        threads = 1
    writer = start(scene, how, threads=threads,
                   wrapper=NAMESPACE, stderr=subprocess.DEVNULL)
    assert writer.wait_for("written")
    pid = child_of(writer.process.pid)
    os.kill(pid, signal.SIGKILL)
    writer.wait()
    scene.check_rolled_back(writer, pid=pid)


@pytest.mark.skipif(os.getuid() != 0, reason="needs namespaces")
def test_pid_namespace_ends(scene, f):
    """S19: the init of a container is killed, and all in there with it."""
    script = '"$@" & wait'
    writer = start(scene, "update", threads=3, stderr=subprocess.DEVNULL,
                   wrapper=[*NAMESPACE, "sh", "-c", script, "sh"])
    assert writer.wait_for("written")
    init = child_of(writer.process.pid)
    pid = child_of(init)
    os.kill(init, signal.SIGKILL)
    writer.wait()
    scene.check_rolled_back(writer, pid=pid)


# ---- any instant ---------------------------------------------------------

def final_state(scene, writer, name):
    """Check what a writer has left that was killed at any instant.  Returns
    what became of it."""
    path = scene.mount / name
    now = path.read_bytes() if path.exists() else None
    old = writer.old if writer.how != "new" else None
    items = scene.take_items()
    if "closed" in writer.said or (now == writer.complete() and not items):
        assert "closing" in writer.said, "published before it was closed"
        assert now == writer.complete()
        assert not items
        scene.check_no_litter([name])
        return "new"
    assert now == old, "neither the old file nor the new one"
    scene.check_no_litter([name] if old is not None else [])
    if not items:
        assert not writer.reported(), "what it wrote is lost"
        return "nothing"
    assert len(items) == 1
    assert (items[0]["path"], items[0]["reason"]) == (name, "killed")
    writer.check_saved(items[0]["data"])
    return "old"


@pytest.mark.limit(60)
def test_any_instant(scene, f):
    """S1, S19: killed at 300 random instants: old or new, nothing lost."""
    print("ATOMICFS_TEST_SEED =", SEED)
    rng = random.Random(SEED)
    seen = dict.fromkeys(("old", "new", "nothing"), 0)
    for n in range(ROUNDS):
        how = rng.choice(HOWS)
        threads = 1 if how == "append" else rng.choice((1, 1, 3))
        number = rng.choice(SIGNALS)
        chunks = rng.randrange(1, 100)
        # Long or short, so that no two states of the file look the same.
        f.write_bytes(OLD[:rng.randrange(len(OLD))] + b"%d" % n)
        writer = start(scene, how, chunks, threads=threads, end="close")
        # `open`, the chunks, `written`, `closing`, `closed`.
        writer.wait_lines(rng.randrange(chunks + 5))
        for _ in range(rng.choice((0, 0, 50, 500))):
            pass
        code = writer.kill(number)
        assert code in (0, -number)
        try:
            seen[final_state(scene, writer, "f")] += 1
        except AssertionError as e:
            raise AssertionError(
                f"round {n} of seed {SEED}: {how}, {chunks} chunks, "
                f"{threads} threads, {number.name}, the writer's last words: "
                f"{writer.said[-3:]}: {e}") from e
    print(seen)
    assert seen["old"] > ROUNDS // 4 and seen["new"] > ROUNDS // 50
