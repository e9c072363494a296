#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A sample of what makes a validated format: JSON that is a list of users.

It gets the document, which is JSON for sure.  Exit code 3: not valid.
"""
import json
import sys


def fault(user):
    if not isinstance(user, dict) or not isinstance(user.get("name"), str):
        return "has no name"
    if not isinstance(user.get("age"), int) or user["age"] < 0:
        return "has no age"
    return None


users = json.loads(sys.stdin.buffer.read())
if not isinstance(users, list):
    sys.exit(print("this is no list of users", file=sys.stderr) or 3)
for n, each in enumerate(users, 1):
    if fault(each):
        print(f"user {n} {fault(each)}", file=sys.stderr)
        sys.exit(3)
