# SPDX-License-Identifier: MIT
"""What was measured, as Markdown for people and as JSON for programs."""
import datetime
import os
import platform
import re
from pathlib import Path

from bench.sites import file_system, lacks_journal


def cpu_model():
    text = Path("/proc/cpuinfo").read_text(errors="replace")
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def described(directory):
    return (file_system(directory)
            + (" without a journal" if lacks_journal(directory) else ""))


def machine(directory, disk):
    """@directory lies on an image on @disk, or is there itself."""
    kind = described(directory)
    if os.stat(directory).st_dev != os.stat(disk).st_dev:
        kind += f" in a loop image on {described(disk)}"
    return {"cpu": cpu_model(), "cores": os.cpu_count(),
            "kernel": platform.release(), "file_system": kind,
            "load": os.getloadavg()[0]}


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def heading(about):
    m = about["machine"]
    return (f"{about['date']}; {m['cores']} x {m['cpu']}, Linux {m['kernel']}, "
            f"{m['file_system']}; load {m['load']:.1f} at the start; "
            f"atomicfs {about['version']}, {about['io']}"
            + ("; quick: less work than the table says, figures mean little"
               if about["quick"] else ""))


# ---- Markdown --------------------------------------------------------------

def number(value):
    """Three digits, as far as they mean something."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def markdown_row(result, served):
    row = result.row
    value, ratio = number(result.value), result.ratio
    if result.unit != "ms":
        value += " " + result.unit
        value += f", {result.more['descriptors']:+d} descriptors in all"
    cells = [row.work, row.goal, number(result.median("native")), value,
             f"{ratio:.2f}" if ratio else "", "ok" if result.ok else "missed"]
    if served:
        cells.append(number(result.median("served")))
    cells.append(", ".join(f"{name} {number(ms)}"
                           for name, ms in result.peers().items()))
    if row.against in result.runs and row.against != "native":
        cells[2] = f"({row.against} {number(result.base)})"
    return cells


def line(cells):
    return "| " + " | ".join(cells) + " |"


def markdown_head(served):
    cells = ["work", "goal", "native ms", "atomicfs ms", "ratio", ""]
    if served:
        cells.append("passthrough=off ms")
    cells.append("peers ms")
    return line(cells) + "\n" + "|" + "---|" * len(cells)


def markdown_result(result, served):
    return line(markdown_row(result, served))


def markdown_floor(costs):
    text = ", ".join(f"{name} {us:.1f}" for name, us in costs.items())
    return f"The cheapest request (statx, not cached), in us: {text}."


# ---- JSON --------------------------------------------------------------------

def json_row(result):
    row = result.row
    return {"name": row.name, "work": row.work, "goal": row.goal,
            "limit": row.limit, "against": row.against or None,
            "unit": result.unit, "native": result.median("native"),
            "atomicfs": result.value, "base": result.base,
            "ratio": result.ratio, "ok": result.ok,
            "served": result.median("served"), "peers": result.peers(),
            "runs": result.runs, **result.more}


def json_report(about, results, errors, costs):
    return {**about, "rows": [json_row(r) for r in results],
            "errors": errors, "request_us": costs}
