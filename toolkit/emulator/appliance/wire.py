"""The box's network port: puts addresses on the wire, takes them off, and tells the neighbours."""

import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Protocol

from toolkit.emulator.appliance.announcements import announcement
from toolkit.emulator.appliance.facts import Interface
from toolkit.emulator.appliance.rtnetlink import RouteSocket, link

_FIRST_BURST = 3
_REPEATS_SECONDS = (0.1, 1.0)

AnyInterface = IPv4Interface | IPv6Interface
AnyNetwork = IPv4Network | IPv6Network


class Wire(Protocol):
    """What `Network` needs of the port; `quiet` leaves the announcement out."""

    def interface(self) -> Interface:
        """The port as it is now."""
        ...

    def add(self, address: AnyInterface, *, quiet: bool = False) -> None:
        """On the wire and announced when it returns; raises OSError."""
        ...

    def remove(self, address: AnyInterface) -> None:
        """Off the wire when it returns; raises OSError."""
        ...

    def set_route(self, destination: AnyNetwork, gateway: str) -> None:
        """The way to `destination`, replacing the one that is there; raises OSError."""
        ...

    def remove_route(self, destination: AnyNetwork, gateway: str) -> None:
        """That way is gone; one that is not there is no error; raises OSError."""
        ...

    def close(self) -> None:
        """The box goes off: every address is off the wire when it returns."""
        ...


class KernelWire:
    """An interface of this process's own network namespace. `later` runs something after so many seconds."""

    def __init__(self, name: str, mac: str, later: Callable[[float, Callable[[], None]], None]) -> None:
        self._name = name
        self._later = later
        self._route = RouteSocket()
        found = link(name)
        self._index = found.index
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._route.bring_up(self._index, self._mac if found.mac != mac else None)
        # protocol 0: it only sends
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._packets.bind((name, 0))
        self._present: dict[AnyInterface, None] = {}
        self._lock = threading.RLock()

    def interface(self) -> Interface:
        """The port as the kernel has it."""
        found = link(self._name)
        return Interface(name=self._name, mac=found.mac, link=found.running, speed_mbps=found.speed_mbps)

    def add(self, address: AnyInterface, *, quiet: bool = False) -> None:
        """Adds, then announces three times at once and twice more while the address is still here."""
        with self._lock:
            self._route.add_address(self._index, address)
            self._present[address] = None
            if quiet:
                return
            for _ in range(_FIRST_BURST):
                self._announce(address)
        for seconds in _REPEATS_SECONDS:
            self._later(seconds, lambda: self._announce_if_present(address))

    def remove(self, address: AnyInterface) -> None:
        """Removes it; the others stay, also those that the kernel drops along with the first of a network."""
        with self._lock:
            self._present.pop(address, None)
            self._route.remove_address(self._index, address)
            for other in self._present:
                self._route.add_address(self._index, other)

    def set_route(self, destination: AnyNetwork, gateway: str) -> None:
        """In the kernel's main table."""
        self._route.set_route(self._index, destination, gateway)

    def remove_route(self, destination: AnyNetwork, gateway: str) -> None:
        """From the kernel's main table."""
        self._route.remove_route(self._index, destination, gateway)

    def close(self) -> None:
        """Takes every address off and closes the sockets: the box goes off."""
        with self._lock:
            for address in list(self._present):
                self.remove(address)
            self._route.close()
            self._packets.close()

    def _announce_if_present(self, address: AnyInterface) -> None:
        # announcing what another box has taken over meanwhile would steal it back
        with self._lock:
            if address in self._present:
                self._announce(address)

    def _announce(self, address: AnyInterface) -> None:
        for frame in announcement(address.ip, self._mac):
            self._packets.send(frame)


class PaperWire:
    """Changes no network: addresses exist on paper only, for a box whose listeners are bound to a loopback address."""

    def __init__(self, name: str, mac: str) -> None:
        self._name = name
        self._mac = mac
        self.present: set[AnyInterface] = set()
        self.routes: dict[AnyNetwork, str] = {}

    def interface(self) -> Interface:
        """The port as it was made."""
        return Interface(name=self._name, mac=self._mac, link=True, speed_mbps=None)

    def add(self, address: AnyInterface, *, quiet: bool = False) -> None:
        """Remembers it."""
        self.present.add(address)

    def remove(self, address: AnyInterface) -> None:
        """Forgets it."""
        self.present.discard(address)

    def set_route(self, destination: AnyNetwork, gateway: str) -> None:
        """Remembers it."""
        self.routes[destination] = gateway

    def remove_route(self, destination: AnyNetwork, gateway: str) -> None:
        """Forgets it."""
        if self.routes.get(destination) == gateway:
            del self.routes[destination]

    def close(self) -> None:
        """Forgets all."""
        self.present.clear()
        self.routes.clear()
