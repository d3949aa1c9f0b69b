"""Which drives may be written: removable or named on purpose, and never one that the running system uses."""

from collections.abc import Collection

from toolkit.disks.in_use import uses
from toolkit.disks.plugged import Stick
from toolkit.model.errors import RefusedError


def check_permitted(stick: Stick, allowed: Collection[str] = ()) -> None:
    """Raises RefusedError; `allowed` are serial numbers or paths of drives that are not removable."""
    if stick.bus == "file":
        return
    if not stick.removable and not {stick.serial, str(stick.path)} & {word for word in allowed if word}:
        raise RefusedError(
            "this drive is not removable",
            where=str(stick.path),
            why="a fixed disk is never taken for a stick",
            next_move=f"When that is what you want, give --allow-fixed {stick.confirmed_by}.",
        )
    objections = uses(stick.path.name)
    if objections:
        why = "; ".join(objection.why for objection in objections)
        raise RefusedError("this drive is in use", where=str(stick.path), why=why, next_move="End that first.")
