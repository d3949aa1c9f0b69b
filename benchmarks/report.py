"""The page of results: `docs/benchmarks.md`, and the same rows as a table and as JSON."""

import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.arena import Row, machine

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
COLUMNS = ("work", "ours", "peer", "ratio", "goal", "result")
_COMMANDS = {
    "fping": ("fping", "--version"),
    "nmap": ("nmap", "--version"),
    "ping": ("ping", "-V"),
    "keepalived": ("keepalived", "--version"),
    "restic": ("restic", "version"),
    "age": ("age", "--version"),
    "zstd": ("zstd", "--version"),
    "tar": ("tar", "--version"),
    "openssl": ("openssl", "version"),
    "qemu": ("qemu-system-x86_64", "--version"),
    "mkosi": ("mkosi", "--version"),
    "dd": ("dd", "--version"),
    "nwipe": ("nwipe", "--version"),
}
_PACKAGES = ("pyhanko-certvalidator", "cryptography", "httpx", "uvicorn")
_VERSION = re.compile(r"\d+(?:\.\d+)+\w*")
_INTRODUCTION = """\
# Speed beside the tools people use today

Written by `{command}` on {date}; do not edit.

Ours and the peer take turns in one run on the same work, and each number is a median. Only ratios carry over to other
machines. A ratio is how many times better ours is than the peer, whatever the unit; a goal is a ratio, or a limit on
our own number. No test asserts a time.

- Machine: {machine}, {system}; load average at the start {load_before}, at the end {load_after}
- Versions: {versions}
"""


def cells(row: Row) -> tuple[str, str, str, str, str, str]:
    """A row in words, in the order of `COLUMNS`."""
    return (
        row.work,
        _amount(row.ours, row.unit),
        f"{row.peer_name}: {_amount(row.peer, row.unit)}",
        "" if row.ratio is None else "∞" if math.isinf(row.ratio) else f"{row.ratio:.2f}",
        _goal(row),
        _result(row),
    )


def table(rows: Iterable[Row]) -> Table:
    """For the terminal."""
    shown = Table(*COLUMNS)
    for row in rows:
        style = {True: "green", False: "yellow", None: "dim"}[row.met]
        shown.add_row(*cells(row), style=style)
    return shown


def document(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """For programs; an infinite ratio is null there, since JSON has no such number."""
    return [asdict(row) | {"ratio": None if row.ratio is None or math.isinf(row.ratio) else row.ratio} for row in rows]


def write(results: dict[str, Sequence[Row]], command: str, load_before: float) -> None:
    """Writes the page, a section for each module."""
    introduction = _INTRODUCTION.format(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        system=_system(),
        load_before=f"{load_before:.1f}",
        load_after=f"{os.getloadavg()[0]:.1f}",
        versions=", ".join(_versions()),
    )
    text = "\n".join([introduction, *(_section(name, rows) for name, rows in results.items())])
    fresh = PAGE.with_suffix(".md.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(PAGE)


def _section(name: str, rows: Sequence[Row]) -> str:
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    lines = [f"## {name.replace('_', ' ').capitalize()}", "", *_lines([COLUMNS, ("---",) * len(COLUMNS)])]
    for row in rows:
        work, *others = cells(row)
        mark = f" [{notes.index(row.note) + 1}]" if row.note else ""
        lines += _lines([(work + mark, *others)])
    if notes:
        lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(lines) + "\n"


def _lines(rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def _goal(row: Row) -> str:
    goals = [] if not row.goal else [f"≥ {row.goal:g} times"]
    if row.limit is not None:
        goals.append(f"ours ≤ {row.limit:g} {row.unit}" if row.limit else f"ours 0 {row.unit}")
    return ", ".join(goals) or "none"


def _result(row: Row) -> str:
    if row.ours is None:
        return row.note
    return {True: "met", False: "missed", None: ""}[row.met if row.goal or row.limit is not None else None]


def _system() -> str:
    try:
        return str(platform.freedesktop_os_release()["PRETTY_NAME"])
    except (OSError, KeyError):
        return platform.system()


def _versions() -> list[str]:
    return [*(f"{name} {_asked(command)}" for name, command in _COMMANDS.items()), *map(_installed, _PACKAGES)]


def _asked(command: tuple[str, ...]) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, stdin=subprocess.DEVNULL)
    found = _VERSION.search(done.stdout + done.stderr) or re.search(r"\d+", done.stdout + done.stderr)
    return found[0] if found else "of unknown version"


def _installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"
