"""The old box's machine: its firmware, reset through its BMC; a `FirmwareResetter`."""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from toolkit.model.errors import ApplianceError, AuthenticationError, UnreachableError
from toolkit.model.firmware import BiosState, BmcReset, BmcSeen, FirmwareScope, KeyDatabase
from toolkit.provision.metal.bmc_firmware import BmcFirmware
from toolkit.provision.metal.installer_boot import InstallerBoot


class OldFirmware:
    """One machine. Nothing is asked of its BMC before a call needs it."""

    def __init__(self, open_boot: Callable[[], InstallerBoot], scope: FirmwareScope) -> None:
        self._open_boot = open_boot
        self.scope = scope

    @cached_property
    def boot(self) -> InstallerBoot:
        """The machine with its BMC; signs in."""
        return self._open_boot()

    @property
    def _firmware(self) -> BmcFirmware:
        return BmcFirmware(self.boot.bmc)

    def check_machine(self) -> None:
        """Raises RefusedError or UnknownStateError unless it is the machine that is meant."""
        self.boot.check_machine()

    def bios(self) -> BiosState | None:
        """What the BIOS is set to; None: its reset is not offered."""
        return self._firmware.bios()

    def reset_bios(self) -> None:
        """Asks for the BIOS's defaults."""
        self._firmware.reset_bios()

    def key_databases(self) -> tuple[KeyDatabase, ...]:
        """The Secure Boot keys; none: their reset is not offered, or cannot be read back."""
        return self._firmware.key_databases()

    def reset_keys(self) -> None:
        """Asks for the factory's keys."""
        self._firmware.reset_keys()

    def start(self) -> None:
        """Has the machine on, in its firmware's own pages where it can be told to stop there."""
        self.boot.bmc.start_without_booting()

    def switch_off(self) -> None:
        """Has it off; nothing runs there any more that would have to be asked."""
        self.boot.bmc.switch_off(at_once=True)

    def bmc_reset(self) -> BmcReset | None:
        """How the BMC's own settings can be reset; None: not at all, or other machines depend on it."""
        return self._firmware.bmc_reset()

    def reset_bmc(self, how: BmcReset) -> None:
        """Asks for it; a BMC that goes away instead of answering has heard it, and `bmc_seen` will tell."""
        with suppress(UnreachableError):
            self._firmware.reset_bmc(how)

    def bmc_seen(self) -> tuple[BmcSeen, str]:
        """Whether the BMC takes our account now, over a new connection, and what it said."""
        try:
            self._open_boot().bmc.facts()
        except AuthenticationError as error:
            return "refuses-us", error.what
        except (ApplianceError, UnreachableError) as error:
            return "silent", error.why or error.what  # one that starts anew may answer before it can
        return "accepts-us", "the BMC takes our account"
