"""The few kernel calls a box needs for its addresses, as rtnetlink(7) messages on one socket that stays open.

An address has to move within a fraction of a millisecond, from inside a running event loop: pyroute2 takes 0.4 to
0.7 ms for each call and refuses to be called there.
"""

import os
import socket
import struct
import threading
from array import array
from dataclasses import dataclass
from errno import EADDRNOTAVAIL, EEXIST, ESRCH
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address, ip_network
from types import TracebackType

_NEWLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE = 16, 20, 21, 24, 25
_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
_ERROR = 2
_IFLA_ADDRESS = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_NODAD = 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_UNIVERSE, _UNICAST = 254, 4, 0, 1
_IFF_UP = 1
_SIOCGIFHWADDR, _SIOCGIFFLAGS, _IFF_RUNNING = 0x8927, 0x8913, 0x40
_SIOCETHTOOL, _ETHTOOL_GSET, _SPEED_UNKNOWN = 0x8946, 0x1, 0xFFFFFFFF


@dataclass(frozen=True)
class Link:
    """A network interface as the kernel has it; `speed_mbps` None: it does not say."""

    index: int
    mac: str
    running: bool
    speed_mbps: int | None


class RouteSocket:
    """A netlink socket; every call returns when the kernel has done it, or raises OSError with the kernel's errno."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._lock = threading.Lock()
        self._sequence = 0

    def __enter__(self) -> "RouteSocket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def add_address(self, index: int, interface: IPv4Interface | IPv6Interface) -> None:
        """The kernel answers for the address from now on; one that is there already is no error."""
        try:
            self._call(_NEWADDR, _CREATE | _EXCLUSIVE, self._address(index, interface))
        except FileExistsError:
            return

    def remove_address(self, index: int, interface: IPv4Interface | IPv6Interface) -> None:
        """The kernel answers no more; one that is not there is no error."""
        try:
            self._call(_DELADDR, 0, self._address(index, interface))
        except OSError as error:
            if error.errno != EADDRNOTAVAIL:
                raise

    def bring_up(self, index: int, mac: bytes | None = None) -> None:
        """Sets the link up, with this MAC when one is given."""
        body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP)
        self._call(_NEWLINK, 0, body + (_attribute(_IFLA_ADDRESS, mac) if mac else b""))

    def set_route(self, index: int, destination: IPv4Network | IPv6Network, gateway: str) -> None:
        """Replaces the route to `destination`; the default route is the one to 0.0.0.0/0 or ::/0."""
        self._call(_NEWROUTE, _CREATE | _REPLACE, _route(index, destination, gateway))

    def remove_route(self, index: int, destination: IPv4Network | IPv6Network, gateway: str) -> None:
        """The route is gone; one that is not there is no error."""
        try:
            self._call(_DELROUTE, 0, _route(index, destination, gateway))
        except OSError as error:
            if error.errno != ESRCH:
                raise

    def _address(self, index: int, interface: IPv4Interface | IPv6Interface) -> bytes:
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        body = struct.pack("=BBBBi", family, interface.network.prefixlen, 0, 0, index)
        packed = interface.ip.packed
        body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        if interface.version == 6:
            # duplicates are looked for before a swing; waiting for the kernel to look again would be an outage
            body += _attribute(_IFA_FLAGS, struct.pack("=I", _IFA_F_NODAD))
        return body

    def _call(self, kind: int, flags: int, body: bytes) -> None:
        with self._lock:
            self._sequence += 1
            header = struct.pack("=IHHII", 16 + len(body), kind, flags | _REQUEST | _ACK, self._sequence, 0)
            self._socket.send(header + body)
            while True:
                answer = self._socket.recv(65536)
                _, answer_kind, _, sequence, _ = struct.unpack_from("=IHHII", answer)
                if sequence == self._sequence and answer_kind == _ERROR:
                    break
        (code,) = struct.unpack_from("=i", answer, 16)
        if code == -EEXIST:
            raise FileExistsError(EEXIST, os.strerror(EEXIST))
        if code:
            raise OSError(-code, os.strerror(-code))


def default_destination(gateway: str) -> IPv4Network | IPv6Network:
    """Everywhere, in the gateway's address family."""
    return ip_network("0.0.0.0/0" if ip_address(gateway).version == 4 else "::/0")


def link(name: str) -> Link:
    """The interface of that name in this process's network namespace; raises OSError."""
    # asked through a socket: /sys may belong to another namespace
    import fcntl  # noqa: PLC0415 (only a box with a real interface asks)

    request = struct.pack("16s24x", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        hardware = fcntl.ioctl(asker, _SIOCGIFHWADDR, request)
        flags = fcntl.ioctl(asker, _SIOCGIFFLAGS, request)
        running = bool(struct.unpack_from("=H", flags, 16)[0] & _IFF_RUNNING)
        speed_mbps = _speed(asker, name) if running else None
    return Link(
        index=socket.if_nametoindex(name),
        mac=hardware[18:24].hex(":"),
        running=running,
        speed_mbps=speed_mbps,
    )


def _speed(asker: socket.socket, name: str) -> int | None:
    """In Mbit/s, by ethtool's oldest call, which every driver that knows its speed answers."""
    import fcntl  # noqa: PLC0415 (as above)

    # struct ethtool_cmd: cmd, supported, advertising, then the speed's lower half; its upper half at 28
    command = array("B", struct.pack("=I40x", _ETHTOOL_GSET))
    address, _ = command.buffer_info()
    try:
        fcntl.ioctl(asker, _SIOCETHTOOL, struct.pack("16sP16x", name.encode(), address))
    except OSError:
        return None
    low, high = struct.unpack_from("=H14xH", command, 12)
    speed = high << 16 | low
    return None if speed in (0, 0xFFFF, _SPEED_UNKNOWN) else speed


def _route(index: int, destination: IPv4Network | IPv6Network, gateway: str) -> bytes:
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    length = destination.prefixlen
    body = struct.pack("=BBBBBBBBI", family, length, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_UNIVERSE, _UNICAST, 0)
    if length:
        body += _attribute(_RTA_DST, destination.network_address.packed)
    return body + _attribute(_RTA_GATEWAY, ip_address(gateway).packed) + _attribute(_RTA_OIF, struct.pack("=i", index))


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(padding)
