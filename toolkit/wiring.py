"""The one place where implementations are picked: drivers, provisioner, procedure."""

from collections.abc import Callable
from pathlib import Path

import httpx

from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.appliances.facts import read_facts
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.world import Role, World
from toolkit.cli.secrets import resolve
from toolkit.lab.provisioner import LabMachine
from toolkit.model.errors import InputError
from toolkit.model.facts import Facts, NameFacts
from toolkit.model.inventory import DnsSwing, Inventory, LabProvision, read_inventory
from toolkit.model.plan import Plan
from toolkit.procedures.hardware_migration import plan_hardware_migration
from toolkit.provision.protocol import ExistingBox, Provisioner
from toolkit.traffic.dns import zone_of

WrapTransport = Callable[[httpx.BaseTransport], httpx.BaseTransport]


def load_inventory(file: Path) -> Inventory:
    """The inventory in `file`; raises InputError naming file, line and field."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise InputError(
            "the inventory cannot be read", where=str(file), why=reason, next_move="Give the path of a TOML file."
        ) from None
    return read_inventory(text, str(file))


def open_world(
    inventory: Inventory,
    base: Path,
    *,
    read_only: bool = False,
    confirmed_serial_number: str | None = None,
    wrap_transport: WrapTransport = lambda transport: transport,
) -> World:
    """Drivers for both boxes; nothing is asked of them yet.

    `read_only` worlds refuse on our side whatever could change a box: planning and dry runs use them.
    """
    secrets: dict[str, str] = {}

    def secret(reference: str, purpose: str) -> str:
        if reference not in secrets:
            secrets[reference] = resolve(reference, purpose, base=base)
        return secrets[reference]

    def driver(role: Role) -> Appliance:
        box = inventory.old if role == "old" else inventory.new
        password = box.admin_password

        def client_secret() -> str:
            return secret(box.client_secret, f"the {role} box's API account")

        connection = BoxConnection(
            role,
            box.address,
            box.port,
            {box.tls_sha256},
            client_id=box.client_id,
            client_secret=client_secret,
            read_only=read_only,
            wrap_transport=wrap_transport,
        )
        return EmulatedAppliance(
            connection,
            client_id=box.client_id,
            client_secret=client_secret,
            admin_password=(lambda: secret(password, f"the {role} box's admin account")) if password else None,
        )

    return World(
        inventory=inventory,
        base=base,
        old=driver("old"),
        new=driver("new"),
        resolve_secret=secret,
        known_secrets=lambda: frozenset(secrets.values()),
        provisioner=_provisioner(inventory, base),
        confirmed_serial_number=confirmed_serial_number or inventory.reset.confirm_serial_number,
    )


def _provisioner(inventory: Inventory, base: Path) -> Provisioner:
    if isinstance(inventory.provision, LabProvision):
        return LabMachine((base / inventory.provision.folder).resolve(), inventory.provision.host)
    return ExistingBox()


def open_box(inventory_path: Path, role: Role) -> Appliance:
    """One box of an inventory, for commands that talk to it directly."""
    return open_world(load_inventory(inventory_path), inventory_path.parent).box(role)


def look(world: World) -> Facts:
    """The facts of both boxes and the name, read only."""
    swing = world.inventory.swing
    name = None
    if isinstance(swing, DnsSwing):
        records = zone_of(world, swing).look_up(world.inventory.site.name)
        name = NameFacts(addresses=tuple(sorted(records.addresses)), ttl_seconds=records.ttl_seconds)
    return read_facts(world.old, world.new, name)


def make_plan(file: Path, *, wrap_transport: WrapTransport = lambda transport: transport) -> Plan:
    """The plan for an inventory: looks at the boxes, changes nothing, writes nothing."""
    inventory = load_inventory(file)
    world = open_world(inventory, file.parent, read_only=True, wrap_transport=wrap_transport)
    return plan_hardware_migration(inventory, look(world))
