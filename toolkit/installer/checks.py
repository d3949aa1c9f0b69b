"""Whether a job fits the machine: decided before a byte is written, from what the machine is."""

from collections.abc import Callable, Iterable

from toolkit.disks.facts import Disk
from toolkit.disks.refusal import Refused
from toolkit.installer.job import Job
from toolkit.installer.machine import Inventory

SEED_BYTES = 1 << 20
DATA_BYTES_MIN = 256 << 20
_END_BYTES = 1 << 20
_SECTOR_BYTES = 512


def targets(job: Job, machine: Inventory, medium: str) -> list[Disk]:
    """The disks that the job is about; `medium` is the name of the disk it was read from. Raises Refused."""
    if machine.serial != job.machine_serial:
        raise Refused(f"this machine's serial number is {machine.serial or 'not set'}, not {job.machine_serial}")
    missing = [mac for mac in job.macs if mac not in machine.macs]
    if missing:
        raise Refused(f"no port has the MAC {', '.join(missing)}; there are {', '.join(machine.macs) or 'none'}")
    found = [_one(machine.disks, serial) for serial in job.disk_serials]
    for disk in found:
        if disk.name == medium:
            raise Refused(f"the disk {disk.serial} is the medium that the installer runs from")
        if disk.read_only:
            raise Refused(f"the disk {disk.serial} cannot be written to: it is read-only")
    return found


def room(job: Job, disk: Disk, image_bytes: int, image_sha256: str) -> None:
    """Whether the medium's image is the one meant, and fits on the disk. Raises Refused."""
    if image_sha256 != job.image_sha256:
        raise Refused(f"the medium holds the image {image_sha256}, not {job.image_sha256}")
    if disk.sector_bytes != _SECTOR_BYTES:
        raise Refused(f"the disk {disk.serial} has sectors of {disk.sector_bytes} bytes; the image is made for 512")
    needed = image_bytes + _END_BYTES + (SEED_BYTES if job.seed is not None else 0)
    needed += DATA_BYTES_MIN if job.data_serial == disk.serial else 0
    if disk.size_bytes < needed:
        raise Refused(f"the disk {disk.serial} has {disk.size_bytes} bytes; {needed} are needed")


def data(job: Job, machine: Inventory, disk: Disk, holds: Callable[[Disk], str]) -> None:
    """Whether the box will find a disk for its data, so that it is not installed to stand there. Raises Refused.

    `holds` tells what lies on a disk: "nothing", "data" (a box's, by its label) or "other".
    """
    if job.seed is None:
        return
    for other in machine.disks:
        if other != disk and other.serial != job.data_serial and holds(other) == "data":
            raise Refused(f"the disk {other.serial or other.name} holds a box's data, which the new box would take up")
    if job.data_serial == disk.serial:
        return
    try:
        found = _one(machine.disks, job.data_serial)
    except Refused as refused:
        raise Refused(
            f"there is no place for the box's data: {refused}. With the system disk's serial number as the seed's "
            "data_disk_serial they lie on the system disk"
        ) from None
    if holds(found) == "other":
        raise Refused(f"the disk for the box's data, {found.serial}, is neither blank nor labelled as a box's data")


def _one(disks: Iterable[Disk], serial: str) -> Disk:
    there = list(disks)
    found = [disk for disk in there if disk.serial == serial]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{disk.serial or 'without serial number'} ({disk.name})" for disk in there) or "none"
    how_many = f"{len(found)} disks have" if found else "no disk has"
    raise Refused(f"{how_many} the serial number {serial}; there are {listed}")
