"""By which certificates a box is recognised while a run is unfinished: those the run has put there, too.

A run that imports the site's certificate changes what the new box shows on its own address. Who plans with the same
inventory meanwhile would be refused for it, and the fingerprint would be no longer right once the run has gone back.
What the run wrote down before it did so says which certificate that is: only a box of the same serial number at the
same address, which the run still holds, is recognised by it, and only with that certificate's private key.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from toolkit.appliances.trust import learnt
from toolkit.appliances.world import Role, World
from toolkit.engine.locks import find_claim
from toolkit.model.errors import ReboxError
from toolkit.model.inventory import Box, Inventory, read_inventory


@dataclass(frozen=True)
class Recognised:
    """A certificate by which the box of that role is recognised on the word of an unfinished run."""

    role: Role
    address: str
    certificate_sha256: str
    run_id: str

    def __str__(self) -> str:
        return (
            f"On {self.role} ({self.address}) the certificate with SHA-256 {self.certificate_sha256} is accepted, too: "
            f"the unfinished run {self.run_id} puts it there."
        )


def recognise(world: World, state_directory: Path, inventory_file: str) -> tuple[Recognised, ...]:
    """Lets both boxes be known by what unfinished runs have put there, and says by what.

    `state_directory` holds the claims on boxes; `inventory_file` is what a run's folder calls the inventory. What
    cannot be read is no reason to accept anything, and none to fail: a box that shows the inventory's own certificate
    needs nothing of it.
    """
    found: list[Recognised] = []
    for role in get_args(Role):
        with suppress(ReboxError, OSError, UnicodeDecodeError):
            found += _recognised(role, _box(world.inventory, role), state_directory, inventory_file)
    for one in found:
        world.box(one.role).trust(one.certificate_sha256)
    return tuple(found)


def _recognised(role: Role, box: Box, state_directory: Path, inventory_file: str) -> list[Recognised]:
    claim = find_claim(state_directory, box.serial_number)
    if claim is None:
        return []
    earlier = read_inventory((claim.run_directory / inventory_file).read_text(encoding="utf-8"), inventory_file)
    return [
        Recognised(role, box.address, certificate_sha256, claim.run_id)
        for its_role in get_args(Role)
        if _identity(_box(earlier, its_role)) == _identity(box)
        for certificate_sha256 in learnt(claim.run_directory, its_role)
        if certificate_sha256 != box.tls_sha256
    ]


def _box(inventory: Inventory, role: Role) -> Box:
    return inventory.old if role == "old" else inventory.new


def _identity(box: Box) -> tuple[str, str, int]:
    """What makes it the same box: what it says it is, and where it is reached."""
    return box.serial_number, box.address, box.port
