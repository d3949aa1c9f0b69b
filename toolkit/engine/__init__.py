"""Runs that survive a kill: gates, locks, going on, going back."""

from toolkit.engine.believed import changed_files
from toolkit.engine.events import (
    Event,
    GateChecked,
    Observer,
    OperatorAsked,
    RecordDamaged,
    RecordRepaired,
    RunStarted,
    StepEnded,
    StepProgress,
    StepStarted,
    UndoEnded,
    UndoStarted,
)
from toolkit.engine.history import build_report
from toolkit.engine.listing import list_runs, summarise
from toolkit.engine.operators import NobodyThere, Operator, OperatorStep
from toolkit.engine.outcomes import DryStep, RunOutcome, RunSummary
from toolkit.engine.runs import Engine, World
from toolkit.engine.states import RunState

__all__ = [
    "DryStep",
    "Engine",
    "Event",
    "GateChecked",
    "NobodyThere",
    "Observer",
    "Operator",
    "OperatorAsked",
    "OperatorStep",
    "RecordDamaged",
    "RecordRepaired",
    "RunOutcome",
    "RunStarted",
    "RunState",
    "RunSummary",
    "StepEnded",
    "StepProgress",
    "StepStarted",
    "UndoEnded",
    "UndoStarted",
    "World",
    "build_report",
    "changed_files",
    "list_runs",
    "summarise",
]
