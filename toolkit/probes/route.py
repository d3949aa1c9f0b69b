"""Which way the kernel would send a packet: interface, own address and gateway."""

import socket

from toolkit.model.errors import UnreachableError
from toolkit.probes.results import Seen
from toolkit.probes.sockets import Address, family_of, parse_address

_RTN_LOCAL = 2


class Route(Seen):
    """The kernel's own answer for one destination. `own` says that the address is this host's."""

    interface: str
    source: str | None
    gateway: str | None
    own: bool


def route_to(address: Address | str) -> Route:
    """Asks the kernel's routing (rtnetlink); raises UnreachableError when there is no route."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - a fifth of a second that most commands never need
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    target = parse_address(address) if isinstance(address, str) else address
    scope = getattr(target, "scope_id", None)
    if scope:
        return Route(interface=scope, source=None, gateway=None, own=False)
    try:
        with IPRoute() as kernel:
            (answer,) = kernel.route("get", dst=str(target), family=int(family_of(target)))
    except NetlinkError as error:
        raise UnreachableError(
            f"there is no route to {target}",
            why=str(error.args[-1]) if error.args else "",
            next_move="Check this host's own addresses and routes (`ip route`).",
        ) from error
    attributes = dict(answer["attrs"])
    return Route(
        interface=socket.if_indextoname(attributes["RTA_OIF"]),
        source=attributes.get("RTA_PREFSRC"),
        gateway=attributes.get("RTA_GATEWAY"),
        own=answer["type"] == _RTN_LOCAL,
    )
