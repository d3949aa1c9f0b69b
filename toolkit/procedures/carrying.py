"""The steps by which backups and certificates travel on a stick, between boxes that do not reach each other."""

from collections.abc import Iterator

from toolkit.model.carry import Carry, FolderStation, LocalStation, SshStation, Station
from toolkit.model.inventory import Inventory
from toolkit.model.plan import Mode, Step

CARRIED = "carried"
"""The folder of a run with what came off the stick."""

# a common stick by USB 2; only used to tell people how long a step may take
_BYTES_PER_SECOND = 10e6


def carry_by_stick(inventory: Inventory, size_bytes: int) -> Iterator[Step]:
    """Plug it in, write, move it, read; none at all where data travels with rebox itself."""
    carry = inventory.carry
    if carry is None:
        return
    mode = Mode.AUTOMATIC if carry.mover else Mode.OPERATOR
    moved = 5.0 if carry.mover else 300.0
    copied = 5.0 + 2 * size_bytes / _BYTES_PER_SECOND
    old, new = place(carry.old), place(carry.new)
    yield Step(
        name="plug-stick",
        kind="plug-stick",
        title=f"Plug the stick {carry.stick} in at the old box's side: {old}",
        why="The boxes do not reach each other; what the new one needs travels on a stick.",
        requirements=("U3", "H2"),
        mode=mode,
        way_back="Nothing is left to take back: the stick was only looked for.",
        expected_seconds=moved,
        parameters={"at": "old", "instructions": _plug(carry, old)},
    )
    yield Step(
        name="write-stick",
        kind="write-stick",
        title="Write backups and certificate to the stick, and read all of it back from there",
        why="A copy that is not on the stick is none, whatever the system said when it was written.",
        requirements=("U3", "U9", "H2", "H3"),
        way_back="The stick keeps the copies, each encrypted; format it when nobody needs them.",
        expected_seconds=copied,
    )
    yield Step(
        name="move-stick",
        kind="move-stick",
        title=f"Move the stick from the old box's side to the new one's: {new}",
        why="It is recognised by what was written to it, and not by where it is plugged in.",
        requirements=("U3", "H2"),
        mode=mode,
        way_back="Nothing is left to take back: the stick was only looked for.",
        expected_seconds=moved,
        parameters={"at": "new", "instructions": _move(carry, old, new)},
    )
    yield Step(
        name="read-stick",
        kind="read-stick",
        title="Check signature and every hash on the stick, and take from it what the new box gets",
        why="Nothing reaches the new box that is not what left the old one.",
        requirements=("U3", "H2", "H3"),
        way_back="What was read is kept in the run's folder.",
        expected_seconds=copied,
        parameters={"to": CARRIED},
    )


def taken_from(inventory: Inventory) -> dict[str, str]:
    """The parameter that tells a step which of the run's files it uses: those that came off the stick, or its own."""
    return {} if inventory.carry is None else {"from": CARRIED}


def place(station: Station) -> str:
    """Where a stick is plugged in, in words."""
    match station:
        case LocalStation():
            return "this machine"
        case SshStation():
            return f"the machine at {station.address}"
        case FolderStation():
            return f"the folder {station.folder}"


def _plug(carry: Carry, old: str) -> str:
    return f"Plug the stick {carry.stick} into {old}. Nothing is written to any other one."


def _move(carry: Carry, old: str, new: str) -> str:
    return (
        f"1. Pull the stick {carry.stick} out of {old}; it may be pulled: everything is on it, and was read back.\n"
        f"2. Plug it into {new}."
    )
