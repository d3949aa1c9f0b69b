"""A change of the network settings that undoes itself: whoever it cuts off cannot undo it, so the box does.

What was there before and the deadline are written to the disk, with the new settings and in one transaction, before
the wire is touched. Only a call over a connection that was opened after the change proves that the box can still be
reached; an older connection may live on by a route or an address that nobody new can use. Without that proof the box
goes back at the deadline, which is counted by a clock that never jumps, whatever the box's own clock is set to.

A box that is switched on with a change unconfirmed goes back at once, deadline or not: after a power cut its clock may
be wrong, and what it had before is known to have worked.
"""

import time
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import AwareDatetime

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.facts import Fact, NetworkChange, Route
from toolkit.emulator.appliance.network import Network
from toolkit.emulator.appliance.network_state import NetworkState, OwnAddress
from toolkit.emulator.appliance.network_values import host_name, ip, network, with_prefix
from toolkit.emulator.appliance.refusal import Refusal, conflict, invalid, not_found

OPENED = "opened_monotonic_seconds"
"""Under this name a request knows when its connection was opened."""


def opened(state: object) -> float:
    """When a request's connection was opened, by the monotonic clock; long ago when that cannot be told."""
    return float(getattr(state, OPENED, 0.0))


SECONDS_MIN, SECONDS_MAX = 1.0, 3600.0
_FACT = "network_change"


class _Kept(Fact):
    """The last change, as it lies on the disk; what it would go back to is dropped once it has ended."""

    id: str
    state: Literal["applying", "unconfirmed", "confirmed", "reverted"]
    by: str
    asked: AwareDatetime
    confirm_within_seconds: float
    reason: str | None = None
    before: NetworkState | None = None
    after: NetworkState | None = None


class GuardedChange:
    """The one change that may be under way. `later` runs something after so many seconds; `say` is the console."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        clock: Clock,
        network: Network,
        *,
        later: Callable[[float, Callable[[], None]], None],
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._network = network
        self._later = later
        self._say = say
        self._monotonic = monotonic
        self._deadline = 0.0
        self._applied = 0.0

    def power_on(self) -> None:
        """Before anything is on the wire: what was not confirmed is undone."""
        kept = self._kept()
        if kept is not None and kept.before is not None:
            self._network.write(kept.before)
            self._end(kept, "reverted", "the box was switched on before the change was confirmed")

    def last(self) -> NetworkChange | None:
        """The change under way, or the last one."""
        kept = self._kept()
        return None if kept is None else self._told(kept)

    def wants_new_connection(self, opened: float) -> bool:
        """Whether a change waits that a connection opened then cannot confirm."""
        kept = self._kept()
        return kept is not None and kept.before is not None and self._proves_nothing(kept, opened)

    def get(self, change_id: str) -> NetworkChange:
        """404 for any but the last."""
        return self._told(self._of(change_id))

    def begin(
        self,
        by: str,
        change_id: str,
        *,
        confirm_within_seconds: float,
        hostname: str | None = None,
        gateway: str | None = None,
        routes: Sequence[Route] | None = None,
        dns_servers: Sequence[str] | None = None,
        ntp_servers: Sequence[str] | None = None,
        addresses: Sequence[OwnAddress] | None = None,
    ) -> tuple[NetworkChange, bool]:
        """Writes down what will be and what was (None: stays; gateway "": none), and starts the clock; 409, 422.

        The number is the caller's, who asks again when an answer was lost: False with the change that is there, as it
        stands. `apply` is called once this has been answered: the answer must not be lost to the change itself.
        """
        if not SECONDS_MIN <= confirm_within_seconds <= SECONDS_MAX:
            raise invalid(f"A change is to be confirmed within {SECONDS_MIN:.0f} to {SECONDS_MAX:.0f} seconds.")
        with self._network.change_guarded():
            last = self._kept()
            if last is not None and last.id == change_id:
                return self._told(last), False
            self._network.refuse_while_held()
            before = self._network.state()
            after = NetworkState(
                hostname=before.hostname if hostname is None else host_name(hostname),
                gateway=before.gateway if gateway is None else str(ip(gateway)) if gateway else None,
                routes=before.routes if routes is None else tuple(_route(route) for route in routes),
                dns_servers=before.dns_servers if dns_servers is None else tuple(str(ip(one)) for one in dns_servers),
                ntp_servers=before.ntp_servers if ntp_servers is None else tuple(map(host_name, ntp_servers)),
                addresses=before.addresses if addresses is None else self._own(before, addresses),
            )
            self._refuse_unreachable(after)
            kept = _Kept(
                id=change_id,
                state="applying",
                by=by,
                asked=self._clock.now(),
                confirm_within_seconds=confirm_within_seconds,
                before=before,
                after=after,
            )
            with self._database.change():
                self._network.write(after)
                self._keep(kept)
                self._audit.record(by, "begin-network-change", id=kept.id, seconds=confirm_within_seconds)
            self._database.forget()  # onto the disk itself: it has to outlive a power cut
            self._network.hold(True)
            self._deadline = self._monotonic() + confirm_within_seconds
        self._later(confirm_within_seconds, lambda: self._expire(kept.id))
        return self._told(kept), True

    def apply(self, change_id: str) -> None:
        """Lays it; what the kernel will not take undoes all of it at once."""
        with self._network.change_guarded():
            kept = self._of(change_id)
            if kept.state != "applying" or kept.before is None or kept.after is None:
                return
            problems = self._network.lay(kept.before, kept.after)
            if problems:
                self._revert(kept, "box", f"it could not be applied: {'; '.join(problems)}")
                return
            self._applied = self._monotonic()
            self._keep(kept.model_copy(update={"state": "unconfirmed"}))

    def confirm(self, by: str, change_id: str, opened: float) -> NetworkChange:
        """Keeps it; 404, 409 `reverted`, 409 `same_connection` unless the connection was opened after the change."""
        with self._network.change_guarded():
            kept = self._of(change_id)
            if kept.state == "confirmed":
                return self._told(kept)
            if kept.before is not None and self._monotonic() >= self._deadline:
                kept = self._revert_late(kept)  # the alarm is late itself: the box was busy, or asleep
            if kept.state == "reverted":
                raise Refusal(409, "reverted", f"The change was undone: {kept.reason}.")
            if self._proves_nothing(kept, opened):
                raise Refusal(
                    409,
                    "same_connection",
                    "This connection was opened before the change and proves nothing: confirm over a new one.",
                )
            return self._told(self._end(kept, "confirmed", None, by=by))

    def revert(self, by: str, change_id: str) -> NetworkChange:
        """Undoes it before its deadline; 404, 409 `conflict` when it has been confirmed."""
        with self._network.change_guarded():
            kept = self._of(change_id)
            if kept.state == "confirmed":
                raise conflict("The change has been confirmed: change the settings back instead.")
            return self._told(kept if kept.state == "reverted" else self._revert(kept, by, f"{by} took it back"))

    def _proves_nothing(self, kept: _Kept, opened: float) -> bool:
        return kept.state == "applying" or opened < self._applied

    def _expire(self, change_id: str) -> None:
        with self._network.change_guarded():
            kept = self._kept()
            if kept is not None and kept.id == change_id and kept.before is not None:
                self._revert_late(kept)

    def _revert_late(self, kept: _Kept) -> _Kept:
        return self._revert(kept, "box", f"nobody confirmed it within {kept.confirm_within_seconds:g} s")

    def _revert(self, kept: _Kept, by: str, reason: str) -> _Kept:
        if kept.before is None or kept.after is None:
            raise AssertionError("what has ended is not undone")
        # the old settings are the ones on the disk before the wire is touched: a kill in between ends as well
        with self._database.change():
            self._network.write(kept.before)
        for problem in self._network.lay(kept.after, kept.before):
            self._say(f"warning: {problem}")
        return self._end(kept, "reverted", reason, by=by)

    def _end(
        self, kept: _Kept, state: Literal["confirmed", "reverted"], reason: str | None, *, by: str = "box"
    ) -> _Kept:
        ended = kept.model_copy(update={"state": state, "reason": reason, "before": None, "after": None})
        with self._database.change():
            self._keep(ended)
            detail = {} if reason is None else {"reason": reason}
            self._audit.record(by, f"{state.removesuffix('ed')}-network-change", id=kept.id, **detail)
        self._database.forget()
        self._network.hold(False)
        self._say(f"network change {state}" + (f": {reason}" if reason else ""))
        return ended

    def _own(self, before: NetworkState, addresses: Sequence[OwnAddress]) -> tuple[OwnAddress, ...]:
        """The wanted own addresses; those that are there keep their number and certificate, disabled ones stay."""
        there = {one.address: one for one in before.addresses}
        shared = {one.address for one in self._network.addresses() if one.shared}
        own: dict[str, OwnAddress] = {}
        for wanted in addresses:
            address = str(with_prefix(wanted.address, wanted.prefix).ip)
            self._network.refuse_unknown(wanted.interface)
            if address in shared or address in own:
                raise conflict(f"The address {address} is defined already, or named twice.")
            known = there.get(address, wanted)
            own[address] = wanted.model_copy(
                update={"address": address, "id": known.id, "certificate_id": known.certificate_id}
            )
        if not own:
            raise Refusal(409, "last_address", "Without an own address nobody could reach the box.")
        disabled = [one for one in before.addresses if not one.enabled and one.address not in own]
        return (*own.values(), *disabled)

    def _refuse_unreachable(self, state: NetworkState) -> None:
        networks = [with_prefix(one.address, one.prefix).network for one in state.addresses if one.enabled]
        gateways = [route.gateway for route in state.routes] + ([state.gateway] if state.gateway else [])
        for gateway in gateways:
            if not any(ip(gateway) in one for one in networks):
                raise invalid(f"The gateway {gateway} lies in no network of an enabled address.")

    def _of(self, change_id: str) -> _Kept:
        kept = self._kept()
        if kept is None or kept.id != change_id:
            raise not_found(f"network change {change_id}")
        return kept

    def _kept(self) -> _Kept | None:
        fact = self._database.fact(_FACT)
        return None if fact is None else _Kept.model_validate(fact)

    def _keep(self, kept: _Kept) -> None:
        self._database.put_facts(**{_FACT: kept.model_dump(mode="json")})

    def _told(self, kept: _Kept) -> NetworkChange:
        left = max(0.0, self._deadline - self._monotonic()) if kept.before is not None else 0.0
        return NetworkChange(
            id=kept.id,
            state=kept.state,
            by=kept.by,
            asked=kept.asked,
            confirm_within_seconds=kept.confirm_within_seconds,
            seconds_left=round(left, 3),
            reason=kept.reason,
        )


def _route(route: Route) -> Route:
    destination, gateway = network(route.destination), ip(route.gateway)
    if destination.version != gateway.version:
        raise invalid(f"{gateway} is no way to {destination}: one is IPv4, the other IPv6.")
    return Route(destination=str(destination), gateway=str(gateway))
