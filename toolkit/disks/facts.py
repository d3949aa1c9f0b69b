"""What the disks of a machine are, read from sysfs: by their serial numbers, never by the order they turned up in."""

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_IGNORED = ("loop", "ram", "zram", "fd", "nbd", "dm-", "md")
_GLOBAL = ("naa.", "eui.", "uuid.", "nvme.")
"""How a name that is unique in the world begins; others (t10.) are made from model and serial number."""
_BLKGETDISKSEQ = 0x80081280  # linux/fs.h: _IOR(0x12, 128, __u64); Linux 5.15
_NOBODY = re.compile(r"0[0.\-]*")
_IDENTIFY = slice(60, 60 + 512)
"""Where the ATA information page holds what the disk behind it says of itself (SAT-3, 12.4.2)."""


@dataclass(frozen=True)
class Disk:
    """A whole disk or drive with a medium in it; `serial` is "" when it tells none, as are the other words.

    A loop device has no serial number: it is known by the file behind it, `backing_file`. `transport` is one of nvme,
    sata, scsi, usb, virtio, mmc, loop, or ""; `diskseq` changes whenever another disk (or file) comes under the name.
    """

    name: str
    serial: str
    model: str
    size_bytes: int
    read_only: bool
    removable: bool
    sector_bytes: int = 512
    physical_sector_bytes: int = 512
    vendor: str = ""
    wwn: str = ""
    firmware: str = ""
    transport: str = ""
    rotational: bool = False
    diskseq: int = 0
    backing_file: str = ""

    @property
    def path(self) -> Path:
        """Its device."""
        return Path("/dev") / self.name.replace("!", "/")

    @property
    def identity(self) -> str:
        """What it is known by whatever it is called today: its serial number, or a loop device's file; "": nothing."""
        return self.serial or self.backing_file

    @property
    def media_type(self) -> str:
        """In words, as an erasure record names it; virtual disks say nothing true about turning."""
        if self.transport == "loop":
            return "loop device"
        kind = "magnetic disk" if self.rotational else "solid-state disk"
        kind = "virtual disk" if self.transport == "virtio" else kind
        return f"{kind} ({self.transport or 'unknown transport'})"


def disks(system: Path = Path("/sys"), *, loops: bool = False) -> Iterator[Disk]:
    """Every disk and every drive with a medium in it; what is made of others (RAID) is none, nor are loops unasked."""
    for folder in sorted((system / "class/block").iterdir()):
        wanted = loops and folder.name.startswith("loop")
        if (folder.name.startswith(_IGNORED) and not wanted) or (folder / "partition").exists():
            continue
        disk = disk_at(folder)
        # hidden: one way of several to an NVMe disk, which has a name of its own
        if disk.size_bytes and text(folder / "hidden") != "1":
            yield disk


def disk_at(folder: Path) -> Disk:
    """The disk of a folder of sysfs; a drive without a medium has the size 0."""
    identify = _identify(folder)
    return Disk(
        name=folder.resolve().name,
        serial=_serial(folder),
        model=_ata_words(identify, 27, 20) or text(folder / "device/model"),
        size_bytes=int(text(folder / "size") or 0) * 512,
        read_only=text(folder / "ro") == "1",
        removable=text(folder / "removable") == "1",
        sector_bytes=int(text(folder / "queue/logical_block_size") or 512),
        physical_sector_bytes=int(text(folder / "queue/physical_block_size") or 512),
        vendor=_vendor(folder),
        wwn=_wwn(folder),
        firmware=_ata_words(identify, 23, 4) or text(folder / "device/firmware_rev") or text(folder / "device/rev"),
        transport=_transport(folder),
        rotational=text(folder / "queue/rotational") == "1",
        diskseq=int(text(folder / "diskseq") or 0),
        backing_file=text(folder / "loop/backing_file"),
    )


def _serial(disk: Path) -> str:
    """virtio tells it at the disk, NVMe at the device, SCSI and ATA in a page of their own, USB at the device above."""
    for place in ("serial", "device/serial"):
        if told := text(disk / place):
            return told
    # SPC-4, 7.8.15: unit serial number, after a header of four bytes
    told = _bytes(disk / "device/vpd_pg80")[4:].decode("ascii", errors="replace").strip("\0 ")
    return told or _of_usb(disk, "serial")


def _vendor(disk: Path) -> str:
    """SCSI has a field for it, into which ATA disks have to say ATA; USB tells it at the device above."""
    told = text(disk / "device/vendor")
    # PCI's and virtio's are numbers
    return "" if told == "ATA" or told.startswith("0x") else told or _of_usb(disk, "manufacturer")


def _of_usb(disk: Path, name: str) -> str:
    above = usb_device(disk)
    return text(above / name) if above else ""


def usb_device(disk: Path) -> Path | None:
    """The folder of the USB device that a disk, by its own folder of sysfs, is on."""
    return next((above for above in (disk / "device").resolve().parents if (above / "idVendor").exists()), None)


def _wwn(disk: Path) -> str:
    told = text(disk / "wwid") or text(disk / "device/wwid")
    kind, _, number = told.partition(".")
    return told if f"{kind}." in _GLOBAL and not _NOBODY.fullmatch(number) else ""


def _transport(disk: Path) -> str:
    """By the name where it tells, else by what the device hangs on."""
    for begin, transport in (("nvme", "nvme"), ("vd", "virtio"), ("mmcblk", "mmc"), ("loop", "loop")):
        if disk.name.startswith(begin):
            return transport
    above = [folder.name for folder in disk.resolve().parents]
    if any(re.fullmatch(r"usb\d+", name) for name in above):
        return "usb"
    if any(re.fullmatch(r"ata\d+", name) for name in above):
        return "sata"
    return "scsi" if disk.name.startswith(("sd", "sr")) else ""


def _identify(disk: Path) -> bytes:
    page = _bytes(disk / "device/vpd_pg89")
    return page[_IDENTIFY] if len(page) >= _IDENTIFY.stop else b""


def _ata_words(identify: bytes, first: int, count: int) -> str:
    """A text of IDENTIFY DEVICE: two letters a word, the second first (ACS-3, 3.3.10)."""
    words = identify[2 * first : 2 * (first + count)]
    swapped = bytes(letter for pair in zip(words[1::2], words[::2], strict=True) for letter in pair)
    return swapped.decode("ascii", errors="replace").strip("\0 ")


def open_diskseq(descriptor: int) -> int:
    """The kernel's count of media, of an open device; 0: an older kernel, or a file."""
    told = bytearray(8)
    try:
        fcntl.ioctl(descriptor, _BLKGETDISKSEQ, told)
    except OSError:
        return 0
    return int(struct.unpack("=Q", told)[0])


def text(path: Path) -> str:
    """What a file of sysfs says; "" when it is not there."""
    return os.fsdecode(_bytes(path)).strip().strip("\0")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
