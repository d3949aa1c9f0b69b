"""Whether a device is still the one that was opened; with loop devices, so that most of it needs root."""

import os
from pathlib import Path

import pytest

from tests.disks.block_devices import change_medium, loop, only_root
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.refusal import Failed
from toolkit.disks.volumes import Gone


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    path = tmp_path / "stick.img"
    path.write_bytes(os.urandom(1 << 20))
    return path


def test_a_file_that_stays_is_live_and_one_that_goes_is_not(medium: Path) -> None:
    device = LiveDevice(medium, writing=True)
    device.check()
    medium.unlink()
    with pytest.raises(Gone, match="not there any more"):
        device.check()
    device.close()


def test_a_file_in_its_place_is_another(medium: Path) -> None:
    device = LiveDevice(medium, writing=True)
    copy = medium.with_name("copy")
    copy.write_bytes(medium.read_bytes())
    copy.replace(medium)
    with pytest.raises(Gone, match="another device"):
        device.check()
    device.close()


def test_a_file_that_is_cut_is_told_with_both_sizes(medium: Path) -> None:
    device = LiveDevice(medium, writing=True)
    os.truncate(medium, 1000)
    with pytest.raises(Gone, match="has 1000 bytes now, and had 1048576"):
        device.check()
    device.close()


def test_what_is_not_there_is_gone_from_the_start(tmp_path: Path) -> None:
    with pytest.raises(Gone, match="absent"):
        LiveDevice(tmp_path / "absent", writing=False)


@only_root
def test_each_medium_has_a_number_of_its_own(medium: Path) -> None:
    seen = set()
    for _ in range(3):
        with loop(medium) as path:
            device = LiveDevice(path, writing=True)
            device.check()
            seen.add(device.opened_as.sequence)
            device.close()
    assert len(seen) == 3
    assert "" not in seen


@only_root
def test_another_medium_in_the_same_drive_is_noticed(medium: Path) -> None:
    copy = medium.with_name("copy")
    copy.write_bytes(medium.read_bytes())
    with loop(medium, "--read-only") as path:
        device = LiveDevice(path, writing=False)
        change_medium(path, copy)
        with pytest.raises(Gone, match="another device"):
            device.check()
        device.close()


@only_root
def test_what_is_held_cannot_be_given_away(medium: Path) -> None:
    """While it is open its number is given to no other device, and alone means alone."""
    with loop(medium) as path:
        device = LiveDevice(path, writing=True, alone=True)
        with pytest.raises(Failed, match="it is mounted, or another program has it"):
            LiveDevice(path, writing=True, alone=True)
        device.close()
