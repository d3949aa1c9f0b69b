"""What a BMC can do for us, small and typed; nothing it says it did is believed before it has been read back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sushy
from sushy import exceptions

from toolkit.appliances.connection import wait_until
from toolkit.model.errors import ApplianceError, InputError, VerificationError
from toolkit.provision.metal.bmc_answers import BootOverride, Disk, MachineFacts, Medium
from toolkit.provision.metal.bmc_session import open_session, translated, unknown_system

_POWER_SECONDS, _SETTLE_SECONDS = 60.0, 30.0


@dataclass
class Bmc:
    """One machine of one BMC. Every call raises ReboxError; `where` names the BMC in them."""

    root: sushy.Sushy
    system_path: str
    where: str
    grace_seconds: float = 120.0
    """How long a machine that was asked to shut down is waited for, before its power is cut."""
    sleep: Callable[[float], None] = field(default=time.sleep)
    monotonic: Callable[[], float] = field(default=time.monotonic)
    _found_drive: Any = field(default=None, init=False, repr=False)

    @classmethod
    def connect(
        cls,
        url: str,
        username: str,
        password: str,
        *,
        tls_sha256: str | None = None,
        ca_file: str | None = None,
        system: str | None = None,
    ) -> "Bmc":
        """Signs in and finds the machine; raises InputError when it is not told which, or is not there."""
        where = f"BMC {url}"
        root = open_session(url, username, password, tls_sha256=tls_sha256, ca_file=ca_file, where=where)
        with translated(where):
            paths = {path.rstrip("/").rpartition("/")[2]: path for path in _members(root.get_system_collection())}
        if system is None and len(paths) == 1:
            return cls(root, next(iter(paths.values())), where)
        if system is None or system not in paths:
            raise unknown_system(system, sorted(paths), where)
        return cls(root, paths[system], where)

    # -------------------------------------------------------------------------------------------------- looking

    def facts(self) -> MachineFacts:
        """The machine as the BMC knows it now."""
        with translated(self.where):
            system = self._system()
            macs = {
                str(mac).lower()
                for port in _collection(system, "ethernet_interfaces")
                if (mac := port.permanent_mac_address or port.mac_address)
            }
            return MachineFacts(
                system=system.identity,
                serial_number=(system.serial_number or "").strip() or None,
                uuid=(system.uuid or "").lower() or None,
                maker=system.manufacturer,
                model=system.model,
                macs=tuple(sorted(macs)),
                power=_value(system.power_state) or "unknown",
            )

    def disks(self) -> tuple[Disk, ...]:
        """The disks that the BMC knows of; some know none. Told, never relied on."""
        with translated(self.where):
            return _disks(self._system())

    def is_on(self) -> bool:
        """Whether the machine is on; one that is going on or off counts as on."""
        with translated(self.where):
            return _value(self._system().power_state) != "Off"

    def boot_override(self) -> BootOverride:
        """What the machine boots from next."""
        with translated(self.where):
            boot = self._system().boot
            return BootOverride(_value(boot.target), _value(boot.enabled)) if boot else BootOverride(None, None)

    def medium(self) -> Medium:
        """What is in the virtual drive now."""
        with translated(self.where):
            drive = self._drive()
            return Medium(bool(drive.inserted), drive.image or None)

    def read(self, path: str) -> dict[str, Any] | None:
        """A resource as the BMC has it now, None where there is none; for what has no call of its own here."""
        with translated(self.where):
            try:
                return dict(self.root._conn.get(path).json())
            except exceptions.ResourceNotFoundError:
                return None
            except TypeError:
                raise ValueError(f"{path} is no JSON object") from None

    # ------------------------------------------------------------------------------------------------- changing

    def order(self, target: str, body: dict[str, Any], what: str) -> None:
        """Carries out an action at its `target`; `what` is told when the BMC refuses."""
        with translated(self.where, what):
            self.root._conn.post(target, data=body)

    def start_without_booting(self) -> None:
        """Has it on, as far as its firmware's own pages where it can be told to stop there; its disks may be empty."""
        with translated(self.where):
            allowed = self._system().get_allowed_system_boot_source_values()
        # the own order of a machine without a system may end at somebody's network boot server
        for target in (sushy.BootSource.BIOS_SETUP, sushy.BootSource.HDD):
            if target in allowed:
                self._override(target, sushy.BootSourceOverrideEnabled.ONCE)
                break
        self.switch_on()

    def switch_on(self) -> None:
        """Has it on; returns when the BMC says that it is."""
        if not self.is_on():
            self._reset(sushy.ResetType.ON)
            self._wait(self.is_on, _POWER_SECONDS, "the machine does not go on")

    def start(self) -> None:
        """Asks for it to go on; a machine that goes off by itself soon may never be seen on."""
        self._reset(sushy.ResetType.ON)

    def switch_off(self, *, at_once: bool = False) -> None:
        """Has it off: asks its system first, unless `at_once`, and cuts the power when that does not help."""
        if not self.is_on():
            return
        if not at_once:
            try:
                self._reset(sushy.ResetType.GRACEFUL_SHUTDOWN)
                if self._within(lambda: not self.is_on(), self.grace_seconds):
                    return
            except ApplianceError:
                pass  # not every BMC can ask; the power can be cut anyway
        self._reset(sushy.ResetType.FORCE_OFF)
        self._wait(lambda: not self.is_on(), _POWER_SECONDS, "the machine does not go off")

    def boot_once_from_cd(self) -> None:
        """The next boot is from the virtual drive; the medium must be in it already."""
        self._override(sushy.BootSource.CD, sushy.BootSourceOverrideEnabled.ONCE)
        seen = self.boot_override()
        if seen.target not in ("Cd", "UsbCd") or seen.off:
            raise VerificationError(
                "the BMC took the boot override and does not have it",
                where=self.where,
                why=f"it boots from {seen.target}, {seen.enabled}",
                next_move="See the BMC's own log and firmware; nothing was written.",
            )

    def put_boot_back(self, found: BootOverride) -> None:
        """The boot override as it was found; one that the BMC has used up already is left as it is."""
        seen = self.boot_override()
        if seen == found or (seen.off and found.off):
            return
        if found.off:
            self._override(None, sushy.BootSourceOverrideEnabled.DISABLED)
        else:
            self._override(sushy.BootSource(found.target), sushy.BootSourceOverrideEnabled(found.enabled))
        seen = self.boot_override()
        if seen != found and not (seen.off and found.off):
            raise VerificationError(
                "the boot order is not what it was",
                where=self.where,
                why=f"found {found.target}, {found.enabled}; now {seen.target}, {seen.enabled}",
                next_move="Put it right in the BMC's own pages.",
            )

    def insert(self, url: str) -> None:
        """Has the BMC fetch the image at `url`; that it really does is seen by who serves it."""
        with translated(self.where, "the medium cannot be inserted"):
            self._drive().insert_media(url)
        seen = self.medium()
        if not seen.inserted:
            raise VerificationError(
                "the BMC took the medium and does not have it",
                where=self.where,
                next_move="See the BMC's own log; check that it can reach this machine.",
            )

    def eject(self) -> None:
        """Has the virtual drive empty."""
        if not self.medium().inserted:
            return
        with translated(self.where, "the medium cannot be ejected"):
            self._drive().eject_media()
        self._wait(lambda: not self.medium().inserted, _SETTLE_SECONDS, "the medium is still in the virtual drive")

    # -------------------------------------------------------------------------------------------------- details

    def _system(self) -> Any:
        return self.root.get_system(self.system_path)

    def _drive(self) -> Any:
        """The virtual drive as it is now; which one it is, is found out once."""
        if self._found_drive is None:
            self._found_drive = self._find_drive()
        else:
            self._found_drive.refresh(force=True)
        return self._found_drive

    def _find_drive(self) -> Any:
        system = self._system()
        drives = _collection(system, "virtual_media")
        for manager in () if drives else _collection(system, "managers"):
            drives += _collection(manager, "virtual_media")
        for drive in drives:
            if {_value(kind) for kind in drive.media_types} & {"CD", "DVD"}:
                return drive
        raise InputError(
            "the BMC has no virtual drive for an ISO",
            where=self.where,
            why="neither its system nor its manager offers virtual media of type CD or DVD",
            next_move='It may want a licence; else install by hand: driver = "operator".',
        )

    def _reset(self, how: sushy.ResetType) -> None:
        with translated(self.where, "the power cannot be switched"):
            self._system().reset_system(how)

    def _override(self, target: Any, enabled: Any) -> None:
        with translated(self.where, "the boot override cannot be set"):
            self._system().set_system_boot_options(target=target, enabled=enabled)

    def _within(self, check: Callable[[], bool], seconds: float) -> bool:
        return wait_until(check, seconds=seconds, interval=0.5, sleep=self.sleep, monotonic=self.monotonic)

    def _wait(self, check: Callable[[], bool], seconds: float, what: str) -> None:
        if not self._within(check, seconds):
            raise VerificationError(
                what, where=self.where, why=f"not within {seconds:.0f} s", next_move="See the BMC's own log."
            )


def _members(collection: Any) -> list[str]:
    return [str(path) for path in collection.members_identities]


def _collection(resource: Any, name: str) -> list[Any]:
    """The members of a collection that not every BMC has."""
    try:
        found = getattr(resource, name)
        return list(found.get_members() if hasattr(found, "get_members") else found)
    except (exceptions.MissingAttributeError, exceptions.ResourceNotFoundError):
        return []


def _disks(system: Any) -> tuple[Disk, ...]:
    """A BMC that stumbles over its storage is good enough for the rest."""
    found = [
        Disk(str(drive.name), drive.serial_number, drive.capacity_bytes)
        for storage in _offered(system, "storage")
        for drive in storage.drives
    ]
    if not found:
        found = [
            Disk(str(device.name), None, device.capacity_bytes)
            for storage in _offered(system, "simple_storage")
            for device in storage.devices
        ]
    return tuple(found)


def _offered(system: Any, name: str) -> list[Any]:
    try:
        return _collection(system, name)
    except exceptions.ServerSideError:
        return []


def _value(constant: Any) -> str | None:
    return None if constant is None else str(constant.value)
