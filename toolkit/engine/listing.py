"""The runs there are, each as it is listed: from their folders alone, nothing is held and nothing is written."""

from datetime import UTC, datetime
from pathlib import Path

from toolkit.engine.history import read_believed_history
from toolkit.engine.liveness import is_alive
from toolkit.engine.outcomes import RunSummary
from toolkit.engine.states import RunState
from toolkit.evidence.run_directory import list_run_directories
from toolkit.model.errors import ReboxError
from toolkit.model.run_report import WayBack
from toolkit.model.verdict import Verdict


def list_runs(runs_directory: Path) -> list[RunSummary]:
    """Every run that left its folder there, oldest first, damaged ones too; needs no engine and writes nothing."""
    found = [summarise(path) for path in list_run_directories(runs_directory)]
    return sorted(found, key=lambda summary: summary.created)


def summarise(run_directory: Path) -> RunSummary:
    """One run as it is listed; raises nothing for a damaged one: its state is DAMAGED."""
    try:
        history = read_believed_history(run_directory)
    except ReboxError as error:
        return _unreadable(run_directory, error)
    begun = [step.name for step in history.plan.steps if history.steps[step.name].attempts]
    return RunSummary(
        run_id=run_directory.resolve().name,  # what run.json says may be the damage
        procedure=history.plan.procedure,
        site=history.plan.site,
        boxes=dict(history.plan.boxes),
        state=history.state,
        alive=is_alive(run_directory),
        created=history.record.created,
        verdict=history.verdict,
        step=begun[-1] if begun else None,
        way_back=history.way_back,
        damage=history.damage,
    )


def _unreadable(run_directory: Path, error: ReboxError) -> RunSummary:
    """The entry of a run of which not even what it was started with can be read."""
    return RunSummary(
        run_id=run_directory.name,
        procedure="",
        site="",
        boxes={},
        state=RunState.DAMAGED,
        alive=is_alive(run_directory),
        created=datetime.fromtimestamp(run_directory.stat().st_mtime, UTC),
        verdict=Verdict.UNKNOWN,
        step=None,
        way_back=WayBack(available_until=None, available_now=False, seconds_estimated=0.0),
        damage=error,
    )
