"""Whether the machine behind a BMC is the one that is meant: asked before anything is changed there."""

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.model.errors import RefusedError, UnknownStateError
from toolkit.provision.metal.bmc_answers import MachineFacts


@dataclass(frozen=True)
class MachineIdentity:
    """What the inventory says the machine is; `macs` in lower case."""

    serial_number: str
    uuid: str | None
    macs: tuple[str, ...]


def check_identity(meant: MachineIdentity, seen: MachineFacts, where: str) -> None:
    """Raises RefusedError when the BMC's machine is another one, UnknownStateError when it cannot be told.

    By the serial number; where a BMC tells none, by the UUID. And by every MAC.
    """
    wrong = list(_differences(meant, seen))
    if wrong:
        raise RefusedError(
            "another machine is behind this BMC",
            where=where,
            why="; ".join(wrong),
            next_move="Check the BMC's address and the inventory; nothing was done to that machine.",
        )
    if seen.serial_number is None and meant.uuid is None:
        raise UnknownStateError(
            "it cannot be told which machine this is",
            where=where,
            why="the BMC tells no serial number",
            next_move=f"Compare the machine's label; when it is the one, give its UUID as machine_uuid: {seen.uuid}",
        )
    if not seen.macs:
        raise UnknownStateError(
            "it cannot be told which machine this is",
            where=where,
            why="the BMC tells no MAC; some learn them when the machine is switched on for the first time",
            next_move="Switch the machine on once, off again, and try again.",
        )


def _differences(meant: MachineIdentity, seen: MachineFacts) -> Iterator[str]:
    if seen.serial_number is not None and seen.serial_number != meant.serial_number:
        yield f"its serial number is {seen.serial_number}, not {meant.serial_number}"
    if meant.uuid is not None and seen.uuid != meant.uuid:
        yield f"its UUID is {seen.uuid}, not {meant.uuid}"
    missing = [mac for mac in meant.macs if mac not in seen.macs]
    if seen.macs and missing:
        yield f"it has no network port {', '.join(missing)} (but {', '.join(seen.macs)})"
