"""What the new box is to be set to: the old box's settings, seen through the table of interfaces."""

from typing import NamedTuple

from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.interface_map import InterfaceMap
from toolkit.model.box import NetworkRoute, OwnAddress, TlsSettings, WantedNetwork


class Carried(NamedTuple):
    """What the new box is to be set to; everything in `network` is given, nothing is None."""

    network: WantedNetwork
    tls: TlsSettings

    @property
    def addresses(self) -> tuple[OwnAddress, ...]:
        """The new box's own addresses, all of them."""
        return self.network.addresses or ()


def carry(old: BoxSettings, new: BoxSettings, table: InterfaceMap, *, hostname: bool = False) -> Carried:
    """Pure. The new box keeps its own gateway and routes where it has them, and its name unless `hostname`.

    Never carried: the old box's own addresses, its serial number, shared addresses (the swing moves those), passwords.
    """
    leave = set(table.leave)
    routes = {route.destination: route for route in new.network.routes}
    routes |= {route.destination: route for route in old.network.routes if route.destination not in leave}
    gateway = new.network.gateway or (old.network.gateway if old.network.gateway not in leave else None)
    return Carried(
        WantedNetwork(
            hostname=(old if hostname else new).network.hostname,
            gateway=gateway or "",
            routes=tuple(sorted(routes.values(), key=lambda route: route.destination)),
            dns_servers=_kept(old.network.dns_servers, leave) or new.network.dns_servers,
            ntp_servers=_kept(old.network.ntp_servers, leave) or new.network.ntp_servers,
            addresses=_addresses(new, table),
        ),
        old.tls,
    )


def as_wanted(settings: BoxSettings) -> Carried:
    """What a box is set to, in the words it would be asked for: to be compared, or put back."""
    network = settings.network
    return Carried(
        WantedNetwork(
            hostname=network.hostname,
            gateway=network.gateway or "",
            routes=_sorted(network.routes),
            dns_servers=network.dns_servers,
            ntp_servers=network.ntp_servers,
            addresses=tuple(
                OwnAddress(address=one.address, prefix=one.prefix, interface=one.interface)
                for one in sorted(network.addresses, key=lambda one: (one.interface, one.address))
                if one.enabled and not one.shared
            ),
        ),
        settings.tls,
    )


def _addresses(new: BoxSettings, table: InterfaceMap) -> tuple[OwnAddress, ...]:
    """Those of the table; an interface of the new box that stands in no row keeps its own."""
    mapped = {row.new for row in table.interface}
    wanted = [one for one in as_wanted(new).addresses if one.interface not in mapped]
    for row in table.interface:
        for text in row.addresses or ():
            address, _, prefix = text.partition("/")
            wanted.append(OwnAddress(address=address, prefix=int(prefix), interface=row.new or ""))
    return tuple(sorted(wanted, key=lambda one: (one.interface, one.address)))


def _kept(servers: tuple[str, ...], leave: set[str]) -> tuple[str, ...]:
    return tuple(server for server in servers if server not in leave)


def _sorted(routes: tuple[NetworkRoute, ...]) -> tuple[NetworkRoute, ...]:
    return tuple(sorted(routes, key=lambda route: route.destination))
