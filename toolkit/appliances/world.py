"""What steps are handed: the two boxes, the inventory, and secrets on request."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from toolkit.appliances.courier import Courier
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.provisioner import DiskWiper, ExistingBox, FirmwareResetter, Provisioner
from toolkit.appliances.quarantine import Quarantine
from toolkit.model.errors import ReboxError, UnreachableError
from toolkit.model.inventory import DnsSwing, Inventory
from toolkit.model.provision import RedfishProvision
from toolkit.model.secret import SecretReference
from toolkit.probes.watch import VantagePoint
from toolkit.signing import SigningKey

RUN_INVENTORY = "inventory.toml"
"""A run's own copy of the inventory, in its folder."""

ANSWER_SECONDS_MAX = 4.0
"""How long a connection to a box that may be dead is waited for; one that is well takes milliseconds."""

SLOW_SECONDS_MAX = 25.0
"""How long an answer over such a connection is waited for: the first one after switching on takes its time."""

Role = Literal["old", "new"]
Made = TypeVar("Made")


@dataclass(eq=False)
class World:
    """The wiring of one run. `base` is the inventory's folder: relative paths in it count from there.

    `inventory_file` is what the inventory will be read from the next time: once there is a run, its own copy.
    """

    inventory: Inventory
    base: Path
    old: Appliance
    new: Appliance
    resolve_secret: Callable[[SecretReference, str], str]
    quarantine: Quarantine
    signing_key: Callable[[], SigningKey]
    known_secrets: Callable[[], frozenset[str]] = frozenset
    provisioner: Provisioner = field(default_factory=ExistingBox)
    old_disks: DiskWiper | None = None
    courier: Courier | None = None
    old_firmware: FirmwareResetter | None = None
    vantage_points: tuple[VantagePoint, ...] = ()
    confirmed_serial_number: str | None = None
    new_is_off: bool = False
    """Somebody has pulled the new box's plug and says so by its serial number."""
    operator_name: str = ""
    inventory_file: Path = Path("inventory.toml")
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    def work_in(self, run_directory: Path) -> None:
        """Told by the engine: from now on the run is at work, and resumed from what its folder keeps."""
        self.inventory_file = run_directory / RUN_INVENTORY

    def box(self, role: Role) -> Appliance:
        """The box of that role."""
        return self.old if role == "old" else self.new

    def answers(self, role: str) -> bool:
        """Whether the box of that role answers within seconds, whatever it says; changes nothing."""
        appliance = self.box("old" if role == "old" else "new")
        try:
            with appliance.within(ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX):
                appliance.health()
        except UnreachableError:
            return False
        except ReboxError:
            pass  # an answer, whatever it says
        return True

    def secret(self, reference: SecretReference, purpose: str) -> str:
        """The secret behind a reference, asked for once."""
        return self.resolve_secret(reference, purpose)

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What `make` gives, made the first time only: for what is slow and stays the same for as long as we live."""
        if name not in self._made:
            self._made[name] = make()
        return cast(Made, self._made[name])

    def fetch_secrets(self, *, only_old: bool = False) -> None:
        """Fetches every secret of the inventory now: a prompt must not come in the middle of a step.

        `only_old`: just what the old box's own account needs.
        """
        inventory = self.inventory
        if only_old:
            self.resolve_secret(inventory.old.client_secret, "the old box's API account")
            return
        wanted: list[tuple[SecretReference | None, str]] = [
            (inventory.old.client_secret, "the old box's API account"),
            (inventory.new.client_secret, "the new box's API account"),
            (inventory.new.admin_password, "the new box's admin account"),
            (inventory.certificate.passphrase, "the exported certificate"),
            (inventory.backup.passphrase, "the box's settings backup"),
            (inventory.backup.identity_passphrase, "the identity that opens backups"),
        ]
        if isinstance(inventory.provision, RedfishProvision):
            wanted.append((inventory.provision.bmc.password, "the new machine's BMC"))
        if inventory.old_bmc is not None:
            wanted.append((inventory.old_bmc.password, "the old machine's BMC"))
        if isinstance(inventory.swing, DnsSwing):
            wanted.append((inventory.swing.tsig_secret, "the zone's TSIG key"))
        for reference, purpose in wanted:
            if reference is not None:
                self.resolve_secret(reference, purpose)

    def secret_values(self) -> frozenset[str]:
        """All secrets fetched so far: what may stand in no result and no evidence."""
        return self.known_secrets()

    def path(self, name: str) -> Path:
        """A path of the inventory as an absolute one."""
        return Path(os.path.realpath(self.base / os.path.expanduser(name)))  # noqa: PTH111  (neither raises anything)
