"""References that would point at nothing on the new box; all are found before anything is carried or restored."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.carrying import Carried
from toolkit.box_settings.interface_map import InterfaceMap, networks_of, own_addresses

AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Dangling:
    """One reference: the thing, where the old box has it, why it would dangle, what to do."""

    what: str
    where: str
    why: str
    next_move: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.why}. {self.next_move}"


def find_dangling(
    old: BoxSettings, table: InterfaceMap, carried: Carried, *, swing_interface: str | None = None
) -> tuple[Dangling, ...]:
    """Everything at once, in the order of the pages; empty when all fits.

    `swing_interface`: where the inventory says that the shared addresses arrive; None: no shared address is moved.
    """
    look = _Look(old, table, carried)
    return (
        *look.addresses(swing_interface),
        *look.certificates(swing_interface),
        *look.routes(),
        *look.servers("DNS server", carried.network.dns_servers or ()),
        *look.servers("NTP server", carried.network.ntp_servers or ()),
    )


class _Look:
    """One look at two boxes and a table."""

    def __init__(self, old: BoxSettings, table: InterfaceMap, carried: Carried) -> None:
        self._old = old
        self._table = table
        self._network = carried.network
        self._networks = networks_of(f"{one.address}/{one.prefix}" for one in carried.addresses)

    def addresses(self, swing_interface: str | None) -> Iterator[Dangling]:
        """Own addresses that nothing takes the place of, and shared ones that would arrive nowhere."""
        for entry in self._old.network.addresses:
            kind = "shared address" if entry.shared else "address"
            why = self._uprooted(entry.address, swing_interface)
            if why:
                next_move = self._next_move(entry.address, f"Give {entry.interface} a counterpart and an address there")
                yield Dangling(f"{kind} {entry.address}", f"{entry.interface} of the old box", why, next_move)

    def certificates(self, swing_interface: str | None) -> Iterator[Dangling]:
        """Assigned to an address that will not be there."""
        for certificate in self._old.certificates:
            for address in certificate.addresses:
                if self._uprooted(address, swing_interface):
                    yield Dangling(
                        f"certificate {certificate.name}",
                        f"assigned to {address} on the old box",
                        "nothing on the new box takes the place of that address",
                        self._next_move(address, "Give its interface a counterpart and an address there"),
                    )

    def routes(self) -> Iterator[Dangling]:
        """Gateways that no interface of the new box is next to."""
        ways = [("default route", route) for route in [self._network.gateway] if route]
        ways += [(f"route to {route.destination}", route.gateway) for route in self._network.routes or ()]
        for what, gateway in ways:
            if self._next_to(gateway):
                continue
            interface = self._old_neighbour(gateway)
            row = self._table.counterpart(interface) if interface else None
            why = f"no interface of the new box is in a network with {gateway}"
            if interface and row is None:
                why = f"{interface}, by which the old box reaches {gateway}, has no counterpart"
            name = gateway if what == "default route" else what.removeprefix("route to ")
            yield Dangling(what, f"by {gateway}", why, self._next_move(name, "Give the new box an address next to it"))

    def servers(self, kind: str, servers: tuple[str, ...]) -> Iterator[Dangling]:
        """Servers by address that cannot be reached; what stands there by name is found when it is asked for."""
        for server in servers:
            address = _address(server)
            if address is None or self._next_to(server):
                continue
            interface = self._old_neighbour(server)
            why = "no route of the new box leads there"
            if interface:
                why = (
                    f"it stands beside {interface} of the old box, in a network that no interface of the new box is in"
                )
            elif self._routed(address):
                continue
            yield Dangling(
                f"{kind} {server}",
                "Networking > IP Configuration",
                why,
                self._next_move(server, "Give the new box an address in that network"),
            )

    def _uprooted(self, address: str, swing_interface: str | None) -> str:
        """Why an address of the old box has no place on the new one; empty when it has, or is meant to stay."""
        entry = next((one for one in self._old.network.addresses if one.address == address), None)
        if entry is None or address in self._table.leave or not (entry.enabled or entry.shared):
            return ""
        row = self._table.counterpart(entry.interface)
        if row is None:
            return f"{entry.interface} has no counterpart on the new box"
        if entry.shared:
            if swing_interface is not None and row.new != swing_interface:
                return f"the table says {row.new}, and the inventory's new.interface says {swing_interface}"
            return ""
        return "" if row.addresses else f"{row.new}, the counterpart of {entry.interface}, gets no address"

    def _next_to(self, address: str) -> bool:
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def _old_neighbour(self, address: str) -> str | None:
        """The old box's interface in whose network the address is."""
        parsed = _address(address)
        for port in self._old.network.interfaces:
            if parsed is not None and any(parsed in one for one in networks_of(own_addresses(self._old, port.name))):
                return port.name
        return None

    def _routed(self, address: AnyAddress) -> bool:
        ways: list[AnyNetwork] = [
            ipaddress.ip_network(route.destination)
            for route in self._network.routes or ()
            if self._next_to(route.gateway)
        ]
        if self._network.gateway and self._next_to(self._network.gateway):
            ways.append(ipaddress.ip_network("0.0.0.0/0" if "." in self._network.gateway else "::/0"))
        return any(address in network for network in ways)

    @staticmethod
    def _next_move(name: str, better: str) -> str:
        return f'{better}, in the table of interfaces; or add "{name}" to its leave, if it is meant to stay behind.'


def _address(text: str) -> AnyAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
