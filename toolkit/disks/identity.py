"""The disk that is meant, found by its serial number and proved once more where it was opened: names move."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolkit.disks.facts import Disk, disk_at, open_diskseq, text
from toolkit.disks.refusal import Failed, Refused


@dataclass(frozen=True)
class Meant:
    """One disk as the plan knows it; `name` and `diskseq` are what it was seen under, "" and 0: it was not seen."""

    identity: str
    size_bytes: int = 0
    wwn: str = ""
    name: str = ""
    diskseq: int = 0

    @classmethod
    def seen(cls, disk: Disk) -> "Meant":
        """The disk as it is now."""
        return cls(disk.identity, disk.size_bytes, disk.wwn, disk.name, disk.diskseq)

    def differs(self, disk: Disk) -> str:
        """How a disk is not the one that is meant, in words; "" when it is."""
        pairs = (
            ("serial number", self.identity, disk.identity or "none"),
            ("size", self.size_bytes, disk.size_bytes),
            ("WWN", self.wwn, disk.wwn or "none"),
            ("name", self.name, disk.name),
            ("diskseq", self.diskseq, disk.diskseq),
        )
        return ", ".join(f"{what} {there}, not {meant}" for what, meant, there in pairs if meant and meant != there)


def find(meant: Meant, there: Iterable[Disk]) -> Disk:
    """The one disk that has the serial number, the size and the name of the plan; raises Refused."""
    listed = list(there)
    found = [disk for disk in listed if disk.identity and disk.identity == meant.identity]
    if len(found) != 1:
        names = ", ".join(f"{disk.identity or 'without serial number'} ({disk.name})" for disk in listed) or "none"
        how_many = f"{len(found)} disks have" if found else "no disk has"
        raise Refused(f"{how_many} the serial number {meant.identity}; there are {names}")
    if told := meant.differs(found[0]):
        raise Refused(f"the disk {meant.identity} is not what it was when it was chosen: {told}")
    return found[0]


def prove(meant: Meant, descriptor: int, system: Path = Path("/sys")) -> None:
    """Whether an open disk is the one that is meant, by its device number and its diskseq; raises Refused.

    Called where it was opened, and again before each phase: what is unplugged may leave its name to another.
    """
    number = os.fstat(descriptor).st_rdev
    folder = system / "dev/block" / f"{os.major(number)}:{os.minor(number)}"
    if not folder.exists():
        raise Refused(f"the disk {meant.identity} is gone")
    disk = disk_at(folder)
    told = meant.differs(disk)
    # sysfs and the open disk are asked apart: between the two another may have come
    opened = open_diskseq(descriptor)
    if not told and opened and opened != int(text(folder / "diskseq") or opened):
        told = f"diskseq {disk.diskseq}, not {opened}"
    if told:
        raise Refused(f"what was opened is not the disk {meant.identity}: {told}")


def still(meant: Meant, descriptor: int, system: Path = Path("/sys")) -> None:
    """As `prove`, once the disk was written to; raises Failed."""
    try:
        prove(meant, descriptor, system)
    except Refused as refused:
        raise Failed(str(refused)) from None
