"""Plans are compared with golden files; what cannot work is refused before anything is touched."""

import json
import os
from pathlib import Path

import pytest

from toolkit.catalogue import GATES, STEPS
from toolkit.model.errors import InputError, RefusedError
from toolkit.model.facts import Facts
from toolkit.model.inventory import Inventory, read_inventory
from toolkit.model.plan import Plan
from toolkit.model.provision import LibvirtProvision
from toolkit.procedures.hardware_migration import plan_hardware_migration

FIXTURES = Path("fixtures")
KINDS = ("shared-ip", "dns")


def inventory_of(kind: str) -> Inventory:
    file = FIXTURES / "inventories" / f"{kind}.toml"
    return read_inventory(file.read_text(encoding="utf-8"), str(file))


def facts_of(kind: str) -> Facts:
    return Facts.model_validate_json((FIXTURES / "plans" / f"{kind}.facts.json").read_text(encoding="utf-8"))


def plan_of(kind: str) -> Plan:
    return plan_hardware_migration(inventory_of(kind), facts_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_is_the_golden_one(kind: str) -> None:
    """Write the golden files anew with GOLDEN=write, then read the difference."""
    file = FIXTURES / "plans" / f"{kind}.plan.json"
    made = plan_of(kind).model_dump(mode="json")
    if os.environ.get("GOLDEN") == "write":
        file.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert made == json.loads(file.read_text(encoding="utf-8"))


def test_a_virtual_machine_that_is_made_is_deleted_on_the_way_back() -> None:
    inventory = inventory_of("dns")
    made = LibvirtProvision(
        driver="libvirt", name="new-box", bridge="br0", mac="52:54:00:00:00:01", addresses=("10.77.0.22/24",)
    )
    plan = plan_hardware_migration(inventory.model_copy(update={"provision": made}), facts_of("dns"))
    (step,) = (step for step in plan.steps if step.name == "provision-new")
    assert "the virtual machine new-box" in step.title
    assert step.way_back
    assert step.way_back.startswith("The virtual machine is deleted with its disks if it was made here")
    assert step.parameters == {"driver": "libvirt"}
    assert step.expected_seconds > 30


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_says_why_and_can_be_done(kind: str) -> None:
    plan = plan_of(kind)
    names = [step.name for step in plan.steps]
    assert len(set(names)) == len(names)
    for step in plan.steps:
        assert step.why
        assert step.requirements or not step.changes
        assert step.kind in STEPS
        assert {gate.code for gate in step.gates} <= set(GATES)
        assert step.way_back or step.irreversible or not step.changes


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_irreversible_comes_before_its_gates_and_the_soak(kind: str) -> None:
    plan = plan_of(kind)
    names = [step.name for step in plan.steps]
    irreversible = [step for step in plan.steps if step.irreversible]
    assert names.index("soak") < names.index(irreversible[0].name)
    assert {"serial-confirmed", "soak-passed", "settings-compared", "records-complete"} <= {
        gate.code for gate in irreversible[0].gates
    }
    assert all(step.irreversible for step in plan.steps[names.index(irreversible[0].name) :])


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_records_are_collected_when_nobody_makes_new_ones(kind: str) -> None:
    steps = {step.name: step for step in plan_of(kind).steps}
    names = list(steps)
    assert names.index("soak") < names.index("collect-late-records") < names.index("reset-old")
    for name in ("collect-late-records", "reset-old"):
        (gate,) = (gate for gate in steps[name].gates if gate.code == "old-idle")
        assert gate.severity == "block"


@pytest.mark.parametrize("kind", KINDS)
def test_what_would_dangle_is_found_before_anything_is_installed_or_restored(kind: str) -> None:
    steps = {step.name: step for step in plan_of(kind).steps}
    names = list(steps)
    assert names.index("inspect-old") < names.index("capture-box-settings") < names.index("carry-box-settings")
    for later in ("install-site-package", "import-certificate", "restore-settings"):
        assert names.index("carry-box-settings") < names.index(later)
    (gate,) = steps["carry-box-settings"].gates
    assert (gate.code, gate.severity, gate.after) == ("no-dangling-references", "block", "capture-box-settings")


def test_backups_come_before_everything_that_moves_traffic() -> None:
    names = [step.name for step in plan_of("shared-ip").steps]
    assert names.index("back-up-settings") < names.index("extract-records") < names.index("swing-traffic")


def test_the_ttl_is_lowered_before_the_swing_and_put_back_after_it() -> None:
    names = [step.name for step in plan_of("dns").steps]
    assert names.index("lower-ttl") < names.index("swing-traffic") < names.index("put-back-ttl")


def test_another_box_at_the_old_address_is_refused() -> None:
    facts = facts_of("shared-ip")
    status = facts.old.status.model_copy(update={"serial_number": "OTHER"})
    facts = facts.model_copy(update={"old": facts.old.model_copy(update={"status": status})})
    with pytest.raises(RefusedError, match="another box answers as the old one"):
        plan_hardware_migration(inventory_of("shared-ip"), facts)


def test_the_old_box_at_the_new_address_is_refused() -> None:
    facts = facts_of("shared-ip")
    new = facts.new.model_copy(update={"answers": True, "serial_number": "RB-OLD-0001"})
    with pytest.raises(RefusedError, match="the old box itself answers as the new one"):
        plan_hardware_migration(inventory_of("shared-ip"), facts.model_copy(update={"new": new}))


def test_a_box_without_a_site_is_no_old_box() -> None:
    facts = facts_of("shared-ip")
    status = facts.old.status.model_copy(update={"site_version": None})
    facts = facts.model_copy(update={"old": facts.old.model_copy(update={"status": status})})
    with pytest.raises(RefusedError, match="serves no site"):
        plan_hardware_migration(inventory_of("shared-ip"), facts)


OLD_BMC = """
[old_bmc]
url = "https://10.77.0.31"
password = "env:BMC"
tls_sha256 = "3333333333333333333333333333333333333333333333333333333333333333"
media_address = "10.77.0.2"
macs = ["52:54:00:77:00:01"]
disk_serials = ["DISK-1", "DISK-2"]
"""
BY_HAND = """
[provision]
driver = "operator"
mac = "52:54:00:77:00:02"
addresses = ["10.77.0.22/24"]
machine_serial = "SRV-7"
disk_serial = "DISK-9"
"""


def plan_with(tables: str) -> Plan:
    file = FIXTURES / "inventories" / "dns.toml"
    return plan_hardware_migration(
        read_inventory(file.read_text(encoding="utf-8") + tables, str(file)), facts_of("dns")
    )


def test_the_disks_of_old_metal_are_wiped_behind_its_reset_and_that_cannot_be_taken_back() -> None:
    plan = plan_with(OLD_BMC)
    names = [step.name for step in plan.steps]
    assert names[-5:] == ["reset-old", "wipe-old", "reset-firmware", "shut-down-old", "end-watch"]
    wipe = plan.step("wipe-old")
    assert wipe.irreversible
    assert wipe.kind in STEPS
    codes = {gate.code for gate in wipe.gates}
    assert codes == {"wipe-confirmed", "old-was-reset", "soak-passed", "settings-compared", "new-proven"}
    assert codes <= set(GATES)
    assert {gate.severity for gate in wipe.gates} == {"block"}
    assert "DISK-1, DISK-2" in wipe.title


OLD_VM = """
[old_vm]
name = "old-box"
machine_uuid = "5F1D0F0C-8B5E-4F27-9D57-0D4D3C9B7A44"
disk_serials = ["OLD-0", "/var/lib/libvirt/images/old-data.raw"]
"""


def inventory_with_old_vm(more: str = "", kind: str = "virtual") -> Inventory:
    text = (FIXTURES / "inventories" / "dns.toml").read_text(encoding="utf-8")
    return read_inventory(text.replace('kind = "physical"', f'kind = "{kind}"') + OLD_VM + more, "dns.toml")


def test_the_volumes_of_an_old_virtual_machine_are_wiped_once_it_is_off() -> None:
    plan = plan_hardware_migration(inventory_with_old_vm(), facts_of("dns"))
    assert [step.name for step in plan.steps][-4:] == ["reset-old", "shut-down-old", "wipe-old", "end-watch"]
    wipe = plan.step("wipe-old")
    assert wipe.irreversible
    assert "OLD-0, /var/lib/libvirt/images/old-data.raw of the virtual machine old-box" in wipe.title
    assert {gate.code for gate in wipe.gates} == {gate.code for gate in plan_with(OLD_BMC).step("wipe-old").gates}


@pytest.mark.parametrize(("more", "kind"), [("", "physical"), (OLD_BMC, "virtual")])
def test_a_machine_that_is_none_has_no_volumes(more: str, kind: str) -> None:
    with pytest.raises(InputError, match="old_vm is for a virtual old box"):
        inventory_with_old_vm(more, kind)


def test_firmware_is_reset_behind_the_gates_of_the_wipe_as_far_as_the_inventory_wants_it() -> None:
    plan = plan_with(OLD_BMC)
    firmware = plan.step("reset-firmware")
    assert (firmware.irreversible, firmware.gates) == (True, plan.step("wipe-old").gates)
    assert "BMC" not in firmware.title
    with_bmc = plan_with(f'{OLD_BMC}firmware_reset = "bios-and-bmc"\n').step("reset-firmware")
    assert "BIOS settings and its BMC" in with_bmc.title
    left = plan_with(f'{OLD_BMC}firmware_reset = "none"\n')
    assert "reset-firmware" not in [step.name for step in left.steps]


def test_metal_without_a_bmc_is_installed_by_a_person_who_is_told_every_step() -> None:
    step = plan_with(BY_HAND).step("provision-new")
    assert (step.kind, step.mode) == ("provision-by-hand", "operator")
    assert step.kind in STEPS
    told = str(step.parameters["instructions"])
    assert all(word in told for word in ("SRV-7", "DISK-9", "52:54:00:77:00:02", "installer.iso", "new-fingerprint"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_watch_outlasts_everything_that_may_interrupt_the_service(kind: str) -> None:
    names = [step.name for step in plan_of(kind).steps]
    assert names[-1] == "end-watch"
    assert names.index("start-watch") < names.index("swing-traffic") < names.index("soak") < names.index("reset-old")
    # on the way back it ends after the proof
    assert [step.name for step in plan_of(kind).on_way_back.last] == ["prove-served", "stop-watch"]
    (swing,) = (step for step in plan_of(kind).steps if step.name == "swing-traffic")
    assert "site-watched" in {gate.code for gate in swing.gates}
