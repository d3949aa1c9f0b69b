"""Where a new box comes from: one small protocol, whatever makes it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from toolkit.model.execution import Progress, Result
from toolkit.model.firmware import BiosState, BmcReset, BmcSeen, FirmwareScope, KeyDatabase


class Provisioner(Protocol):
    """Has a new box running. Every call looks first: done twice it is harmless."""

    def is_provided(self) -> bool:
        """Whether the box is there and running now; changes nothing."""
        ...

    def provide(self, progress: Progress) -> None:
        """Has the box running: makes it or switches it on, unless it is running already.

        Raises RefusedError when something else stands where it is to be made; then nothing has been changed.
        """
        ...

    def announced_tls_sha256(self) -> str | None:
        """The SHA-256 of the certificate that the box says it serves, heard where only the box can speak: its console.

        None where there is no such place, and the inventory's own fingerprint has to do.
        """
        ...

    def withdraw(self) -> bool:
        """Takes back what `provide` did; a box that was there before is never touched.

        True: the box is gone for good, with everything that was on it.
        """
        ...


DiskEnded = Callable[[Result], None]
"""Called with what is known of one disk whose wipe has ended."""


class DiskWiper(Protocol):
    """Overwrites the disks of a machine from outside of its own system, and reads them back."""

    @property
    def disk_serials(self) -> tuple[str, ...]:
        """The disks that are to be wiped."""
        ...

    def check_machine(self) -> None:
        """Raises RefusedError or UnknownStateError unless it is the machine that is meant; changes nothing."""
        ...

    def wipe(self, disk_serials: tuple[str, ...], occasion: str, progress: Progress, ended: DiskEnded) -> None:
        """Wipes disks in one go, each once for each `occasion` (a run's id), and reads them back.

        `ended` is handed what is told of a disk as soon as its wipe ends: `disk_serial`, `result` (`passed`, or it is
        not wiped), `bytes_written`, `bytes_read` and more; the same disk may be told twice. Raises ReboxError unless
        every one has passed.
        """
        ...

    def is_off(self) -> bool:
        """Whether the machine is off."""
        ...


class FirmwareResetter(Protocol):
    """The firmware of a machine, reset from outside of its own system where its BMC offers that.

    Every call raises ReboxError. What is not offered is None or empty, and is not asked for.
    """

    @property
    def scope(self) -> FirmwareScope:
        """How much is to be reset."""
        ...

    def check_machine(self) -> None:
        """Raises RefusedError or UnknownStateError unless it is the machine that is meant; changes nothing."""
        ...

    def bios(self) -> BiosState | None:
        """What the BIOS is set to; None: its reset is not offered."""
        ...

    def reset_bios(self) -> None:
        """Asks for the BIOS's defaults; done twice it is harmless."""
        ...

    def key_databases(self) -> tuple[KeyDatabase, ...]:
        """The Secure Boot keys; none: their reset is not offered, or cannot be read back."""
        ...

    def reset_keys(self) -> None:
        """Asks for the factory's keys."""
        ...

    def start(self) -> None:
        """Has the machine on, so that its firmware takes up what waits for a start."""
        ...

    def switch_off(self) -> None:
        """Has it off."""
        ...

    def bmc_reset(self) -> BmcReset | None:
        """How the BMC's own settings can be reset; None: not at all, or other machines depend on it."""
        ...

    def reset_bmc(self, how: BmcReset) -> None:
        """Asks for it; returns also when the BMC goes away instead of answering."""
        ...

    def bmc_seen(self) -> tuple[BmcSeen, str]:
        """Whether the BMC takes our account now, over a new connection, and what it said."""
        ...


@runtime_checkable
class TellsHow(Protocol):
    """A provisioner that has something to tell of how the box is run, which the run's evidence is to keep."""

    def how(self) -> str:
        """In one sentence, e.g. that it runs under software emulation, and why; empty when nothing is known."""
        ...


class ExistingBox:
    """The box is there and running, made by somebody else; it is only checked."""

    def is_provided(self) -> bool:
        """It was there before."""
        return True

    def provide(self, progress: Progress) -> None:
        """Nothing is made."""

    def announced_tls_sha256(self) -> None:
        """Nobody listens to its console."""

    def withdraw(self) -> bool:
        """Nothing was made, nothing is taken away."""
        return False
