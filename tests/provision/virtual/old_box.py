"""An old virtual machine on a real libvirt, only defined: what is wiped is what its host keeps, no guest is needed."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.provision.virtual.private_libvirt import PrivateLibvirt
from toolkit.disks.pieces import PIECE
from toolkit.provision.virtual.old_disks import OldVirtualDisks

UUID = "5f1d0f0c-8b5e-4f27-9d57-0d4d3c9b7a44"
SERIAL = "RB-OLD-0001"
CANARIES = (b"-----BEGIN PRIVATE KEY-----", b"canary in the middle", b"the last words")
DATA_BYTES = 6 << 20


def domain(disks: str, name: str = "old-box", uuid: str = UUID, serial: str = SERIAL) -> str:
    return f"""
<domain type="qemu"><name>{name}</name><uuid>{uuid}</uuid><memory unit="MiB">32</memory><vcpu>1</vcpu>
<sysinfo type="smbios"><system><entry name="serial">{serial}</entry><entry name="uuid">{uuid}</entry></system></sysinfo>
<os><type arch="x86_64" machine="pc">hvm</type><smbios mode="sysinfo"/></os>
<devices>{disks}<controller type="usb" model="none"/><memballoon model="none"/></devices></domain>"""


def disk(path: Path, device: str, serial: str = "", kind: str = "raw", more: str = "") -> str:
    told = f"<serial>{serial}</serial>" if serial else ""
    return (
        f'<disk type="file" device="disk"><driver name="qemu" type="{kind}"/><source file="{path}"/>'
        f'<target dev="{device}" bus="virtio"/>{told}{more}</disk>'
    )


@dataclass
class OldBox:
    """A machine that is off, with two disks full of canaries: a qcow2 laid over a base, and a sparse raw one."""

    hypervisor: PrivateLibvirt
    folder: Path
    state: Path
    told: list[Any] = field(default_factory=list)

    @property
    def system(self) -> Path:
        return self.folder / "system.qcow2"

    @property
    def data(self) -> Path:
        return self.folder / "data.raw"

    @property
    def base(self) -> Path:
        return self.folder / "base.raw"

    def lay(self) -> None:
        self.base.write_bytes(b"what it held before its snapshot".ljust(PIECE + 4096, b"."))
        qemu_img("create", "-q", "-f", "qcow2", "-b", self.base, "-F", "raw", self.system, "8M")
        qemu_io(self.system, "write -P 0x6b 2M 1M", "write -P 0x6b 7M 64k")
        with self.data.open("wb") as disk:
            disk.truncate(DATA_BYTES)
            for place, canary in zip((0, DATA_BYTES // 2 + 7, DATA_BYTES - len(CANARIES[2])), CANARIES, strict=True):
                disk.seek(place)
                disk.write(canary)
        self.define(domain(self.usual()))

    def usual(self, more: str = "") -> str:
        return disk(self.system, "vda", "OLD-0", "qcow2") + disk(self.data, "vdb", "OLD-1", more=more)

    def define(self, xml: str) -> None:
        file = self.hypervisor.folder / "domain.xml"
        file.write_text(xml)
        self.hypervisor.virsh("define", str(file))

    def disks(self, *serials: str, **changed: Any) -> OldVirtualDisks:
        """The disks named, the others left."""
        named = changed.get("disk_serials", serials or ("OLD-0", "OLD-1"))
        told: dict[str, Any] = {
            "uri": self.hypervisor.uri, "name": "old-box", "uuid": UUID, "serial_number": SERIAL,
            "disk_serials": named, "state": self.state, "off_seconds_max": 1.0,
            "leave": tuple({"OLD-0", "OLD-1"} - {*named}),
        }  # fmt: skip
        return OldVirtualDisks(**told | changed)

    def wipe(self, *serials: str, **changed: Any) -> None:
        disks = self.disks(*serials, **changed)
        disks.wipe(disks.disk_serials, "run-1", lambda _fraction, _phase: None, self.told.append)

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


def qemu_img(*words: object) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def qemu_io(disk: Path, *commands: str) -> None:
    words = [word for command in commands for word in ("-c", command)]
    subprocess.run(["qemu-io", "-f", "qcow2", *words, str(disk)], check=True, capture_output=True)
