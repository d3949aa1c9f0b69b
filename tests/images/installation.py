"""The installer in a virtual machine: started from its ISO, as a drive or a stick, with what it said as objects."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from tests.images.machine import MAC, Machine, disk_words, running
from toolkit.images.manifest import INITRD, KERNEL, Manifest
from toolkit.images.netboot import SCRIPT

SERIAL = "SRV-0001"
WORD = "rebox-installer: "
SECONDS_MAX = 600.0  # software emulation on a machine that does much else; a hang, not a pace, is looked for


class Installation:
    """A machine that runs the installer."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def said(self) -> list[dict[str, Any]]:
        """Every line so far."""
        lines = self.machine.console.splitlines(keepends=True)
        return [json.loads(line.partition(WORD)[2]) for line in lines if WORD in line and line.endswith("\n")]

    def wait_for(self, phase: str, **more: object) -> dict[str, Any]:
        """What it said of a phase, once that was said with these fields or with what comes later than a fraction."""
        words = f'"phase": "{phase}"' + "".join(f', "{name}": {json.dumps(value)}' for name, value in more.items())
        found: dict[str, Any] = json.loads(self.machine.wait_for(words, SECONDS_MAX).partition(WORD)[2])
        return found

    def end(self) -> list[dict[str, Any]]:
        """All it said, once the machine has gone off by itself."""
        self.machine.process.wait(SECONDS_MAX)
        return self.said


@contextmanager
def installer(
    iso: Path, folder: Path, disks: list[Path], *,
    firmware: Literal["uefi", "bios"] | tuple[Path, Manifest] = "bios", stick: bool = False,
    serial: str = SERIAL, mac: str = MAC, network: str = "user,id=net,restrict=on", more: tuple[str, ...] = (),
) -> Iterator[Installation]:  # fmt: skip
    """The installer on a machine with these disks.

    `firmware` that is a built image hands kernel and initrd to the machine, which saves the firmware's seconds.
    """
    medium = f"file={iso},if=none,id=medium,readonly=on,format=raw"
    device = "usb-storage,drive=medium,removable=on,serial=STICK" if stick else "ide-cd,drive=medium"
    words = [
        "-smbios", f"type=1,serial={serial}", "-device", "qemu-xhci", "-drive", medium,
        "-device", f"{device},bootindex=1", "-netdev", network, "-device", f"virtio-net-pci,netdev=net,mac={mac}",
        *disk_words(disks), *more,
    ]  # fmt: skip
    if isinstance(firmware, tuple):
        image, manifest = firmware
        words += ["-kernel", str(image / KERNEL), "-initrd", str(image / INITRD), "-append", manifest.command_line]
    with running(folder, words, uefi=firmware == "uefi") as machine:
        yield Installation(machine)


@contextmanager
def installer_from_the_network(files: Path, folder: Path, disks: list[Path]) -> Iterator[Installation]:
    """The installer on a machine without any drive to start from: iPXE fetches what lies in `files` (by HTTP)."""
    with served(files) as port:
        words = [
            "-smbios", f"type=1,serial={SERIAL}",
            "-netdev", f"user,id=net,bootfile=http://10.0.2.2:{port}/{SCRIPT}",
            "-device", f"virtio-net-pci,netdev=net,mac={MAC},bootindex=1", *disk_words(disks),
        ]  # fmt: skip
        with running(folder, words) as machine:
            yield Installation(machine)


@contextmanager
def served(files: Path) -> Iterator[int]:
    """A web server for the files of a folder, at this port of 127.0.0.1."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(files))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
