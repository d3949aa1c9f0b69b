"""Telling the whole link where an address now is: gratuitous ARP and unsolicited neighbour advertisements."""

import re
import time
from collections.abc import Callable

from toolkit.model.errors import InputError, UnreachableError
from toolkit.probes.sockets import ETH_P_ARP, ETH_P_IPV6, hardware, packet_socket, parse_address

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def announce(
    interface: str,
    address: str,
    mac: str | None = None,
    count: int = 3,
    *,
    interval_s: float = 0.1,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Announces `address` at `mac` (by default the interface's own) `count` times; returns the frames sent.

    The first frame leaves at once; the repeats are for hosts that lost it. On behalf of another host's MAC, the frames
    still carry our own as Ethernet source: with the other's, the switch would learn that MAC at our port and send its
    traffic here. Raises PermissionDeniedError, InputError, UnreachableError (the link is down).
    """
    target = parse_address(address)
    _, own = hardware(interface)
    place = own if mac is None else mac.lower()
    if not _MAC.fullmatch(place):
        raise InputError(f"{mac!r} is not a MAC address", next_move="Write it like 02:00:00:00:00:01.")
    from toolkit.probes import frames  # noqa: PLC0415 - scapy takes half a second to import

    if target.version == 4:
        announcements: tuple[bytes, ...] = frames.arp_announcements(own, place, str(target))
        protocol = ETH_P_ARP
    else:
        announcements = (frames.neighbour_advertisement(own, place, str(target).partition("%")[0]),)
        protocol = ETH_P_IPV6
    sent = 0
    with packet_socket(interface, protocol, "announcing an address") as link:
        for turn in range(count):
            if turn:
                sleep(interval_s)
            for frame in announcements:
                try:
                    link.send(frame)
                except OSError as error:
                    raise UnreachableError(
                        f"{address} could not be announced on {interface}", why=error.strerror or str(error)
                    ) from error
                sent += 1
    return sent
