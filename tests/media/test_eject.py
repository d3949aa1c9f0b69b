"""A stick that may be pulled out: all is on it and the kernel has let go, or what could not be done is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.disks.block_devices import image, loop, only_root, run
from tests.disks.test_plugged import SCSI, USB, system_with
from toolkit.disks import ejecting
from toolkit.disks.plugged import of_device, of_image
from toolkit.media.eject import eject
from toolkit.model.errors import RefusedError


@only_root
def test_a_loop_device_is_detached(tmp_path: Path) -> None:
    with loop(image(tmp_path / "stick.img", "vfat")) as device:
        ejected = eject(of_device(device.name))
        assert ejected.gone
        assert not ejected.not_done
        assert Path(f"/sys/class/block/{device.name}/size").read_text().strip() == "0"


@only_root
def test_one_that_somebody_uses_stays(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with loop(image(tmp_path / "stick.img", "ext4")) as device:
        run("mount", device, place)
        try:
            with pytest.raises(RefusedError, match="in use"):
                eject(of_device(device.name))
        finally:
            run("umount", place)
        assert Path(f"/sys/class/block/{device.name}/size").read_text().strip() != "0"


def test_an_image_file_has_no_port(tmp_path: Path) -> None:
    ejected = eject(of_image(image(tmp_path / "stick.img", "vfat")))
    assert (ejected.done, ejected.not_done) == (("everything that was written is on it",), ())


def test_a_usb_stick_is_taken_away_and_then_its_port_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No USB port can be had in a container: its files are laid out as sysfs lays them, its disk is an image file."""
    monkeypatch.setattr(ejecting, "_SECONDS_MAX", 0.1)
    system = system_with(tmp_path / "sys")
    ways = [system / SCSI / "delete", system / USB / "remove"]
    for way in ways:
        way.write_text("")
    stick = replace(of_device("sdz", system), path=tmp_path / "sdz")
    image(stick.path, "vfat")
    ejected = ejecting.let_go(stick, system)
    assert [way.read_text() for way in ways] == ["1", "1"]
    assert [what.split()[:3] for what in ejected.done[1:]] == [["the", "drive", "was"], ["its", "USB", "port"]]
    assert not ejected.gone
    assert ejected.not_done == ("the kernel still has the device",)
