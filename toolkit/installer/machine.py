"""What the machine is: serial number, network ports, and disks by their serial numbers, read from sysfs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolkit.disks.facts import Disk, disks, text

_LOOKED_AT = 1 << 20
_VOLUME, _LABEL = 16 * 2048, slice(40, 72)


@dataclass(frozen=True)
class Inventory:
    """The machine as it is now."""

    serial: str
    macs: tuple[str, ...]
    disks: tuple[Disk, ...]
    firmware: str

    def as_json(self) -> dict[str, Any]:
        """For people and programs."""
        return asdict(self)


def inventory(system: Path = Path("/sys")) -> Inventory:
    """What is there now; more may turn up while drivers are loaded."""
    return Inventory(
        serial=text(system / "class/dmi/id/product_serial"),
        macs=tuple(sorted({mac for _, mac in ports(system)})),
        disks=tuple(disks(system)),
        firmware="uefi" if (system / "firmware/efi").exists() else "bios",
    )


def ports(system: Path = Path("/sys")) -> Iterator[tuple[str, str]]:
    """Name and MAC of each network port that is a device."""
    for folder in sorted((system / "class/net").iterdir()):
        if (folder / "device").exists():
            yield folder.name, text(folder / "address").lower()


def holds(disk: Disk, devices: Path = Path("/dev")) -> str:
    """What lies on a disk: "nothing" (zeros at its beginning and end), "data" (a box's, by its label) or "other"."""
    with (devices / disk.name).open("rb", buffering=0) as file:
        start = file.read(_LOOKED_AT)
        file.seek(max(0, disk.size_bytes - _LOOKED_AT))
        if not any(start) and not any(file.read(_LOOKED_AT)):
            return "nothing"
    # ext4: magic number and label in the superblock, at byte 1024
    labelled = start[1080:1082] == b"\x53\xef" and start[1144:1160].rstrip(b"\0") == b"rebox-data"
    return "data" if labelled else "other"


def volume_label(device: Path) -> str:
    """The label of the ISO 9660 volume on a disk; "" when it holds none."""
    try:
        with device.open("rb", buffering=0) as file:
            file.seek(_VOLUME)
            volume = file.read(2048)
    except OSError:
        return ""  # a drive without a medium
    return volume[_LABEL].decode("ascii", errors="replace").strip() if volume[1:6] == b"CD001" else ""
