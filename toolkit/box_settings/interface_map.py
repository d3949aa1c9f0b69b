"""The table that says which interface of the old box becomes which of the new one; people edit it.

leave = ["10.78.0.53"]      # what of the old box is meant to stay behind

[[interface]]
old = "eth0"
new = "ens3"                # left out: this interface has no counterpart
new_mac = "52:54:00:…"      # optional: checked against the box
addresses = ["10.77.0.12/24"]   # the new box's own addresses on it; left out: those it has now
"""

import ipaddress
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolkit.box_settings.captured import BoxSettings
from toolkit.model.box import NetworkInterface
from toolkit.model.errors import InputError
from toolkit.model.fields import InterfaceAddress, Mac
from toolkit.model.settings_text import Location, line_of, read_settings


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MappedInterface(_Table):
    """One interface of the old box and its counterpart, if it has one."""

    old: str = Field(min_length=1)
    old_mac: Mac | None = None
    new: str | None = Field(default=None, min_length=1)
    new_mac: Mac | None = None
    addresses: tuple[InterfaceAddress, ...] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "MappedInterface":
        if self.new is None and (self.addresses or self.new_mac):
            raise ValueError(f'{self.old} has no counterpart (new is missing) and so no addresses and no "new_mac"')
        return self


class InterfaceMap(_Table):
    """The whole table; `leave` names addresses, servers and route destinations that are meant to stay behind."""

    leave: tuple[str, ...] = ()
    interface: tuple[MappedInterface, ...] = ()

    def counterpart(self, old: str) -> MappedInterface | None:
        """The row of an interface that has a counterpart."""
        return next((row for row in self.interface if row.old == old and row.new is not None), None)


def read_interface_map(text: str, file_name: str, old: BoxSettings, new: BoxSettings) -> InterfaceMap:
    """The table in `text`, which fits the two boxes; raises InputError naming file, line, reason and next move."""
    table = read_settings(text, file_name, InterfaceMap)
    for location, what, why, next_move in _misfits(table, old, new):
        line = line_of(text, location)
        raise InputError(what, where=f"{file_name}:{line}" if line else file_name, why=why, next_move=next_move)
    return InterfaceMap(leave=table.leave, interface=tuple(_completed(row, new) for row in table.interface))


def _completed(row: MappedInterface, new: BoxSettings) -> MappedInterface:
    if row.new is None or row.addresses is not None:
        return row
    return row.model_copy(update={"addresses": own_addresses(new, row.new)})


Misfit = tuple[Location, str, str, str]


def _misfits(table: InterfaceMap, old: BoxSettings, new: BoxSettings) -> Iterator[Misfit]:
    yield from _unknown_ports(table, old, new)
    yield from _doubled(table)
    yield from _taken_addresses(table, old)
    missing = [one.name for one in old.network.interfaces if one.name not in {row.old for row in table.interface}]
    for name in missing:
        why = "every interface of the old box has a row, so that none is forgotten"
        next_move = f'Add [[interface]] with old = "{name}", and "new" unless it is to have no counterpart.'
        yield (), f"interface {name} of the old box is not in the table", why, next_move
    known = set(references(old))
    for number, name in enumerate(table.leave):
        if name not in known:
            why = "the old box has no such address, server, route or gateway"
            yield ("leave", number), f'"{name}" cannot be left behind', why, f"It has: {', '.join(sorted(known))}."


def _unknown_ports(table: InterfaceMap, old: BoxSettings, new: BoxSettings) -> Iterator[Misfit]:
    for number, row in enumerate(table.interface):
        for side, name, mac, box in (("old", row.old, row.old_mac, old), ("new", row.new, row.new_mac, new)):
            if name is None:
                continue
            ports = {port.name: port for port in box.network.interfaces}
            there = ", ".join(map(described, ports.values()))
            if name not in ports:
                what = f"the {side} box has no interface {name}"
                yield ("interface", number, side), what, f"it has {there}", f"Correct {side} in this row."
            elif mac is not None and mac != ports[name].mac.lower():
                what = f"{name} of the {side} box has another MAC than {mac}"
                why = f"the box has {there}"
                next_move = "This table may have been made for another box; correct the row, or have one made anew."
                yield ("interface", number, f"{side}_mac"), what, why, next_move


def _doubled(table: InterfaceMap) -> Iterator[Misfit]:
    for number, row in enumerate(table.interface):
        earlier = table.interface[:number]
        if row.old in {one.old for one in earlier}:
            yield ("interface", number, "old"), f"{row.old} has two rows", "", "Remove one of them."
        if row.new is not None and row.new in {one.new for one in earlier}:
            others = " and ".join(one.old for one in (*earlier, row) if one.new == row.new)
            what = f"{others} of the old box would both become {row.new}"
            yield ("interface", number, "new"), what, "an interface has one counterpart", "Correct one of the rows."


def _taken_addresses(table: InterfaceMap, old: BoxSettings) -> Iterator[Misfit]:
    olds = {entry.address for entry in old.network.addresses}
    seen: set[str] = set()
    for number, row in enumerate(table.interface):
        for place, text in enumerate(row.addresses or ()):
            address = text.partition("/")[0]
            location = ("interface", number, "addresses", place)
            if address in olds:
                why = "the old box has it, and both boxes are on until the old one is reset"
                next_move = "Give the new box an address of its own; shared addresses are moved by the swing."
                yield location, f"{address} cannot be an address of the new box's own", why, next_move
            if address in seen:
                yield location, f"{address} is given twice", "", "Remove one of them."
            seen.add(address)


def references(old: BoxSettings) -> Iterator[str]:
    """Everything of a box that points at a place in a network, as it is written in `leave`."""
    network = old.network
    yield from (entry.address for entry in network.addresses)
    yield from (route.destination for route in network.routes)
    yield from (*network.dns_servers, *network.ntp_servers)
    if network.gateway is not None:
        yield network.gateway


def own_addresses(box: BoxSettings, interface: str) -> tuple[str, ...]:
    """The box's own enabled addresses on an interface, with prefix."""
    return tuple(
        f"{entry.address}/{entry.prefix}"
        for entry in box.network.addresses
        if entry.interface == interface and entry.enabled and not entry.shared
    )


def described(port: NetworkInterface) -> str:
    """An interface in a few words: name, MAC, link and speed."""
    speed = f", {port.speed_mbps:,} Mbit/s" if port.speed_mbps else ""
    return f"{port.name} ({port.mac}, link {'up' if port.link else 'down'}{speed})"


def networks_of(addresses: Iterable[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of addresses with prefix."""
    return [ipaddress.ip_interface(address).network for address in addresses]
