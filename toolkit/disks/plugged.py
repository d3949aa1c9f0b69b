"""Sticks and other drives as sysfs shows them: who made one, where it is plugged in, what is on it."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from toolkit.disks.facts import disk_at, disks, text, usb_device
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import FileSystem, Gone, find, size_of

SYSTEM = Path("/sys")


@dataclass(frozen=True)
class Stick:
    """A drive, or an image file that stands for one; what is not told is "". `trouble`: why its file system is unknown.

    `port` is the USB port's name (`1-2.3`: bus 1, port 2, port 3 of the hub there), or else the name of the device
    that the drive hangs on.
    """

    path: Path
    vendor: str
    model: str
    serial: str
    size_bytes: int
    bus: str
    port: str
    removable: bool
    read_only: bool
    file_system: FileSystem | None = None
    trouble: str = ""

    @property
    def confirmed_by(self) -> str:
        """What a person types to say that it is this one: its serial number, or its path when it has none."""
        return self.serial or str(self.path)

    def as_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        fields = asdict(self)
        fields["path"] = str(self.path)
        if self.file_system is not None:
            fields["file_system"] = {**asdict(self.file_system), "path": str(self.file_system.path)}
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """What `as_json` made; raises KeyError, TypeError."""
        found = fields["file_system"]
        file_system = None if found is None else FileSystem(**{**found, "path": Path(found["path"])})
        return cls(**{**fields, "path": Path(fields["path"]), "file_system": file_system})


def plugged(system: Path = SYSTEM) -> Iterator[Stick]:
    """Every removable drive with a medium in it, and every one on USB; nothing on them is read."""
    for disk in disks(system):
        stick = of_device(disk.name, system)
        if stick.removable:
            yield stick


def of_device(name: str, system: Path = SYSTEM) -> Stick:
    """What sysfs tells of one block device, whatever it is; raises Refused when there is none of this name."""
    folder = system / "class/block" / name
    if not (folder / "size").exists():
        raise Refused(f"/dev/{name} is no block device of this machine")
    if (folder / "partition").exists():
        raise Refused(f"/dev/{name} is a part of {folder.resolve().parent.name}: name the whole drive")
    disk = disk_at(folder)
    usb = usb_device(folder)
    return Stick(
        path=Path("/dev") / name,
        vendor=text(folder / "device/vendor") or (text(usb / "manufacturer") if usb else ""),
        model=text(folder / "device/model") or text(folder / "device/name") or text(folder / "loop/backing_file"),
        serial=disk.serial,
        size_bytes=disk.size_bytes,
        bus="usb" if usb else _bus(folder),
        port=usb.name if usb else _port(folder),
        removable=disk.removable or usb is not None,
        read_only=disk.read_only,
    )


def of_image(path: Path) -> Stick:
    """An image file that stands for a stick; raises Refused when it is none, Failed when it cannot be opened."""
    try:
        status = path.stat()
    except OSError as error:
        raise Refused(f"{path} is not there: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path} is neither a device nor an image file")
    return Stick(
        path=path.absolute(), vendor="", model="image file", serial="", size_bytes=size_of(path), bus="file", port="",
        removable=True, read_only=not os.access(path, os.W_OK),
    )  # fmt: skip


def check_same(stick: Stick, system: Path = SYSTEM) -> None:
    """Raises Gone when by now another drive or file system has that device's name; Refused when none has it."""
    if stick.file_system is not None:
        there = find(stick.path)
        if there is None or there.uuid != stick.file_system.uuid:
            raise Gone(f"{stick.path} has another file system than the one that was chosen")
    if stick.bus == "file":
        return
    now = of_device(stick.path.name, system)
    for told in ("vendor", "model", "serial", "port", "bus", "size_bytes"):
        # what sysfs did not tell may have come from udev
        if getattr(now, told) and getattr(now, told) != getattr(stick, told):
            raise Gone(f"{stick.path} is another drive than the one that was chosen: {told} {getattr(now, told)}")


def with_file_system(stick: Stick) -> Stick:
    """The same, with what blkid finds on it, or why nothing can be told."""
    try:
        return replace(stick, file_system=find(stick.path))
    except Failed as error:
        return replace(stick, trouble=str(error))


def _bus(folder: Path) -> str:
    subsystem = folder / "device/subsystem"
    if subsystem.exists():
        return subsystem.resolve().name
    return "loop" if (folder / "loop").is_dir() else ""


def _port(folder: Path) -> str:
    return (folder / "device").resolve().name if (folder / "device").exists() else ""
