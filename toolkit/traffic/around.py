"""What can be seen of a site and its two boxes at once, for people who have to decide; nothing is changed."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import get_args

from toolkit.appliances.trust import box
from toolkit.appliances.world import ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX, Role, World
from toolkit.model.errors import ReboxError
from toolkit.model.execution import StepContext
from toolkit.model.inventory import DnsSwing
from toolkit.traffic.dns import look_up
from toolkit.traffic.site import known_macs, macs_of, site_addresses, view


@dataclass(frozen=True)
class Sight:
    """One thing that was looked at; `known` is False where it could not be told."""

    subject: str
    words: str
    known: bool = True


def look_around(context: StepContext) -> tuple[Sight, ...]:
    """Which box answers where, who has the site's addresses, what is served there, and where the name points.

    And which of the boxes is in quarantine.
    """
    world: World = context.world
    boxes = (_box(context, role) for role in get_args(Role))
    return (*boxes, *_names(world), *_addresses(context), *_quarantine(context))


def _box(context: StepContext, role: Role) -> Sight:
    appliance = box(context, role)

    def ask() -> str:
        with appliance.within(ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX):
            reset = appliance.reset_status()
            words = f"{reset.serial_number} answers; its reset: {reset.state}"
            if reset.serial_number != context.plan.boxes[role]:
                return f"another box, {reset.serial_number}, answers"
            if reset.state != "none":
                return words
            status = appliance.status()
            has = [entry.address for entry in appliance.network().addresses if entry.enabled]
        counts = ", ".join(f"{count} {kind}" for kind, count in status.records.model_dump().items() if count)
        return f"{words}; {status.state}; has {', '.join(has) or 'no address'}; holds {counts or 'no records'}"

    return _sight(f"{role} box ({appliance.address})", ask)


def _names(world: World) -> Iterator[Sight]:
    swing, name = world.inventory.swing, world.inventory.site.name
    if isinstance(swing, DnsSwing):
        for resolver in swing.resolvers:

            def ask(resolver: str = resolver) -> str:
                found = look_up(resolver, name)
                return f"{', '.join(sorted(found.addresses)) or 'nothing'}, for {found.ttl_seconds} s"

            yield _sight(f"{name} by {resolver}", ask)


def _addresses(context: StepContext) -> Iterator[Sight]:
    world: World = context.world
    try:
        addresses = site_addresses(world.inventory)
    except ReboxError as error:
        yield Sight("addresses of the site", str(error), known=False)
        return
    known = known_macs(context) | _macs_told(context)
    for address in addresses:

        def ask(address: str = address) -> str:
            seen = view(world, address)
            macs = "the link cannot be asked" if seen.macs is None else ", ".join(seen.macs) or "nobody has it"
            owner = ", ".join(sorted({known.get(mac, "a stranger") for mac in seen.macs or ()})) or "not told which box"
            served = f"certificate {seen.certificate_sha256[:16]}…" if seen.certificate_sha256 else "no certificate"
            return f"{macs} ({owner}); {served}, {'' if seen.accepted else 'not '}accepted; {seen.words}"

        yield _sight(f"site address {address}", ask)


def _quarantine(context: StepContext) -> Iterator[Sight]:
    world: World = context.world
    for role, serial_number in context.plan.boxes.items():
        try:
            for entry in world.quarantine.of(serial_number):
                yield Sight(f"{role} box ({serial_number})", f"in quarantine, and stays there: {entry.why}")
        except ReboxError as error:
            yield Sight(f"{role} box ({serial_number})", f"{error.what}: {error.why}", known=False)


def _macs_told(context: StepContext) -> dict[str, str]:
    """Which box each MAC belongs to, as the boxes say that answer: a damaged journal may not know the new one's."""
    told: dict[str, str] = {}
    for role in get_args(Role):
        appliance = box(context, role)
        with suppress(ReboxError), appliance.within(ANSWER_SECONDS_MAX):
            if appliance.reset_status().serial_number == context.plan.boxes[role]:
                told |= dict.fromkeys(macs_of(appliance), role)
    return told


def _sight(subject: str, ask: Callable[[], str]) -> Sight:
    try:
        return Sight(subject, ask())
    except ReboxError as error:
        return Sight(subject, f"{error.what}: {error.why}" if error.why else error.what, known=False)
