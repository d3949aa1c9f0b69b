"""What the engine answers with: how a run ended, one run in a list, and what a dry run saw."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit.engine.states import RunState
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Outcome
from toolkit.model.plan import GateReference, Step
from toolkit.model.run_report import ToDo, WayBack
from toolkit.model.verdict import Verdict


@dataclass(frozen=True)
class RunOutcome:
    """How `run`, `resume`, `back` or `abandon` ended; `step` is where it stopped, None when it went through."""

    run_id: str
    run_directory: Path
    state: RunState
    verdict: Verdict
    summary: str
    exit_status: int
    step: str | None = None
    next_move: str = ""
    to_do: tuple[ToDo, ...] = ()


@dataclass(frozen=True)
class RunSummary:
    """One run in a list; `step` is the one it stands at, `alive` whether a process works on it now.

    `damage` says what of its record cannot be believed; its state is DAMAGED then.
    """

    run_id: str
    procedure: str
    site: str
    boxes: dict[str, str]
    state: RunState
    alive: bool
    created: datetime
    verdict: Verdict
    step: str | None
    way_back: WayBack
    damage: ReboxError | None = None


@dataclass(frozen=True)
class DryStep:
    """What a dry run can tell of a step: how its gates stand now, and what was seen without changing anything.

    What cannot be told before earlier steps are done is skipped, and its summary says "not yet".
    """

    step: Step
    gates: tuple[tuple[GateReference, Outcome], ...]
    seen: Outcome
