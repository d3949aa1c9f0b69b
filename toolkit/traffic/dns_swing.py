"""The swing by DNS: TTL lowered and waited out, name pointed at the new box, every resolver asked (requirement F6)."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from toolkit.appliances.connection import wait_until
from toolkit.appliances.world import World
from toolkit.model.errors import ReboxError, UnknownStateError
from toolkit.model.execution import Outcome, Result, StepContext, together, witness
from toolkit.model.inventory import DnsSwing
from toolkit.storage.whole_file import write_whole
from toolkit.traffic.dns import AddressRecords, Zone, look_up, zone_of
from toolkit.traffic.looks import prove_site
from toolkit.traffic.site import AddressView, view

_LOWERED = "ttl-lowered.json"
_RESOLVER_GRACE_SECONDS = 10.0


class LowerTtl:
    """Lowers the name's TTL and waits the old one out, so that no resolver keeps the old address for long."""

    def look(self, context: StepContext) -> Result | None:
        """Waiting cannot be seen from outside; `act` knows how much of it is left."""
        return None

    def act(self, context: StepContext) -> Result:
        """Changes the TTL only, then waits until every cached answer with the old one has expired."""
        swing, zone = _swing(context), _zone(context)
        before_seconds = _ttl_before(context)
        records = zone.look_up(_name(context))
        if records.ttl_seconds > swing.ttl_seconds:
            _replace(context, records.addresses, records.addresses, swing.ttl_seconds)
        until = _lowered_at(context) + timedelta(seconds=before_seconds)
        while (left := (until - context.clock.now()).total_seconds()) > 0:
            context.progress(1 - left / max(before_seconds, 1), f"waiting {left:.0f} s until the old TTL is over")
            context.clock.sleep(min(left, 1.0))
        return {"ttl_before_seconds": before_seconds, "ttl_seconds": swing.ttl_seconds}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The zone and every resolver answer with a TTL no longer than the lowered one."""
        return _witness_ttl(context, lambda ttl: ttl <= _swing(context).ttl_seconds)

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Puts the TTL back."""
        return _set_ttl(context, _ttl_before(context))


class PutBackTtl:
    """The TTL as it was before the swing."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the zone itself says so."""
        before_seconds = _ttl_before(context)
        done = _zone(context).look_up(_name(context)).ttl_seconds == before_seconds
        return {"ttl_seconds": before_seconds} if done else None

    def act(self, context: StepContext) -> Result:
        """Changes the TTL only."""
        _set_ttl(context, _ttl_before(context))
        return {"ttl_seconds": _ttl_before(context)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Reads it back from the zone."""
        return _set_ttl(context, _ttl_before(context), change=False)

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Lowers it again; the name itself is pointed back by the swing's own way back."""
        return _set_ttl(context, _swing(context).ttl_seconds)


class SwingDns:
    """Points the name at the new box and waits for every resolver; back is the same with the old addresses."""

    def half_done(self, context: StepContext) -> bool:
        """Whether the zone points elsewhere than before; so it may where the zone's server does not answer."""
        try:
            return _zone(context).look_up(_name(context)).addresses != frozenset(_before(context))
        except ReboxError:
            return True

    def look(self, context: StepContext) -> Result | None:
        """Done when the zone and every resolver say so."""
        swing = _swing(context)
        return {"addresses": list(swing.new_addresses)} if _everywhere(context, swing.new_addresses) else None

    def act(self, context: StepContext) -> Result:
        """One conditional update, then patience."""
        swing = _swing(context)
        _point(context, _before(context), swing.new_addresses)
        _wait_for_resolvers(context, swing.new_addresses, swing.ttl_seconds)
        return {"addresses": list(swing.new_addresses)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Every resolver, and what users see at the addresses it names."""
        return together(_witness_resolvers(context, _swing(context).new_addresses), prove_site(context, "new"))

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Points the name at the old box again, whatever the new one says; undone already, that changes nothing.

        While the old box does not serve there, the name stays where users may still be served.
        """
        before = _before(context)
        if _zone(context).look_up(_name(context)).addresses != frozenset(before):
            seen = [view(context.world, address) for address in before]
            if not any(one.accepted and one.healthy for one in seen):
                return _stay(context, seen)
        _point(context, _swing(context).new_addresses, before)
        # a resolver may have seen the new address with the TTL of before: nobody is lost meanwhile, both boxes serve
        _wait_for_resolvers(context, before, max(_ttl_before(context), _swing(context).ttl_seconds))
        return together(_witness_resolvers(context, before), prove_site(context, "old"))


def _stay(context: StepContext, seen: Sequence[AddressView]) -> Outcome:
    """The old box does not serve: the name is left as it is."""
    words = "; ".join(f"{one.address}: {one.words}" for one in seen)
    told = witness(
        context,
        probe="https",
        subject=_name(context),
        summary=f"The old box does not serve the site, so the name is left pointing where it does ({words}).",
        passed=False,
    )
    next_move = (
        f"Have the old box serve again, then: rebox back {context.run_id}; or keep the new one and end the run: "
    )
    return replace(told, next_move=f"{next_move}rebox abandon {context.run_id}")


def _swing(context: StepContext) -> DnsSwing:
    swing = context.world.inventory.swing
    assert isinstance(swing, DnsSwing)  # noqa: S101  (the plan has these steps only then)
    return swing


def _zone(context: StepContext) -> Zone:
    world: World = context.world
    return zone_of(world, _swing(context))


def _name(context: StepContext) -> str:
    world: World = context.world
    return world.inventory.site.name


def _ttl_before(context: StepContext) -> int:
    return int(str(context.step.parameters["ttl_before_seconds"]))


def _before(context: StepContext) -> tuple[str, ...]:
    addresses = context.step.parameters["addresses_before"]
    assert isinstance(addresses, list)  # noqa: S101  (written by the plan)
    return tuple(str(address) for address in addresses)


def _replace(context: StepContext, before: Iterable[str], after: Iterable[str], ttl_seconds: int) -> None:
    _zone(context).replace(_name(context), before, tuple(sorted(after)), ttl_seconds)


def _point(context: StepContext, before: Iterable[str], after: Iterable[str]) -> None:
    """Points the name from `before` at `after`, unless it points there already."""
    records = _zone(context).look_up(_name(context))
    if records.addresses != frozenset(after):
        _replace(context, before, after, _swing(context).ttl_seconds)


def _set_ttl(context: StepContext, ttl_seconds: int, *, change: bool = True) -> Outcome:
    zone = _zone(context)
    records = zone.look_up(_name(context))
    if change and records.ttl_seconds != ttl_seconds:
        _replace(context, records.addresses, records.addresses, ttl_seconds)
        records = zone.look_up(_name(context))
    return witness(
        context,
        probe="dns",
        subject=f"{_name(context)} at {zone.server}",
        summary=f"The zone says TTL {records.ttl_seconds} s.",
        passed=records.ttl_seconds == ttl_seconds,
        data={"ttl_seconds": records.ttl_seconds, "addresses": [*sorted(records.addresses)]},
    )


def _lowered_at(context: StepContext) -> datetime:
    """When the TTL was lowered; remembered on disk, so that a resumed run waits only for the rest."""
    path = context.run_directory / _LOWERED
    if not path.exists():
        write_whole(path, json.dumps({"lowered": context.clock.now().isoformat()}).encode(), then="resume")
    return datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["lowered"])


def _resolver_answers(context: StepContext) -> dict[str, AddressRecords]:
    return {resolver: look_up(resolver, _name(context)) for resolver in _swing(context).resolvers}


def _everywhere(context: StepContext, addresses: Iterable[str]) -> bool:
    wanted = frozenset(addresses)
    if _zone(context).look_up(_name(context)).addresses != wanted:
        return False
    return all(answer.addresses == wanted for answer in _resolver_answers(context).values())


def _wait_for_resolvers(context: StepContext, addresses: Iterable[str], ttl_seconds: int) -> None:
    wanted = frozenset(addresses)
    seconds = ttl_seconds + _RESOLVER_GRACE_SECONDS

    def propagated() -> bool:
        answers = _resolver_answers(context)
        right = sum(answer.addresses == wanted for answer in answers.values())
        context.progress(right / len(answers), f"{right} of {len(answers)} resolvers say so")
        return right == len(answers)

    if not wait_until(
        propagated, seconds=seconds, interval=0.2, sleep=context.clock.sleep, monotonic=context.clock.monotonic
    ):
        late = [resolver for resolver, answer in _resolver_answers(context).items() if answer.addresses != wanted]
        raise UnknownStateError(
            f"not every resolver has the new addresses of {_name(context)}",
            where=", ".join(late),
            why=f"waited {seconds:.0f} s, longer than the TTL",
            next_move="Flush these resolvers' caches or wait, then resume; both boxes serve meanwhile.",
        )


def _witness_resolvers(context: StepContext, addresses: Iterable[str]) -> Outcome:
    wanted = frozenset(addresses)
    return together(
        *(
            witness(
                context,
                probe="dns",
                subject=f"{_name(context)} at {resolver}",
                summary=f"Resolver {resolver} answers {', '.join(sorted(answer.addresses)) or 'nothing'}.",
                passed=answer.addresses == wanted,
                data={"addresses": [*sorted(answer.addresses)], "ttl_seconds": answer.ttl_seconds},
            )
            for resolver, answer in _resolver_answers(context).items()
        )
    )


def _witness_ttl(context: StepContext, accepted: Callable[[int], bool]) -> Outcome:
    answers = {_zone(context).server: _zone(context).look_up(_name(context)), **_resolver_answers(context)}
    return together(
        *(
            witness(
                context,
                probe="dns",
                subject=f"{_name(context)} at {server}",
                summary=f"{server} answers with TTL {answer.ttl_seconds} s.",
                passed=accepted(answer.ttl_seconds),
                data={"ttl_seconds": answer.ttl_seconds},
            )
            for server, answer in answers.items()
        )
    )
