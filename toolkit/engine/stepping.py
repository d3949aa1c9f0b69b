"""Does one step, or takes it back: gates, way back, look, act, verify, each written down before the next.

The order is the point. The way back is on disk before the world is looked at, and ACTING before it is touched, so
after a kill at any moment the journal names everything that may have happened. A step that had begun to act does not
start anew when it is taken up again: it looks first, and only when its effect is missing it acts again. The gates of a
reversible step were asked before it began to act and are not asked again: its own half-done effect may be why they no
longer hold, asking takes time, and the way back is open. Before anything irreversible they block, always.

A step that interrupts service goes further. Taken up half done, it does not even look first: while nobody is served,
nothing comes before serving, and `act` finds for itself what is left to do. Begun but with nothing moved yet, it starts
as at first, gates and all: users are served, there is time, and the world may have changed since.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from toolkit.engine.events import (
    GateChecked,
    Observer,
    OperatorAsked,
    StepEnded,
    StepProgress,
    StepStarted,
    UndoEnded,
    UndoStarted,
)
from toolkit.engine.history import RunHistory, StepHistory, tell
from toolkit.engine.journal import Journal, RunRecord, StepEvent
from toolkit.engine.locks import Lease
from toolkit.engine.log import LOGGER
from toolkit.engine.operators import Operator, instructions_for
from toolkit.engine.room import SUMMARY_CHARACTERS_MAX, Room
from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.log import EvidenceLog
from toolkit.model.errors import InternalError, ReboxError, RefusedError, UnknownStateError, VerificationError
from toolkit.model.execution import (
    Clock,
    GateImplementation,
    Interrupting,
    Outcome,
    Result,
    StepContext,
    StepImplementation,
)
from toolkit.model.plan import GateReference, Mode, Plan, Severity, Step
from toolkit.model.verdict import Verdict

Checkpoint = Callable[[str], None]
"""Called at named points of a run, so that a test can end the process exactly there."""

_THEN_RESUME = re.compile(r"\bthen resume\b( the run)?")
_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


class StepEnd(BaseModel):
    """How a step ended; what the journal keeps of it. `done` lets the run go on behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: bool
    blocked: bool = False
    verdict: Verdict
    summary: str
    exit_status: int = 0
    next_move: str = ""
    result: Result | None = None
    evidence: tuple[str, ...] = Field(default=())
    gone: str = Field(
        default="", description="The role of a box that is no more, since its step was undone.", exclude=True
    )


@dataclass(frozen=True)
class Bench:
    """Everything a step is done with; `changed` names attachments that were changed, and are meant to be."""

    record: RunRecord
    plan: Plan
    run_directory: Path
    world: Any
    clock: Clock
    implementations: Mapping[str, StepImplementation]
    gates: Mapping[str, GateImplementation]
    acknowledged: frozenset[str]
    journal: Journal
    evidence: EvidenceLog
    guard: SecretGuard
    lease: Lease
    operator: Operator
    poll_seconds: float
    observer: Observer
    checkpoint: Checkpoint
    results: dict[str, Result]
    room: Room
    changed: tuple[str, ...] = ()

    @property
    def history(self) -> RunHistory:
        """The run as the journal tells it at this moment."""
        return tell(self.record, self.plan, self.journal.records)


def perform(bench: Bench, step: Step) -> StepEnd:
    """Does the step; raises only for a full disk and for what ends the process."""
    bench.room.before_step(done=True)
    history = bench.history.steps[step.name]
    bench.observer(StepStarted(step, history.attempts + 1))
    bench.journal.write(StepEvent.STARTED, step.name, {"attempt": history.attempts + 1})
    started = bench.clock.monotonic()
    try:
        end = _phases(bench, step, history)
    except ReboxError as error:
        end = _stopped_by(error)
    except Exception as error:
        end = _stopped_by(_fault(bench, step, error))
    end = end.model_copy(update={"summary": bench.guard.redact(end.summary)})
    event = StepEvent.ENDED if end.done else StepEvent.STOPPED
    bench.journal.write(event, step.name, end.model_dump(mode="json", exclude={"done"}) | _evidence_so_far(bench))
    bench.observer(StepEnded(step, end.verdict, end.summary, bench.clock.monotonic() - started))
    return end


def undo(bench: Bench, step: Step) -> StepEnd:
    """Takes the step back and verifies that; raises as `perform` does.

    `done` also when something of it is left for later: `to_do` says what, and the next `back` asks for it again.
    """
    bench.room.before_step()
    history = bench.history.steps[step.name]
    bench.observer(UndoStarted(step))
    bench.journal.write(StepEvent.UNDOING, step.name)
    bench.checkpoint(f"{step.name}:undoing")
    started = bench.clock.monotonic()
    try:
        outcome = _undo(bench, step, history)
    except ReboxError as error:
        outcome = Outcome(Verdict.FAILED, str(error), next_move=error.next_move)
    except Exception as error:
        outcome = Outcome(Verdict.FAILED, str(_fault(bench, step, error)))
    outcome = replace(
        outcome,
        summary=_going_back_words(bench, bench.guard.redact(outcome.summary)),
        next_move=_going_back_words(bench, outcome.next_move),
    )
    done = outcome.verdict in (Verdict.PASSED, Verdict.SKIPPED)
    if done and not outcome.to_do:
        said: dict[str, JsonValue] = {"verdict": outcome.verdict, "summary": outcome.summary}
        bench.journal.write(StepEvent.UNDONE, step.name, said | _evidence_so_far(bench))
    else:
        verdict, why = (Verdict.UNKNOWN, "") if done else (outcome.verdict, outcome.summary)
        leave(bench, step, verdict, why, to_do=outcome.to_do, box=outcome.to_do_on)
    bench.observer(UndoEnded(step, outcome.verdict, outcome.summary, bench.clock.monotonic() - started))
    return StepEnd(
        done=done,
        verdict=outcome.verdict,
        summary=outcome.summary,
        exit_status=0 if done else outcome.verdict.exit_status,
        next_move=outcome.next_move,
        evidence=outcome.evidence,
        gone=outcome.gone if done else "",
    )


def _going_back_words(bench: Bench, text: str) -> str:
    """What a step says, no longer than a record of the way back may be; steps say "resume" and know no direction."""
    text = _THEN_RESUME.sub(f"then go on back with: rebox back {bench.record.run_id}", text)
    return text if len(text) <= SUMMARY_CHARACTERS_MAX else f"{text[: SUMMARY_CHARACTERS_MAX - 1]}…"


def leave(bench: Bench, step: Step, verdict: Verdict, why: str, *, to_do: str = "", box: str = "") -> None:
    """Writes down that taking the step back is left for later: what of it, on which box, and why."""
    data: dict[str, JsonValue] = {"verdict": verdict.value, "summary": why}
    data |= {name: value for name, value in (("to_do", bench.guard.redact(to_do)), ("box", box)) if value}
    bench.journal.write(StepEvent.UNDO_FAILED, step.name, data | _evidence_so_far(bench))


def _evidence_so_far(bench: Bench) -> dict[str, JsonValue]:
    """Where the evidence stands, so that some of it cannot go missing at its end unnoticed."""
    last = bench.evidence.last
    return {"evidence_number": last.number, "evidence_chain": last.chain} if last.number else {}


def derive_gate(gate: GateReference, implementation: GateImplementation, context: StepContext) -> Outcome:
    """The gate's verdict now; a gate that could not look is unknown."""
    try:
        return implementation(context, gate)
    except ReboxError as error:
        return Outcome(Verdict.UNKNOWN, str(error))


def _phases(bench: Bench, step: Step, history: StepHistory) -> StepEnd:
    implementation = bench.implementations[step.kind]
    context = _context(bench, step, begun=history.begun)
    if history.begun and isinstance(implementation, Interrupting) and not implementation.half_done(context):
        context = replace(context, begun=False)
    if not context.begun and (blocked := _ask_gates(bench, context)):
        return blocked
    bench.journal.write(StepEvent.INTENT, step.name, {"way_back": step.way_back, "back_seconds": step.back_seconds})
    bench.checkpoint(f"{step.name}:journaled")
    serve_first = context.begun and step.interrupts_service
    result = None if serve_first else implementation.look(context)
    bench.checkpoint(f"{step.name}:looked")
    if result is None:
        if context.begun and step.irreversible and (blocked := _ask_gates(bench, context)):
            return blocked
        if context.begun and not step.irreversible:
            _note_gates(bench, context)
        result = _act(bench, context, implementation)
        if result is None:
            return _operator_needed(step)
        bench.checkpoint(f"{step.name}:acted")
    result = _keepable(bench, step, result)
    outcome = _verify(context, implementation, result)
    bench.checkpoint(f"{step.name}:verified")
    return _judged(outcome, result)


def _act(bench: Bench, context: StepContext, implementation: StepImplementation) -> Result | None:
    """Touches the world; None when an operator was needed and did not do it."""
    step = context.step
    if step.irreversible:
        bench.lease.assert_held()
    bench.journal.write(StepEvent.ACTING, step.name, {"irreversible": step.irreversible})
    bench.checkpoint(f"{step.name}:acting")
    if step.mode is Mode.AUTOMATIC:
        return implementation.act(context)
    bench.observer(OperatorAsked(step, instructions_for(step, undoing=False), undoing=False))
    implementation.act(context)
    while True:
        if (seen := _look_patiently(context, implementation)) is not None:
            return seen
        if not bench.operator.present or bench.operator.stops_within(bench.poll_seconds):
            return None


def _look_patiently(context: StepContext, implementation: StepImplementation) -> Result | None:
    """While a person is at it, a box that does not answer is no failure: it is not done yet."""
    try:
        return implementation.look(context)
    except ReboxError as error:
        context.progress(0.0, f"not yet: {error.what}")
        return None


def _verify(context: StepContext, implementation: StepImplementation, result: Result) -> Outcome:
    try:
        return implementation.verify(context, result)
    except VerificationError as error:
        return Outcome(Verdict.FAILED, str(error))
    except InternalError:
        raise
    except ReboxError as error:
        # to be unable to look is not an answer
        return Outcome(Verdict.UNKNOWN, str(error))


def _undo(bench: Bench, step: Step, history: StepHistory) -> Outcome:
    implementation = bench.implementations[step.kind]
    context = _context(bench, step, begun=True)
    if step.mode is Mode.AUTOMATIC:
        return implementation.undo(context, history.result)
    bench.observer(OperatorAsked(step, instructions_for(step, undoing=True), undoing=True))
    while True:
        try:
            outcome = implementation.undo(context, history.result)
        except ReboxError as error:
            outcome = Outcome(Verdict.UNKNOWN, str(error))
        if outcome.verdict in (Verdict.PASSED, Verdict.SKIPPED):
            return outcome
        if not bench.operator.present or bench.operator.stops_within(bench.poll_seconds):
            return outcome


def _ask_gates(bench: Bench, context: StepContext) -> StepEnd | None:
    """Derives the step's gates now; how the step ends when one of them does not let it start, else None."""
    for gate in context.step.gates:
        outcome = derive_gate(gate, bench.gates[gate.code], context)
        outcome = replace(outcome, summary=bench.guard.redact(outcome.summary))
        acknowledged = gate.severity is Severity.WARN and gate.code in bench.acknowledged
        holds = outcome.verdict is Verdict.PASSED or acknowledged
        _tell_gate(bench, context.step, gate, outcome, holds=holds, acknowledged=acknowledged)
        if not holds:
            return _closed(gate, outcome)
    return None


def _note_gates(bench: Bench, context: StepContext) -> None:
    """Writes down that they are not asked, so that nobody takes their silence for an answer."""
    before = Outcome(Verdict.SKIPPED, "asked before the step began to act; not asked again half-way")
    for gate in context.step.gates:
        _tell_gate(bench, context.step, gate, before, holds=True, acknowledged=False)


def _tell_gate(
    bench: Bench, step: Step, gate: GateReference, outcome: Outcome, *, holds: bool, acknowledged: bool
) -> None:
    bench.journal.write(
        StepEvent.GATE,
        step.name,
        {
            "code": gate.code,
            "severity": gate.severity.value,
            "verdict": outcome.verdict.value,
            "summary": outcome.summary,
            "acknowledged": acknowledged,
            "holds": holds,
        },
    )
    bench.observer(GateChecked(step, gate, outcome, holds, acknowledged))


def _closed(gate: GateReference, outcome: Outcome) -> StepEnd:
    # a gate that was skipped has checked nothing, and nothing checked is unknown
    verdict = Verdict.FAILED if outcome.verdict is Verdict.FAILED else Verdict.UNKNOWN
    acknowledge = f", or acknowledge it with --acknowledge {gate.code}" if gate.severity is Severity.WARN else ""
    return StepEnd(
        done=False,
        blocked=True,
        verdict=verdict,
        summary=f"gate {gate.code}: {outcome.summary}",
        exit_status=RefusedError.exit_status if verdict is Verdict.FAILED else UnknownStateError.exit_status,
        next_move=outcome.next_move or f"Put right what it names ({gate.why}){acknowledge}; then resume.",
        evidence=outcome.evidence,
    )


def _judged(outcome: Outcome, result: Result) -> StepEnd:
    done = outcome.verdict in (Verdict.PASSED, Verdict.SKIPPED)
    unknown = outcome.verdict is Verdict.UNKNOWN
    return StepEnd(
        done=done,
        blocked=unknown,
        verdict=outcome.verdict,
        summary=outcome.summary,
        exit_status=0 if done else outcome.verdict.exit_status,
        next_move=""
        if done
        else outcome.next_move or ("Find out what could not be told, then resume." if unknown else ""),
        result=result,
        evidence=outcome.evidence,
    )


def _operator_needed(step: Step) -> StepEnd:
    return StepEnd(
        done=False,
        blocked=True,
        verdict=Verdict.UNKNOWN,
        summary=f"an operator is needed: {instructions_for(step, undoing=False)}",
        exit_status=RefusedError.exit_status,
        next_move="Do what it says, then resume; it is looked at from the network.",
    )


def _stopped_by(error: ReboxError) -> StepEnd:
    unknown = isinstance(error, UnknownStateError)
    return StepEnd(
        done=False,
        blocked=unknown or isinstance(error, RefusedError),
        verdict=Verdict.UNKNOWN if unknown else Verdict.FAILED,
        summary=str(error),
        exit_status=error.exit_status,
        next_move=error.next_move,
    )


def _fault(bench: Bench, step: Step, error: Exception) -> InternalError:
    LOGGER.error("step %s raised what no step may raise", step.name, exc_info=error)
    return InternalError(
        f"step {step.name} met a fault of the toolkit",
        where=str(bench.run_directory / "engine.log"),
        why=type(error).__name__,
        next_move="Report it with that file; the run can be resumed or taken back.",
    )


def _keepable(bench: Bench, step: Step, result: Result) -> Result:
    try:
        kept = _RESULT.validate_python(result, strict=True)
    except ValidationError:
        raise InternalError(
            f"the result of step {step.name} cannot be kept",
            why="it is not made of JSON's types only",
            next_move="Report this as a fault of the toolkit; the run can be resumed or taken back.",
        ) from None
    bench.guard.check(kept, f"the result of step {step.name}")
    return kept


def _context(bench: Bench, step: Step, *, begun: bool) -> StepContext:
    def progress(fraction: float, phase: str) -> None:
        bench.lease.beat()
        bench.observer(StepProgress(step, min(max(fraction, 0.0), 1.0), phase))

    return StepContext(
        plan=bench.plan,
        step=step,
        run_id=bench.record.run_id,
        run_directory=bench.run_directory,
        world=bench.world,
        evidence=bench.evidence.for_step(step.name),
        clock=bench.clock,
        progress=progress,
        results=dict(bench.results),
        begun=begun,
    )
