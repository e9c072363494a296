# SPDX-License-Identifier: MIT
"""The contract and its tests belong together: fs/SEMANTICS.md has every rule
and every errno, and each is named by a test that runs."""
import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
CONTRACT = (TESTS.parent / "fs/SEMANTICS.md").read_text()
RULES = list(range(1, 32))
# What a test may say instead.
ERRNOS = {"ESTALE": "", "EIO": "", "ENOSPC": "", "EDQUOT": "",
          "EEXIST": "FileExistsError", "EBUSY": "", "EDEADLK": "",
          "EWOULDBLOCK": "BlockingIOError", "EINTR": "", "ETIMEDOUT": "",
          "ENOLCK": ""}
RULE = re.compile(r"\bS(\d+)\b(?:\s*(?:-|to)\s*S(\d+)\b)?")
# Those would count as named without being kept.
NEVER_RUN = re.compile(r"\bmark\.(skip|xfail)\b(?!if)")


def rules_in(text):
    """The numbers in "S1, S4-S6"."""
    found = set()
    for first, last in RULE.findall(text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def python_tests(path):
    """(name, source) of the test functions of a file, with decorators."""
    text = path.read_text()
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if (isinstance(node, ast.FunctionDef) and
                node.name.startswith("test_")):
            first = min([node.lineno] + [d.lineno for d in
                                         node.decorator_list])
            source = "\n".join(lines[first - 1:node.end_lineno])
            if not NEVER_RUN.search(source):
                yield f"{path.name}::{node.name}", source


def c_tests(path):
    """C tests are a file each, run by meson: those that a meson.build names,
    by name or as one of a list."""
    build = (path.parent / "meson.build").read_text()
    short = path.stem.removeprefix("test_")
    if path.name in build or f"'{short}'" in build or path.stem in build:
        yield path.name, path.read_text()


def all_tests():
    for path in sorted(TESTS.rglob("test_*.py")):
        if path != Path(__file__).resolve():
            yield from python_tests(path)
    for path in sorted(TESTS.glob("unit*/test_*.c")):
        yield from c_tests(path)


@pytest.fixture(scope="module")
def tests():
    found = dict(all_tests())
    assert len(found) > 100, "the tests are not found"
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda n: f"S{n}")
def test_rule_has_a_test(rule, tests):
    """Each rule is written down once and named by a test."""
    assert len(re.findall(rf"^- \*\*S{rule}\*\* ", CONTRACT, re.M)) == 1, (
        f"fs/SEMANTICS.md does not state S{rule}")
    assert any(rule in rules_in(source) for source in tests.values()), (
        f"no test names S{rule}")


@pytest.mark.parametrize("errno", ERRNOS)
def test_errno_has_a_test(errno, tests):
    """Each errno of the table is looked for by a test."""
    assert re.search(rf"^\|.*\b{errno}\b.*\|.*\|$", CONTRACT, re.M), (
        f"the table of fs/SEMANTICS.md has no {errno}")
    words = re.compile(rf"\b({'|'.join(filter(None, [errno, ERRNOS[errno]]))})"
                       r"\b")
    assert any(words.search(source) and rules_in(source)
               for source in tests.values()), (
        f"no test of a rule looks for {errno}")


def test_no_other_rule_is_stated():
    """What is promised is what is tested."""
    stated = {int(n) for n in re.findall(r"^- \*\*S(\d+)\*\*", CONTRACT, re.M)}
    assert stated == set(RULES)


def test_tests_name_only_rules_that_exist(tests):
    """A misspelt rule would look like one that is tested."""
    wrong = {name: rules_in(source) - set(range(1, 32))
             for name, source in tests.items()}
    assert not {k: v for k, v in wrong.items() if v}
