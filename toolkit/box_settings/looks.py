"""Old box, new box and table, looked at together by steps, gates and commands."""

from typing import NamedTuple

from toolkit.appliances.protocol import Appliance
from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.box_settings.captured import BoxSettings, capture, read_captured
from toolkit.box_settings.carrying import Carried, carry
from toolkit.box_settings.dangling import Dangling, find_dangling
from toolkit.box_settings.interface_map import InterfaceMap, read_interface_map
from toolkit.box_settings.proposal import propose
from toolkit.model.execution import Clock, StepContext
from toolkit.model.inventory import Inventory, SharedAddressSwing
from toolkit.storage.given_file import read_given_text

CAPTURED = "box-settings.json"
"""What the old box was set to, in a run's folder."""


class View(NamedTuple):
    """The two boxes' settings, the table between them, and what follows from them."""

    old: BoxSettings
    new: BoxSettings
    table: InterfaceMap
    carried: Carried
    dangling: tuple[Dangling, ...]


def view(world: World, old: BoxSettings, new: Appliance, clock: Clock) -> View:
    """The old box as it was captured, the new one as it is; raises InputError for a table that does not fit them."""
    now = capture(new, clock.now())
    table = _table(world, old, now)
    carried = carry(old, now, table, hostname=world.inventory.box_settings.hostname)
    dangling = find_dangling(old, table, carried, swing_interface=_swing_interface(world.inventory))
    here = {entry.address for entry in now.network.addresses if entry.enabled and not entry.shared}
    if new.address in here and new.address not in {one.address for one in carried.addresses}:
        lost = Dangling(
            f"address {new.address}",
            "new.address in the inventory",
            "the table takes it away from the new box, and nobody could reach it there",
            "Add it to the addresses of its interface in the table.",
        )
        dangling = (lost, *dangling)
    return View(old, now, table, carried, dangling)


def view_of_run(context: StepContext) -> View:
    """The same, with the old box as this run captured it."""
    world: World = context.world
    return view(world, read_captured(context.run_directory / CAPTURED), box(context, "new"), context.clock)


def _table(world: World, old: BoxSettings, new: BoxSettings) -> InterfaceMap:
    name = world.inventory.box_settings.interface_map
    if name is None:
        return propose(old, new)
    path = world.path(name)
    text = read_given_text(
        path,
        what="the table of interfaces cannot be read",
        next_move="Have one made: rebox box-settings map INVENTORY --to FILE.",
    )
    return read_interface_map(text, str(path), old, new)


def _swing_interface(inventory: Inventory) -> str | None:
    return inventory.new.interface if isinstance(inventory.swing, SharedAddressSwing) else None
