# SPDX-License-Identifier: MIT
"""The locks of a mount, as it tells of them."""
import json
import select
import time

SECONDS = 20


def locks(mount):
    """What .@ctl/locks.json says; @mount: its root, or a Mount."""
    with open(mount / ".@ctl/locks.json", encoding="utf-8",
              errors="surrogateescape") as f:
        return json.load(f)


def wait_for_locks(mount, held=None, waiting=None):
    """Until so many are held and so many wait; returns what there is then."""
    end = time.monotonic() + SECONDS
    while True:
        now = locks(mount)
        if (held in (None, now["held"]) and
                waiting in (None, now["waiting"])):
            return now
        assert time.monotonic() < end, (
            f"not {held} held and {waiting} waiting, but {now}")
        select.select([], [], [], 0.002)
