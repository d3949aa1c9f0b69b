"""The swing by shared address: disabled on the one box, enabled on the other (requirement F6)."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from toolkit.appliances.protocol import Networked
from toolkit.appliances.trust import box
from toolkit.appliances.world import ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX, Role, World
from toolkit.model.errors import InputError, ReboxError, UnknownStateError, UnreachableError
from toolkit.model.execution import Outcome, Result, StepContext, together, witness
from toolkit.model.inventory import SharedAddressSwing
from toolkit.probes.owner import find_owners
from toolkit.traffic.site import OWNER_WAIT_SECONDS
from toolkit.traffic.taking import announce_site, owners_of, prove_or_announce, take_without_new

SILENT_SECONDS = 1.5
"""How long a box may be silent while nobody is served, before the swing is finished without it, or given up."""


class SwingSharedAddress:
    """Moves the site's addresses from the old box to the new one; back is the same the other way round."""

    def half_done(self, context: StepContext) -> bool:
        """Whether an address has left the old box or come to the new one; so it may be where a box is silent."""
        wanted = set(context.world.inventory.site.addresses)
        old, new = _enabled_at_once(context)
        return old is None or new is None or not wanted <= old or bool(wanted & new)

    def look(self, context: StepContext) -> Result | None:
        """Done when each box says so and the link agrees."""
        if not _has_all(context, "new") or _has_any(context, "old"):
            return None
        return {"found_moved": True}

    def act(self, context: StepContext) -> Result:
        """Disables and enables, address by address; with `overlap` the other way round.

        Half done, nobody is served: then what is left is done at once, with the old box or without it. Raises
        UnreachableError when the new box is silent, UnknownStateError when a silent old box may still be served from.
        """
        world: World = context.world
        swing = world.inventory.swing
        overlap = isinstance(swing, SharedAddressSwing) and swing.overlap
        if context.begun:
            milliseconds = _finish(context, overlap=overlap)
        else:
            milliseconds = _move(context, "old", "new", overlap=overlap)
        return {"found_moved": False, "overlap": overlap, "milliseconds": milliseconds}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What the boxes say, and what users see."""
        return together(_witness_boxes(context, "old", "new"), prove_or_announce(context, "new"))

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Gives the addresses back to the old box with whatever is left; undone already, that changes nothing.

        Where the old box does not answer, nothing is taken from the new one: users may be served there. Where the new
        one does not, the old box takes what the link shows to be nobody's; what the new one still has to do is left.
        """
        old, new = _enabled_at_once(context, ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX)
        if old is None:
            return _stay(context)
        if new is None:
            return take_without_new(context, old)
        try:
            if new & set(context.world.inventory.site.addresses) or not _has_all(context, "old"):
                _move(context, "new", "old", overlap=False)
            if new & old & set(context.world.inventory.site.addresses):
                # both had it: the old box has no reason to announce what it has had all the time, and users need it
                announce_site(context, "old")
        except ReboxError:
            old, new = _enabled_at_once(context, ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX)
            if old is None:
                return _stay(context)
            if new is None:
                return take_without_new(context, old)
            raise
        return together(_witness_boxes(context, "new", "old"), prove_or_announce(context, "old"))


def _stay(context: StepContext) -> Outcome:
    """The old box does not answer: whoever has the addresses keeps them."""
    told = witness(
        context,
        probe="api",
        subject=f"old ({context.world.old.address})",
        summary="The old box does not answer, so nothing was taken from the new one.",
        passed=False,
    )
    back, abandon = f"rebox back {context.run_id}", f"rebox abandon {context.run_id}"
    return replace(told, next_move=f"Have the old box on and connected, then: {back}; or keep the new one: {abandon}")


def _move(context: StepContext, giver: Role, taker: Role, *, overlap: bool) -> float:
    world: World = context.world
    return move(world.inventory.site.addresses, box(context, giver), box(context, taker), overlap=overlap)


def move(addresses: Sequence[str], giver: Networked, taker: Networked, *, overlap: bool) -> float:
    """Moves addresses from one box to another; returns the milliseconds from the first request to the last answer.

    What a box has done before, in an attempt that was cut short, is not asked of it again.
    """
    giver.prepare_swing()
    taker.prepare_swing()
    given, taken = _enabled(giver), _enabled(taker)
    for address in addresses:
        # asked for what already holds: a refusal, or a box that has to wake up, shows before the gap and not in it
        giver.set_address_enabled(address, address in given)
        taker.set_address_enabled(address, address in taken)
    return _hand_over(addresses, (giver, given), (taker, taken), overlap=overlap)


def _hand_over(
    addresses: Sequence[str], old: tuple[Networked, set[str]], new: tuple[Networked, set[str]], *, overlap: bool
) -> float:
    """From each box and the addresses enabled on it to all of them on the second; the milliseconds it took."""
    (giver, given), (taker, taken) = old, new
    started = time.perf_counter()
    for address in addresses:
        give = partial(giver.set_address_enabled, address, False) if address in given else _nothing
        if address in taken:
            give()
        elif overlap:
            taker.set_address_enabled(address, True)
            give()
        else:
            _take(address, taker, giver, give)
    return round((time.perf_counter() - started) * 1000.0, 3)


def _take(address: str, taker: Networked, giver: Networked, give: Callable[[], object]) -> None:
    """Enables on the one as soon as `give` has disabled on the other; failing that, the other gets it back.

    Nobody is to be without the site because the second half failed. Only what the link shows to be nobody's is given
    back: the taker may have done it, and its answer be lost.
    """
    given: list[object] = []
    try:
        taker.set_address_enabled(address, True, after=lambda: given.append(give()))
    except ReboxError:
        if given and owners_of(address, OWNER_WAIT_SECONDS) == ():
            giver.set_address_enabled(address, True)
        raise


def _finish(context: StepContext, *, overlap: bool) -> float:
    """What an attempt that was cut short has left to do, and nothing before it; the milliseconds it took."""
    addresses = context.world.inventory.site.addresses
    old, new = _enabled_at_once(context)
    if new is None:
        raise UnreachableError(
            "the new box does not answer, in the midst of the swing",
            where=f"new ({context.world.new.address})",
            why=f"it was silent for {SILENT_SECONDS:g} s",
            next_move=f"Users may be without the site: serve from the old box again: rebox back {context.run_id}",
        )
    if old is None:
        _refuse_if_owned(context, [address for address in addresses if address not in new])
    # only asking is so brief: a change that was begun is waited for
    return _hand_over(addresses, (box(context, "old"), old or set()), (box(context, "new"), new), overlap=overlap)


def _refuse_if_owned(context: StepContext, addresses: Sequence[str]) -> None:
    """The old box cannot be asked: the link must show that nobody has these addresses before the new box takes them."""
    for address in addresses:
        try:
            owners = [owner.mac for owner in find_owners(address, wait_s=OWNER_WAIT_SECONDS).owners]
            seen = f"{', '.join(owners)} has {address}" if owners else ""
        except InputError:
            seen = f"{address} is behind a gateway, so nobody can tell who has it"
        if seen:
            raise UnknownStateError(
                "the old box does not answer, in the midst of the swing",
                where=f"old ({context.world.old.address})",
                why=f"{seen}: enabled on the new box too, it could be on both",
                next_move=f"Switch the old box off at its console, then: rebox resume {context.run_id}; or, once it "
                f"answers again: rebox back {context.run_id}",
            )


def _enabled_at_once(
    context: StepContext, seconds: float = SILENT_SECONDS, answer_seconds: float | None = None
) -> tuple[set[str] | None, set[str] | None]:
    """What is enabled on old and new box, both asked at the same time and briefly; None: it does not answer."""

    def ask(role: Role) -> set[str] | None:
        appliance = box(context, role)
        try:
            with appliance.within(seconds, answer_seconds):
                return _enabled(appliance)
        except ReboxError:
            return None

    with ThreadPoolExecutor() as pool:
        old, new = pool.map(ask, ("old", "new"))
    return old, new


def _nothing() -> None:
    """What is left to do when it has been done."""


def _enabled(appliance: Networked) -> set[str]:
    return {entry.address for entry in appliance.network().addresses if entry.enabled}


def _has_all(context: StepContext, role: Role) -> bool:
    return set(context.world.inventory.site.addresses) <= _enabled(box(context, role))


def _has_any(context: StepContext, role: Role) -> bool:
    return bool(set(context.world.inventory.site.addresses) & _enabled(box(context, role)))


def _witness_boxes(context: StepContext, giver: Role, taker: Role) -> Outcome:
    passed = _has_all(context, taker) and not _has_any(context, giver)
    return witness(
        context,
        probe="api",
        subject=", ".join(context.world.inventory.site.addresses),
        summary=f"Enabled on the {taker} box and disabled on the {giver} one, as both say."
        if passed
        else f"The boxes do not agree that the {taker} one alone has the site's addresses.",
        passed=passed,
    )
