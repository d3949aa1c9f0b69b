"""What the factory burnt in: it outlives every reset, and names nothing of what the box was used for."""

import json
import uuid
from ipaddress import ip_interface
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from toolkit.emulator.appliance.disk import Disk
from toolkit.model.errors import InputError

MODEL = "RBX-200 (emulated)"


def _with_prefix(text: str) -> str:
    if "/" not in text:
        raise ValueError('an address is written with its prefix, e.g. "10.77.0.11/24"')
    return str(ip_interface(text))


InterfaceAddress = Annotated[str, AfterValidator(_with_prefix)]


class PlacedAddress(NamedTuple):
    """An address with its prefix, and the port it is on."""

    interface: str
    address: str


class Port(BaseModel):
    """A further network port, and the addresses it comes up with at first boot; `addresses` with prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,14}$")
    mac: str = Field(pattern="^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")
    addresses: tuple[InterfaceAddress, ...] = ()


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
    more_ports: tuple[Port, ...] = ()

    @property
    def ports(self) -> tuple[Port, ...]:
        """All ports; the first is the one that a box of a single port has."""
        return (Port(name=self.interface, mac=self.mac, addresses=self.addresses), *self.more_ports)

    @property
    def first_addresses(self) -> tuple[PlacedAddress, ...]:
        """Every port's, as at first boot."""
        return tuple(PlacedAddress(port.name, address) for port in self.ports for address in port.addresses)

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
