"""Whether a job fits a machine: every reason not to write, each with what the machine is instead."""

from dataclasses import replace

import pytest

from toolkit.disks.facts import Disk
from toolkit.disks.refusal import Refused
from toolkit.installer import checks
from toolkit.installer.job import Job, read_job
from toolkit.installer.machine import Inventory

MIB = 1 << 20
IMAGE = "ab" * 32
SYSTEM = Disk("sda", "S1", "Disk", 2048 * MIB, read_only=False, removable=False)
DATA = Disk("sdb", "rebox-data", "Disk", 1024 * MIB, read_only=False, removable=False)
MEDIUM = Disk("sr0", "", "DVD", 150 * MIB, read_only=True, removable=True)
MACHINE = Inventory("SRV-1", ("52:54:00:00:00:01", "52:54:00:00:00:02"), (SYSTEM, DATA, MEDIUM), "uefi")
JOB = Job(
    job_id="1", action="install", machine_serial="SRV-1", macs=("52:54:00:00:00:02",), disk_serials=("S1",),
    image_sha256=IMAGE, seed={"serial_number": "VM-1"}, authorized_keys=(), network=None, report=None, then="power-off",
)  # fmt: skip


def holds(**told: str) -> object:
    return lambda disk: told.get(disk.name, "nothing")


def test_the_disk_is_the_one_with_the_serial_number_whatever_its_name() -> None:
    swapped = replace(MACHINE, disks=(replace(DATA, name="sda"), replace(SYSTEM, name="sdb")))
    assert [disk.name for disk in checks.targets(JOB, swapped, "sr0")] == ["sdb"]


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (replace(MACHINE, serial="SRV-2"), "serial number is SRV-2, not SRV-1"),
        (replace(MACHINE, serial=""), "serial number is not set"),
        (replace(MACHINE, macs=("52:54:00:00:00:01",)), "no port has the MAC 52:54:00:00:00:02"),
        (replace(MACHINE, disks=(DATA,)), "no disk has the serial number S1"),
        (replace(MACHINE, disks=(SYSTEM, replace(SYSTEM, name="sdc"))), "2 disks have the serial number S1"),
        (replace(MACHINE, disks=(replace(SYSTEM, name="sr0"),)), "is the medium that the installer runs from"),
        (replace(MACHINE, disks=(replace(SYSTEM, read_only=True),)), "read-only"),
    ],
)
def test_another_machine_is_refused_with_what_it_is(machine: Inventory, words: str) -> None:
    with pytest.raises(Refused, match=words):
        checks.targets(JOB, machine, "sr0")


def test_an_image_that_is_not_the_one_meant_or_does_not_fit_is_refused() -> None:
    checks.room(JOB, SYSTEM, 640 * MIB, IMAGE)
    with pytest.raises(Refused, match="holds the image cdcd"):
        checks.room(JOB, SYSTEM, 640 * MIB, "cd" * 32)
    with pytest.raises(Refused, match="are needed"):
        checks.room(JOB, replace(SYSTEM, size_bytes=641 * MIB), 640 * MIB, IMAGE)
    checks.room(JOB, replace(SYSTEM, size_bytes=642 * MIB), 640 * MIB, IMAGE)
    with pytest.raises(Refused, match="sectors of 4096"):
        checks.room(JOB, replace(SYSTEM, sector_bytes=4096), 640 * MIB, IMAGE)


def test_a_box_needs_a_place_for_its_data() -> None:
    checks.data(JOB, MACHINE, SYSTEM, holds())  # type: ignore[arg-type]  # a lambda of the right shape
    checks.data(JOB, MACHINE, SYSTEM, holds(sdb="data"))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="neither blank nor"):
        checks.data(JOB, MACHINE, SYSTEM, holds(sdb="other"))  # type: ignore[arg-type]
    alone = replace(MACHINE, disks=(SYSTEM, MEDIUM))
    with pytest.raises(Refused, match="data_disk_serial they lie on the system disk"):
        checks.data(JOB, alone, SYSTEM, holds())  # type: ignore[arg-type]
    on_the_system_disk = replace(JOB, seed={"data_disk_serial": "S1"})
    checks.data(on_the_system_disk, alone, SYSTEM, holds())  # type: ignore[arg-type]
    with pytest.raises(Refused, match="rebox-data holds a box's data, which the new box would take up"):
        checks.data(on_the_system_disk, MACHINE, SYSTEM, holds(sdb="data"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'"text"', b'{"action": "format"}', b'{"action": "wipe"}', b'{"action": "wipe", "macs": 7}', b"\xff"],
)
def test_a_job_that_cannot_be_understood_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        read_job(content)


def test_no_job_is_no_job_and_one_without_action_takes_stock() -> None:
    assert read_job(b" " * 100) is None
    job = read_job(b"{}   ")
    assert job is not None
    assert job.action == "inspect"
