"""A disk that is full to its last byte stops what goes forward, never the way back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.ledger import PLAN, REVERSIBLE, Place, Write
from toolkit.engine import RunState
from toolkit.engine.believed import read_journal
from toolkit.engine.room import RESERVE_FILE, SUMMARY_CHARACTERS_MAX, room_for_way_back
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.verdict import Verdict


def story(name: str, folder: Path) -> dict[str, Any]:
    words = ["unshare", "--user", "--map-root-user", "--mount"]
    ended = subprocess.run(
        [*words, sys.executable, "-m", "tests.engine.full_disk_story", name, folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.mark.parametrize("name", ["back", "back-from-the-swing"])
def test_the_way_back_goes_through_and_its_report_is_written(tmp_path: Path, name: str) -> None:
    told = story(name, tmp_path)
    assert told["state"] == RunState.WENT_BACK
    assert told["lines"] == []
    assert "resume" not in told["said"]
    assert "report.html" in told["files"]
    assert told["claims"] == []
    assert told["reserve_bytes"] is None  # nothing is left that it could be needed for


def test_killed_everywhere_on_the_way_back_while_somebody_keeps_the_disk_full_it_goes_on(tmp_path: Path) -> None:
    told = story("again", tmp_path)
    assert told["status"] == 0
    assert told["kills"] >= 6
    assert told["state"] == RunState.WENT_BACK
    assert told["lines"] == []


def test_forward_it_stops_says_how_to_go_on_and_keeps_the_room_for_the_way_back(tmp_path: Path) -> None:
    told = story("forward", tmp_path)
    assert told["state"] == RunState.INTERRUPTED
    assert told["lines"][:2] == ["prepare", "copy"]  # what a last block holds may let it go a little further
    assert "go on with: rebox resume" in told["said"]
    assert told["reserve_bytes"] == room_for_way_back(REVERSIBLE)
    assert told["afterwards"] == RunState.PASSED


def test_the_room_is_kept_from_the_start_until_there_is_no_way_back(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(PLAN)
    reserve = engine.directory(run_id) / RESERVE_FILE
    assert reserve.stat().st_size == room_for_way_back(PLAN)
    assert reserve.stat().st_blocks * 512 >= room_for_way_back(PLAN)
    reserve.unlink()  # a run that goes on has it again first
    place.set("gate-soaked", Verdict.UNKNOWN)
    engine.run(run_id)
    assert reserve.stat().st_size == room_for_way_back(PLAN)
    place.set("gate-soaked", Verdict.PASSED)
    assert engine.resume(run_id).state is RunState.PASSED
    assert not reserve.exists()


class Talkative(Write):
    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        super().undo(context, result)
        return Outcome(Verdict.PASSED, f"Look at the console, then resume. {'x' * 10 * SUMMARY_CHARACTERS_MAX}")


def test_what_a_step_says_on_the_way_back_is_bounded_and_never_says_resume(place: Place) -> None:
    engine = place.engine(implementations={"write": Talkative()})
    run_id = engine.start(REVERSIBLE)
    engine.run(run_id)
    outcome = engine.back(run_id)
    for entry in read_journal(outcome.run_directory):
        if entry.event == "undone":
            said = str(entry.data["summary"])
            assert len(said) <= SUMMARY_CHARACTERS_MAX
            assert said.startswith(f"Look at the console, then go on back with: rebox back {run_id}.")


def test_the_room_grows_with_the_plan() -> None:
    fewer = REVERSIBLE.model_copy(update={"steps": REVERSIBLE.steps[:1]})
    assert room_for_way_back(PLAN) > room_for_way_back(fewer)
