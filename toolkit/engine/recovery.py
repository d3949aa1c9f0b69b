"""What the believed part of a journal and the world together say of a run; pure.

What happened after the last believed record is not known, so the world is asked: each step by its own look, and what is
irreversible by whoever can tell whether it has begun. Where a step stands in the new journal follows from both:

- A step that may have touched the world counts as begun: going on looks before it acts, going back takes it back.
- A step that had ended stands as ended only while its effect is there. What leaves no effect to look at stands as ended
  unless the service may have been moved back before it. (What other steps need is asked by their gates.)
- What is irreversible has begun unless it is proven that it has not: then there is no way back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from toolkit.engine.history import RunHistory, StepHistory
from toolkit.model.plan import Step


class Effect(StrEnum):
    """What the world says of a step's effect; of an irreversible step: whether it has begun."""

    THERE = "there"
    MISSING = "missing"
    UNKNOWN = "unknown"
    NONE = "leaves none"


class Stands(StrEnum):
    """Where a step stands."""

    UNTOUCHED = "not begun"
    BEGUN = "counts as begun"
    ENDED = "ended"
    UNDONE = "taken back"


@dataclass(frozen=True)
class Seen:
    """What was seen of a step's effect, and in words."""

    effect: Effect
    words: str = ""


@dataclass(frozen=True)
class StepFinding:
    """One step: what the believed journal says, what the world says, and where it stands then."""

    step: Step
    journal: Stands
    seen: Seen
    stands: Stands


@dataclass(frozen=True)
class Findings:
    """Every step of a run, in the plan's order."""

    steps: tuple[StepFinding, ...]

    @property
    def irreversible_begun(self) -> tuple[StepFinding, ...]:
        """The irreversible steps that have begun or may have: with any of them there is no way back."""
        return tuple(one for one in self.steps if one.step.irreversible and one.stands is not Stands.UNTOUCHED)

    @property
    def irreversible_unknown(self) -> tuple[StepFinding, ...]:
        """Those of which neither journal nor world can tell whether they have begun."""
        return tuple(
            one
            for one in self.irreversible_begun
            if one.journal is Stands.UNTOUCHED and one.seen.effect is not Effect.THERE
        )

    @property
    def to_note(self) -> tuple[StepFinding, ...]:
        """The steps that do not stand where the believed journal says."""
        return tuple(one for one in self.steps if one.stands is not one.journal)


def find(believed: RunHistory, seen: Mapping[str, Seen]) -> Findings:
    """Where every step of the plan stands; `seen` has what the world says of each, by step name."""
    steps: list[StepFinding] = []
    for step in believed.plan.steps:
        before, view = _journal(believed.steps[step.name]), seen[step.name]
        judge = _irreversible if step.irreversible else _reversible
        steps.append(StepFinding(step, before, view, judge(step, before, view.effect, steps)))
    return Findings(tuple(steps))


def _journal(went: StepHistory) -> Stands:
    if went.undone:
        return Stands.UNDONE
    if went.ended:
        return Stands.ENDED
    return Stands.BEGUN if went.begun else Stands.UNTOUCHED


def _reversible(step: Step, before: Stands, effect: Effect, earlier: Sequence[StepFinding]) -> Stands:
    if before is Stands.ENDED:
        if effect is Effect.NONE:
            return Stands.BEGUN if any(_may_have_moved_back(one) for one in earlier) else before
        return before if effect is Effect.THERE else Stands.BEGUN
    if before is not Stands.UNTOUCHED or not step.changes:
        return before
    # of what moves the service half may have been done, where a look at the whole sees nothing
    may_have = effect in (Effect.THERE, Effect.UNKNOWN) or step.interrupts_service
    return Stands.BEGUN if may_have else before


def _may_have_moved_back(one: StepFinding) -> bool:
    """Whether a service that was moved may not be where it was: what was seen of it since has to be seen again."""
    return one.step.interrupts_service and one.journal is Stands.ENDED and one.stands is Stands.BEGUN


def _irreversible(step: Step, before: Stands, effect: Effect, earlier: Sequence[StepFinding]) -> Stands:
    if before is not Stands.UNTOUCHED:
        return before
    # they come one after the other: where one was never begun, none after it was
    never = any(one.step.irreversible and one.stands is Stands.UNTOUCHED for one in earlier)
    return before if never or effect is Effect.MISSING else Stands.BEGUN
