"""The box's network ports together: which address is on which, and by which one a gateway is reached."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_interface, ip_network

from toolkit.emulator.appliance.facts import Address, Interface
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.network_state import NetworkState, OwnAddress
from toolkit.emulator.appliance.rtnetlink import default_destination
from toolkit.emulator.appliance.wire import AnyInterface, AnyNetwork, Wire
from toolkit.model.errors import words_of

AnyAddress = Address | OwnAddress


class Ports:
    """All wires of a box by the name of their port, the first one first."""

    def __init__(self, wires: Mapping[str, Wire], faults: Faults) -> None:
        self._wires = wires
        self._faults = faults
        self.names = tuple(wires)

    def interfaces(self) -> tuple[Interface, ...]:
        """As they are now."""
        return tuple(wire.interface() for wire in self._wires.values())

    def on(self, entry: AnyAddress) -> None:
        """On the wire and announced; raises OSError."""
        self._wires[entry.interface].add(on_wire(entry), quiet=self._faults.is_set("no-announcements"))

    def off(self, entry: AnyAddress) -> None:
        """Off the wire; raises OSError."""
        self._wires[entry.interface].remove(on_wire(entry))

    def towards(self, gateway: str, addresses: Iterable[AnyAddress]) -> Wire:
        """The port in whose network a gateway is; the first when it is in none, and the kernel says so."""
        for entry in addresses:
            if entry.enabled and ip_address(gateway) in on_wire(entry).network:
                return self._wires[entry.interface]
        return next(iter(self._wires.values()))

    def lay(self, before: NetworkState, after: NetworkState) -> list[str]:
        """Own addresses and routes of `after` instead of those of `before`; says what could not be done."""
        problems: list[str] = []
        for gateway, destination in _routes(before):
            for wire in self._wires.values():
                problems += _tried(wire.remove_route, destination, gateway)
        kept = {(one.interface, on_wire(one)) for one in after.addresses if one.enabled}
        for old in before.addresses:
            if old.enabled and (old.interface, on_wire(old)) not in kept:
                problems += _tried(self.off, old)
        for new in after.addresses:
            if new.enabled:
                problems += _tried(self.on, new)
        return problems + self.lay_routes(after)

    def lay_routes(self, state: NetworkState) -> list[str]:
        """The way out and the static routes; the kernel drops those whose network it loses, so all are laid."""
        return [
            f"route to {destination} by {gateway}: {problem}"
            for gateway, destination in _routes(state)
            for problem in _tried(self.towards(gateway, state.addresses).set_route, destination, gateway)
        ]


def on_wire(entry: AnyAddress) -> AnyInterface:
    """An address with its network."""
    return ip_interface(f"{entry.address}/{entry.prefix}")


def _routes(state: NetworkState) -> Iterator[tuple[str, AnyNetwork]]:
    """Gateways and destinations, the way out among them."""
    if state.gateway is not None:
        yield state.gateway, default_destination(state.gateway)
    for route in state.routes:
        yield route.gateway, ip_network(route.destination)


def _tried(work: Callable[..., object], *arguments: object) -> list[str]:
    try:
        work(*arguments)
    except OSError as error:
        return [words_of(error)]
    return []
