"""The disk that is meant is found by what it is, and proved again where it was opened."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.disks.block_devices import disk_of, loop, only_root
from toolkit.disks.facts import Disk, disks
from toolkit.disks.identity import Meant, find, prove, still
from toolkit.disks.refusal import Failed, Refused

A = Disk("sda", "S1", "", 100, read_only=False, removable=False, wwn="naa.1", diskseq=3)
B = Disk("sdb", "S2", "", 100, read_only=False, removable=False, wwn="naa.2", diskseq=4)


def test_a_disk_is_found_by_its_serial_number_under_whatever_name() -> None:
    assert find(Meant("S2"), [A, B]) is B
    assert find(Meant("S2"), [replace(B, name="sda"), replace(A, name="sdb")]).name == "sda"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([A], "no disk has the serial number S2; there are S1"),
        ([A, B, replace(B, name="sdc")], "2 disks have the serial number S2"),
        ([replace(B, name="sda"), replace(A, name="sdb")], "name sda, not sdb"),
        ([replace(B, size_bytes=200)], "size 200, not 100"),
        ([replace(B, wwn="naa.9")], "WWN naa.9, not naa.2"),
        ([replace(B, diskseq=9)], "diskseq 9, not 4"),
    ],
)
def test_a_disk_that_is_not_as_it_was_seen_is_refused(there: list[Disk], words: str) -> None:
    with pytest.raises(Refused, match=words):
        find(Meant.seen(B), there)


@only_root
def test_a_loop_that_got_another_file_since_is_refused_where_it_is_open(tmp_path: Path) -> None:
    """Names swapped between the look and the opening: the same name, and the disk behind it is another."""
    ours, other = tmp_path / "ours.raw", tmp_path / "other.raw"
    for file in (ours, other):
        file.write_bytes(bytes(1 << 20))
    with loop(ours) as device:
        meant = Meant.seen(disk_of(device))
        descriptor = os.open(device, os.O_RDONLY)
        try:
            prove(meant, descriptor)
            prove(Meant(str(ours)), descriptor)
        finally:
            os.close(descriptor)
        subprocess.run(["losetup", "--detach", str(device)], check=True)
        subprocess.run(["losetup", str(device), str(other)], check=True)
        descriptor = os.open(device, os.O_RDONLY)
        try:
            with pytest.raises(Refused, match=f"serial number {other}, not {ours}"):
                prove(meant, descriptor)
            with pytest.raises(Failed, match="what was opened is not the disk"):
                still(meant, descriptor)
            with pytest.raises(Refused):
                find(meant, disks(loops=True))
        finally:
            os.close(descriptor)


@only_root
def test_the_same_file_attached_anew_is_not_the_disk_that_was_seen(tmp_path: Path) -> None:
    """Size and serial number are the same: only the number in a row tells that it was away."""
    file = tmp_path / "disk.raw"
    file.write_bytes(bytes(1 << 20))
    with loop(file) as device:
        meant = Meant.seen(disk_of(device))
        subprocess.run(["losetup", "--detach", str(device)], check=True)
        subprocess.run(["losetup", str(device), str(file)], check=True)
        descriptor = os.open(device, os.O_RDONLY)
        try:
            with pytest.raises(Refused, match="diskseq"):
                prove(meant, descriptor)
        finally:
            os.close(descriptor)


def test_a_device_that_is_gone_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with pytest.raises(Refused, match="is gone"):
            prove(Meant("S1"), descriptor, tmp_path)
    finally:
        os.close(descriptor)
