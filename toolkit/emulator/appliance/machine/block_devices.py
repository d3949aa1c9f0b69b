"""The machine's disks: serial number, the label of what lies on each, and whether nothing lies on it at all."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLANK_LOOKED_AT = 1 << 20
_PARTITION_NAME = re.compile(r"^PARTNAME=(?P<name>.+)$", flags=re.M)
_IGNORED = ("loop", "ram", "zram", "fd", "nbd", "dm-")


@dataclass(frozen=True)
class BlockDevice:
    """A disk or a partition as the kernel has it; `serial` is the disk's own, "" when it tells none.

    `name` is what a partition table calls a partition; a disk has none.
    """

    path: Path
    serial: str
    size_bytes: int
    is_partition: bool
    name: str = ""


def block_devices(system: Path = Path("/sys"), devices: Path = Path("/dev")) -> Iterator[BlockDevice]:
    """All disks and partitions that have a medium, by name."""
    for folder in sorted((system / "class" / "block").iterdir()):
        size = int(_text(folder / "size") or 0) * 512
        if folder.name.startswith(_IGNORED) or size == 0:
            continue
        is_partition = (folder / "partition").exists()
        disk = folder.resolve().parent if is_partition else folder
        name = _PARTITION_NAME.search(_text(folder / "uevent"))
        yield BlockDevice(devices / folder.name, _serial(disk), size, is_partition, name["name"] if name else "")


def label(device: Path) -> tuple[str, str] | None:
    """The kind and label of the file system: ext4, vfat or iso9660; None when there is none of these, or no label."""
    try:
        with device.open("rb", buffering=0) as file:
            start = file.read(2048)
            file.seek(32768)
            volume = file.read(2048)
    except OSError:
        return None  # a drive without a medium
    for kind, found in (
        ("ext4", start[1144:1160] if start[1080:1082] == b"\x53\xef" else b""),
        ("vfat", start[71:82] if start[82:90] == b"FAT32   " else b""),
        ("vfat", start[43:54] if start[54:59] in (b"FAT12", b"FAT16") else b""),
        ("iso9660", volume[40:72] if volume[1:6] == b"CD001" else b""),
    ):
        text = found.partition(b"\0")[0].decode("ascii", errors="replace").strip()
        if text:
            return kind, text
    return None


def is_blank(device: BlockDevice) -> bool:
    """Whether the first and the last MiB hold nothing but zeros: no partition table, no file system, no RAID."""
    with device.path.open("rb", buffering=0) as file:
        for place in (0, max(0, device.size_bytes - _BLANK_LOOKED_AT)):
            file.seek(place)
            if any(file.read(_BLANK_LOOKED_AT)):
                return False
    return True


def _serial(disk: Path) -> str:
    """virtio tells it at the disk, NVMe and SCSI at the device, and some SCSI disks in a page of their own."""
    for place in ("serial", "device/serial"):
        text = _text(disk / place)
        if text:
            return text
    try:
        # SPC-4, 7.8.15: unit serial number, after a header of four bytes
        return (disk / "device" / "vpd_pg80").read_bytes()[4:].decode("ascii", errors="replace").strip("\0 ")
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return ""
