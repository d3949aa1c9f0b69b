"""Which drives may be written: removable or named on purpose, and never one that the running system uses."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from toolkit.disks.facts import text
from toolkit.disks.plugged import SYSTEM, Stick
from toolkit.model.errors import RefusedError

PROCESSES = Path("/proc")


def check_permitted(stick: Stick, allowed: Collection[str] = ()) -> None:
    """Raises RefusedError; `allowed` are serial numbers or paths of drives that are not removable."""
    if stick.bus == "file":
        return
    if not stick.removable and not {stick.serial, str(stick.path)} & {word for word in allowed if word}:
        raise RefusedError(
            "this drive is not removable",
            where=str(stick.path),
            why="a fixed disk is never taken for a stick",
            next_move=f"When that is what you want, give --allow-fixed {stick.confirmed_by}.",
        )
    for use in uses(stick.path.name):
        raise RefusedError("this drive is in use", where=str(stick.path), why=use, next_move="End that first.")


def uses(name: str, system: Path = SYSTEM, processes: Path = PROCESSES) -> Iterator[str]:
    """By what a drive, its partitions or what is built on them is used: mounts of every process, swap, holders."""
    parts = [*_made_of(system / "class/block" / name)]
    numbers = {text(part / "dev"): part.name for part in parts}
    swaps = (processes / "swaps").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    swapping = {_number(line.split()[0]) for line in swaps if line.strip()}
    for number, known in numbers.items():
        if number in swapping:
            yield f"/dev/{known} is swap space"
    for part in parts:
        for holder in sorted((part / "holders").glob("*")):
            yield f"/dev/{part.name} is part of /dev/{holder.name}"
    seen = set()
    for number, place in _mounts(processes):
        if number in numbers and (number, place) not in seen:
            seen.add((number, place))
            yield f"/dev/{numbers[number]} is mounted at {place}"


def _made_of(folder: Path) -> Iterator[Path]:
    """A drive's folder in sysfs, its partitions' and those of what holds them (RAID, LVM, encryption)."""
    yield folder
    for part in sorted(folder.glob("*/partition")):
        yield from _made_of(folder.parent / part.parent.name)
    for holder in sorted((folder / "holders").glob("*")):
        yield from _made_of(folder.parent / holder.name)


def _mounts(processes: Path) -> Iterator[tuple[str, str]]:
    """Device and place of every mount that any process sees."""
    for table in sorted(processes.glob("[0-9]*/mountinfo")):
        try:
            lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:  # it has ended, or is somebody else's
            continue
        for words in map(str.split, lines):
            yield words[2], words[4]


def _number(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 (by the name that the kernel gave)
    except OSError:
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
