"""What the factory burnt in: it outlives every reset, and names nothing of what the box was used for."""

import json
import uuid

from pydantic import BaseModel, ConfigDict

from toolkit.emulator.appliance.disk import Disk
from toolkit.model.errors import InputError

MODEL = "RBX-200 (emulated)"


class Identity(BaseModel):
    """The box's plate, its network port, and the addresses it comes up with at first boot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = MODEL
    serial_number: str
    guid: str
    interface: str
    mac: str
    addresses: tuple[str, ...]
    gateway: str | None
    dns_servers: tuple[str, ...]
    update_server: str | None

    @classmethod
    def read(cls, disk: Disk) -> "Identity":
        """From the disk; raises InputError when no box was made there."""
        try:
            return cls.model_validate(json.loads(disk.factory.read_bytes()))
        except FileNotFoundError:
            raise InputError(
                "there is no box on this disk",
                where=str(disk.root),
                next_move="Make one: python -m toolkit.emulator.appliance manufacture --disk …",
            ) from None

    def write(self, disk: Disk) -> None:
        """To the disk."""
        disk.write(disk.factory, self.model_dump_json(indent=1).encode())


def guid_of(serial_number: str) -> str:
    """The GUID that goes with a serial number."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"rebox:appliance:{serial_number}"))
