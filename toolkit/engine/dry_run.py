"""A dry run: gates and looks as they are now, nothing written and nothing changed."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from toolkit.engine.outcomes import DryStep
from toolkit.engine.stepping import derive_gate
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Clock, GateImplementation, Outcome, Result, StepContext, StepImplementation
from toolkit.model.plan import Plan, Step
from toolkit.model.verdict import Verdict


class _NoEvidence:
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
        return "dry-run"


def dry_run(
    plan: Plan,
    implementations: Mapping[str, StepImplementation],
    gates: Mapping[str, GateImplementation],
    world: Any,
    clock: Clock,
) -> tuple[DryStep, ...]:
    """Looks at every step; those that only look are executed, so that later steps have their results."""
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="rebox-dry-run-") as folder:
        steps = []
        for step in plan.steps:
            context = StepContext(
                plan=plan,
                step=step,
                run_id="dry-run",
                run_directory=Path(folder),
                world=world,
                evidence=_NoEvidence(),
                clock=clock,
                progress=lambda fraction, phase: None,
                results=dict(results),
            )
            derived = tuple((gate, _derive(gates[gate.code], context, gate.code)) for gate in step.gates)
            steps.append(DryStep(step, derived, _see(implementations[step.kind], context, step, results)))
    return tuple(steps)


def _derive(gate: GateImplementation, context: StepContext, code: str) -> Outcome:
    reference = next(reference for reference in context.step.gates if reference.code == code)
    try:
        return derive_gate(reference, gate, context)
    except LookupError:
        return _NEEDS_EARLIER


def _see(implementation: StepImplementation, context: StepContext, step: Step, results: dict[str, Result]) -> Outcome:
    try:
        seen = implementation.look(context)
        if seen is None and not step.changes:
            seen = implementation.act(context)
    except ReboxError as error:
        return Outcome(Verdict.UNKNOWN, str(error))
    except LookupError:
        return _NEEDS_EARLIER
    if seen is None:
        return Outcome(Verdict.SKIPPED, "would be done")
    results[step.name] = seen
    return Outcome(Verdict.PASSED, "is there already" if step.changes else "was looked at")


_NEEDS_EARLIER = Outcome(Verdict.UNKNOWN, "can only be told once earlier steps are done")
