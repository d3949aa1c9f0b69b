"""Two commands on one box: one works, the other is told who does."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.ledger import PLAN, REVERSIBLE, KillAt, Place, in_child
from toolkit.engine import RunState
from toolkit.engine.locks import BoxLocks, Claim
from toolkit.model.errors import RefusedError, UnknownStateError
from toolkit.model.verdict import Verdict


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def at_work(place: Place, run_id: str) -> Iterator[int]:
    """Another process that works on the run and stands still in the middle of a step; yields its number."""
    standing = place.folder / "standing"

    def stand(point: str) -> None:
        if point == "copy:acted":
            standing.touch()
            signal.pause()

    child = os.fork()
    if child == 0:
        try:
            place.engine(checkpoint=stand).run(run_id)
        finally:
            os._exit(99)
    try:
        until(standing.exists)
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_second_command_on_a_running_box_is_refused_and_does_nothing(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    waiting = engine.start(REVERSIBLE)
    with at_work(place, run_id) as process:
        for command in (engine.run, engine.resume, engine.back):
            with pytest.raises(RefusedError, match="is being worked on") as refusal:
                command(run_id)
            assert run_id in str(refusal.value)
            assert f"process {process}" in str(refusal.value)
        with pytest.raises(RefusedError, match="box NEW/2 is being worked on"):
            engine.run(waiting)
        with pytest.raises(RefusedError, match="belongs to an unfinished run"):
            engine.start(REVERSIBLE)
        assert engine.runs()[0].alive
        assert engine.runs()[0].state is RunState.RUNNING
        assert place.lines() == ["prepare", "copy"]

    assert engine.runs()[0].state is RunState.INTERRUPTED  # the locks went with the process
    assert engine.resume(run_id).state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing"]


@pytest.mark.parametrize("stop", ["killed", "blocked"])
def test_an_unfinished_run_keeps_its_boxes_until_it_is_ended(place: Place, stop: str) -> None:
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    if stop == "killed":
        kill = KillAt(place.folder / "kills.txt", only="copy:acted")
        assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    else:
        place.set("gate-proven", Verdict.FAILED)
        engine.run(run_id)

    elsewhere = place.engine(runs_directory=place.folder / "other-runs")
    with pytest.raises(RefusedError, match=f"rebox resume {run_id}, or rebox back {run_id}"):
        elsewhere.start(PLAN)
    assert not (place.folder / "other-runs").exists()

    other_boxes = PLAN.model_copy(update={"boxes": {"old": "OLD-3", "new": "NEW-4"}})
    elsewhere.start(other_boxes)
    assert engine.back(run_id).state is RunState.WENT_BACK
    place.set("gate-proven", Verdict.PASSED)
    assert elsewhere.run(elsewhere.start(PLAN)).state is RunState.PASSED


def test_a_claim_whose_run_cannot_be_read_is_unknown_not_free(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    kill = KillAt(place.folder / "kills.txt", only="copy:acted")
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    (engine.directory(run_id) / "plan.json").unlink()
    with pytest.raises(UnknownStateError, match="cannot be told how run"):
        engine.start(REVERSIBLE)

    (place.folder / "state" / "claims" / "OLD-1.json").write_text("{")
    with pytest.raises(UnknownStateError, match="cannot be told whether another run"):
        engine.start(REVERSIBLE)


def take_over(path: Path) -> None:
    claim = Claim.model_validate_json(path.read_bytes())
    path.write_bytes(claim.model_copy(update={"token": "somebody else's"}).sealed_json())


@pytest.mark.parametrize("how", ["taken over", "claim gone", "lock replaced"])
def test_nothing_irreversible_is_done_once_the_box_is_lost(place: Place, how: str) -> None:
    def lose(point: str) -> None:
        if point != "reset:looked":
            return
        if how == "lock replaced":
            lock = place.folder / "state" / "locks" / "OLD-1.lock"
            lock.unlink()
            lock.touch()
        elif how == "claim gone":
            (place.folder / "state" / "claims" / "OLD-1.json").unlink()
        else:
            take_over(place.folder / "state" / "claims" / "OLD-1.json")

    engine = place.engine(checkpoint=lose)
    outcome = engine.run(engine.start(PLAN))
    assert (outcome.state, outcome.step, outcome.exit_status) == (RunState.BLOCKED, "reset", 3)
    assert "no longer holds the box" in outcome.summary
    assert place.lines() == ["prepare", "copy", "swing"]
    assert engine.back_estimate(outcome.run_id).available_now


def test_the_heartbeat_is_renewed_while_a_step_makes_progress(place: Place) -> None:
    locks = BoxLocks(place.folder, place.engine().clock.now)
    (place.folder / "run").mkdir()
    with locks.hold(["A"], "r", place.folder / "run", "token") as lease:
        [path] = lease.claims
        first = Claim.model_validate_json(path.read_bytes()).beat
        lease.beat()
        assert Claim.model_validate_json(path.read_bytes()).beat == first  # not at every call
        lease.last_beat -= 10
        lease.beat()
        assert Claim.model_validate_json(path.read_bytes()).beat > first


def test_what_goes_wrong_while_a_box_is_held_is_not_blamed_on_its_lock(place: Place) -> None:
    (place.folder / "run").mkdir()
    locks = BoxLocks(place.folder, place.engine().clock.now)
    with pytest.raises(OSError, match="elsewhere"), locks.hold(["A"], "r", place.folder / "run", "token"):
        raise OSError("elsewhere")


def locks_of(place: Place) -> BoxLocks:
    return BoxLocks(place.folder / "state", place.engine().clock.now)


def test_while_a_command_works_on_a_box_neither_another_nor_a_run_does(place: Place) -> None:
    locks, engine = locks_of(place), place.engine()
    waiting = engine.start(REVERSIBLE)
    with locks.hold_for_command("OLD-1", "rebox backup create"):
        with (
            pytest.raises(RefusedError, match="box OLD-1 is being worked on") as refusal,
            locks.hold_for_command("OLD-1", "rebox cert export"),
        ):
            pass
        assert "rebox backup create" in str(refusal.value)
        assert f"process {os.getpid()}" in str(refusal.value)
        with pytest.raises(RefusedError, match="rebox backup create"):
            engine.start(REVERSIBLE)
        assert [run.run_id for run in engine.runs()] == [waiting]  # and no run was begun in vain
        with pytest.raises(RefusedError, match="rebox backup create"):
            engine.run(waiting)
        with locks.hold_for_command("NEW/2", "rebox cert import"):
            pass
    assert place.lines() == []
    assert engine.run(waiting).state is RunState.PASSED


def test_a_command_is_refused_while_a_run_is_at_work_and_until_it_has_ended(place: Place) -> None:
    locks, engine = locks_of(place), place.engine()
    run_id = engine.start(REVERSIBLE)

    def command() -> None:
        with locks.hold_for_command("OLD-1", "rebox backup create"):
            pass

    with at_work(place, run_id), pytest.raises(RefusedError, match="is being worked on") as refusal:
        command()
    assert run_id in str(refusal.value)
    with pytest.raises(RefusedError, match=f"rebox resume {run_id}, or rebox back {run_id}"):
        command()
    engine.back(run_id)
    command()


def test_a_killed_command_holds_nothing(place: Place) -> None:
    def die() -> None:
        with locks_of(place).hold_for_command("OLD-1", "rebox backup create"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die) == -9
    assert place.engine().run(place.engine().start(REVERSIBLE)).state is RunState.PASSED
