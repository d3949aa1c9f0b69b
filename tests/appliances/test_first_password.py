"""The one-time password of a machine made here: known again after a kill, in nobody else's hands."""

from pathlib import Path

from tests.step_context import inventory
from toolkit.appliances.first_password import first_password, password_hash
from toolkit.emulator.appliance.passwords import is_hash, matches
from toolkit.model.provision import LibvirtProvision
from toolkit.provision.first_boot import first_boot_order


def test_it_is_the_same_for_the_same_box_and_another_for_every_other() -> None:
    assert first_password("chosen", "RB-1") == first_password("chosen", "RB-1")
    assert (
        len({first_password("chosen", "RB-1"), first_password("chosen", "RB-2"), first_password("other", "RB-1")}) == 3
    )


def test_the_box_takes_the_hash_and_lets_in_with_the_password_alone() -> None:
    stored = password_hash(first_password("chosen", "RB-1"))
    assert is_hash(stored)
    assert matches(first_password("chosen", "RB-1"), stored)
    assert not matches("chosen", stored)


def test_the_order_of_a_new_machine_holds_neither_the_one_password_nor_the_other() -> None:
    machine = LibvirtProvision(
        driver="libvirt", name="new", bridge="br0", mac="52:54:00:00:00:01", addresses=("10.77.0.22/24",)
    )
    of = inventory()
    order = first_boot_order(of, machine, "chosen", Path)
    assert order["serial_number"] == of.new.serial_number
    assert "chosen" not in str(order)
    assert first_password("chosen", of.new.serial_number) not in str(order)
