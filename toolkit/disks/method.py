"""Which way of erasing a disk is taken: its own commands where it has them, else discarding and overwriting."""

import fcntl

from toolkit.disks.commands import ata, nvme, scsi
from toolkit.disks.commands.door import OpenNvme, OpenScsi
from toolkit.disks.commands.technique import Offer, Technique
from toolkit.disks.commands.waiting import under_way
from toolkit.disks.facts import Disk
from toolkit.disks.refusal import Refused

AUTO, OVERWRITE = "auto", "overwrite"
OVERWRITE_WORDS = "overwrite with zeros"
_NVME_ID = 0x4E40  # linux/nvme_ioctl.h: _IO('N', 0x40)


def offered(disk: Disk, descriptor: int) -> Offer:
    """What an open disk offers; changes nothing. A USB bridge is asked nothing: many answer for the disk, wrongly."""
    if disk.transport == "nvme":
        try:
            namespace = fcntl.ioctl(descriptor, _NVME_ID)
        except OSError as error:
            return Offer(missing=f"the namespace has no number: {error.strerror}")
        return nvme.offer(OpenNvme(descriptor), namespace)
    if disk.transport == "sata":
        return ata.offer(OpenScsi(descriptor))
    if disk.transport == "scsi":
        return scsi.offer(OpenScsi(descriptor))
    return Offer()


def erasing(disk: Disk, descriptor: int) -> float | None:
    """How far a sanitize operation is that was begun before, which no power cut ends; None: the disk tells of none."""
    if disk.transport == "nvme":
        return under_way(lambda: nvme.sanitized(OpenNvme(descriptor)))
    if disk.transport == "sata":
        return under_way(lambda: ata.sanitized(OpenScsi(descriptor)))
    if disk.transport == "scsi":
        return under_way(lambda: scsi.sanitized(OpenScsi(descriptor)))
    return None


def tidy(disk: Disk, descriptor: int) -> None:
    """Takes away what a cut-off erasure has left in the disk itself: an ATA password of ours."""
    if disk.transport == "sata":
        ata.clear_password(OpenScsi(descriptor))


def choose(method: str, offer: Offer) -> tuple[Technique, ...]:
    """The techniques to try in turn before the disk is overwritten; raises Refused when it has not what is named."""
    if method == OVERWRITE:
        return ()
    if method == AUTO:
        return offer.techniques
    found = tuple(technique for technique in offer.techniques if technique.name == method)
    if not found:
        has = ", ".join([*(technique.name for technique in offer.techniques), OVERWRITE])
        why = f" ({offer.missing})" if offer.missing else ""
        raise Refused(f"the disk does not offer {method}; it offers {has}{why}")
    return found
