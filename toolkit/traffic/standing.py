"""What stands where, in sentences, for somebody who ends a run by hand: the site, the two boxes, quarantine."""

from collections.abc import Callable, Iterator
from typing import get_args

from toolkit.appliances.trust import box
from toolkit.appliances.world import Role, World
from toolkit.model.errors import ReboxError
from toolkit.model.execution import StepContext
from toolkit.traffic.site import served_by, view_site

_WHO = {
    "old": "the old box",
    "new": "the new box",
    "both": "both boxes at once",
    "stranger": "a stranger",
    None: "nobody who could be told",
}


def what_stands_where(context: StepContext) -> tuple[str, ...]:
    """Looks and changes nothing; what cannot be told is said as that, and raises nothing."""
    looks: tuple[Callable[[StepContext], Iterator[str]], ...] = (_site, _boxes, _quarantine)
    return tuple(sentence for look in looks for sentence in _told(look, context))


def _told(look: Callable[[StepContext], Iterator[str]], context: StepContext) -> Iterator[str]:
    try:
        yield from look(context)
    except ReboxError as error:
        yield f"Could not be told: {error.where or 'the site'}: {error.what}."


def _site(context: StepContext) -> Iterator[str]:
    for seen in view_site(context.world):
        how = "serving well" if seen.accepted and seen.healthy else f"not serving well: {seen.words}"
        yield f"{seen.address} is at {_WHO.get(served_by(context, seen), 'nobody')}, {how}."


def _boxes(context: StepContext) -> Iterator[str]:
    world: World = context.world
    for role in get_args(Role):
        answers = "answers" if world.answers(role) else "does not answer"
        yield f"The {role} box, {context.plan.boxes.get(role, 'unknown')} at {box(context, role).address}, {answers}."


def _quarantine(context: StepContext) -> Iterator[str]:
    world: World = context.world
    for role, serial_number in context.plan.boxes.items():
        for entry in world.quarantine.of(serial_number):
            yield f"The {role} box, {serial_number}, is in quarantine and stays there: {entry.why}."
