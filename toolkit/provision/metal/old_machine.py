"""The old box's machine: its disks are wiped by the installer, booted through its BMC; a `DiskWiper`."""

from collections.abc import Callable
from functools import cached_property

from toolkit.model.errors import VerificationError
from toolkit.model.execution import Progress, Result
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.installer_boot import InstallerBoot
from toolkit.provision.metal.jobs import WipeOrder
from toolkit.provision.metal.notebook import Record


class OldMachine:
    """One machine. Nothing is asked of its BMC before a call needs it."""

    def __init__(
        self,
        open_boot: Callable[[], InstallerBoot],
        disk_serials: tuple[str, ...],
        order: Callable[[MachineIdentity, str, str], WipeOrder] = WipeOrder,
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

    def wipe(self, disk_serial: str, occasion: str, progress: Progress) -> Result:
        """Boots the installer to wipe that disk and read all of it back; ends with the machine off.

        A wipe that was finished on this occasion is not done twice. Raises ReboxError.
        """
        boot = self.boot
        order = self._order(boot.meant, disk_serial, occasion)
        with boot.notebook.alone():
            if not _is_done(boot.notebook.read(), order):
                boot.carry_out("wipe", order.sha256, order.write_iso, progress, may_be_on=True)
            boot.check_machine()
            boot.put_back()
            record = boot.notebook.read()
        return _proof(record, disk_serial, boot.bmc.where)


def _is_done(record: Record | None, order: WipeOrder) -> bool:
    return record is not None and record.phase != "booting" and record.order_sha256 == order.sha256


def _proof(record: Record | None, disk_serial: str, where: str) -> Result:
    said = record.said if record else {}
    written, read = said.get("bytes_written"), said.get("bytes_read")
    if said.get("disk_serial") != disk_serial or not isinstance(read, int) or read <= 0 or read != written:
        raise VerificationError(
            f"the installer does not prove that it has wiped the disk {disk_serial}",
            where=where,
            why=f"it says disk {said.get('disk_serial')}, {written} bytes written and {read} read back",
            next_move="See the machine's console; wipe the disk by hand when in doubt.",
        )
    return {"disk_serial": disk_serial, "bytes_written": written, "bytes_read": read}
