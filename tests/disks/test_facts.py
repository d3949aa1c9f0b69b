"""What a disk is, from a sysfs laid as the kernel lays it, and of a loop device from the kernel itself."""

from pathlib import Path

from tests.disks.block_devices import disk_of, loop, only_root
from toolkit.disks.facts import Disk, disks


def entry(system: Path, name: str, place: str = "devices", **files: str | bytes) -> Path:
    """A disk under `place`, and the name that leads to it."""
    folder = system / place / name
    for file, content in {"size": "16384", **files}.items():
        path = folder / file.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (system / "class/block").mkdir(parents=True, exist_ok=True)
    (system / "class/block" / name).symlink_to(folder)
    return folder


def only(system: Path) -> Disk:
    (disk,) = disks(system)
    return disk


def ata_page(serial: bytes, firmware: bytes, model: bytes) -> bytes:
    """The ATA information page with IDENTIFY DEVICE in it: two letters a word, the second first."""
    identify = bytearray(512)
    for first, count, text in ((10, 10, serial), (23, 4, firmware), (27, 20, model)):
        padded = text.ljust(2 * count)
        identify[2 * first : 2 * (first + count)] = b"".join(
            padded[at + 1 : at + 2] + padded[at : at + 1] for at in range(0, 2 * count, 2)
        )
    return bytes(60) + bytes(identify)


def test_a_sata_disk_tells_its_whole_model_and_firmware_and_no_vendor(tmp_path: Path) -> None:
    place = "devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block"
    entry(
        tmp_path, "sda", place,
        device__vendor="ATA     \n", device__model="SomeMaker SSD 8\n", device__rev="1B4Q\n",
        device__vpd_pg80=b"\0\x80\0\x08SERIAL-1",
        device__vpd_pg89=ata_page(b"SERIAL-1", b"RVT01B4Q", b"SomeMaker SSD 870 EVO"),
        device__wwid="naa.5002538f00000001\n", queue__rotational="0\n", queue__physical_block_size="4096\n",
        diskseq="7\n",
    )  # fmt: skip
    disk = only(tmp_path)
    assert (disk.vendor, disk.model, disk.firmware) == ("", "SomeMaker SSD 870 EVO", "RVT01B4Q")
    assert (disk.serial, disk.wwn, disk.diskseq) == ("SERIAL-1", "naa.5002538f00000001", 7)
    assert (disk.transport, disk.media_type) == ("sata", "solid-state disk (sata)")
    assert (disk.sector_bytes, disk.physical_sector_bytes) == (512, 4096)


def test_a_sas_disk_tells_its_vendor_and_that_it_turns(tmp_path: Path) -> None:
    entry(
        tmp_path, "sdb", "devices/pci0000:00/host1/target1:0:0/1:0:0:0/block",
        device__vendor="MAKER   \n", device__model="HDD 15K\n", device__rev="0003\n", queue__rotational="1\n",
        device__wwid="t10.MAKER   HDD 15K  S2\n",
    )  # fmt: skip
    disk = only(tmp_path)
    assert (disk.vendor, disk.model, disk.firmware, disk.transport) == ("MAKER", "HDD 15K", "0003", "scsi")
    assert disk.media_type == "magnetic disk (scsi)"
    assert disk.wwn == "", "made of model and serial number, it is unique nowhere"


def test_an_nvme_disk_tells_its_controllers_facts_and_one_way_to_it_is_not_another_disk(tmp_path: Path) -> None:
    facts = {"device__model": "Fast SSD\n", "device__serial": "NV-1\n", "device__firmware_rev": "2B2Q\n"}
    entry(tmp_path, "nvme0n1", wwid="eui.0025385b71b00001\n", **facts)
    entry(tmp_path, "nvme0c0n1", hidden="1\n", **facts)
    disk = only(tmp_path)
    assert (disk.name, disk.serial, disk.firmware, disk.transport) == ("nvme0n1", "NV-1", "2B2Q", "nvme")
    assert disk.wwn == "eui.0025385b71b00001"


def test_a_stick_is_told_by_its_usb_device_and_nobodys_wwn_is_none(tmp_path: Path) -> None:
    place = "devices/pci0000:00/usb1/1-1/1-1:1.0/host2/target2:0:0/2:0:0:0"
    entry(tmp_path, "sdc", f"{place}/block", wwid="naa.0000000000000000\n", removable="1\n")
    (tmp_path / place / "block/sdc/device").symlink_to(tmp_path / place)
    for name, content in {"idVendor": "1234", "serial": "STICK-1\n", "manufacturer": "Maker\n"}.items():
        (tmp_path / "devices/pci0000:00/usb1/1-1" / name).write_text(content)
    disk = only(tmp_path)
    assert (disk.serial, disk.vendor, disk.transport, disk.wwn) == ("STICK-1", "Maker", "usb", "")


def test_virtual_disks_claim_nothing_and_loops_are_told_only_when_they_are_asked_for(tmp_path: Path) -> None:
    entry(tmp_path, "vda", serial="V-1\n", device__vendor="0x1af4\n", queue__rotational="1\n")
    entry(tmp_path, "loop0", loop__backing_file="/srv/disk image.raw\n")
    entry(tmp_path, "loop1", size="0")
    assert (only(tmp_path).media_type, only(tmp_path).vendor) == ("virtual disk (virtio)", "")
    told = {disk.name: disk.identity for disk in disks(tmp_path, loops=True)}
    assert told == {"loop0": "/srv/disk image.raw", "vda": "V-1"}


@only_root
def test_a_loop_device_is_known_by_its_file_and_has_no_serial_number(tmp_path: Path) -> None:
    file = tmp_path / "disk.raw"
    file.write_bytes(bytes(1 << 20))
    with loop(file) as device:
        disk = disk_of(device)
        assert (disk.serial, disk.identity, disk.size_bytes) == ("", str(file), 1 << 20)
        assert (disk.transport, disk.media_type) == ("loop", "loop device")
        assert device.name in {one.name for one in disks(loops=True)}
        assert device.name not in {one.name for one in disks()}
