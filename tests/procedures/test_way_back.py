"""The way back as plans say it: which box each step needs for it, what comes before, and that nothing hides a need."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.procedures.test_hardware_migration import KINDS, inventory_of, plan_of
from tests.step_context import StubBox, context_of, world_of
from toolkit.catalogue import STEPS
from toolkit.model.errors import UnreachableError
from toolkit.model.execution import Outcome
from toolkit.model.plan import Plan, Step
from toolkit.model.verdict import Verdict
from toolkit.procedures.returning import COLLECT


def dead(name: str) -> StubBox:
    """A box that answers nothing: whoever asks it fails the test."""
    return StubBox(name, {"old": "10.77.0.21", "new": "10.77.0.22"}[name])


NO_BOX = [
    (kind, step)
    for kind in KINDS
    for step in plan_of(kind).steps
    if not (step.back_needs or step.irreversible) and step.name not in ("lower-ttl", "put-back-ttl")
]


@pytest.mark.parametrize(("kind", "step"), NO_BOX, ids=[f"{kind}-{step.name}" for kind, step in NO_BOX])
def test_a_step_that_needs_no_box_for_its_way_back_asks_none(tmp_path: Path, kind: str, step: Step) -> None:
    world = world_of(tmp_path, old=dead("old"), new=dead("new"), of=inventory_of(kind))
    context = context_of(tmp_path, world, parameters=step.parameters)
    outcome: Outcome = STEPS[step.kind].undo(context, None)
    assert outcome.verdict in (Verdict.PASSED, Verdict.SKIPPED)


@pytest.mark.parametrize("kind", KINDS)
def test_what_takes_the_new_box_away_comes_after_all_that_needs_it(kind: str) -> None:
    plan = plan_of(kind)
    needing = {step.name for step in plan.steps if "new" in step.back_needs}
    assert needing == {"import-certificate", "carry-box-settings"}
    assert {COLLECT, *needing} == {*plan.step("provision-new").back_after}
    assert plan.step(COLLECT).back_needs == ("new", "old")
    assert all(step.back_needs == ("old",) for step in plan.steps if step.interrupts_service)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_of_an_older_toolkit_is_still_read(kind: str) -> None:
    kept = plan_of(kind).model_dump(mode="json")
    del kept["on_way_back"]
    for step in kept["steps"]:
        del step["back_needs"], step["back_after"]
    assert Plan.model_validate(kept).on_way_back.last == ()


def test_a_dead_box_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    silent = StubBox("new", "10.77.0.22", within=lambda *_: nullcontext(), health=UnreachableError("silent"))
    assert not world_of(tmp_path, new=silent).answers("new")
    well = StubBox("old", "10.77.0.21", within=lambda *_: nullcontext(), health=(False, "unwell"))
    assert world_of(tmp_path, old=well).answers("old")
