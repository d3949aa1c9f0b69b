"""Wraps a step that destroys: from before it begins until it has been verified, its box is in quarantine.

Written down beforehand, so that a kill, a power cut or a full disk in the middle leaves a box that no other plan takes.
The step itself knows nothing of it.
"""

from dataclasses import replace
from typing import Literal

from toolkit.appliances.quarantine import Entry
from toolkit.appliances.world import World
from toolkit.model.errors import ReboxError, RefusedError, VerificationError
from toolkit.model.execution import Outcome, Result, StepContext, StepImplementation
from toolkit.model.verdict import Verdict

_BEGUN = "the step has begun, and nothing is known of its end"


class Quarantining:
    """A `StepImplementation` that does what another one does, and keeps the box out of other plans meanwhile."""

    def __init__(self, step: StepImplementation) -> None:
        self._step = step

    def look(self, context: StepContext) -> Result | None:
        """As the step looks; changes nothing."""
        return self._step.look(context)

    def act(self, context: StepContext) -> Result:
        """The box is in quarantine before anything is done to it; it is not when that was refused."""
        before = _open(context)
        if not before:
            _put(context, "begun", _BEGUN)
        try:
            return self._step.act(context)
        except RefusedError as error:
            if not before:
                _close(context, f"Nothing was done to it: {error.what}.")
            raise
        except ReboxError as error:
            _put(context, "failed", str(error))
            raise

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Verified, the box is released by itself; unknown or failed, it says why it is not."""
        try:
            outcome = self._step.verify(context, result)
        except ReboxError as error:
            _put(context, "failed" if isinstance(error, VerificationError) else "unknown", str(error))
            raise
        if outcome.verdict is Verdict.PASSED:
            _close(context, f"Run {context.run_id} has verified it: {outcome.summary}")
            return outcome
        if outcome.verdict is Verdict.SKIPPED:
            # nothing was done, unless an earlier attempt had asked for it
            if not context.begun and {entry.ended for entry in _open(context)} == {"begun"}:
                _close(context, f"Nothing was done to it: {outcome.summary}")
            return outcome
        _put(context, "failed" if outcome.verdict is Verdict.FAILED else "unknown", outcome.summary)
        return replace(outcome, summary=f"{outcome.summary} The box {_serial(context)} is in quarantine.")

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """As the step does."""
        return self._step.undo(context, result)


def _open(context: StepContext) -> tuple[Entry, ...]:
    world: World = context.world
    return tuple(entry for entry in world.quarantine.of(_serial(context)) if entry.step == context.step.name)


def _put(context: StepContext, ended: Literal["begun", "failed", "unknown"], why: str) -> None:
    world: World = context.world
    entry = Entry(
        step=context.step.name,
        run_id=context.run_id,
        run_directory=context.run_directory,
        since=context.clock.now(),
        ended=ended,
        why=why,
        would_release=f"Have the step verified: rebox resume {context.run_id}; or, when you have seen yourself that "
        f'nothing is left on the box: rebox inventory release {_serial(context)} --because "…"',
    )
    world.quarantine.put(_serial(context), entry)


def _close(context: StepContext, because: str) -> None:
    world: World = context.world
    world.quarantine.close(_serial(context), context.step.name, context.clock.now(), because)


def _serial(context: StepContext) -> str:
    return context.plan.boxes["old"]
