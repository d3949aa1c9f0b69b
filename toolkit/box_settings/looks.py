"""Old box, new box and table, looked at together by steps, gates and commands."""

import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from toolkit.appliances.protocol import Appliance
from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.box_settings.captured import BoxSettings, capture, read_captured
from toolkit.box_settings.carrying import Carried, carry
from toolkit.box_settings.dangling import Dangling, find_dangling
from toolkit.box_settings.interface_map import InterfaceMap, read_interface_map
from toolkit.box_settings.proposal import propose
from toolkit.model.execution import StepContext
from toolkit.model.inventory import Inventory, SharedAddressSwing
from toolkit.storage.given_file import read_given_text
from toolkit.storage.numbered import latest

CAPTURED = "box-settings.json"
"""What the old box was set to, in a run's folder."""


class View(NamedTuple):
    """The two boxes' settings, the table between them, and what follows from them."""

    old: BoxSettings
    new: BoxSettings
    table: InterfaceMap
    carried: Carried
    dangling: tuple[Dangling, ...]


def view(inventory: Inventory, base: Path, old: BoxSettings, new: Appliance, now: datetime) -> View:
    """The old box as it was captured, the new one as it is; raises InputError for a table that does not fit them.

    `base` is the inventory's folder, from which the table's path counts.
    """
    there = capture(new, now)
    table = _table(inventory, base, old, there)
    carried = carry(old, there, table, hostname=inventory.box_settings.hostname)
    dangling = find_dangling(old, table, carried, swing_interface=_swing_interface(inventory))
    here = {entry.address for entry in there.network.addresses if entry.enabled and not entry.shared}
    if new.address in here and new.address not in {one.address for one in carried.addresses}:
        lost = Dangling(
            f"address {new.address}",
            "new.address in the inventory",
            "the table takes it away from the new box, and nobody could reach it there",
            "Add it to the addresses of its interface in the table.",
        )
        dangling = (lost, *dangling)
    return View(old, there, table, carried, dangling)


def view_of_run(context: StepContext) -> View:
    """The same, with the old box as this run captured it last."""
    world: World = context.world
    old = read_captured(latest(context.run_directory / CAPTURED))
    return view(world.inventory, world.base, old, box(context, "new"), context.clock.now())


def _table(inventory: Inventory, base: Path, old: BoxSettings, new: BoxSettings) -> InterfaceMap:
    name = inventory.box_settings.interface_map
    if name is None:
        return propose(old, new)
    path = Path(os.path.realpath(base / os.path.expanduser(name)))  # noqa: PTH111  (neither raises anything)
    text = read_given_text(
        path,
        what="the table of interfaces cannot be read",
        next_move="Have one made: rebox box-settings map INVENTORY --to FILE.",
    )
    return read_interface_map(text, str(path), old, new)


def _swing_interface(inventory: Inventory) -> str | None:
    return inventory.new.interface if isinstance(inventory.swing, SharedAddressSwing) else None
