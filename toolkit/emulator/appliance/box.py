"""The box: one object that holds its services; the API and the pages call nothing else.

The pages take it from `request.app.state.box`. Every rule lives in a service; a service refuses by raising
`refusal.Refusal` and has then changed nothing. Methods that change something take `by` (who asks, e.g.
`WebSession.actor`) first and write the audit themselves.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from ipaddress import ip_interface
from typing import Protocol

from pydantic import JsonValue

from toolkit.emulator.appliance.accounts import Accounts
from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.backups import Backups
from toolkit.emulator.appliance.certificates import Certificates
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.condition import Condition
from toolkit.emulator.appliance.content import Content, lay_first_site
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.facts import AuditEntry, Status
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.guarded_change import GuardedChange
from toolkit.emulator.appliance.identity import Identity
from toolkit.emulator.appliance.jobs import Jobs
from toolkit.emulator.appliance.listeners import Listeners
from toolkit.emulator.appliance.network import Network
from toolkit.emulator.appliance.power import Power
from toolkit.emulator.appliance.protocols import UpdateService
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.reset import Reset
from toolkit.emulator.appliance.site_users import SiteUsers
from toolkit.emulator.appliance.states import BoxEvent, BoxState
from toolkit.emulator.appliance.support_sessions import BOX, SupportSessions
from toolkit.emulator.appliance.tls import server_context
from toolkit.emulator.appliance.tls_settings import Tls
from toolkit.emulator.appliance.versions import Versions
from toolkit.emulator.appliance.wire import Wire


class Console(Protocol):
    """The screen at the box: what it says to whoever stands before it."""

    def say(self, line: str) -> None:
        """Writes one line."""
        ...


class Box:
    """A powered-on appliance. `switch_off(True)` starts the process anew, `switch_off(False)` ends it."""

    def __init__(
        self,
        disk: Disk,
        wires: Mapping[str, Wire],
        listeners: Listeners,
        console: Console,
        switch_off: Callable[[bool], None],
    ) -> None:
        self.disk = disk
        disk.refuse_unencrypted()
        self.identity = Identity.read(disk)
        self.clock = Clock(disk)
        self.faults = Faults(disk)
        self.boot_id = secrets.token_hex(8)
        self._booted = time.monotonic()
        self._listeners = listeners
        self._console = console
        self._database = database = Database(disk.database, disk.keys, power_may_fail=disk.power_may_fail)
        self._reset = Reset(disk, database, self.identity, self.clock, self.faults, say=console.say)
        if not self._reset.is_under_way:
            database.open()
        self.condition = Condition(self._wakes_as())
        self._audit = Audit(database, self.clock)
        self.jobs = Jobs(database)
        self.versions = Versions(database, lay_first_site)
        self.accounts = Accounts(database, self._audit, taken_into_use=self._taken_into_use)
        self.users = SiteUsers(database, self._audit, self.versions)
        self.content = Content(database, self._audit, disk, self.versions)
        self.support_sessions = SupportSessions(database, self._audit, self.clock, self.versions, self.refuse_if_busy)
        self.certificates = Certificates(database, self._audit, self.clock, listeners.serve)
        self.network = Network(
            database,
            self._audit,
            self.faults,
            wires,
            defined=lambda address: listeners.open(address, self.certificates.contexts()[address]),
            withdrawn=self._withdrawn,
            deleted=listeners.close,
        )
        self.network_change = GuardedChange(
            database, self._audit, self.clock, self.network, later=listeners.later, say=console.say
        )
        self.tls = Tls(database, self._audit, listeners.require)
        self.backups = Backups(
            database,
            self._audit,
            disk=disk,
            clock=self.clock,
            versions=self.versions,
            content=self.content,
            faults=self.faults,
            serial_number=self.identity.serial_number,
        )
        self.power = Power(
            self.identity,
            self.condition,
            self._reset,
            self.jobs,
            self._audit,
            network=self.network,
            certificates=self.certificates,
            tls=self.tls,
            versions=self.versions,
            support_sessions=self.support_sessions,
            switch_off=switch_off,
            say=console.say,
        )
        self._wires = wires

    @cached_property
    def updates(self) -> UpdateService:
        """*Support > Updates*."""
        # imported here: The Update Framework takes long to load, and most boxes are never asked
        from toolkit.emulator.appliance.updates import Updates  # noqa: PLC0415

        return Updates(self, stored_bytes=lambda: self.content.counts().recording_bytes)

    # power-on

    def power_on(self) -> None:
        """Takes its addresses, opens its listeners, says who it is, and goes on with what a crash interrupted."""
        self._console.say(f"serial number: {self.identity.serial_number}")
        if self.condition.state is BoxState.RESETTING:
            self._wake_resetting()
        else:
            self._wake()

    def power_off(self) -> None:
        """Lets go of its disk; the addresses are off the wire by then."""
        self._database.close()

    def _wake(self) -> None:
        self.disk.sweep()
        self.jobs.interrupt_all()
        self.support_sessions.wake()
        if any(self.disk.updates.iterdir()):
            self.updates.recover()
        self.network_change.power_on()
        self.tls.apply()
        for address, context in self.certificates.contexts().items():
            self._listeners.open(address, context)
        problems = self.network.power_on()
        for entry in self.network.addresses():
            kind, state = "shared address" if entry.shared else "address", "" if entry.enabled else " (disabled)"
            self._console.say(f"{kind}: {entry.address}/{entry.prefix} on {entry.interface}{state}")
            self._say_served(entry.address, self.certificates.served_on(entry.address) or "")
        for problem in problems:
            self._console.say(f"warning: {problem}")

    def _wake_resetting(self) -> None:
        """The state is being destroyed: the record of the reset holds all there is."""
        record = self._reset.record
        if record is None:
            raise AssertionError("only a box with a record of a reset wakes resetting")
        self._console.say("factory reset: goes on")
        context = server_context(record.certificate.chain_pem, record.certificate.key_pem)
        for interface, text in record.addresses:
            address = text.partition("/")[0]
            self._wires[interface].add(ip_interface(text), quiet=self.faults.is_set("no-announcements"))
            self._listeners.open(address, context)
            self._console.say(f"address: {text} on {interface}")
            self._say_served(address, record.certificate.sha256)
        self.power.go_on_resetting()

    def _say_served(self, address: str, sha256: str) -> None:
        host, port = self._listeners.place(address)
        self._console.say(f"listening: {address} at {f'[{host}]' if ':' in host else host}:{port}")
        self._console.say(f"certificate sha256: {sha256} on {address}")

    def _wakes_as(self) -> BoxState:
        record = self._reset.record
        if self._reset.is_under_way:
            return BoxState.RESETTING
        if self._database.row("SELECT 1 FROM admins WHERE must_change") is None:
            return BoxState.RUNNING
        complete = record is not None and not record.switched_off
        return BoxState.RESET_COMPLETE if complete else BoxState.FIRST_BOOT

    def _withdrawn(self, address: str) -> None:
        self._listeners.drop(address)
        self.support_sessions.address_left(address)

    def _taken_into_use(self) -> None:
        self.condition.move(BoxEvent.TAKEN_INTO_USE)
        self._reset.forget()

    # what it says

    def status(self) -> Status:
        """*Status > Basics* (requirement A3)."""
        return Status(
            model=self.identity.model,
            hostname=self._database.fact("hostname"),
            serial_number=self.identity.serial_number,
            guid=self.identity.guid,
            base_version=self.versions.base,
            site_version=self.versions.site,
            site_hostname=self.versions.site_hostname,
            time=self.clock.now(),
            boot_id=self.boot_id,
            uptime_seconds=round(time.monotonic() - self._booted, 3),
            state=self.condition.state,
            records=self.content.counts(),
            active_sessions=self.support_sessions.count(),
            capabilities=self.versions.capabilities,
        )

    def health(self) -> tuple[bool, str]:
        """Whether the box does its work, and why not."""
        if self.condition.state in (BoxState.RUNNING, BoxState.FIRST_BOOT):
            return True, "OK"
        return False, f"The box is not in service: {self.condition.state}."

    def refuse_if_busy(self) -> None:
        """503 `installing` or `resetting`: the box serves nobody."""
        self._refuse_in(BoxState.INSTALLING, BoxState.RESETTING)

    def refuse_if_resetting(self) -> None:
        """503 `resetting`: there is no state left to answer from."""
        self._refuse_in(BoxState.RESETTING)

    def _refuse_in(self, *states: BoxState) -> None:
        state = self.condition.state
        if state in states:
            raise Refusal(503, state.value, f"The box is busy: {state}. Ask again later.", retry_after_seconds=1)

    def audit(self, after: int) -> tuple[AuditEntry, ...]:
        """What was changed, by whom, with `seq` greater than `after`."""
        return self._audit.after(after)

    # what it does

    def set_clock(self, by: str, time: datetime) -> datetime:
        """Sets the box's clock; it runs on from there (requirement A3)."""
        before = self.clock.now()
        self.clock.set(time)
        self._audit.record(by, "set-clock", before=before.isoformat(), after=time.isoformat())
        return self.clock.now()

    def record(self, by: str, action: str, **detail: JsonValue) -> None:
        """Writes one line of the audit."""
        self._audit.record(by, action, **detail)

    @property
    def update_server(self) -> str | None:
        """The update server's URL; None: none was given at manufacture."""
        return self.identity.update_server

    @contextmanager
    def installing(self) -> Iterator[None]:
        """While inside, the box is out of service; every support session ends (requirement U7)."""
        self.condition.move(BoxEvent.INSTALL_BEGAN)
        try:
            self.support_sessions.end_all(BOX, "an update is being installed")
            yield
        finally:
            self.condition.move(BoxEvent.INSTALL_ENDED)

    def restart_services(self) -> None:
        """Closes every listener and connection for a moment; from a job's thread."""
        self._listeners.restart()

    def resolve(self, hostname: str) -> tuple[str, ...]:
        """The addresses of a name by the box's own DNS servers, else the system's; Refusal 502 `update_server`."""
        # imported here: only a box that looks for updates asks
        from toolkit.emulator.appliance.resolver import resolve  # noqa: PLC0415

        return resolve(hostname, tuple(self._database.fact("dns_servers")))
