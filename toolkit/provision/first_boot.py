"""What a machine that is made here is told at its first power-on: who it is, and where; never a secret in clear."""

from collections.abc import Callable
from pathlib import Path

from pydantic import JsonValue

from toolkit.appliances.first_password import first_password, password_hash
from toolkit.model.inventory import Inventory
from toolkit.model.provision import MetalMachine, NewMachine
from toolkit.storage.given_file import read_given_text


def first_boot_order(
    inventory: Inventory, machine: NewMachine, admin_password: str, path: Callable[[str], Path]
) -> dict[str, JsonValue]:
    """The order that the seed of the new box holds (docs/images.md); `path` finds the inventory's files.

    Raises InputError for a file that cannot be read.
    """
    password = first_password(admin_password, inventory.new.serial_number)
    return {**order_without_password(inventory, machine, path), "admin_password_hash": password_hash(password)}


def authorized_keys(machine: NewMachine, path: Callable[[str], Path]) -> tuple[str, ...]:
    """The public keys that may log in to it by SSH; raises InputError for a file that cannot be read."""
    if machine.authorized_keys_file is None:
        return ()
    text = read_given_text(path(machine.authorized_keys_file), next_move="Correct provision.authorized_keys_file.")
    return tuple(line for line in text.splitlines() if line.strip() and not line.startswith("#"))


def order_without_password(
    inventory: Inventory, machine: NewMachine, path: Callable[[str], Path]
) -> dict[str, JsonValue]:
    """The same but for the password: what can be known, kept and compared without a secret."""

    def content(name: str | None) -> str | None:
        return (
            read_given_text(path(name), what=f"{name} cannot be read", next_move="Correct its path.") if name else None
        )

    order: dict[str, JsonValue] = {
        "serial_number": inventory.new.serial_number,
        "hostname": machine.hostname,
        "mac": machine.mac,
        "addresses": [*machine.addresses],
        "gateway": machine.gateway,
        "dns_servers": [*machine.dns_servers],
        "base_version": machine.base_version,
        "update_server": machine.update_server,
        "tuf_root": content(machine.update_root_file),
        "ca": content(machine.update_ca_file),
        "data_disk_serial": machine.data_disk_serial if isinstance(machine, MetalMachine) else None,
    }
    return {name: value for name, value in order.items() if value is not None}
