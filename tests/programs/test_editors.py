# SPDX-License-Identifier: MIT
"""vim and nano, at a terminal."""
import os
import signal
import stat

import pytest

from harness.tools import clean_env, need, run
from terminal import Terminal

TEXT = "first line\nsecond line\nthird line\n"
VIM = ["vim", "-u", "NONE", "-i", "NONE", "-N", "--cmd",
       "set nomore directory=. backupskip= t_ti= t_te="]


@pytest.fixture
def f(place):
    path = place / "f"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def edit(program, path, **env):
    return Terminal(program, path.parent, clean_env(
        HOME=os.fspath(path.parent.parent), **env),
                    error=rb"\bE[0-9]{2,4}: " if program[0] == "vim" else None)


def check_meta(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# ---- vim -----------------------------------------------------------------

@pytest.mark.parametrize("settings", [
    "",
    "set backupcopy=yes",
    "set backupcopy=no",
    "set backup backupcopy=yes",
    "set backup backupcopy=no",
    "set nowritebackup",
    "set undofile undodir=.",
    "set noswapfile nofsync",
], ids=lambda s: s.replace(" ", "-") or "default")
def test_vim(f, settings):
    """S4, S6, S15, S17: edit, write twice, quit, with each way of saving."""
    need("vim")
    with edit([*VIM, "-c", settings, "f"], f) as vim:
        vim.wait_for("third line")
        vim.type("ggOtyped\x1b")
        vim.wait_for("typed")
        assert f.read_text() == TEXT
        vim.type(":w\r")
        vim.wait_for("written")
        assert f.read_text() == "typed\n" + TEXT
        vim.type("Gdd:%s/line/LINE/\r")
        vim.wait_for("LINE")
        assert f.read_text() == "typed\n" + TEXT
        vim.type(":wq\r")
        assert vim.wait() == 0
    assert f.read_text() == "typed\nfirst LINE\nsecond LINE\n"
    check_meta(f)
    names = {"f"}
    if "set backup " in settings:
        names.add("f~")
        assert (f.parent / "f~").read_text() == "typed\n" + TEXT
    if "undofile" in settings:
        names.add(".f.un~")
    assert set(os.listdir(f.parent)) == names


def test_vim_new_file(place):
    """S7: a file that did not exist."""
    with edit([*VIM, "new"], place / "new") as vim:
        vim.wait_for("[New]")
        vim.type("ihello\x1b:wq\r")
        assert vim.wait() == 0
    assert (place / "new").read_text() == "hello\n"
    assert os.listdir(place) == ["new"]


def test_vim_undo(f):
    """S10: what undo remembers across two sessions."""
    undo = ["-c", "set undofile undodir=."]
    with edit([*VIM, *undo, "f"], f) as vim:
        vim.wait_for("third line")
        vim.type("dd:wq\r")
        assert vim.wait() == 0
    assert f.read_text() == TEXT.partition("\n")[2]
    with edit([*VIM, *undo, "f"], f) as vim:
        vim.wait_for("third line")
        vim.type("u:wq\r")
        assert vim.wait() == 0
    assert f.read_text() == TEXT


def test_vim_recovers(module_mount, f):
    """S13, S19: vim is killed: the file is the old one, and what vim has
    synced into its swap file is there for `vim -r`."""
    module_mount.allow_log(r"rolled back .*\.f\.sw.*killed")
    with edit([*VIM, "f"], f) as vim:
        vim.wait_for("third line")
        vim.type("Otyped\x1b:preserve\r")
        vim.wait_for("File preserved")
        assert vim.kill(signal.SIGKILL) == -signal.SIGKILL
    module_mount.settle()
    assert f.read_text() == TEXT
    assert sorted(os.listdir(f.parent)) == [".f.swp", "f"]
    with edit([*VIM, "-r", "f"], f) as vim:
        vim.wait_for("Recovery completed")
        vim.type("\r:w! recovered\r")
        vim.wait_for("written")
        vim.type(":q!\r")
        vim.wait()
    assert (f.parent / "recovered").read_text()== "typed\n" + TEXT


def test_vim_warns(f):
    """S7, S13: a second vim on the same file says so."""
    with edit([*VIM, "f"], f) as first:
        first.wait_for("third line")
        first.type("Otyped\x1b:preserve\r")
        first.wait_for("File preserved")
        with edit([*VIM, "f"], f) as second:
            second.wait_for("ATTENTION")
            second.type("q")
            second.wait()
        first.type(":q!\r")
        assert first.wait() == 0
    assert os.listdir(f.parent) == ["f"]


def test_vim_as_ex(f):
    """S4: vim without a terminal."""
    run([*VIM, "-es", "-c", "%s/line/row/", "-c", "wq", "f"], f.parent)
    assert f.read_text() == TEXT.replace("line", "row")
    check_meta(f)


# ---- nano ----------------------------------------------------------------

@pytest.mark.parametrize("options", [[], ["-B"], ["-G"]],
                         ids=["default", "backup", "locking"])
def test_nano(f, options):
    """S4, S6, S17: edit, write, go on, write, leave."""
    need("nano")
    with edit(["nano", "-I", *options, "f"], f) as nano:
        nano.wait_for("third line")
        nano.type("typed ")
        nano.wait_for("Modified", "typed")
        assert f.read_text() == TEXT
        nano.type("\x0f\r")
        nano.wait_for("Wrote 3 lines")
        assert f.read_text() == "typed " + TEXT
        nano.type("more ")
        nano.wait_for("more")
        nano.type("\x0f\r")
        nano.wait_for("Wrote 3 lines")
        nano.type("\x18")
        assert nano.wait() == 0
    assert f.read_text() == "typed more " + TEXT
    check_meta(f)
    names = {"f", "f~"} if options == ["-B"] else {"f"}
    assert set(os.listdir(f.parent)) == names
    if options == ["-B"]:
        assert (f.parent / "f~").read_text() == "typed " + TEXT


def test_nano_new_file(place):
    """S7: a file that did not exist."""
    with edit(["nano", "-I", "new"], place / "new") as nano:
        nano.wait_for("New File")
        nano.type("hello")
        nano.wait_for("hello")
        nano.type("\x0f")
        nano.wait_for("File Name to Write")
        nano.type("\r")
        nano.wait_for("Wrote 1 line")
        nano.type("\x18")
        assert nano.wait() == 0
    assert (place / "new").read_text() == "hello\n"
    assert os.listdir(place) == ["new"]


def test_nano_is_hung_up(f):
    """S6: a terminal that goes away leaves the file, and nano's rescue."""
    with edit(["nano", "-I", "f"], f) as nano:
        nano.wait_for("third line")
        nano.type("typed ")
        nano.wait_for("typed")
        nano.kill(signal.SIGHUP)
    assert f.read_text() == TEXT
    assert (f.parent / "f.save").read_text() == "typed " + TEXT
