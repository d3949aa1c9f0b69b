"""What the buttons at the foot of *Status > Basics* do: reboot, shut-down and the factory reset (requirement H8)."""

from collections.abc import Callable

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.certificates import Certificates
from toolkit.emulator.appliance.condition import Condition
from toolkit.emulator.appliance.facts import ResetStarted, ResetStatus
from toolkit.emulator.appliance.identity import Identity, PlacedAddress
from toolkit.emulator.appliance.jobs import Jobs
from toolkit.emulator.appliance.network import Network
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.reset import Reset
from toolkit.emulator.appliance.states import BoxEvent, BoxState
from toolkit.emulator.appliance.support_sessions import SupportSessions
from toolkit.emulator.appliance.tls_settings import Tls
from toolkit.emulator.appliance.versions import Versions


class Power:
    """`switch_off` ends the process, or starts it anew; `say` writes a line on the console."""

    def __init__(
        self,
        identity: Identity,
        condition: Condition,
        reset: Reset,
        jobs: Jobs,
        audit: Audit,
        *,
        network: Network,
        certificates: Certificates,
        tls: Tls,
        versions: Versions,
        support_sessions: SupportSessions,
        switch_off: Callable[[bool], None],
        say: Callable[[str], None],
    ) -> None:
        self._identity = identity
        self._condition = condition
        self._reset = reset
        self._jobs = jobs
        self._audit = audit
        self._network = network
        self._certificates = certificates
        self._tls = tls
        self._versions = versions
        self._support_sessions = support_sessions
        self._switch_off = switch_off
        self._say = say

    def reboot(self, by: str) -> None:
        """Starts again once the current answers are out."""
        self._off(by, "reboot", again=True)

    def shut_down(self, by: str) -> None:
        """Ends once the current answers are out."""
        self._off(by, "shut-down", again=False)

    def reset(self, by: str, serial_number: str) -> ResetStarted:
        """Begins to destroy everything; 409 `serial_number` when it is another box's, else when busy."""
        if serial_number != self._identity.serial_number:
            raise Refusal(
                409,
                "serial_number",
                f"This box's serial number is {self._identity.serial_number}: nothing was done. Is it the right box?",
            )
        self._jobs.refuse_if_running()
        self._network.refuse_while_held()
        self._condition.move(BoxEvent.RESET_BEGAN)
        own = tuple(
            PlacedAddress(one.interface, f"{one.address}/{one.prefix}")
            for one in self._network.addresses()
            if one.enabled and not one.shared
        )
        self._audit.record(by, "reset", serial_number=serial_number)
        certificate = self._reset.next_certificate
        self._reset.intend(self._versions.base, own)
        self._say("factory reset: began")
        self._network.withdraw_from_service()
        self.go_on_resetting()
        return ResetStarted(job="reset", next_tls_sha256=certificate.sha256)

    def go_on_resetting(self) -> None:
        """Carries out a reset that was intended, just now or before a crash."""
        self._reset.begin(self._reset_ended)

    def reset_status(self) -> ResetStatus:
        """How far it is; a box that was taken into use again says none."""
        record = self._reset.record
        state = record.state if record is not None else "none"
        if self._condition.state is BoxState.RESETTING:
            state = "resetting"  # written down as complete, and not yet answering as a reset box
        return ResetStatus(
            serial_number=self._identity.serial_number,
            state=state,
            progress=self._reset.progress,
            finished=record.finished if record is not None else None,
            next_tls_sha256=self._reset.next_certificate.sha256,
        )

    @property
    def data_key_destroyed(self) -> bool:
        """Whether nobody can read any more what the box kept before the last reset."""
        return self._reset.data_key_destroyed

    def _reset_ended(self) -> None:
        self._certificates.serve_all()
        self._tls.apply()
        self._condition.move(BoxEvent.RESET_ENDED)
        self._say("factory reset: complete")

    def _off(self, by: str, action: str, *, again: bool) -> None:
        before = self._condition.state
        self._condition.move(BoxEvent.SWITCHED_OFF)
        self._audit.record(by, action)
        self._support_sessions.end_all(by, f"{action} of the appliance")
        if before is BoxState.RESET_COMPLETE:
            self._reset.switch_off()
        self._switch_off(again)
