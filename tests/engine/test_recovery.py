"""Killed at every moment, the run goes on and no effect happens twice; killed on the way back, back goes on."""

import os
import signal

import pytest

from tests.engine.ledger import PLAN, REVERSIBLE, KillAt, Ledger, Place, Write, in_child, step
from toolkit.engine import Event, RunState, StepEnded, StepStarted, build_report
from toolkit.engine.believed import read_journal
from toolkit.engine.journal import JOURNAL_FILE
from toolkit.engine.states import RunEvent
from toolkit.evidence.log import read_evidence
from toolkit.model.errors import InputError, RefusedError
from toolkit.model.execution import Result, StepContext
from toolkit.model.plan import Plan
from toolkit.model.verdict import Verdict

FORWARD = ("journaled", "looked", "acting", "half", "acted", "verified", "recorded")
SHORT = PLAN.model_copy(update={"steps": (PLAN.steps[0], PLAN.steps[2], PLAN.steps[3])})


def killed_engine(place: Place, kill: KillAt) -> tuple[Ledger, dict[str, object]]:
    """Fields of an engine that is killed at the checkpoints and also inside the steps' own work."""
    world = Ledger(place.world, on_half=lambda line: kill(f"{line.removeprefix('undo-')}:{half(line)}"))
    return world, {"world": world, "checkpoint": kill}


def half(line: str) -> str:
    return "half-undone" if line.startswith("undo-") else "half"


def test_killed_at_every_point_the_run_goes_on_and_no_effect_is_doubled(place: Place) -> None:
    run_id = place.engine().start(SHORT)
    kill = KillAt(place.folder / "kills.txt")
    _, fields = killed_engine(place, kill)

    kills = 0
    while in_child(lambda: place.engine(**fields).resume(run_id)) == -9:
        kills += 1
        assert kills <= 60, kill.seen()
        assert place.engine().runs()[0].state is RunState.INTERRUPTED
        assert build_report(place.engine().directory(run_id)).verdict is Verdict.UNKNOWN
    points = [f"{step.name}:{point}" for step in SHORT.steps for point in FORWARD]
    assert kill.seen() == points
    assert place.lines() == ["prepare", "swing", "reset"]

    report = build_report(place.engine().directory(run_id))
    assert report.verdict is Verdict.PASSED
    assert [s.resumed for s in report.steps] == [6, 6, 6]  # a kill after the result is kept is no repetition
    evidence = [record.id for record in read_evidence(place.engine().directory(run_id))]
    assert len(set(evidence)) == len(evidence)


def test_a_completed_step_is_passed_by_and_its_result_is_there_for_the_next(place: Place) -> None:
    run_id = place.engine().start(REVERSIBLE)
    kill = KillAt(place.folder / "kills.txt", only="prepare:recorded")
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9

    seen: list[object] = []

    class Reading(Write):
        def look(self, context):  # type: ignore[no-untyped-def]  # only listens
            seen.append((context.step.name, dict(context.results)))
            return super().look(context)

    engine = place.engine(implementations={"write": Reading()})
    assert engine.resume(run_id).state is RunState.PASSED
    assert seen == [("copy", {"prepare": {"line": "prepare"}}), ("swing", {**_results("prepare", "copy")})]
    passed_by = [event.step.name for event in place.events if isinstance(event, StepStarted) and event.done_before]
    assert passed_by == ["prepare"]


class CountingLooks(Write):
    """Remembers each step it was asked about."""

    def __init__(self) -> None:
        self.looked: list[str] = []

    def look(self, context: StepContext) -> Result | None:
        self.looked.append(context.step.name)
        return super().look(context)


def test_a_step_that_has_ended_is_not_even_looked_at_again_however_soon_it_was_killed(place: Place) -> None:
    run_id = place.engine().start(REVERSIBLE)

    def die(event: Event) -> None:
        # told right after the journal's record of the end, before anything else is written
        if isinstance(event, StepEnded) and event.step.name == "copy":
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: place.engine(observer=die).run(run_id)) == -9
    Ledger(place.world).remove("copy")  # were it looked at, it would be missing, and done again
    counting = CountingLooks()
    assert place.engine(implementations={"write": counting}).resume(run_id).state is RunState.PASSED
    assert counting.looked == ["swing"]
    assert place.lines() == ["prepare", "swing"]


@pytest.mark.parametrize("content", [None, b"", b"this is no database" * 100])
def test_the_database_an_older_toolkit_kept_beside_the_journal_does_not_matter(
    place: Place, content: bytes | None
) -> None:
    run_id = place.engine().start(REVERSIBLE)
    kill = KillAt(place.folder / "kills.txt", only="copy:recorded")
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    database = place.engine().directory(run_id) / "engine.sqlite"
    if content is not None:
        database.write_bytes(content)
    counting = CountingLooks()
    engine = place.engine(implementations={"write": counting})
    assert engine.resume(run_id).state is RunState.PASSED
    assert counting.looked == ["swing"]
    assert engine.back(run_id).state is RunState.WENT_BACK


def _results(*names: str) -> dict[str, object]:
    return {name: {"line": name} for name in names}


@pytest.mark.parametrize("point", ["prepare:looked", "prepare:half", "copy:acting", "copy:acted", "swing:recorded"])
def test_back_from_wherever_it_was_killed(place: Place, point: str) -> None:
    Ledger(place.world).add("was-there-before")
    run_id = place.engine().start(REVERSIBLE)
    _, fields = killed_engine(place, KillAt(place.folder / "kills.txt", only=point))
    assert in_child(lambda: place.engine(**fields).run(run_id)) == -9

    engine = place.engine()
    estimate = engine.back_estimate(run_id)
    outcome = engine.back(run_id)
    assert (outcome.state, outcome.exit_status) == (RunState.WENT_BACK, 0)
    assert place.lines() == ["was-there-before"]
    assert not list(place.world.glob("half-[!w]*"))
    assert estimate.available_now
    assert estimate.seconds_estimated == 2.0 * len(estimate.steps)
    undone = [entry.step for entry in read_journal(outcome.run_directory) if entry.event == "undone"]
    assert tuple(undone) == estimate.steps


def test_killed_at_every_point_of_the_way_back_it_goes_on(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    engine.run(run_id)
    kill = KillAt(place.folder / "kills.txt")
    _, fields = killed_engine(place, kill)

    kills = 0
    while in_child(lambda: place.engine(**fields).back(run_id)) == -9:
        kills += 1
        assert kills <= 30, kill.seen()
        assert engine.runs()[0].state is RunState.GOING_BACK
        with pytest.raises(RefusedError, match="it is going-back"):
            engine.resume(run_id)
    points = ("undoing", "half-undone", "undone")
    undone = [f"{name}:{point}" for name in ("swing", "copy", "prepare") for point in points]
    proven = ("journaled", "looked", "acting", "acted", "verified", "recorded")
    assert kill.seen() == [*undone, *(f"prove-served:{point}" for point in proven)]
    assert place.lines() == []
    assert engine.runs()[0].state is RunState.WENT_BACK
    assert build_report(engine.directory(run_id)).went_back


def test_no_gate_stands_in_the_way_back(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(PLAN)
    place.set("gate-soaked", Verdict.UNKNOWN)
    assert engine.run(run_id).state is RunState.BLOCKED
    for code in ("room", "proven", "soaked"):
        place.set(f"gate-{code}", Verdict.FAILED)
    assert engine.back(run_id).state is RunState.WENT_BACK


@pytest.mark.parametrize("point", ["reset:acting", "reset:half", "reset:recorded"])
def test_there_is_no_way_back_once_the_irreversible_step_has_begun(place: Place, point: str) -> None:
    run_id = place.engine().start(PLAN)
    _, fields = killed_engine(place, KillAt(place.folder / "kills.txt", only=point))
    assert in_child(lambda: place.engine(**fields).run(run_id)) == -9

    engine = place.engine()
    assert not engine.back_estimate(run_id).available_now
    with pytest.raises(RefusedError, match="irreversible step reset has begun"):
        engine.back(run_id)
    assert place.lines()[:3] == ["prepare", "copy", "swing"]
    assert engine.resume(run_id).state is RunState.PASSED


def test_before_the_irreversible_step_touches_anything_the_way_back_is_open(place: Place) -> None:
    run_id = place.engine().start(PLAN)
    kill = KillAt(place.folder / "kills.txt", only="reset:looked")
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    engine = place.engine()
    assert engine.back_estimate(run_id).steps == ("swing", "copy", "prepare")
    assert engine.back(run_id).state is RunState.WENT_BACK


def test_a_step_whose_effect_was_there_before_is_not_taken_back(place: Place) -> None:
    Ledger(place.world).add("copy")
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    engine.run(run_id)
    assert place.lines() == ["copy", "prepare", "swing"]
    assert engine.back(run_id).state is RunState.WENT_BACK
    assert place.lines() == ["copy"]


def test_gates_of_a_begun_step_block_again_only_before_what_is_irreversible(place: Place) -> None:
    run_id = place.engine().start(PLAN)
    _, fields = killed_engine(place, KillAt(place.folder / "kills.txt", only="swing:half"))
    assert in_child(lambda: place.engine(**fields).run(run_id)) == -9
    place.set("gate-proven", Verdict.FAILED)  # what a half-done swing looks like to its own gate
    kill = KillAt(place.folder / "kills.txt", only="reset:acting")
    assert in_child(lambda: place.engine(checkpoint=kill).resume(run_id)) == -9
    assert place.lines() == ["prepare", "copy", "swing"]

    place.set("gate-soaked", Verdict.UNKNOWN)
    outcome = place.engine().resume(run_id)
    assert (outcome.state, outcome.step, outcome.exit_status) == (RunState.BLOCKED, "reset", 4)
    assert place.lines() == ["prepare", "copy", "swing"]


def test_a_run_is_carried_over_to_an_upgraded_toolkit(place: Place) -> None:
    run_id = place.engine().start(REVERSIBLE)
    kill = KillAt(place.folder / "kills.txt", only="copy:acted")
    assert in_child(lambda: place.engine(checkpoint=kill, toolkit_version="1.0").run(run_id)) == -9

    engine = place.engine(toolkit_version="2.0")
    outcome = engine.resume(run_id)
    assert outcome.state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing"]
    begins = [entry for entry in read_journal(outcome.run_directory) if entry.event is RunEvent.RUN]
    assert [entry.data["toolkit_version"] for entry in begins] == ["1.0", "2.0"]


def test_a_run_with_a_step_that_the_new_toolkit_does_not_know_is_refused_and_kept(place: Place) -> None:
    plan = Plan.model_validate({**REVERSIBLE.model_dump(), "steps": (step("prepare"), step("later", kind="retired"))})
    old = {"write": Write(), "retired": Write()}
    run_id = place.engine(implementations=old).start(plan)
    place.set("verify-prepare", Verdict.UNKNOWN)
    place.engine(implementations=old).run(run_id)
    with pytest.raises(InputError, match="kind 'retired'"):
        place.engine().resume(run_id)
    assert place.engine().runs()[0].state is RunState.BLOCKED


def test_a_torn_journal_is_repaired_and_said(place: Place) -> None:
    run_id = place.engine().start(REVERSIBLE)
    kill = KillAt(place.folder / "kills.txt", only="copy:acted")
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    with (place.engine().directory(run_id) / JOURNAL_FILE).open("a") as file:
        file.write('{"number":99,"ti')

    assert place.engine().runs()[0].state is RunState.INTERRUPTED
    assert place.engine().resume(run_id).state is RunState.PASSED
    assert [event for event in place.events if type(event).__name__ == "RecordRepaired"]
    assert place.lines() == ["prepare", "copy", "swing"]
