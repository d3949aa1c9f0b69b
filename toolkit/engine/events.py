"""What the engine tells while it works; the command line draws progress from it."""

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.model.execution import Outcome
from toolkit.model.plan import GateReference, Plan, Step
from toolkit.model.verdict import Verdict


@dataclass(frozen=True)
class RunStarted:
    """A run begins, is taken up again (`resumed`), or goes back (`going_back`)."""

    run_id: str
    plan: Plan
    resumed: bool
    going_back: bool
    steps: tuple[str, ...]


@dataclass(frozen=True)
class StepStarted:
    """A step begins; `attempt` counts from 1, `done_before` means it had ended before and is only passed by."""

    step: Step
    attempt: int
    done_before: bool = False


@dataclass(frozen=True)
class GateChecked:
    """A gate was derived; `holds` says whether the step may start, `acknowledged` that a warning was waved through."""

    step: Step
    gate: GateReference
    outcome: Outcome
    holds: bool
    acknowledged: bool


@dataclass(frozen=True)
class StepProgress:
    """How far a step is: the fraction done (0 to 1) and the phase in words."""

    step: Step
    fraction: float
    phase: str


@dataclass(frozen=True)
class OperatorAsked:
    """The operator has to do something by hand; `undoing` says that it is about the way back."""

    step: Step
    instructions: str
    undoing: bool


@dataclass(frozen=True)
class StepEnded:
    """A step ended or stopped; `seconds` is the time of this attempt."""

    step: Step
    verdict: Verdict
    summary: str
    seconds: float


@dataclass(frozen=True)
class UndoStarted:
    """A step is being taken back."""

    step: Step


@dataclass(frozen=True)
class UndoEnded:
    """A step was taken back, or could not be."""

    step: Step
    verdict: Verdict
    summary: str
    seconds: float


@dataclass(frozen=True)
class RecordRepaired:
    """A file's torn last line, left by a power cut, is not believed: `bytes_cut` of it were there."""

    file_name: str
    bytes_cut: int


@dataclass(frozen=True)
class RecordDamaged:
    """The evidence was damaged, is kept under this name, and is begun anew."""

    file_name: str


Event = (
    RunStarted
    | StepStarted
    | GateChecked
    | StepProgress
    | OperatorAsked
    | StepEnded
    | UndoStarted
    | UndoEnded
    | RecordRepaired
    | RecordDamaged
)

Observer = Callable[[Event], None]
"""Takes every event, on the thread that called the engine; it must not raise."""


def unobserved(_: Event) -> None:
    """The observer that looks away."""
