"""What sysfs tells of a drive, from trees laid out as the kernel lays them; real loop devices as well."""

from pathlib import Path

import pytest

from tests.disks.block_devices import loop, only_root
from toolkit.disks.facts import usb_device
from toolkit.disks.plugged import of_device, of_image, plugged
from toolkit.disks.refusal import Refused

USB = "devices/pci0000:00/0000:00:14.0/usb1/1-2"
SCSI = f"{USB}/1-2:1.0/host6/target6:0:0/6:0:0:0"


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def system_with(folder: Path, *, removable: str = "1", usb: bool = True, size: str = "15633408") -> Path:
    lay(folder, {f"{SCSI}/vendor": "SanDisk \n", f"{SCSI}/model": "Cruzer Blade    \n"})
    if usb:
        lay(folder, {f"{USB}/idVendor": "0781\n", f"{USB}/serial": "4C530001\n", f"{USB}/manufacturer": "SanDisk\n"})
    disk = folder / SCSI / "block/sdz"
    lay(disk, {"size": f"{size}\n", "removable": f"{removable}\n", "ro": "0\n", "dev": "65:144\n"})
    lay(disk, {"sdz1/partition": "1\n", "sdz1/size": "1000\n"})
    (disk / "device").symlink_to(folder / SCSI)
    (folder / "class/block").mkdir(parents=True)
    for each in (disk, disk / "sdz1"):
        (folder / "class/block" / each.name).symlink_to(each)
    return folder


def test_a_usb_stick_says_who_made_it_and_where_it_is_plugged_in(tmp_path: Path) -> None:
    (stick,) = plugged(system_with(tmp_path))
    assert (stick.path, stick.vendor, stick.model) == (Path("/dev/sdz"), "SanDisk", "Cruzer Blade")
    assert (stick.serial, stick.bus, stick.port) == ("4C530001", "usb", "1-2")
    assert (stick.size_bytes, stick.removable, stick.read_only) == (15633408 * 512, True, False)
    assert stick.confirmed_by == "4C530001"
    assert usb_device(tmp_path / "class/block/sdz") == (tmp_path / USB).resolve()


def test_a_disk_in_a_usb_case_counts_though_it_calls_itself_fixed(tmp_path: Path) -> None:
    assert [stick.path.name for stick in plugged(system_with(tmp_path, removable="0"))] == ["sdz"]


def test_a_fixed_disk_is_none_and_a_drive_without_a_medium_neither(tmp_path: Path) -> None:
    assert not [*plugged(system_with(tmp_path / "fixed", removable="0", usb=False))]
    assert not [*plugged(system_with(tmp_path / "empty", size="0"))]


def test_a_partition_is_refused_with_the_name_of_its_drive(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="a part of sdz"):
        of_device("sdz1", system_with(tmp_path))
    with pytest.raises(Refused, match="no block device"):
        of_device("sdy", tmp_path)


@only_root
def test_a_loop_device_is_not_removable_and_is_confirmed_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "stick.img").write_bytes(bytes(1 << 20))
    with loop(tmp_path / "stick.img", "--read-only") as device:
        stick = of_device(device.name)
        assert (stick.bus, stick.removable, stick.read_only, stick.size_bytes) == ("loop", False, True, 1 << 20)
        assert (stick.model, stick.confirmed_by) == (str(tmp_path / "stick.img"), str(device))
        assert device not in [each.path for each in plugged()]


def test_an_image_file_stands_for_a_stick_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "stick.img").write_bytes(bytes(1 << 20))
    stick = of_image(tmp_path / "stick.img")
    assert (stick.bus, stick.size_bytes, stick.read_only) == ("file", 1 << 20, False)
    for path in (tmp_path, tmp_path / "absent", Path("/dev/null")):
        with pytest.raises(Refused, match=path.name):
            of_image(path)
