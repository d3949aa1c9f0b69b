"""The old box's machine: its disks are wiped by the installer, booted through its BMC; a `DiskWiper`."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any

from toolkit.appliances.provisioner import DiskEnded
from toolkit.model.errors import VerificationError
from toolkit.model.execution import Progress, Result
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.installer_boot import InstallerBoot
from toolkit.provision.metal.jobs import WipeOrder
from toolkit.provision.metal.notebook import Record
from toolkit.provision.metal.voice import Event


class OldMachine:
    """One machine. Nothing is asked of its BMC before a call needs it."""

    def __init__(
        self,
        open_boot: Callable[[], InstallerBoot],
        disk_serials: tuple[str, ...],
        order: Callable[[MachineIdentity, tuple[str, ...], str], WipeOrder] = WipeOrder,
    ) -> None:
        self._open_boot = open_boot
        self.disk_serials = disk_serials
        self._order = order

    @cached_property
    def boot(self) -> InstallerBoot:
        """The machine with its BMC; signs in."""
        return self._open_boot()

    def check_machine(self) -> None:
        """Raises RefusedError or UnknownStateError unless it is the machine that is meant."""
        self.boot.check_machine()

    def is_off(self) -> bool:
        """As the BMC says."""
        return not self.boot.bmc.is_on()

    def wipe(self, disk_serials: tuple[str, ...], occasion: str, progress: Progress, ended: DiskEnded) -> None:
        """Boots the installer once, to wipe these disks and read them back; ends with the machine off.

        A wipe that was finished on this occasion is not done twice. Raises ReboxError.
        """
        boot = self.boot
        order = self._order(boot.meant, disk_serials, occasion)
        # of all its disks: what was wiped with others need not be wiped again alone
        sha256 = self._order(boot.meant, self.disk_serials, occasion).sha256

        def hear(event: Event) -> None:
            if event.get("phase") != "wiped" or event.get("disk_serial") not in disk_serials:
                return
            # one that claims to have passed and proves nothing is told in the end, as an error
            if is_proof(event) or event.get("result") != "passed":
                ended(dict(_of_disk(event)))

        with boot.notebook.alone():
            if not _is_done(boot.notebook.read(), sha256, disk_serials):
                boot.carry_out("wipe", sha256, order.write_iso, progress, may_be_on=True, hear=hear)
            boot.check_machine()
            boot.put_back()
            record = boot.notebook.read()
        for proof in _proofs(record, disk_serials, boot.bmc.where):
            ended(proof)


def _is_done(record: Record | None, order_sha256: str, wanted: Collection[str]) -> bool:
    if record is None or record.phase == "booting" or record.order_sha256 != order_sha256:
        return False
    return {*wanted} <= {str(disk.get("disk_serial")) for disk in _told(record)}


def _told(record: Record | None) -> list[Mapping[str, Any]]:
    disks = record.said.get("disks") if record else None
    return [disk for disk in disks if isinstance(disk, dict)] if isinstance(disks, list) else []


def _proofs(record: Record | None, wanted: Collection[str], where: str) -> list[Result]:
    proofs = {str(disk.get("disk_serial")): dict(_of_disk(disk)) for disk in _told(record)}
    for serial in wanted:
        proof = proofs.get(serial, {})
        if not is_proof(proof):
            raise VerificationError(
                f"the installer does not prove that it has wiped the disk {serial}",
                where=where,
                why=f"it says {proof.get('bytes_written')} bytes written and {proof.get('bytes_read')} read back",
                next_move="See the machine's console; wipe the disk by hand when in doubt.",
            )
    return [proofs[serial] for serial in wanted]


def is_proof(told: Mapping[str, Any]) -> bool:
    """Whether the installer says that it has overwritten all of a disk, and read all of it back."""
    written, read = told.get("bytes_written"), told.get("bytes_read")
    return told.get("result") == "passed" and isinstance(read, int) and read > 0 and read == written


def _of_disk(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in event.items() if name not in ("phase", "number", "of")}
