"""A run from start to end, what stops it, and how it goes on."""

import threading
from pathlib import Path

import pytest

from tests.engine.ledger import PLAN, REVERSIBLE, Ledger, Place, Write, operator_step, step
from toolkit.engine import (
    GateChecked,
    OperatorAsked,
    OperatorStep,
    RunState,
    RunSummary,
    StepEnded,
    StepProgress,
    StepStarted,
    build_report,
)
from toolkit.evidence.log import read_evidence
from toolkit.model.errors import InputError, RefusedError
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.verdict import Verdict


def test_a_plan_runs_to_its_end(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(PLAN)
    outcome = engine.run(run_id)

    assert (outcome.state, outcome.verdict, outcome.exit_status) == (RunState.PASSED, Verdict.PASSED, 0)
    assert place.lines() == ["prepare", "copy", "swing", "reset"]
    assert (place.folder / "runs" / "latest").resolve() == outcome.run_directory
    assert [record.id for record in read_evidence(outcome.run_directory)] == [
        "prepare/1",
        "copy/1",
        "swing/1",
        "reset/1",
    ]
    [summary] = engine.runs()
    assert (summary.run_id, summary.state, summary.alive) == (run_id, RunState.PASSED, False)
    assert not list((place.folder / "state" / "claims").iterdir())


def test_the_observer_sees_every_step(place: Place) -> None:
    engine = place.engine()
    engine.run(engine.start(REVERSIBLE))

    assert [event.step.name for event in place.events if isinstance(event, StepStarted)] == ["prepare", "copy", "swing"]
    assert [event.fraction for event in place.events if isinstance(event, StepProgress)] == [0.5, 0.5, 0.5]
    assert [event.gate.code for event in place.events if isinstance(event, GateChecked)] == ["room", "proven"]
    assert all(event.seconds > 0 for event in place.events if isinstance(event, StepEnded))


def test_the_engine_leaves_no_thread_and_no_word_behind(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.enumerate()
    engine = place.engine()
    engine.run(engine.start(REVERSIBLE))

    assert threading.enumerate() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.FAILED, 3), (Verdict.UNKNOWN, 4), (Verdict.SKIPPED, 4)])
def test_a_gate_that_does_not_hold_blocks_until_it_does(place: Place, verdict: Verdict, status: int) -> None:
    engine = place.engine()
    run_id = engine.start(PLAN)
    place.set("gate-proven", verdict)
    outcome = engine.run(run_id)

    assert (outcome.state, outcome.step, outcome.exit_status) == (RunState.BLOCKED, "swing", status)
    assert "proven" in outcome.summary
    assert place.lines() == ["prepare", "copy"]

    place.set("gate-proven", Verdict.PASSED)
    assert engine.resume(run_id).state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing", "reset"]


def test_a_warning_can_be_acknowledged_and_a_block_cannot(place: Place) -> None:
    engine = place.engine()
    place.set("gate-room", Verdict.FAILED)
    blocked = engine.run(engine.start(PLAN))
    assert (blocked.step, blocked.exit_status) == ("copy", 3)
    assert "--acknowledge room" in blocked.next_move

    assert engine.resume(blocked.run_id, acknowledge=["room"]).state is RunState.PASSED
    with pytest.raises(InputError, match="that gate blocks"):
        engine.start(PLAN, acknowledge=["proven"])
    with pytest.raises(InputError, match="no such gate"):
        engine.start(PLAN, acknowledge=["prooven"])


def test_an_unknown_verification_blocks_and_a_failed_one_fails(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    place.set("verify-copy", Verdict.UNKNOWN)
    unknown = engine.run(run_id)
    assert (unknown.state, unknown.step, unknown.exit_status) == (RunState.BLOCKED, "copy", 4)

    place.set("verify-copy", Verdict.FAILED)
    failed = engine.resume(run_id)
    assert (failed.state, failed.verdict, failed.exit_status) == (RunState.FAILED, Verdict.FAILED, 1)

    place.set("verify-copy", Verdict.PASSED)
    assert engine.resume(run_id).state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing"]
    report = build_report(engine.directory(run_id))
    assert [(s.name, s.resumed, s.verdict) for s in report.steps] == [
        ("prepare", 0, Verdict.PASSED),
        ("copy", 2, Verdict.PASSED),
        ("swing", 0, Verdict.PASSED),
    ]
    assert report.steps[1].evidence == ("copy/3",)


class Broken(Write):
    def act(self, context: StepContext) -> Result:
        raise ValueError("hunter2-hunter2 went wrong")


def test_a_fault_in_a_step_is_told_without_a_traceback_or_a_secret(place: Place) -> None:
    world = Ledger(place.world, secrets=frozenset({"hunter2-hunter2"}))
    engine = place.engine(implementations={"write": Broken()}, world=world)
    outcome = engine.run(engine.start(REVERSIBLE))

    assert (outcome.state, outcome.exit_status) == (RunState.FAILED, 1)
    assert "fault of the toolkit" in outcome.summary
    log = (outcome.run_directory / "engine.log").read_text()
    assert "Traceback" in log
    assert "[secret] went wrong" in log


class Leaking(Write):
    def act(self, context: StepContext) -> Result:
        return {**super().act(context), "deep": [{"key": "the passphrase is hunter2-hunter2"}]}


class LeakingEvidence(Write):
    def verify(self, context: StepContext, result: Result) -> Outcome:
        context.evidence.record(
            probe="api", subject="box", summary="seen", verdict=Verdict.PASSED, data={"header": "aHVudGVyMi1odW50ZXIy"}
        )
        raise AssertionError("the evidence should have been refused")


@pytest.mark.parametrize("leak", [Leaking(), LeakingEvidence()])
def test_a_secret_in_a_result_or_in_evidence_is_refused_and_kept_nowhere(place: Place, leak: Write) -> None:
    secret = "hunter2-hunter2"
    world = Ledger(place.world, secrets=frozenset({secret}))
    engine = place.engine(implementations={"write": leak}, world=world)
    outcome = engine.run(engine.start(REVERSIBLE))

    assert outcome.state is RunState.FAILED
    assert "holds a secret" in outcome.summary
    assert secret not in outcome.summary
    for path in (path for path in outcome.run_directory.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert secret.encode() not in content, path.name
        assert b"aHVudGVyMi1odW50ZXIy" not in content, path.name


class NotJson(Write):
    def act(self, context: StepContext) -> Result:
        super().act(context)
        return {"path": Path("/")}  # type: ignore[dict-item]  # the fault under test


def test_a_result_that_is_not_json_is_refused(place: Place) -> None:
    engine = place.engine(implementations={"write": NotJson()})
    outcome = engine.run(engine.start(REVERSIBLE))
    assert outcome.state is RunState.FAILED
    assert "JSON" in outcome.summary


def test_a_dry_run_and_a_list_write_nothing(place: Place) -> None:
    engine = place.engine()
    place.set("gate-proven", Verdict.FAILED)
    Ledger(place.world).add("prepare")
    before = sorted(path for path in place.folder.rglob("*"))

    steps = engine.dry_run(PLAN)
    assert engine.runs() == []
    assert [(s.step.name, s.seen.summary) for s in steps][:2] == [
        ("prepare", "is there already"),
        ("copy", "would be done"),
    ]
    assert steps[2].gates[0][1].verdict is Verdict.FAILED
    assert sorted(path for path in place.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"steps": (step("a"), step("a"))}, "called 'a'"),
        ({"steps": ()}, "no steps"),
        ({"steps": (step("a", kind="fly"),)}, "kind 'fly'"),
        ({"steps": (step("a", gates=({"code": "luck", "why": "?"},)),)}, "gate 'luck'"),
        ({"boxes": {"old": "S1", "new": "S1"}}, "old and new are one box"),
    ],
)
def test_a_plan_that_cannot_be_executed_is_refused_before_anything_is_written(
    place: Place, change: dict[str, object], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        place.engine().start(PLAN.model_copy(update=change))
    assert not (place.folder / "runs").exists()


def test_a_run_is_run_once(place: Place) -> None:
    engine = place.engine()
    run_id = engine.start(REVERSIBLE)
    engine.run(run_id)
    with pytest.raises(RefusedError, match="it is passed"):
        engine.run(run_id)
    with pytest.raises(RefusedError, match="it is passed"):
        engine.resume(run_id)
    with pytest.raises(InputError, match="no run 'nonsense'"):
        engine.resume("nonsense")


class Impatient:
    """An operator who does what is asked at the second look, or gives up after it."""

    present = True

    def __init__(self, place: Place, *, does_it: bool) -> None:
        self.place = place
        self.does_it = does_it
        self.asked = 0

    def stops_within(self, seconds: float) -> bool:
        self.asked += 1
        if self.does_it:
            Ledger(self.place.world).add("cable")
        return not self.does_it


def by_hand(place: Place) -> OperatorStep:
    def check(context: StepContext) -> Outcome:
        plugged = "cable" in place.lines()
        return Outcome(Verdict.PASSED if plugged else Verdict.FAILED, "plugged in" if plugged else "not plugged in")

    def check_undone(context: StepContext) -> Outcome:
        plugged = "cable" in place.lines()
        return Outcome(Verdict.FAILED if plugged else Verdict.PASSED, "still there" if plugged else "gone")

    return OperatorStep(check, check_undone, lambda context: {"line": context.step.name})


def test_an_operator_step_waits_for_the_operator_and_sees_for_itself(place: Place) -> None:
    plan = REVERSIBLE.model_copy(update={"steps": (operator_step("cable"), step("after"))})
    implementations = {"write": Write(), "by-hand": by_hand(place)}
    operator = Impatient(place, does_it=True)
    engine = place.engine(implementations=implementations, operator=operator)
    outcome = engine.run(engine.start(plan))

    assert outcome.state is RunState.PASSED
    assert operator.asked == 1
    assert [e.instructions for e in place.events if isinstance(e, OperatorAsked)] == ["Plug cable in."]


@pytest.mark.parametrize("there", [True, False])
def test_without_the_operator_the_run_stops_and_can_go_on_or_back(place: Place, there: bool) -> None:
    plan = REVERSIBLE.model_copy(update={"steps": (operator_step("cable"), step("after"))})
    implementations = {"write": Write(), "by-hand": by_hand(place)}
    fields = {"operator": Impatient(place, does_it=False)} if there else {}
    engine = place.engine(implementations=implementations, **fields)
    outcome = engine.run(engine.start(plan))
    assert (outcome.state, outcome.exit_status) == (RunState.BLOCKED, 3)
    assert outcome.summary == "an operator is needed: Plug cable in."

    Ledger(place.world).add("cable")
    assert engine.resume(outcome.run_id).state is RunState.PASSED
    assert engine.back(outcome.run_id).state is RunState.BACK_TO_DO
    assert place.lines() == ["cable"]
    Ledger(place.world).remove("cable")
    assert engine.back(outcome.run_id).state is RunState.WENT_BACK


def summary_of(place: Place) -> RunSummary:
    [summary] = place.engine().runs()
    return summary


class PressingControlC(Write):
    def act(self, context: StepContext) -> Result:
        if context.step.name == "copy" and not context.begun:
            raise KeyboardInterrupt
        return super().act(context)


def test_control_c_interrupts_cleanly(place: Place) -> None:
    engine = place.engine(implementations={"write": PressingControlC()})
    outcome = engine.run(engine.start(REVERSIBLE))

    assert (outcome.state, outcome.exit_status) == (RunState.INTERRUPTED, 130)
    assert f"rebox resume {outcome.run_id}" in outcome.next_move
    assert summary_of(place).state is RunState.INTERRUPTED
    assert engine.resume(outcome.run_id).state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing"]
