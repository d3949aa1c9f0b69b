"""A run that can be neither resumed nor taken back is ended by hand, and holds its boxes no longer."""

import json
import shutil
from pathlib import Path

import pytest

from tests.engine.ledger import PLAN, KillAt, Place, in_child
from toolkit.engine import RunState, build_report
from toolkit.engine.locks import BoxLocks
from toolkit.model.errors import RefusedError, UnknownStateError
from toolkit.model.verdict import Verdict


def claims(place: Place) -> list[str]:
    return sorted(path.name for path in (place.folder / "state" / "claims").iterdir())


def killed_at(place: Place, point: str) -> str:
    run_id = place.engine().start(PLAN)
    kill = KillAt(place.folder / "kills.txt", only=point)
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    return run_id


def test_it_releases_the_boxes_and_says_by_whom_and_what_is_left(place: Place) -> None:
    run_id = killed_at(place, "reset:acting")
    engine = place.engine()
    with pytest.raises(RefusedError, match="irreversible"):
        engine.back(run_id)
    with pytest.raises(RefusedError) as held:
        engine.start(PLAN)
    assert f"rebox abandon {run_id}" in held.value.next_move
    ended: list[Path] = []

    outcome = engine.abandon(run_id, "anna", ["10.77.0.20 is at nobody."], ended.append)

    assert (outcome.state, outcome.verdict, outcome.exit_status) == (RunState.ABANDONED, Verdict.UNKNOWN, 0)
    assert ended == [outcome.run_directory]
    assert claims(place) == []
    assert place.lines() == ["prepare", "copy", "swing"], "no box was touched"
    report = build_report(outcome.run_directory)
    assert report.verdict is Verdict.UNKNOWN
    assert report.abandoned
    assert report.abandoned.by == "anna"
    assert report.abandoned.seen == ("10.77.0.20 is at nobody.",)
    assert [line.partition(":")[0] for line in report.abandoned.left] == ["reset", "swing", "copy", "prepare"]
    assert "cannot be taken back" in report.abandoned.left[0]
    for act in (engine.resume, engine.back):
        with pytest.raises(RefusedError, match="it is abandoned"):
            act(run_id)
    assert engine.run(engine.start(PLAN)).state is RunState.PASSED


@pytest.mark.parametrize("state", ["interrupted", "blocked", "failed", "going-back", "back-failed", "back-to-do"])
def test_from_every_state_in_which_nothing_moves(place: Place, state: str) -> None:
    if state == "interrupted":
        run_id = killed_at(place, "copy:acted")
    else:
        place.set("gate-soaked", Verdict.FAILED)
        place.set("verify-swing", Verdict.FAILED if state == "failed" else Verdict.PASSED)
        run_id = place.engine().run(place.engine().start(PLAN)).run_id
    if state == "going-back":
        kill = KillAt(place.folder / "kills.txt", only="copy:undone")
        assert in_child(lambda: place.engine(checkpoint=kill).back(run_id)) == -9
    if state.startswith("back"):
        place.set("undo-copy", Verdict.FAILED)
        place.set("verify-prove-served", Verdict.FAILED if state == "back-failed" else Verdict.PASSED)
        place.engine().back(run_id)
    engine = place.engine()
    assert engine.history(run_id).state == state
    assert claims(place)
    assert engine.abandon(run_id, "anna").state is RunState.ABANDONED
    assert claims(place) == []


def test_what_has_ended_is_not_abandoned(place: Place) -> None:
    engine = place.engine()
    run_id = engine.run(engine.start(PLAN)).run_id
    with pytest.raises(RefusedError, match="abandoning it is not possible"):
        engine.abandon(run_id, "anna")


def test_the_boxes_of_a_run_whose_folder_is_gone_are_given_free(place: Place) -> None:
    run_id = killed_at(place, "copy:acted")
    engine = place.engine()
    shutil.rmtree(engine.directory(run_id))
    with pytest.raises(UnknownStateError) as held:
        engine.start(PLAN)
    assert f"rebox abandon {run_id}" in held.value.next_move

    locks = BoxLocks(place.folder / "state", engine.clock.now)
    assert set(locks.claims_of(run_id)) == {"OLD-1", "NEW/2"}
    assert locks.claims_of("another") == {}
    assert set(locks.release_claims_of(run_id)) == {"OLD-1", "NEW/2"}
    assert claims(place) == []
    assert engine.run(engine.start(PLAN)).state is RunState.PASSED


def test_a_box_at_work_is_not_given_free(place: Place) -> None:
    run_id = killed_at(place, "copy:acted")
    locks = BoxLocks(place.folder / "state", place.engine().clock.now)
    claim = next(iter((place.folder / "state" / "claims").iterdir()))
    serial = json.loads(claim.read_text())["serial_number"]
    with locks._locked(serial, {"command": "a test"}), pytest.raises(RefusedError, match="being worked on"):
        locks.release_claims_of(run_id)
    assert len(claims(place)) == 2
