"""Plans that carry by stick: it is written and moved before the new box gets anything, and that comes off the stick."""

import pytest

from tests.procedures.test_hardware_migration import facts_of, inventory_of
from toolkit.catalogue import STEPS
from toolkit.model.carry import Carry
from toolkit.model.plan import Mode, Plan
from toolkit.procedures.hardware_migration import plan_hardware_migration

KEY = "SHA256:" + "A" * 43
STICK = ["plug-stick", "write-stick", "move-stick", "read-stick"]


def plan_of(**more: object) -> Plan:
    there = {"driver": "ssh", "address": "10.77.0.30", "key_file": "station.key", "host_key": KEY}
    fields = {"stick": "serial=4C530001", "old": {"driver": "local"}, "new": there, **more}
    inventory = inventory_of("shared-ip").model_copy(update={"carry": Carry.model_validate(fields)})
    return plan_hardware_migration(inventory, facts_of("shared-ip"))


def test_the_stick_is_written_moved_and_read_before_the_new_box_gets_anything() -> None:
    plan = plan_of()
    names = [step.name for step in plan.steps]
    assert [name for name in names if name.endswith("-stick")] == STICK
    assert names.index("export-certificate") < names.index("plug-stick")
    for name in ("import-certificate", "restore-settings", "put-back-records"):
        assert names.index("read-stick") < names.index(name)
        assert plan.step(name).parameters["from"] == plan.step("read-stick").parameters["to"]
    assert {plan.step(name).kind for name in STICK} <= {*STEPS}


def test_a_person_is_told_which_stick_goes_where() -> None:
    plan = plan_of()
    plug, move = plan.step("plug-stick"), plan.step("move-stick")
    assert {plug.mode, move.mode} == {Mode.OPERATOR}
    assert "serial=4C530001 into this machine" in str(plug.parameters["instructions"])
    assert "out of this machine" in str(move.parameters["instructions"])
    assert "the machine at 10.77.0.30" in str(move.parameters["instructions"])


def test_in_a_lab_nobody_has_to_be_told() -> None:
    plan = plan_of(mover={"folder": "lab"})
    assert {plan.step(name).mode for name in STICK} == {Mode.AUTOMATIC}


def test_without_a_stick_every_step_takes_the_runs_own_files() -> None:
    plan = plan_hardware_migration(inventory_of("shared-ip"), facts_of("shared-ip"))
    assert not {*STICK} & {step.name for step in plan.steps}
    assert "from" not in plan.step("restore-settings").parameters


@pytest.mark.parametrize("stick", ["", "4C530001", "the only one", "serial="])
def test_a_stick_is_named_by_something_that_it_has(stick: str) -> None:
    with pytest.raises(ValueError, match="stick"):
        plan_of(stick=stick)
