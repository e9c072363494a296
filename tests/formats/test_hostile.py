# SPDX-License-Identifier: MIT
"""Documents that somebody made to hurt: an answer within a second of processor
time and 256 MiB."""
import gzip
import json
import subprocess
import sys

import pytest

from harness.mount import tool_path
from harness.tools import clean_env

SECONDS, BYTES = 1.0, 256 << 20
DEEP = 100_000

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
ENTITIES = ("<?xml version='1.0'?>\n<!DOCTYPE a [\n<!ENTITY e0 'xxxxxxxxxx'>\n"
            + "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>\n"
                      for n in range(1, 12)) + "]>\n<a>&e11;</a>\n")
EXTERNAL = ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>\n"
            "<a>&e;</a>\n")

# name: format, text, None (taken) or a part of what is said
CASES = {
    "json-deep": ("json", "[" * DEEP, "nested deeper than 128"),
    "json-deep-map": ("json", '{"a":' * DEEP, "nested deeper than 128"),
    "json-digits": ("json", "9" * 1_000_000, "number"),
    "json-exponent": ("json", "1e" + "9" * 900, "too large"),
    "json-values": ("json", "[" + "1," * 1_200_000 + "1]", "values"),
    "json-keys": ("json", json.dumps({f"k{n}": n for n in range(300_000)}),
                  None),
    "json-key": ("json", '{"' + "k" * 70_000 + '": 1}', "key"),
    "json-escapes": ("json", '"' + "\\u00e4" * 1_000_000 + '"', None),
    "json-open": ("json", '"' + "x" * 10_000_000, ""),
    "typed-deep": ("typed", "[" * DEEP, "nested deeper than"),
    "yaml-flow": ("yaml", "[" * DEEP, "nested deeper than 128"),
    "yaml-flow-map": ("yaml", "{a: " * DEEP, "nested deeper than 128"),
    "yaml-lists": ("yaml", "- " * DEEP, "nested deeper than 128"),
    "yaml-questions": ("yaml", "? " * DEEP, "nested deeper than 128"),
    "yaml-indent": ("yaml", "".join(" " * n + "a:\n" for n in range(3000)),
                    "nested deeper than 128"),
    "yaml-documents": ("yaml", "--- 1\n" * 1_000_000, "documents"),
    "yaml-dashes": ("yaml", "-\n" * 990_000, None),
    "yaml-dashes-many": ("yaml", "-\n" * 1_000_001, "values"),
    "yaml-question-lines": ("yaml", "?\n" * 400_000, "twice"),
    "yaml-anchors": ("yaml", "".join(f"- &a{n} 1\n" for n in range(200_000)),
                     None),
    "yaml-number": ("yaml", "a: " + "9" * 1_000_000, "number"),
    "yaml-values": ("yaml", "- 1\n" * 1_200_000, "values"),
    "yaml-aliases": ("yaml", ALIASES, "alias"),
    "yaml-cycle": ("yaml", "a: &a [*a]\n", ""),
    "yaml-key": ("yaml", "k" * 70_000 + ": 1\n", ""),
    "toml-arrays": ("toml", "a = " + "[" * DEEP, "nested deeper than 128"),
    "toml-inline": ("toml", "a = " + "{a = " * DEEP, "nested deeper than 128"),
    "toml-dots": ("toml", "a" + ".a" * DEEP + " = 1", "nested deeper"),
    "toml-header": ("toml", "[a" + ".a" * DEEP + "]", "nested deeper"),
    "toml-number": ("toml", "a = " + "9" * 1_000_000, ""),
    "toml-tables": ("toml", "".join(f"[t{n}]\n" for n in range(200_000)),
                    None),
    "toml-twice": ("toml", "".join(f"k{n} = 1\n" for n in range(300_000))
                   + "k0 = 1\n", "k0"),
    "csv-columns": ("csv", ",".join(map(str, range(10_000))), "columns"),
    "csv-rows": ("csv", "a\n" + "1\n" * 600_000, "values"),
    # 20,000 times the name of its column, when it is written as JSON
    "csv-names": ("csv", "n" * 60_000 + "\n" + "1\n" * 20_000,
                  "larger than 67108864 bytes"),
    "csv-open": ("csv", 'a\n"' + "x" * 10_000_000, "quote"),
    "xml-deep": ("xml", "<a>" * DEEP, "nested deeper than 128"),
    "xml-entities": ("xml", ENTITIES, "DOCTYPE"),
    "xml-external": ("xml", EXTERNAL, "DOCTYPE"),
    "xml-children": ("xml", "<a>" + "<b/>" * 400_000 + "</a>", None),
    "xml-attributes": ("xml", "<a " + " ".join(
        f'b{n}="1"' for n in range(200_000)) + "/>", None),
    "txt-large": ("txt", "x" * 17_000_000, "16 MiB"),
}


# A process is said to have had as much memory as the one that it was forked
# from, which is not to be pytest with all its tests.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def check(path, name, message):
    """Converted to typed JSON, so that all of it is looked at."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tool_path(), "convert", "--from", name,
         "--to", "typed", path],
        env=clean_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, check=True)
    code, seconds, kib = done.stdout.split()
    assert float(seconds) < SECONDS
    assert int(kib) * 1024 < BYTES
    if message is None:
        assert (code, done.stderr) == ("0", "")
    else:
        assert code == "2"
        said = done.stderr
        assert message in said and said.count("\n") == 1, said


@pytest.mark.memory
@pytest.mark.parametrize("case", CASES)
def test_hostile(tmp_path, case):
    name, text, message = CASES[case]
    path = tmp_path / "document"
    path.write_text(text)
    check(path, name, message)


@pytest.mark.memory
@pytest.mark.parametrize("name", ["json.gz", "yaml.gz", "csv.gz", "txt.gz"])
def test_bomb(tmp_path, name):
    """Little that becomes very much."""
    path = tmp_path / "document"
    with gzip.open(path, "wb", 9) as f:
        for _ in range(256):
            f.write(b" " * (1 << 20))
    check(path, name, f"unpacks to more than {64 << 20} bytes")
