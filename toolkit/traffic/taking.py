"""Taking the site's addresses for the old box while the new one cannot be asked to give them up (requirement F6).

Two boxes with one address are worse than none, so the link is asked first who has it, over some seconds; and afterwards
again, because a box that comes back to life has it enabled still. Where the link cannot be asked, a person who has
pulled the new box's plug has to say so.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from toolkit.appliances.trust import box
from toolkit.appliances.world import Role, World
from toolkit.model.errors import InputError, UnknownStateError
from toolkit.model.execution import Outcome, StepContext, together, witness
from toolkit.model.verdict import Verdict
from toolkit.probes.announce import announce
from toolkit.probes.owner import find_owners
from toolkit.probes.route import route_to
from toolkit.traffic.looks import prove_site
from toolkit.traffic.site import OWNER_WAIT_SECONDS, known_macs, macs_of

LINK_SECONDS = 3.0
"""How long the link is asked who has an address before it is taken, and again afterwards."""
_ASKS = 6

Owners = dict[str, tuple[str, ...] | None]
"""By address: the MACs that answer for it; None: the link cannot be asked."""


def take_without_new(context: StepContext, enabled_on_old: set[str]) -> Outcome:
    """Enables on the old box what it lacks, once nobody else has it, and proves that it alone has it.

    Failed where the link shows another owner, unknown where it cannot be asked and nobody has said that the new box
    is off: then nothing was changed.
    """
    addresses = context.world.inventory.site.addresses
    if (refused := _refused(context, _ask_link(addresses))) is not None:
        return refused
    old = box(context, "old")
    for address in addresses:
        if address not in enabled_on_old:
            old.set_address_enabled(address, True)
    outcome = together(prove_or_announce(context, "old"), _witness_alone(context))
    if outcome.verdict is not Verdict.PASSED:
        return replace(outcome, next_move=_pull_the_plug(context))
    return replace(
        outcome,
        to_do=f"Disable {' and '.join(addresses)} on the new box, which did not answer. Until then keep it off the "
        "link: switched on or plugged in as it is, it may have the address as well.",
        to_do_on="new",
    )


def _refused(context: StepContext, owners: Owners) -> Outcome | None:
    """Why the addresses are not taken; None: nobody but the old box has them."""
    known = known_macs(context)
    for address, macs in owners.items():
        others = [mac for mac in macs or () if known.get(mac) != "old"]
        if others:
            whose = "the new box, though it does not answer us" if known.get(others[0]) == "new" else "a stranger"
            words = (
                f"{address} is at {' and '.join(others)} ({whose}): enabled on the old box too, it would be on both."
            )
            return _not_taken(context, address, words, passed=False)
        if macs is None and not context.world.new_is_off:
            words = (
                f"The new box does not answer, and {address} is behind a gateway: nobody can tell whether it is off."
            )
            return _not_taken(context, address, words, passed=None)
    return None


def _not_taken(context: StepContext, address: str, words: str, *, passed: bool | None) -> Outcome:
    told = witness(context, probe="arp", subject=address, summary=words, passed=passed)
    return replace(told, next_move=_pull_the_plug(context))


def _pull_the_plug(context: StepContext) -> str:
    serial_number = context.plan.boxes["new"]
    return (
        f"Pull the power plug of the new box, {serial_number}, then: "
        f"rebox back {context.run_id} --new-is-off {serial_number}"
    )


def _witness_alone(context: StepContext) -> Outcome:
    """Over some seconds, at every address: the old box and nobody else."""
    macs_of_old = macs_of(box(context, "old"))
    outcomes = []
    for address, macs in _ask_link(context.world.inventory.site.addresses).items():
        if macs is None:
            continue
        passed = len(macs) == 1 and macs[0] in macs_of_old
        summary = f"{address} is at {macs[0]} alone, asked for {LINK_SECONDS:g} s." if passed else ""
        if not passed:
            summary = f"{address} is at {' and at '.join(macs) or 'nobody'}; the old box has {', '.join(macs_of_old)}."
        outcomes.append(witness(context, probe="arp", subject=address, summary=summary, passed=passed))
    behind = Outcome(Verdict.PASSED, "Behind a gateway, only what is served there shows who has the address.")
    return together(*outcomes) if outcomes else behind


def _ask_link(addresses: Sequence[str]) -> Owners:
    with ThreadPoolExecutor() as pool:
        return dict(zip(addresses, pool.map(lambda one: owners_of(one, LINK_SECONDS), addresses), strict=True))


def owners_of(address: str, seconds: float) -> tuple[str, ...] | None:
    """The MACs that answer for an address within that time; None: the link cannot be asked from here."""
    try:
        return tuple(owner.mac for owner in find_owners(address, wait_s=seconds, asks=_ASKS).owners)
    except (InputError, UnknownStateError):
        return None


def prove_or_announce(context: StepContext, role: Role) -> Outcome:
    """Proves the site; where neighbours still send to the other box, announces the address on the box's behalf.

    Some boxes do not announce, some gateways miss it: an announcement from here, with the box's MAC in it, mends that.
    """
    outcome = prove_site(context, role)
    if outcome.verdict.exit_status == 0:
        return outcome
    announce_site(context, role)
    return prove_site(context, role)


def announce_site(context: StepContext, role: Role) -> None:
    """Tells the whole link that the site's addresses are at that box, where it alone answers for them."""
    world: World = context.world
    macs = macs_of(box(context, role))
    for address in world.inventory.site.addresses:
        owners = owners_of(address, OWNER_WAIT_SECONDS) or ()
        if len(owners) == 1 and owners[0] in macs:
            announce(route_to(address).interface, address, owners[0])
