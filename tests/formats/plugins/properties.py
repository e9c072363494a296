#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A sample of a plugin that is a command: .properties files, a text for a key.

    properties.py load <FILE >JSON
    properties.py dump <JSON >FILE

Exit codes: 0, 2 it cannot be held, 3 it is not valid; why is the first line of
stderr, after LINE:COLUMN: if the place is known.
"""
import json
import sys


def fail(code, message):
    print(message, file=sys.stderr)
    sys.exit(code)


def load(text):
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#!":
            continue
        key, equals, value = line.partition("=")
        if not equals:
            fail(3, f"{number}:1: no '=' in this line")
        found[key.strip()] = value.strip()
    return found


def dump(value):
    if not isinstance(value, dict):
        fail(2, "properties are a map")
    for key, text in value.items():
        if not isinstance(text, str):
            fail(2, f"the value of {key} is no text")
        yield f"{key} = {text}\n"


def main():
    text = sys.stdin.buffer.read().decode()
    if sys.argv[1] == "load":
        json.dump(load(text), sys.stdout)
    else:
        sys.stdout.buffer.write("".join(dump(json.loads(text))).encode())


main()
