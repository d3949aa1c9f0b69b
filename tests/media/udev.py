"""A program that watches sticks in a world of umockdev's: sysfs, udev's memory and events are made up, libudev is not.

Run with the library preloaded (umockdev-wrapper); prints what `toolkit.media.sticks` sees, as JSON. umockdev is called
by ctypes, since its bindings belong to the system's Python. Its disks cannot be read: what is on them is udev's word.
"""

import ctypes
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toolkit.media.sticks import Event, sticks, watch

USB = "/devices/pci0000:00/0000:00:14.0/usb1/1-{port}"
SCSI = USB + "/1-{port}:1.0/host{port}/target{port}:0:0/{port}:0:0:0"
_DEVICES = f"""\
P: {USB}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
A: idVendor=0781\\n
A: idProduct=5567\\n
A: serial={{serial}}\\n
A: manufacturer=SanDisk\\n

P: {SCSI}
E: SUBSYSTEM=scsi
A: vendor=SanDisk \\n
A: model=Cruzer Blade    \\n
"""
_DISK = f"""\
P: {SCSI}/block/{{name}}
E: SUBSYSTEM=block
E: DEVNAME=/dev/{{name}}
E: DEVTYPE=disk
E: MAJOR=8
E: MINOR={{minor}}
{{more}}E: ID_PATH=pci-0000:00:14.0-usb-0:{{port}}:1.0-scsi-0:0:0:0
A: size={{sectors}}\\n
A: removable=1\\n
A: ro=0\\n
L: device=../../../{{port}}:0:0:0
"""


class World:
    """What umockdev pretends; refuses what it does not know by ending the program."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libumockdev.so.0")
        for name in ("umockdev_testbed_new", "umockdev_testbed_get_root_dir"):
            getattr(self._library, name).restype = ctypes.c_void_p
        self._bed = ctypes.c_void_p(self._library.umockdev_testbed_new())
        root = self._library.umockdev_testbed_get_root_dir(self._bed)
        self.root = Path(ctypes.string_at(root).decode())

    def add(self, text: str) -> None:
        if not self._library.umockdev_testbed_add_from_string(self._bed, text.encode(), None):
            sys.exit("umockdev refuses the description")

    def tell(self, path: str, action: str) -> None:
        self._library.umockdev_testbed_uevent(self._bed, f"/sys{path}".encode(), action.encode())

    def remove(self, path: str) -> None:
        self._library.umockdev_testbed_remove_device(self._bed, f"/sys{path}".encode())
        (self.root / "sys/block" / Path(path).name).unlink()  # which umockdev forgets

    def plug(self, name: str, port: int, serial: str, label: str = "", sectors: int = 81920) -> str:
        facts: dict[str, Any] = {"name": name, "port": port, "serial": serial, "minor": 16 * port, "sectors": sectors}
        facts["more"] = f"E: ID_FS_TYPE=vfat\nE: ID_FS_UUID=1234-ABCD\nE: ID_FS_LABEL={label}\n" if label else ""
        self.add(_DEVICES.format(**facts))
        self.add(_DISK.format(**facts))
        return SCSI.format(**facts) + f"/block/{name}"


def said(event: Event) -> dict[str, Any]:
    stick = event.stick
    found = stick.file_system
    facts = {key: str(value) for key, value in asdict(stick).items() if key not in {"file_system", "size_bytes"}}
    return {"event": event.what, **facts, "label": found.label if found else "", "size_bytes": stick.size_bytes}


def listing() -> Iterator[Any]:
    """Two sticks of one make, one of them without a file system; and a drive without a medium."""
    world = World()
    world.plug("sdy", 2, "4C530001", "CARRIED")
    world.plug("sdz", 3, "4C530002")
    world.plug("sdx", 4, "READER", sectors=0)
    yield from (said(Event("plugged", stick)) for stick in sticks())


def events() -> Iterator[Any]:
    """One is there; another comes; the first goes, and comes back elsewhere under the same name."""
    world = World()
    first = world.plug("sdy", 2, "4C530001", "CARRIED")
    watching = watch(seconds=2)
    yield said(next(watching))
    second = world.plug("sdz", 3, "4C530002")
    world.tell(second, "add")
    yield said(next(watching))
    world.tell(first, "remove")
    yield said(next(watching))
    world.remove(first)
    world.tell(world.plug("sdy", 5, "4C530001", "CARRIED"), "add")
    yield said(next(watching))
    world.tell(second, "change")  # nothing is different: nobody is told
    yield from map(said, watching)


if __name__ == "__main__":
    for line in {"listing": listing, "events": events}[sys.argv[1]]():
        sys.stdout.write(json.dumps(line) + "\n")
