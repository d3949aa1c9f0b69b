"""What stands on what: partitions on disks, arrays and volumes on those, loops on files on file systems on those."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from toolkit.disks.facts import text

_ESCAPED = re.compile(r"\\([0-7]{3})")
_LAYERS = ("upperdir", "lowerdir", "workdir")


@dataclass(frozen=True)
class Mount:
    """One line of a mountinfo (proc(5)): `number` is "major:minor", 0 as major where no one device stands for it."""

    number: str
    place: str
    kind: str
    source: str
    options: str


def mounts(file: Path) -> Iterator[Mount]:
    """Of one process's mount namespace; nothing when the process is gone."""
    for line in text(file).splitlines():
        first, _, last = line.partition(" - ")
        fields, more = first.split(" "), last.split(" ")
        if len(fields) >= 5 and len(more) >= 3:
            yield Mount(fields[2], unescaped(fields[4]), more[0], unescaped(more[1]), more[2])


def unescaped(field: str) -> str:
    """Spaces and the like stand in /proc as octal numbers."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), field)


def block_number(path: str | Path) -> str:
    """The "major:minor" of a block device's file; "" when it is none, or not there."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return ""
    return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}" if stat.S_ISBLK(found.st_mode) else ""


@dataclass(frozen=True)
class Stack:
    """The block devices of this moment: made anew for every look."""

    system: Path = Path("/sys")
    processes: Path = Path("/proc")

    @cached_property
    def numbers(self) -> dict[str, str]:
        """The "major:minor" of every block device, by its name."""
        folders = sorted((self.system / "class/block").iterdir())
        return {folder.name: text(folder / "dev") for folder in folders}

    @cached_property
    def _names(self) -> dict[str, str]:
        return {number: name for name, number in self.numbers.items()}

    @cached_property
    def _loops(self) -> dict[str, str]:
        """The file behind every loop device."""
        files = {name: text(self._folder(name) / "loop/backing_file") for name in self.numbers}
        return {name: file for name, file in files.items() if file}

    def _folder(self, name: str) -> Path:
        return self.system / "class/block" / name

    def parts(self, name: str) -> list[str]:
        """The disk itself and its partitions."""
        inside = self._folder(name).resolve()
        found = sorted(folder.name for folder in inside.iterdir() if (folder / "partition").exists())
        return [name, *found]

    def above(self, name: str) -> list[str]:
        """All that stands on a disk: its partitions' and its own holders, loops on them, and what stands on those."""
        found: list[str] = []
        waiting = [name]
        while waiting:
            for part in self.parts(waiting.pop()):
                new = [one for one in self._held_by(part) if one not in found and one != name]
                found += new
                waiting += new
        return found

    def _held_by(self, name: str) -> list[str]:
        try:
            holders = sorted(folder.name for folder in (self._folder(name) / "holders").iterdir())
        except OSError:
            holders = []
        number = self.numbers.get(name)
        return holders + [loop for loop, file in self._loops.items() if number and block_number(file) == number]

    def disks_under(self, path: Path) -> frozenset[str]:
        """The disks that a file lies on, through partitions, arrays and loops; none for memory and networks."""
        return frozenset(self._under_file(path, set()))

    def _under_file(self, path: Path, seen: set[str]) -> Iterator[str]:
        try:
            device = path.stat().st_dev
        except OSError:
            return
        number = f"{os.major(device)}:{os.minor(device)}"
        if number in self._names:
            yield from self._under(self._names[number], seen)
        elif number not in seen:
            seen.add(number)
            for mount in mounts(self.processes / "self/mountinfo"):
                if mount.number == number:
                    yield from self._under_mount(mount, seen)

    def _under_mount(self, mount: Mount, seen: set[str]) -> Iterator[str]:
        """Of a file system without a device number of its own: btrfs names a device, overlayfs folders elsewhere."""
        if number := block_number(mount.source):
            yield from self._under(self._names.get(number, ""), seen)
        for option in mount.options.split(",") if mount.kind == "overlay" else ():
            name, _, value = option.partition("=")
            for folder in value.split(":") if name in _LAYERS else ():
                yield from self._under_file(Path(unescaped(folder)), seen)

    def _under(self, name: str, seen: set[str]) -> Iterator[str]:
        """The disks under a block device, itself too if it is one; a loop is one, and so is what its file lies on."""
        if not name or name in seen:
            return
        seen.add(name)
        folder = self._folder(name)
        if (folder / "partition").exists():
            yield from self._under(folder.resolve().parent.name, seen)
            return
        yield name
        if file := self._loops.get(name):
            yield from self._under(self._names.get(block_number(file), ""), seen)
            yield from self._under_file(Path(file), seen)
        if (folder / "slaves").is_dir():
            for below in sorted((folder / "slaves").iterdir()):
                yield from self._under(below.name, seen)
