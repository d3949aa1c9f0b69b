"""What the believed journal and the world mean together, case by case."""

import pytest

from tests.engine.ledger import PLAN, step
from tests.engine.test_history import RECORD, journal
from toolkit.engine.history import tell
from toolkit.engine.journal import StepEvent
from toolkit.engine.recovery import Effect, Findings, Seen, Stands, find
from toolkit.engine.states import RunEvent
from toolkit.model.plan import Plan

U, B, E, D = Stands.UNTOUCHED, Stands.BEGUN, Stands.ENDED, Stands.UNDONE
UNTIL: dict[Stands, tuple[StepEvent, ...]] = {
    U: (),
    B: (StepEvent.STARTED, StepEvent.ACTING),
    E: (StepEvent.STARTED, StepEvent.ACTING, StepEvent.ENDED),
    D: (StepEvent.STARTED, StepEvent.ACTING, StepEvent.ENDED, StepEvent.UNDOING, StepEvent.UNDONE),
}


def found(plan: Plan, said: dict[str, Stands], seen: dict[str, Effect]) -> Findings:
    entries = [(0.0, RunEvent.RUN, None)]
    events = [(0.0, event, name) for name, stands in said.items() for event in UNTIL[stands]]
    believed = tell(RECORD, plan, journal(*entries, *events))
    return find(believed, {each.name: Seen(seen.get(each.name, Effect.MISSING)) for each in plan.steps})


@pytest.mark.parametrize(
    ("said", "effect", "stands"),
    [
        (U, Effect.MISSING, U),
        (U, Effect.THERE, B),
        (U, Effect.UNKNOWN, B),
        (U, Effect.NONE, U),
        (B, Effect.MISSING, B),
        (B, Effect.THERE, B),
        (E, Effect.THERE, E),
        (E, Effect.MISSING, B),  # it may have been taken back since
        (E, Effect.UNKNOWN, B),
        (E, Effect.NONE, E),
        (D, Effect.THERE, D),
    ],
)
def test_a_step_that_can_be_taken_back(said: Stands, effect: Effect, stands: Stands) -> None:
    assert found(PLAN, {"copy": said}, {"copy": effect}).steps[1].stands is stands


def test_what_moves_the_service_may_be_half_done_where_a_look_sees_nothing() -> None:
    plan = PLAN.model_copy(update={"steps": (step("swing", interrupts_service=True), step("look", changes=False))})
    findings = found(plan, {}, {"look": Effect.THERE})
    assert [one.stands for one in findings.steps] == [B, U]


def test_what_was_seen_after_something_that_is_gone_is_seen_again() -> None:
    seen = {"swing": Effect.MISSING, "soak": Effect.NONE}
    for interrupts, stands in ((True, [B, B]), (False, [B, E])):
        steps = (step("swing", interrupts_service=interrupts), step("soak"))
        findings = found(PLAN.model_copy(update={"steps": steps}), {"swing": E, "soak": E}, seen)
        assert [one.stands for one in findings.steps] == stands


@pytest.mark.parametrize(
    ("said", "effect", "stands", "unknown"),
    [
        (U, Effect.MISSING, U, 0),
        (U, Effect.THERE, B, 0),
        (U, Effect.UNKNOWN, B, 1),
        (U, Effect.NONE, B, 1),
        (B, Effect.MISSING, B, 0),  # the box may say what it likes: the journal says it has begun
        (E, Effect.UNKNOWN, E, 0),
    ],
)
def test_what_is_irreversible_has_begun_unless_it_is_proven_not_to(
    said: Stands, effect: Effect, stands: Stands, unknown: int
) -> None:
    findings = found(PLAN, {"reset": said}, {"reset": effect})
    assert findings.steps[3].stands is stands
    assert len(findings.irreversible_begun) == (stands is not U)
    assert len(findings.irreversible_unknown) == unknown


def test_what_comes_after_a_reset_that_was_never_begun_was_not_begun_either() -> None:
    off = step("off", way_back=None, irreversible=True)
    plan = PLAN.model_copy(update={"steps": (*PLAN.steps, off)})
    never = found(plan, {}, {"reset": Effect.MISSING, "off": Effect.UNKNOWN})
    assert [one.stands for one in never.steps[3:]] == [U, U]
    perhaps = found(plan, {}, {"reset": Effect.UNKNOWN, "off": Effect.UNKNOWN})
    assert [one.stands for one in perhaps.steps[3:]] == [B, B]
