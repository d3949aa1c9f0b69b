"""A stick is emptied only when its own serial number was said, and then it can be used; on loop devices and images."""

from pathlib import Path

import pytest

from tests.disks.block_devices import FailingDisk, loop, only_root, run
from tests.media.carrying import carry, check, something
from toolkit.disks.plugged import of_device, of_image
from toolkit.disks.volumes import find
from toolkit.media.formatting import format_stick
from toolkit.media.local import held
from toolkit.model.errors import InputError, MediaError, RefusedError


def used(folder: Path) -> Path:
    """An image full of something else."""
    path = folder / "stick.img"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    run("mkfs.ext4", "-q", "-F", "-L", "BEFORE", path)
    return path


@only_root
@pytest.mark.parametrize("kind", ["vfat", "exfat", "ext4"])
def test_a_formatted_stick_carries(tmp_path: Path, kind: str) -> None:
    with loop(used(tmp_path)) as device:
        made = format_stick(of_device(device.name), kind, "REBOX-1", str(device), [str(device)])
        assert (made.kind, made.label) == (kind, "REBOX-1")
        assert made == find(device)
        with held(of_device(device.name), [str(device)], writing=True) as carrier:
            carry(carrier, something(tmp_path), tmp_path / "state")
            check(carrier, tmp_path / "state")


def test_an_image_file_is_formatted_without_root(tmp_path: Path) -> None:
    path = used(tmp_path)
    assert format_stick(of_image(path), "vfat", "REBOX", str(path)).kind == "vfat"
    with held(of_image(path), writing=True) as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")
        check(carrier, tmp_path / "state")


@pytest.mark.parametrize("serial", ["", "4711", "stick.img"])
def test_another_serial_number_changes_nothing(tmp_path: Path, serial: str) -> None:
    path = used(tmp_path)
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="serial number is not this stick's") as refused:
        format_stick(of_image(path), "vfat", "REBOX", serial)
    assert path.read_bytes() == before
    assert refused.value.exit_status == 3


@pytest.mark.parametrize(("kind", "label"), [("ntfs", "REBOX"), ("vfat", "lower"), ("vfat", "-n"), ("vfat", "X" * 12)])
def test_what_cannot_be_made_is_refused_first(tmp_path: Path, kind: str, label: str) -> None:
    path = used(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError):
        format_stick(of_image(path), kind, label, str(path))
    assert path.read_bytes() == before


@only_root
def test_a_drive_that_is_mounted_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with loop(used(tmp_path)) as device:
        run("mount", device, place)
        try:
            with pytest.raises(RefusedError, match="in use"):
                format_stick(of_device(device.name), "vfat", "REBOX", str(device), [str(device)])
        finally:
            run("umount", place)
        assert find(device) is not None


@only_root
def test_a_drive_that_does_not_take_it_is_named(tmp_path: Path) -> None:
    disk = FailingDisk(tmp_path)
    try:
        with loop(disk.path) as device:
            disk.fail("pwrite")
            with pytest.raises(MediaError, match=str(device)):
                format_stick(of_device(device.name), "vfat", "REBOX", str(device), [str(device)])
    finally:
        disk.close()
