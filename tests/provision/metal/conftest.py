"""The machine hall, with a machine in it, shared by all tests of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.provision.metal.hall import PASSWORD, USER, Hall, hall
from tests.provision.metal.tiny_iso import program
from toolkit.appliances.connection import PinnedContext
from toolkit.provision.metal.bmc import Bmc

SERIAL, UUID, MAC = "SRV-0042", "6a1f7f0e-0000-4000-8000-000000000001", "52:54:00:78:00:01"

_DOMAIN = """
<domain type='qemu'>
  <name>metal</name><uuid>{uuid}</uuid><memory unit='MiB'>{memory}</memory><vcpu>2</vcpu>
  <cpu mode='maximum'/>
  <sysinfo type='smbios'><system><entry name='serial'>{serial}</entry></system></sysinfo>
  <os><type machine='pc'>hvm</type><boot dev='hd'/><smbios mode='sysinfo'/></os><features><acpi/></features>
  <devices>
    <serial type='file'><source path='{folder}/console' append='on'/></serial>
    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/><source file='{folder}/disk.raw'/>
      <target dev='vda' bus='virtio'/><serial>DISK-1</serial></disk>
    <interface type='bridge'><mac address='{mac}'/><source bridge='br0'/><model type='virtio'/></interface>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
"""


def pinned(sha256: str) -> httpx.HTTPTransport:
    return httpx.HTTPTransport(verify=PinnedContext.of({sha256}))


@dataclass
class Metal:
    """The machine as the test's hands reach it, past its BMC."""

    hall: Hall

    @property
    def domain(self) -> Any:
        return self.hall.connection.lookupByUUIDString(UUID)

    @property
    def console(self) -> Path:
        return self.hall.folder / "console"

    @property
    def on(self) -> bool:
        return bool(self.domain.isActive())

    @property
    def has_cd(self) -> bool:
        return "device='cdrom'" in self.domain.XMLDesc(2)

    def bmc(self, url: str | None = None, pin: str | None = None) -> Bmc:
        return Bmc.connect(url or self.hall.url, USER, PASSWORD, tls_sha256=pin or self.hall.tls_sha256)

    @property
    def said(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def put_on_disk(self, text: str) -> None:
        """The disk starts, says that, and goes on."""
        sector = program(text.encode(), ends=False).ljust(510, b"\0") + b"\x55\xaa"
        assert len(sector) == 512
        with (self.hall.folder / "disk.raw").open("r+b") as disk:
            disk.write(sector)

    def as_delivered(self, *, memory_mb: int = 256, disk_mb: int = 64) -> None:
        if self.on:
            self.domain.destroy()
        drive = f"{self.hall.url}/redfish/v1/Systems/{UUID}/VirtualMedia/Cd"
        with httpx.Client(auth=(USER, PASSWORD), transport=pinned(self.hall.tls_sha256), timeout=30) as hand:
            if hand.get(drive).json()["Inserted"]:
                hand.post(f"{drive}/Actions/VirtualMedia.EjectMedia", json={}).raise_for_status()
        self.console.unlink(missing_ok=True)
        self.domain.undefine()
        self.define(memory_mb=memory_mb, disk_mb=disk_mb)

    def define(self, *, memory_mb: int = 256, disk_mb: int = 64) -> None:
        with (self.hall.folder / "disk.raw").open("wb") as disk:
            disk.truncate(disk_mb << 20)
        self.hall.connection.defineXML(
            _DOMAIN.format(uuid=UUID, serial=SERIAL, mac=MAC, memory=memory_mb, folder=self.hall.folder)
        )


@pytest.fixture(scope="session")
def metal_hall() -> Iterator[Hall]:
    with hall() as there:
        Metal(there).define()
        yield there


@pytest.fixture
def metal(metal_hall: Hall) -> Iterator[Metal]:
    """A machine as it is delivered: off, its virtual drive empty, boot order its own."""
    machine = Metal(metal_hall)
    machine.as_delivered()
    yield machine
    if machine.on:
        machine.domain.destroy()
