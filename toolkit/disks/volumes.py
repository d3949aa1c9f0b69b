"""File systems on disks: which one is there, where it begins, and what is asked of one that is open."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolkit.disks import blkid
from toolkit.disks.facts import text
from toolkit.disks.partitions import partitions
from toolkit.disks.refusal import Failed, Refused

KINDS = ("vfat", "exfat", "ext4")
"""The file systems that are read and written."""
FOLDER = "REBOX"
"""The one folder of a volume that is ours; nothing outside of it is read, written or removed."""
NAMES_MAX = 20_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")


class Gone(Failed):
    """The device is not there any more, or another one is in its place."""


class Full(Failed):
    """There is no room left."""


class Damaged(Failed):
    """What is there is not what was written, or the device does not read or write."""


class Volume(Protocol):
    """The folder REBOX of one file system, open.

    Every call raises Gone when the device is not the same any more, and Refused for a name that is none or a change of
    what was opened for reading.
    """

    def names(self) -> tuple[str, ...]:
        """The files that are there, hidden ones too; none when there is no such folder. Raises Failed."""

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """A file, whole or not at all, and on the device before this returns; raises Full, Failed."""

    def read(self, name: str) -> Iterator[bytes]:
        """A file's bytes, from the device; raises Failed when there is none or it does not read."""

    def remove(self, name: str) -> None:
        """Takes a file away; one that is not there is none to be removed. Raises Failed."""

    def free_bytes(self) -> int:
        """How much room is left; raises Failed."""

    def close(self) -> None:
        """Brings everything to the device and lets go of it; raises Failed when it does not take it."""


@contextmanager
def lent(volume: Volume) -> Iterator[Volume]:
    """The volume, closed afterwards; of two troubles the first counts: that letting go fails then too is no news."""
    try:
        yield volume
    except BaseException:
        with suppress(Failed):
            volume.close()
        raise
    volume.close()


@dataclass(frozen=True)
class FileSystem:
    """Where one lies: a disk, one of its partitions, or part of an image file; `uuid` and `label` may be ""."""

    path: Path
    kind: str
    uuid: str
    label: str
    size_bytes: int
    offset_bytes: int = 0


def check_name(name: str) -> str:
    """A name that every file system takes, none takes for a path, and that has no case to lose; raises Refused."""
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name for a file on a stick")
    return name


def find(disk: Path) -> FileSystem | None:
    """The file system on a whole disk or image, or the first one that we know in its partitions; raises Failed."""
    whole = probe(disk)
    if whole is not None:
        return whole
    if stat.S_ISBLK(_mode(disk)):
        found = (probe(part) for part in _parts(disk))
    else:
        found = (probe(disk, part.offset_bytes, part.size_bytes) for part in partitions(disk))
    known = [one for one in found if one is not None]
    return next((one for one in known if one.kind in KINDS), known[0] if known else None)


def probe(path: Path, offset_bytes: int = 0, size_bytes: int = 0) -> FileSystem | None:
    """What blkid finds there; raises Failed when that cannot be told."""
    said = blkid.probe(path, offset_bytes, size_bytes)
    if said.get("TYPE") == blkid.SEVERAL:
        raise Failed(f"{path} bears the marks of several file systems; format it")
    if said.get("USAGE") != "filesystem":
        return None
    return FileSystem(
        path=path,
        kind=said.get("TYPE", ""),
        uuid=said.get("UUID", ""),
        label=_plain(said.get("LABEL", "")),
        size_bytes=size_bytes or size_of(path) - offset_bytes,
        offset_bytes=offset_bytes,
    )


def size_of(path: Path) -> int:
    """Of a device or an image, in bytes; raises Failed."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.seek(0, os.SEEK_END)
    except OSError as error:
        raise Failed(f"{path} cannot be opened: {error.strerror}") from None


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError as error:
        raise Failed(f"{path} cannot be looked at: {error.strerror}") from None


def _parts(disk: Path, system: Path = Path("/sys")) -> list[Path]:
    """The nodes of a disk's partitions, in the order in which they are numbered."""
    folder = system / "class/block" / disk.resolve().name
    found = [part for part in folder.glob("*/partition") if (Path("/dev") / part.parent.name).exists()]
    return [Path("/dev") / part.parent.name for part in sorted(found, key=lambda part: int(text(part) or 0))]


def _plain(label: str) -> str:
    """As it reads: blkid puts a backslash before what a shell would not take as it is (--output export)."""
    return re.sub(r"\\(.)", r"\1", label)
