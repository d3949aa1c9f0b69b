"""The plan of a reset outside of any migration: one step, behind every gate that needs no run before it."""

from tests.procedures.test_hardware_migration import inventory_of, plan_of
from toolkit.catalogue import GATES, STEPS
from toolkit.procedures.settings_reset import plan_settings_reset


def test_it_is_one_step_that_cannot_be_taken_back_behind_gates_that_block() -> None:
    plan = plan_settings_reset(inventory_of("shared-ip"))
    (step,) = plan.steps
    assert (step.name, step.kind, step.irreversible, step.way_back) == ("reset-old", "reset-old", True, None)
    assert step.kind in STEPS
    assert {gate.severity for gate in step.gates} == {"block"}
    assert {gate.after for gate in step.gates} == {None}, "no earlier step has proved anything"
    codes = {gate.code for gate in step.gates}
    assert codes == {"serial-confirmed", "old-out-of-service", "old-idle"}
    assert codes <= {gate.code for gate in plan_of("shared-ip").step("reset-old").gates} & set(GATES)
    assert "Nothing here proves" in plan.notes[0]
