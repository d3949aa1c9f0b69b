"""The way back with a box that is dead: the service first, then what goes, the rest later, and the proof at the end."""

import itertools

import pytest

from tests.engine.ledger import PROOF, KillAt, Ledger, Place, Write, in_child, step
from toolkit.engine import RunState, UndoStarted, build_report
from toolkit.engine.believed import read_journal
from toolkit.model.errors import InputError
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.plan import Plan, WayBackSteps
from toolkit.model.verdict import Verdict

STEPS = (
    step("provision", back_after=("collect", "certificate")),
    step("watch"),
    step("certificate", back_needs=("new",)),
    step("swing", kind="swing", interrupts_service=True, back_needs=("old",)),
    step("soak"),
)
COLLECT = step("collect", kind="collect", way_back=None, back_needs=("new", "old"))
MIGRATION = Plan(
    procedure="test",
    site="support.example.net",
    boxes={"old": "OLD-1", "new": "NEW/2"},
    steps=STEPS,
    on_way_back=PROOF.model_copy(update={"once_served": (COLLECT,)}),
)


class Swing(Write):
    """Undone with the old box alone; what the new one has to do, too, is left for later while it is dead."""

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        world: Ledger = context.world
        if not world.answers("old"):
            return Outcome(Verdict.FAILED, "The old box does not answer; nothing was taken from the new one.")
        outcome = super().undo(context, result)
        if outcome.verdict is Verdict.PASSED and not world.answers("new"):
            return Outcome(Verdict.PASSED, "The old box serves.", to_do="disable the address there", to_do_on="new")
        return outcome


class Collect(Write):
    """Leaves a line of its own, which is never undone."""


COLLECTING = {"collect": Collect()}


class Dead:
    """Which boxes are dead just now."""

    def __init__(self, place: Place, *roles: str) -> None:
        self.files = [place.world / f"{role}-is-dead" for role in roles]

    def __enter__(self) -> None:
        for file in self.files:
            file.touch()

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            file.unlink()


def fields() -> dict[str, object]:
    return {"implementations": {"write": Write(), "swing": Swing(), **COLLECTING}}


def killed_after(place: Place, name: str) -> str:
    """A run that was killed as soon as that step had acted."""
    run_id = place.engine(**fields()).start(MIGRATION)
    kill = KillAt(place.folder / f"kill-{name}.txt", only=f"{name}:acted")
    assert in_child(lambda: place.engine(**fields(), checkpoint=kill).run(run_id)) == -9
    return run_id


def undone(place: Place) -> list[str]:
    return [event.step.name for event in place.events if isinstance(event, UndoStarted)]


@pytest.mark.parametrize(
    ("name", "dead"), [*itertools.product([one.name for one in STEPS], [(), ("new",), ("old",)])], ids=str
)
def test_back_from_every_step_with_either_box_dead_and_again_when_both_are_well(
    place: Place, name: str, dead: tuple[str, ...]
) -> None:
    run_id = killed_after(place, name)
    engine = place.engine(**fields())
    swung = name in ("swing", "soak")

    with Dead(place, *dead):
        outcome = engine.back(run_id)

    if not dead:
        assert (outcome.state, outcome.exit_status) == (RunState.WENT_BACK, 0)
    elif dead == ("old",):
        # nobody serves, or the new box does: that is no way back that went well, whatever could be tidied
        assert (outcome.state, outcome.verdict, outcome.exit_status) == (RunState.BACK_FAILED, Verdict.FAILED, 1)
        assert ("swing" in place.lines()) == swung
        if swung:
            assert undone(place) == ["swing"]
            assert {"provision", "watch", "certificate"} <= {*place.lines()}
    else:
        assert "swing" not in place.lines()
        left = [one.step for one in engine.history(run_id).to_do]
        if swung:
            assert left == ["collect", "swing", "certificate", "provision"]
        else:
            assert left == (["certificate", "provision"] if name == "certificate" else [])
        assert (outcome.state, outcome.exit_status) == ((RunState.BACK_TO_DO, 4) if left else (RunState.WENT_BACK, 0))
        assert "Users are served by the old box." in outcome.summary
        assert {*left} - {"collect", "swing"} == {*place.lines()}

    if outcome.state is not RunState.WENT_BACK:
        assert list((place.folder / "state" / "claims").iterdir()), "the boxes are still its own"
        assert engine.back(run_id).exit_status == 0
    assert place.lines() == (["collect"] if swung else [])
    assert engine.history(run_id).to_do == ()
    assert not list((place.folder / "state" / "claims").iterdir())


def test_the_service_comes_first_then_what_would_be_lost_then_the_rest_and_the_proof(place: Place) -> None:
    run_id = killed_after(place, "soak")
    place.events.clear()
    place.engine(**fields()).back(run_id)
    assert undone(place) == ["swing", "soak", "certificate", "watch", "provision"]
    journal = [record.step for record in read_journal(place.engine(**fields()).directory(run_id))]
    order = [name for name, _ in itertools.groupby(journal[journal.index(None, 2) :])]
    assert [name for name in order if name] == [
        "swing",
        "collect",
        "soak",
        "certificate",
        "watch",
        "provision",
        "prove-served",
    ]


def test_what_could_not_be_tidied_is_named_with_its_box_and_reason_and_nobody_hides_it(place: Place) -> None:
    run_id = killed_after(place, "soak")
    engine = place.engine(**fields())
    with Dead(place, "new"):
        outcome = engine.back(run_id)

    assert f"rebox back {run_id}" in outcome.next_move
    assert outcome.summary == ("Users are served by the old box. Left to do: collect, swing, certificate, provision.")
    report = build_report(outcome.run_directory)
    assert report.went_back
    assert report.served
    assert report.served.verdict is Verdict.PASSED
    assert report.served.summary == "Users are served by the old box."
    told = {one.step: (one.what, one.box) for one in report.to_do}
    assert told["swing"] == ("disable the address there", "new")
    assert told["certificate"] == ("Its way back: take certificate out", "new")
    assert told["collect"] == ("Write collect", "new")
    assert "collect comes first" in next(one.why for one in report.to_do if one.step == "provision")


def test_an_undo_that_fails_is_left_and_the_others_go_on(place: Place) -> None:
    run_id = killed_after(place, "soak")
    engine = place.engine(**fields())
    place.set("undo-watch", Verdict.UNKNOWN)
    outcome = engine.back(run_id)

    assert (outcome.state, outcome.exit_status) == (RunState.BACK_TO_DO, 4)
    assert [one.step for one in engine.history(run_id).to_do] == ["watch"]
    assert engine.back_estimate(run_id).steps == ("watch",)
    place.set("undo-watch", Verdict.PASSED)
    place.events.clear()
    assert engine.back(run_id).exit_status == 0
    assert undone(place) == ["watch"]


def test_a_box_is_not_taken_away_before_what_is_on_it_has_been_collected(place: Place) -> None:
    run_id = killed_after(place, "soak")
    engine = place.engine(**fields())
    place.set("verify-collect", Verdict.UNKNOWN)
    assert engine.back(run_id).state is RunState.BACK_TO_DO
    assert [one.step for one in engine.history(run_id).to_do] == ["collect", "provision"]
    assert "provision" in place.lines()


class Deleting(Write):
    """Undone, its box is no more."""

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        super().undo(context, result)
        return Outcome(Verdict.PASSED, "The new box is gone.", gone="new")


def test_what_was_left_to_do_on_a_box_that_is_deleted_is_done_with_it(place: Place) -> None:
    steps = (step("provision", kind="delete", back_after=("collect",)), *STEPS[1:])
    engine = place.engine(implementations={"write": Write(), "delete": Deleting(), "swing": Swing()} | COLLECTING)
    run_id = engine.start(MIGRATION.model_copy(update={"steps": steps[:3]}))
    engine.run(run_id)
    with Dead(place, "new"):
        outcome = engine.back(run_id)
    assert (outcome.state, outcome.exit_status) == (RunState.WENT_BACK, 0), outcome
    assert engine.history(run_id).to_do == ()


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.FAILED, 1), (Verdict.UNKNOWN, 4), (Verdict.SKIPPED, 4)])
def test_a_way_back_is_never_said_to_have_passed_when_the_proof_has_not(
    place: Place, verdict: Verdict, status: int
) -> None:
    run_id = killed_after(place, "certificate")
    engine = place.engine(**fields())
    place.set("verify-prove-served", verdict)
    outcome = engine.back(run_id)
    assert (outcome.state, outcome.step, outcome.exit_status) == (RunState.BACK_FAILED, "prove-served", status)
    place.set("verify-prove-served", Verdict.PASSED)
    assert engine.back(run_id).exit_status == 0


def test_a_plan_of_an_older_toolkit_goes_back_and_says_that_nothing_was_proven(place: Place) -> None:
    old = MIGRATION.model_dump(mode="json")
    del old["on_way_back"]
    for one in old["steps"]:
        del one["back_needs"], one["back_after"]
    plan = Plan.model_validate(old)
    engine = place.engine(**fields())
    run_id = engine.start(plan)
    engine.run(run_id)
    outcome = engine.back(run_id)
    assert (outcome.state, outcome.verdict, outcome.exit_status) == (RunState.WENT_BACK, Verdict.UNKNOWN, 4)
    assert "not proven" in outcome.summary


def test_a_plan_that_never_touches_the_service_has_no_need_of_a_proof(place: Place) -> None:
    engine = place.engine(**fields())
    plan = MIGRATION.model_copy(update={"steps": STEPS[1:2], "on_way_back": WayBackSteps()})
    run_id = engine.start(plan)
    engine.run(run_id)
    assert engine.back(run_id).exit_status == 0


def test_killed_again_and_again_with_the_new_box_dead_it_goes_on(place: Place) -> None:
    run_id = killed_after(place, "soak")
    kill = KillAt(place.folder / "kills.txt")
    kills = 0
    with Dead(place, "new"):
        while in_child(lambda: place.engine(**fields(), checkpoint=kill).back(run_id)) == -9:
            kills += 1
            assert place.engine().runs()[0].state is RunState.GOING_BACK
    assert kills > 8
    engine = place.engine(**fields())
    assert engine.history(run_id).state is RunState.BACK_TO_DO
    assert engine.back(run_id).exit_status == 0
    assert place.lines() == ["collect"]


@pytest.mark.parametrize("wrong", [{"back_needs": ("third",)}, {"back_after": ("nothing",)}])
def test_a_way_back_that_names_what_is_not_there_is_refused(place: Place, wrong: dict[str, object]) -> None:
    plan = MIGRATION.model_copy(update={"steps": (*STEPS, step("last", **wrong))})
    with pytest.raises(InputError, match="cannot be executed"):
        place.engine(**fields()).start(plan)
