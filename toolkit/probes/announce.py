"""Telling the whole link where an address now is: gratuitous ARP and unsolicited neighbour advertisements."""

import re
import socket
import time
from collections.abc import Callable
from typing import Self

from toolkit.model.errors import InputError, UnreachableError, words_of
from toolkit.probes.sockets import ETH_P_ARP, ETH_P_IPV6, hardware, packet_socket, parse_address

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Announcement:
    """An announcement made ready: built once, so that in the middle of a swing only `send` is left to do.

    On behalf of another host's MAC, the frames still carry our own as Ethernet source: with the other's, the switch
    would learn that MAC at our port and send its traffic here.
    """

    def __init__(self, interface: str, address: str, mac: str | None = None) -> None:
        target = parse_address(address)
        _, own = hardware(interface)
        place = own if mac is None else mac.lower()
        if not _MAC.fullmatch(place):
            raise InputError(f"{mac!r} is not a MAC address", next_move="Write it like 02:00:00:00:00:01.")
        from toolkit.probes import frames  # noqa: PLC0415 - scapy takes half a second to import

        self._what = f"{address} on {interface}"
        self._frames: tuple[bytes, ...]
        if target.version == 4:
            self._frames = frames.arp_announcements(own, place, str(target))
        else:
            self._frames = (frames.neighbour_advertisement(own, place, str(target).partition("%")[0]),)
        protocol = ETH_P_ARP if target.version == 4 else ETH_P_IPV6
        self._link: socket.socket = packet_socket(interface, protocol, "announcing an address")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it."""
        self._link.close()

    def send(self) -> int:
        """Announces once, at once; returns the frames sent. Raises UnreachableError (the link is down)."""
        for frame in self._frames:
            try:
                self._link.send(frame)
            except OSError as error:
                raise UnreachableError(f"{self._what} could not be announced", why=words_of(error)) from error
        return len(self._frames)


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

    The first frame leaves as soon as it is built; the repeats are for hosts that lost it.
    Raises PermissionDeniedError, InputError, UnreachableError (the link is down).
    """
    sent = 0
    with Announcement(interface, address, mac) as announcement:
        for turn in range(count):
            if turn:
                sleep(interval_s)
            sent += announcement.send()
    return sent
