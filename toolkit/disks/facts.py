"""What the disks of a machine are, read from sysfs: by their serial numbers, never by the order they turned up in."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_IGNORED = ("loop", "ram", "zram", "fd", "nbd", "dm-", "md")


@dataclass(frozen=True)
class Disk:
    """A whole disk or drive with a medium in it; `serial` is "" when it tells none."""

    name: str
    serial: str
    model: str
    size_bytes: int
    read_only: bool
    removable: bool
    sector_bytes: int = 512

    @property
    def path(self) -> Path:
        """Its device."""
        return Path("/dev") / self.name


def disks(system: Path = Path("/sys")) -> Iterator[Disk]:
    """Every disk and every drive with a medium in it; what is made of others (RAID, loops) is none."""
    for folder in sorted((system / "class/block").iterdir()):
        size = int(text(folder / "size") or 0) * 512
        if folder.name.startswith(_IGNORED) or size == 0 or (folder / "partition").exists():
            continue
        yield Disk(
            name=folder.name,
            serial=_serial(folder),
            model=text(folder / "device/model"),
            size_bytes=size,
            read_only=text(folder / "ro") == "1",
            removable=text(folder / "removable") == "1",
            sector_bytes=int(text(folder / "queue/logical_block_size") or 512),
        )


def _serial(disk: Path) -> str:
    """virtio tells it at the disk, NVMe at the device, SCSI and ATA in a page of their own, USB at the device above."""
    for place in ("serial", "device/serial"):
        if told := text(disk / place):
            return told
    try:
        # SPC-4, 7.8.15: unit serial number, after a header of four bytes
        told = (disk / "device/vpd_pg80").read_bytes()[4:].decode("ascii", errors="replace").strip("\0 ")
    except OSError:
        told = ""
    return told or _serial_of_usb(disk)


def _serial_of_usb(disk: Path) -> str:
    for folder in (disk / "device").resolve().parents:
        if (folder / "idVendor").exists():
            return text(folder / "serial")
    return ""


def text(path: Path) -> str:
    """What a file of sysfs says; "" when it is not there."""
    try:
        return os.fsdecode(path.read_bytes()).strip().strip("\0")
    except OSError:
        return ""
