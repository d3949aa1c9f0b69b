"""What a step's implementation is and what it is given: the seam between the concerns and the engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import JsonValue

from toolkit.model.plan import GateReference, Plan, Step
from toolkit.model.verdict import Verdict, combine

Result = dict[str, JsonValue]
"""What a step leaves for later steps and the report: paths, hashes, counts; never a secret, never content."""

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and the phase in words."""


class Clock(Protocol):
    """Time is handed in, so that a rehearsal can run on a virtual one."""

    def now(self) -> datetime:
        """The time of day (UTC, aware)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class Evidence(Protocol):
    """Where a step writes down what was seen."""

    def record(
        self,
        *,
        probe: str,
        subject: str,
        summary: str,
        verdict: Verdict,
        data: Mapping[str, JsonValue] | None = None,
    ) -> str:
        """Appends one record for the current step (on disk before it returns) and returns its id."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How a verification or a gate ended, in one sentence; `next_move` when there is a better one than a new look.

    `to_do`: what is left for later although the verdict holds, on the box of the role `to_do_on`; an undo that leaves
    something is asked for again. `gone`: the role of a box that is no more, with everything that was on it.
    """

    verdict: Verdict
    summary: str
    evidence: tuple[str, ...] = ()
    next_move: str = ""
    to_do: str = ""
    to_do_on: str = ""
    gone: str = ""


@dataclass(frozen=True)
class StepContext:
    """What an implementation is given.

    `world` is the wiring's own object (drivers, secrets, inventory): the engine hands it through untouched.
    `results` holds the results of the steps that have ended, by step name; `run_directory` is the run's own folder.
    `begun` says that an earlier attempt, cut short, had begun to act: half of the effect may be there already.
    """

    plan: Plan
    step: Step
    run_id: str
    run_directory: Path
    world: Any
    evidence: Evidence
    clock: Clock
    progress: Progress
    results: Mapping[str, Result] = field(default_factory=dict)
    begun: bool = False

    @property
    def taken_from(self) -> Path:
        """The folder whose files a step brings to a box: the run's own, or within it what came off a stick.

        The plan says which, by the step's parameter `from`.
        """
        return self.run_directory / str(self.step.parameters.get("from", ""))


def witness(
    context: StepContext,
    *,
    probe: str,
    subject: str,
    summary: str,
    passed: bool | None,
    data: Mapping[str, JsonValue] | None = None,
) -> Outcome:
    """Writes down what was seen and makes it the outcome; `passed` None: it could not be told."""
    verdict = Verdict.UNKNOWN if passed is None else Verdict.PASSED if passed else Verdict.FAILED
    record = context.evidence.record(probe=probe, subject=subject, summary=summary, verdict=verdict, data=data)
    return Outcome(verdict, summary, (record,))


def together(*outcomes: Outcome) -> Outcome:
    """Several outcomes as one: the worst verdict, and the sentences that explain it."""
    verdict = combine(outcome.verdict for outcome in outcomes)
    telling = [_sentence(outcome.summary) for outcome in outcomes if outcome.verdict is verdict]
    evidence = tuple(record for outcome in outcomes for record in outcome.evidence)
    return Outcome(verdict, " ".join(telling) or "Nothing was checked.", evidence)


def _sentence(summary: str) -> str:
    """A probe says what it saw without a full stop; beside other sentences it needs one."""
    return summary if summary.endswith((".", "!", "?")) else f"{summary}."


class StepImplementation(Protocol):
    """How one kind of step is done. Every method may be called again after a kill at any moment.

    The engine calls, in this order: `look` (the effect is already there: skip `act`), `act`, `verify`; on going back
    `undo`. `look` and `verify` read the world by another way than `act` writes it.
    """

    def look(self, context: StepContext) -> Result | None:
        """The step's result when its effect is already there, else None; changes nothing."""
        ...

    def act(self, context: StepContext) -> Result:
        """Does it; harmless when done twice, or when half of it has been done before."""
        ...

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Whether the effect is there, read back from the world; raises only ReboxError."""
        ...

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Takes it back and verifies that; `result` is None when the step was interrupted before it ended."""
        ...


@runtime_checkable
class Interrupting(Protocol):
    """What a step that interrupts service adds: how far an attempt that was cut short had come.

    Taken up half done, such a step is not asked to `look`, and its gates are not asked: `act` follows at once, finds
    for itself what is left to do, and lets no box that stays silent keep it from serving.
    """

    def half_done(self, context: StepContext) -> bool:
        """Whether anything has been moved, or may have been; in a few requests, and raising nothing.

        False: all is as before the step began, so that it starts as at first, with its gates.
        """
        ...


class GateImplementation(Protocol):
    """Derives one gate's verdict from the world, at the moment it is asked."""

    def __call__(self, context: StepContext, gate: GateReference) -> Outcome:
        """PASSED lets the step start; FAILED and UNKNOWN block it (or warn, by the gate's severity)."""
        ...


class ReadOnlyStep:
    """Base of steps that leave nothing behind that would have to be taken back."""

    def look(self, context: StepContext) -> Result | None:
        """Nothing is remembered: what such a step sees is seen anew each time."""
        return None

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Nothing is taken back; the step's `way_back` says why that is right."""
        return Outcome(Verdict.PASSED, context.step.way_back or "Nothing to take back: the step only looked.")
