"""A dry run: gates and looks as they are now, nothing written and nothing changed."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from toolkit.engine.outcomes import DryStep
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Clock, GateImplementation, Outcome, Result, StepContext, StepImplementation
from toolkit.model.plan import GateReference, Plan
from toolkit.model.verdict import Verdict


class NoEvidence:
    """Evidence that nobody keeps."""

    def record(
        self,
        *,
        probe: str,
        subject: str,
        summary: str,
        verdict: Verdict,
        data: Mapping[str, JsonValue] | None = None,
    ) -> str:
        """An id that stands for nothing."""
        return "dry-run"


def dry_run(
    plan: Plan,
    implementations: Mapping[str, StepImplementation],
    gates: Mapping[str, GateImplementation],
    world: Any,
    clock: Clock,
) -> tuple[DryStep, ...]:
    """Looks at every step; one that only looks is executed, unless it comes after what would still be done.

    What cannot be seen before earlier steps are done is no failure, and is told as what it is.
    """
    results: dict[str, Result] = {}
    pending: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rebox-dry-run-") as folder:
        steps = []
        for step in plan.steps:
            context = StepContext(
                plan=plan,
                step=step,
                run_id="dry-run",
                run_directory=Path(folder),
                world=world,
                evidence=NoEvidence(),
                clock=clock,
                progress=lambda fraction, phase: None,
                results=dict(results),
            )
            derived = tuple((gate, _derive(gates[gate.code], context, gate, pending)) for gate in step.gates)
            seen = _see(implementations[step.kind], context, results, pending)
            if step.name not in results:
                pending.append(step.name)
            steps.append(DryStep(step, derived, seen))
    return tuple(steps)


def _derive(
    implementation: GateImplementation, context: StepContext, gate: GateReference, pending: Sequence[str]
) -> Outcome:
    if gate.after is not None and gate.after in pending:
        return _not_yet(gate.after)
    try:
        return implementation(context, gate)
    except ReboxError as error:
        return Outcome(Verdict.UNKNOWN, _in_words(error))


def _see(
    implementation: StepImplementation, context: StepContext, results: dict[str, Result], pending: Sequence[str]
) -> Outcome:
    step = context.step
    try:
        seen = implementation.look(context)
        if seen is None and not step.changes and not pending:
            seen = implementation.act(context)
    except ReboxError as error:
        return _not_yet(pending[0]) if pending else Outcome(Verdict.UNKNOWN, _in_words(error))
    except LookupError:
        # it builds on the result of a step that is not done
        if not pending:
            raise
        return _not_yet(pending[0])
    if seen is None:
        return Outcome(Verdict.SKIPPED, "would be done")
    results[step.name] = seen
    return Outcome(Verdict.PASSED, "is there already" if step.changes else "was looked at")


def _not_yet(after: str) -> Outcome:
    return Outcome(Verdict.SKIPPED, f"not yet: comes after {after}")


def _in_words(error: ReboxError) -> str:
    """What could not be seen and why; what to do about it belongs to the run that meets it."""
    return ": ".join(part for part in (error.where, error.what, error.why) if part)
