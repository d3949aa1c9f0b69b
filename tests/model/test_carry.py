"""The inventory's `[carry]`: a stick that is known by something, and never one of the disks that are wiped."""

import pytest

from tests.procedures.test_hardware_migration import FIXTURES, OLD_BMC
from toolkit.model.carry import FolderStation, LocalStation, SshStation
from toolkit.model.errors import InputError
from toolkit.model.inventory import Inventory, read_inventory

KEY = "SHA256:" + "Zr5" * 14 + "A"
SSH = 'driver = "ssh"\naddress = "10.88.0.10"\nkey_file = "key"'


def inventory(carry: str, more: str = "") -> Inventory:
    text = (FIXTURES / "inventories" / "dns.toml").read_text(encoding="utf-8")
    return read_inventory(f"{text}\n{carry}\n{more}", "site.toml")


def carry(
    stick: str = "serial=4C53",
    new: str = f'driver = "ssh"\naddress = "10.88.0.10"\nkey_file = "key"\nhost_key = "{KEY}"',
) -> str:
    return f'[carry]\nstick = "{stick}"\n[carry.old]\ndriver = "local"\n[carry.new]\n{new}\n'


def test_each_side_has_its_own_place() -> None:
    there = inventory(carry()).carry
    assert there
    assert isinstance(there.old, LocalStation)
    assert isinstance(there.new, SshStation)
    assert (there.new.port, there.new.username, there.new.host_key) == (22, "root", KEY)
    folder = inventory(carry(new='driver = "folder"\nfolder = "port"')).carry
    assert folder
    assert isinstance(folder.new, FolderStation)


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (SSH, "by what is the machine recognised"),
        (
            f'{SSH}\nhost_key = "{KEY}"\nconsole_file = "log"',
            "by what is the machine recognised",
        ),
        (
            'driver = "ssh"\naddress = "10.88.0.10"\nkey_file = "key"\nhost_key = "SHA256:short"',
            "as ssh-keygen -l shows it",
        ),
        ('driver = "ssh"\naddress = "nowhere"\nkey_file = "key"\nhost_key = "x"', "carry.new"),
        ('driver = "post"', "carry.new"),
    ],
)
def test_a_place_that_cannot_be_used_is_named(new: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        inventory(carry(new=new))
    assert said in f"{refused.value.what} {refused.value.why}"


def test_the_stick_is_none_of_the_disks_that_are_wiped() -> None:
    with pytest.raises(InputError, match=r"DISK-2") as refused:
        inventory(carry(stick="serial=DISK-2"), OLD_BMC)
    assert "wiped or written anew" in f"{refused.value.what} {refused.value.why}"
    assert inventory(carry(stick="serial=DISK-9"), OLD_BMC).carry
