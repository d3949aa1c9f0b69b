"""A step that was cut short while it interrupted service: serving comes first, and nothing is asked again before it."""

import pytest

from tests.engine.ledger import KillAt, Ledger, Place, Write, _world, in_child, step
from tests.engine.ledger import gate as ledger_gate
from toolkit.engine import RunState
from toolkit.engine.believed import read_journal
from toolkit.model.execution import GateImplementation, Outcome, Result, StepContext
from toolkit.model.plan import GateReference, Plan
from toolkit.model.verdict import Verdict

PLAN = Plan(
    procedure="test",
    site="support.example.net",
    boxes={"old": "OLD-1", "new": "NEW/2"},
    steps=(
        step("prepare"),
        step("swing", kind="swing", interrupts_service=True, gates=(GateReference(code="proven", why="it must work"),)),
        step("after"),
    ),
)
SLOW = ("asked", "looked")


class Swing(Write):
    """Half done as long as it has left half a line; tells in a file what was done in which order."""

    def half_done(self, context: StepContext) -> bool:
        return (_world(context).folder / f"half-{context.step.name}").exists()

    def look(self, context: StepContext) -> Result | None:
        _note(context, "looked")
        return super().look(context)

    def act(self, context: StepContext) -> Result:
        _note(context, "acted half-way" if context.begun else "acted")
        return super().act(context)


def noting_gate(context: StepContext, gate: GateReference) -> Outcome:
    _note(context, "asked")
    return ledger_gate(context, gate)


def _note(context: StepContext, what: str) -> None:
    with (_world(context).folder / "order.txt").open("a") as file:
        file.write(f"{what}\n")


def order(place: Place) -> list[str]:
    return (place.world / "order.txt").read_text().split("\n")[:-1]


def engine_of(place: Place, **fields: object):  # type: ignore[no-untyped-def]  # as `Place.engine`
    gates: dict[str, GateImplementation] = {"proven": noting_gate}
    return place.engine(implementations={"write": Write(), "swing": Swing()}, gates=gates, **fields)


def killed_in(place: Place, point: str) -> str:
    run_id: str = engine_of(place).start(PLAN)
    kill = KillAt(place.folder / "kills.txt", only=point)
    world = Ledger(place.world, on_half=lambda line: kill(f"{line}:half"))
    assert in_child(lambda: engine_of(place, world=world, checkpoint=kill).run(run_id)) == -9
    assert order(place) == ["asked", "looked"] if point == "swing:acting" else ["asked", "looked", "acted"]
    (place.world / "order.txt").unlink()
    return run_id


def test_half_done_it_acts_before_anything_is_asked_or_looked_at(place: Place) -> None:
    run_id = killed_in(place, "swing:half")
    place.set("gate-proven", Verdict.FAILED)  # as a gate sees a swing that is half done
    outcome = engine_of(place).resume(run_id)
    assert outcome.state is RunState.PASSED
    assert order(place) == ["acted half-way"]
    assert place.lines() == ["prepare", "swing", "after"]


def test_the_journal_says_that_the_gates_were_not_asked_again(place: Place) -> None:
    run_id = killed_in(place, "swing:half")
    outcome = engine_of(place).resume(run_id)
    told = [entry.data for entry in read_journal(outcome.run_directory) if entry.event == "gate"]
    assert [(data["code"], data["verdict"], data["holds"]) for data in told] == [
        ("proven", "passed", True),
        ("proven", "skipped", True),
    ]
    assert "not asked again" in str(told[1]["summary"])


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN])
def test_begun_with_nothing_moved_yet_it_starts_as_at_first_and_its_gates_decide(
    place: Place, verdict: Verdict
) -> None:
    run_id = killed_in(place, "swing:acting")
    place.set("gate-proven", verdict)  # the world has changed while nobody was at it
    outcome = engine_of(place).resume(run_id)
    assert (outcome.state, outcome.step) == (RunState.BLOCKED, "swing")
    assert place.lines() == ["prepare"]

    place.set("gate-proven", Verdict.PASSED)
    assert engine_of(place).resume(run_id).state is RunState.PASSED
    assert order(place) == ["asked", "asked", "looked", "acted"]


# ------------------------------------------------------------------- what may be otherwise a moment later

RENEWING = PLAN.model_copy(
    update={"steps": (step("prepare"), step("compare", kind="compare", renewed=True), *PLAN.steps[1:])}
)


class Compare(Write):
    """Looks at something that moves: nothing is there already."""

    def look(self, context: StepContext) -> Result | None:
        _note(context, "compared")
        return None


def renewing_engine(place: Place, **fields: object):  # type: ignore[no-untyped-def]  # as `Place.engine`
    kinds = {"write": Write(), "swing": Swing(), "compare": Compare()}
    return place.engine(implementations=kinds, gates={"proven": noting_gate}, **fields)


def killed_while_renewing(place: Place, point: str) -> str:
    run_id: str = renewing_engine(place).start(RENEWING)
    kill = KillAt(place.folder / "kills.txt", only=point)
    world = Ledger(place.world, on_half=lambda line: kill(f"{line}:half"))
    assert in_child(lambda: renewing_engine(place, world=world, checkpoint=kill).run(run_id)) == -9
    (place.world / "order.txt").unlink()
    return run_id


def test_what_was_compared_is_compared_again_when_the_next_step_was_refused(place: Place) -> None:
    engine = renewing_engine(place)
    run_id = engine.start(RENEWING)
    place.set("gate-proven", Verdict.FAILED)
    assert engine.run(run_id).state is RunState.BLOCKED
    place.set("gate-proven", Verdict.PASSED)
    assert engine.resume(run_id).state is RunState.PASSED
    assert order(place) == ["compared", "asked", "compared", "asked", "looked", "acted"]
    assert place.lines().count("prepare") == 1


def test_nothing_is_compared_again_while_nobody_is_served(place: Place) -> None:
    run_id = killed_while_renewing(place, "swing:half")
    assert renewing_engine(place).resume(run_id).state is RunState.PASSED
    assert order(place) == ["acted half-way"]


def test_a_next_step_that_had_begun_and_is_then_refused_has_it_compared_again(place: Place) -> None:
    run_id = killed_while_renewing(place, "swing:acting")
    place.set("gate-proven", Verdict.FAILED)
    assert renewing_engine(place).resume(run_id).state is RunState.BLOCKED
    place.set("gate-proven", Verdict.PASSED)
    assert renewing_engine(place).resume(run_id).state is RunState.PASSED
    assert order(place) == ["asked", "compared", "asked", "looked", "acted"]


def test_once_the_next_step_has_ended_it_is_passed_by(place: Place) -> None:
    run_id = killed_while_renewing(place, "after:acting")
    assert renewing_engine(place).resume(run_id).state is RunState.PASSED
    assert not (place.world / "order.txt").exists()
