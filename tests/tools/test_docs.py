# SPDX-License-Identifier: MIT
"""The manual pages and the completions are right, and know every option."""
import fcntl
import os
import re
import shutil
import subprocess

import pytest
from cli import atomicio, roll_back
from harness.locks import locks
from harness.mount import TOP, daemon_path, tool_path
from harness.tools import clean_env, need, run

MAN = TOP / "tools/man"
COMPLETION = TOP / "tools/completion"
PAGES = ["atomicfs", "atomicio"]
COMMANDS = ["status", "quarantine list", "quarantine show",
            "quarantine restore", "quarantine drop", "commit", "abort",
            "recover", "lock", "locks", "read", "write", "update", "append",
            "convert", "validate", "formats"]


def plain(page):
    """The source of the page without its macros, as words."""
    text = (MAN / f"{page}.1").read_text()
    return re.sub(r"\s+", " ", text.replace(" Ns = Ns ", "=").replace(
        "Fl -", "--"))


def flags_of(text):
    """The long options that a help text names."""
    return set(re.findall(r"--[a-z-]+", text))


# ---- manual pages --------------------------------------------------------

@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc")
@pytest.mark.parametrize("page", PAGES)
def test_lint(page):
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MAN / f"{page}.1"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not re.search("WARNING|ERROR|UNSUPP", done.stdout), done.stdout
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_example_lines(page):
    """They fit on a terminal."""
    text = (MAN / f"{page}.1").read_text()
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text,
                            re.M | re.S):
        assert max(map(len, block.splitlines())) <= 72, block


def daemon_options():
    """{option: values} that atomicfs --help names, e.g. conflict: fail|last."""
    text = run([daemon_path(), "--help"])
    first, last = text.split("Options (", 1)
    named = dict(re.findall(r"\b([a-z_-]+)=([A-Za-z.|]+)", last))
    bare = re.findall(r"\b(ro|allow_\w+|no\w+|auto_\w+),", last)
    assert "conflict" in named and "nosuid" in bare
    letters = re.findall(r"^  -([a-z])\b", first, re.M | re.I)
    assert {"f", "d", "o"} <= set(letters)
    return named, bare, letters


def test_options_of_atomicfs():
    """Every option of --help is in the manual, with its values."""
    named, bare, letters = daemon_options()
    page = plain("atomicfs")
    for name, values in named.items():
        assert f"Cm {name}=" in page or f", {name}=" in page, name
        for value in re.findall(r"\b[a-z]+\b", values):
            assert re.search(rf"\b{name}=.{{0,40}}\b{value}\b", page), (
                name, value)
    for name in bare:
        assert re.search(rf"[ ,]{name}\b", page), name
    for letter in letters:
        assert re.search(rf"\.It Fl {letter}\b", page), letter


def test_options_of_atomicio():
    page = plain("atomicio")
    for command in COMMANDS:
        flags = flags_of(atomicio(*command.split(), "--help"))
        assert "--help" in flags
        for flag in flags:
            assert flag in page, (command, flag)
        for word in command.split():
            assert re.search(rf"Cm .*\b{word}\b", page), command


# ---- completion ----------------------------------------------------------

def complete(program, *words, cwd=None, run_as=None):
    """What bash offers for the last of @words."""
    need("bash")
    script = '''
        source "$1"; program=$2; run_as=$3; shift 3
        COMP_WORDS=("$program" "$@") COMP_CWORD=$#
        "_$program" "$run_as"
        printf '%s\\n' "${COMPREPLY[@]}"'''
    done = subprocess.run(
        ["bash", "-uc", script, "bash", COMPLETION / program, program,
         run_as or program, *words], cwd=cwd, env=clean_env(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, ""), done
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("page", PAGES)
def test_registered(page):
    """Sourced in a shell that is strict, it completes the command."""
    said = run(["bash", "-euc", f'source "$1"; complete -p {page}', "bash",
                COMPLETION / page])
    assert said == f"complete -F _{page} {page}\n"


def test_commands():
    assert complete("atomicio", "") == ["status", "quarantine", "commit",
                                        "abort", "recover", "lock", "locks", "read", "write", "update", "append",
            "convert", "validate", "formats"]
    assert complete("atomicio", "q") == ["quarantine"]
    assert complete("atomicio", "quarantine", "r") == ["restore"]


def test_command_to_run():
    """Behind the file that is locked, the shell's own words."""
    for words in (["lock", "f", "ca"], ["lock", "-n", "f", "--", "ca"]):
        assert "cat" in complete("atomicio", *words)
    assert complete("atomicio", "lock", "-w", "") == []
    assert complete("atomicio", "lock", "f", "cat", "--") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_flags(command):
    """Exactly those of --help."""
    words = command.split()
    flags = flags_of(atomicio(*words, "--help"))
    assert set(complete("atomicio", *words, "--")) == flags


def test_ids(mount):
    """The items of the quarantine that is meant."""
    one, two = (roll_back(mount, name, b"x") for name in "ab")
    (mount / "d").mkdir()
    tool = {"run_as": tool_path()}
    show = ["quarantine", "show"]
    assert complete("atomicio", *show, "", cwd=mount.mnt, **tool) == [one, two]
    assert complete("atomicio", *show, "-C", mount / "d", one[:-1], cwd="/",
                    **tool) in ([one], [one, two])
    assert complete("atomicio", *show, one, "", cwd=mount.mnt, **tool) == []
    assert complete("atomicio", "quarantine", "drop", one, "", cwd=mount.mnt,
                    **tool) == [one, two]


def test_lock_ids(mount, peer):
    """The locks of the mount that is meant."""
    for name in "ab":
        peer.flock(peer.open(mount / name, os.O_RDONLY | os.O_CREAT),
                   fcntl.LOCK_EX)
    ids = sorted(str(lock["id"]) for lock in locks(mount)["locks"])
    tool = {"run_as": tool_path()}
    assert sorted(complete("atomicio", "locks", "--break", "", cwd=mount.mnt,
                           **tool)) == ids
    assert ids[0] in complete("atomicio", "locks", mount.mnt, "--break",
                              ids[0][:-1], cwd="/", **tool)
    assert complete("atomicio", "locks", "--break", "", cwd="/", **tool) == []


def test_paths(tmp_path):
    (tmp_path / "a dir").mkdir()
    (tmp_path / "a file").touch()
    for words in (["status", ""], ["recover", "a"], ["recover", "-n", ""],
                  ["quarantine", "list", "-C", ""], ["locks", ""]):
        assert complete("atomicio", *words, cwd=tmp_path) == ["a dir"]
    for words in (["commit", ""], ["quarantine", "restore", "1", "a"],
                  ["lock", ""], ["lock", "-w", "3", "-s", "a"],
                  ["lock", "f", "cat", ""], ["lock", "f", "--", "cat", "a"]):
        assert sorted(complete("atomicio", *words, cwd=tmp_path)) == [
            "a dir", "a file"]
    assert complete("atomicfs", "", cwd=tmp_path) == ["a dir"]
    assert complete("atomicfs", "-o", "ro", "a", cwd=tmp_path) == ["a dir"]


def test_mount_options():
    """Every option of --help, and the values of those that have some."""
    named, bare, letters = daemon_options()
    offered = complete("atomicfs", "-o", "")
    assert {f"{name}=" for name in named} <= set(offered)
    assert set(bare) <= set(offered)
    assert {f"-{letter}" for letter in letters} <= set(
        complete("atomicfs", "-"))
    for name, values in named.items():
        values = set(re.findall(r"\b[a-z]+\b", values))
        if values:  # the shell cuts words up at each =
            said = complete("atomicfs", "-o", name, "=")
            assert values <= set(said), name


@pytest.mark.parametrize("words, offered", [
    (["-o", "dur"], ["durability="]),
    (["-odur"], ["-odurability="]),
    (["-o", "ro,dur"], ["ro,durability="]),
    (["-o", "conflict", "=", "l"], ["last"]),
    (["-o", "ro,conflict", "=", "l"], ["last"]),
    (["-o", "conflict", "=", "last,on_"], ["last,on_kill="]),
    (["-o", "conflict", "=", "last,on_kill", "=", ""], ["rollback", "commit"]),
    (["-o", "conflict=l"], ["conflict=last"]),
    (["-f", "-o", "nonsense="], []),
    (["--v"], ["--version"]),
], ids=lambda value: " ".join(value))
def test_mount_option_lists(words, offered):
    assert complete("atomicfs", *words) == offered


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck")
@pytest.mark.parametrize("page", PAGES)
def test_shellcheck(page):
    done = subprocess.run(["shellcheck", COMPLETION / page], text=True,
                          stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stdout
