# SPDX-License-Identifier: MIT
"""The command line of atomicio: help, and what is refused."""
import pytest
from cli import atomicio, call, refused

COMMANDS = [["status"], ["quarantine"], ["quarantine", "list"],
            ["quarantine", "show"], ["quarantine", "restore"],
            ["quarantine", "drop"], ["commit"], ["abort"], ["recover"],
            ["lock"], ["locks"]]

WRONG = [
    [], [""], ["nonsense"], ["--nonsense"], ["-x"],
    ["status", "a", "b"], ["status", "--nonsense"], ["status", "--jso"],
    ["status", "--json=1"], ["status", "-x"],
    ["quarantine"], ["quarantine", "nonsense"], ["quarantine", "--json"],
    ["quarantine", "list", "x"], ["quarantine", "list", "-C"],
    ["quarantine", "list", "--mount"],
    ["quarantine", "show"], ["quarantine", "show", "1", "2"],
    ["quarantine", "show", "1", "--json", "--content"],
    ["quarantine", "restore"], ["quarantine", "restore", "1", "2", "3"],
    ["quarantine", "drop"], ["quarantine", "drop", "--all", "1"],
    ["commit"], ["commit", "-x"], ["abort"], ["abort", "--all"],
    ["recover"], ["recover", "a", "b"], ["recover", "-x", "a"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_command(command, flag):
    text = atomicio(*command, flag)
    assert text.startswith("usage: atomicio " + " ".join(command))


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag):
    text = atomicio(flag)
    assert text.startswith("usage: atomicio ")
    for command in COMMANDS:
        assert " ".join(command) in text


def test_version():
    assert atomicio("--version") == atomicio("-V")
    name, number = atomicio("--version").split()
    assert name == "atomicio" and number[0].isdigit()


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_wrong(args):
    """One line, and exit code 2."""
    refused(*args, code=2)


def test_wrong_escaped():
    """A line of the message cannot be forged."""
    line = refused("no\nsuch\x1b[31m", code=2)
    assert r"no\x0asuch\x1b[31m" in line


def test_double_dash(tmp_path):
    """What follows `--` is no option."""
    line = refused("recover", "--", "--json", cwd=tmp_path)
    assert "--json: No such file" in line


def test_output_full():
    """Output that cannot be written is a failure."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = call("--help", stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr
