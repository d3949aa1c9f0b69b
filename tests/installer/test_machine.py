"""What the machine is, from a sysfs laid as the kernel lays it."""

from pathlib import Path

from toolkit.disks.facts import Disk
from toolkit.installer.machine import holds, inventory, ports


def entry(system: Path, place: str, **files: str | bytes) -> Path:
    folder = system / place
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def machine(system: Path) -> Path:
    entry(system, "class/dmi/id", product_serial="SRV-1\n")
    entry(system, "class/net/lo", address="00:00:00:00:00:00")
    entry(system, "class/net/eth0", address="52:54:00:00:00:AA\n", device__uevent="")
    entry(system, "class/block/vda", size="2048", serial="VIRTIO", ro="0", removable="0")
    entry(system, "class/block/vda/vda1", partition="1", size="1024")
    (system / "class/block/vda1").symlink_to("vda/vda1")
    entry(system, "class/block/nvme0n1", size="4096", device__serial="NVME-1  ", device__model="Fast  ")
    entry(system, "class/block/sda", size="8192", device__vpd_pg80=b"\0\x80\0\x08 SATA-1 ", ro="1")
    usb = entry(system, "devices/usb1/1-1", idVendor="1234", serial="STICK-1\n")
    entry(system, "devices/usb1/1-1/host/target/block", model="Stick")
    stick = entry(system, "class/block/sdb", size="8192", removable="1", queue__logical_block_size="4096")
    (stick / "device").symlink_to(usb / "host/target/block")
    entry(system, "class/block/sr0", size="0")
    entry(system, "class/block/loop0", size="9")
    return system


def test_disks_are_told_by_serial_number_however_they_are_attached(tmp_path: Path) -> None:
    found = inventory(machine(tmp_path))
    assert (found.serial, found.macs, found.firmware) == ("SRV-1", ("52:54:00:00:00:aa",), "bios")
    assert {disk.name: (disk.serial, disk.size_bytes) for disk in found.disks} == {
        "nvme0n1": ("NVME-1", 4096 * 512),
        "sda": ("SATA-1", 8192 * 512),
        "sdb": ("STICK-1", 8192 * 512),
        "vda": ("VIRTIO", 2048 * 512),
    }
    stick = next(disk for disk in found.disks if disk.name == "sdb")
    assert (stick.removable, stick.sector_bytes, stick.model) == (True, 4096, "Stick")
    assert [disk.name for disk in found.disks if disk.read_only] == ["sda"]
    assert list(ports(tmp_path)) == [("eth0", "52:54:00:00:00:aa")]


def test_a_machine_that_tells_no_serial_number_has_none(tmp_path: Path) -> None:
    for place in ("class/net", "class/block", "firmware/efi"):
        entry(tmp_path, place)
    found = inventory(tmp_path)
    assert (found.serial, found.macs, found.disks, found.firmware) == ("", (), (), "uefi")


def test_what_lies_on_a_disk_is_nothing_a_boxs_data_or_something_else(tmp_path: Path) -> None:
    disk = Disk("vdb", "D1", "", 4 << 20, read_only=False, removable=False)
    place = tmp_path / "vdb"

    def with_bytes(at: int, content: bytes) -> str:
        written = bytearray(4 << 20)
        written[at : at + len(content)] = content
        place.write_bytes(written)
        return holds(disk, tmp_path)

    assert with_bytes(0, b"") == "nothing"
    assert with_bytes((4 << 20) - 1, b"\x01") == "other"
    superblock = b"\x53\xef".ljust(64, b"\0") + b"rebox-data".ljust(16, b"\0")
    assert with_bytes(1080, superblock) == "data"
    assert with_bytes(1080, superblock.replace(b"rebox-data", b"other-data")) == "other"
