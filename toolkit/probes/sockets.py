"""Opening the sockets probes need, and saying what to do when the system does not allow it."""

import fcntl
import ipaddress
import os
import shlex
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.model.errors import InputError, PermissionDeniedError, UnreachableError

ETH_P_ALL = 0x0003
ETH_P_ARP = 0x0806
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD

ARPHRD_ETHER = 1
ARPHRD_LOOPBACK = 772

_SIOCGIFHWADDR = 0x8927
_SIOCGIFMTU = 0x8921
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@contextmanager
def raw_rights(what: str) -> Iterator[None]:
    """Turns the system's refusal to open a raw socket into words; raises PermissionDeniedError."""
    try:
        yield
    except PermissionError as error:
        raise PermissionDeniedError(
            f"{what} needs the right to open raw sockets",
            why="this process does not have CAP_NET_RAW in its network namespace",
            next_move=_way_to_raw_rights(os.getuid(), os.getgid()),
        ) from error


def _way_to_raw_rights(user: int, group: int) -> str:
    """The least that helps: the one right, for one command, under one's own name (capabilities(7), ambient set)."""
    if user == 0:
        return "Even root lacks it here: start this container or service with the capability NET_RAW."
    beside = Path(sys.executable).with_name("rebox")
    program = shlex.quote(str(beside)) if beside.exists() else "rebox"
    return (
        f"Give one command this one right: sudo setpriv --reuid {user} --regid {group} --init-groups "
        f"--inh-caps +net_raw --ambient-caps +net_raw {program} probe …; on a lab's host rebox lab exec has it."
    )


def parse_address(text: str) -> Address:
    """An IPv4 or IPv6 address (with an optional %scope); raises InputError."""
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not an IP address", next_move="Write it like 192.0.2.10 or 2001:db8::10."
        ) from error


def resolve_target(text: str, *, family: int = socket.AF_UNSPEC) -> str:
    """The address itself, or the first one the system's resolver gives for a name; raises UnreachableError."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return text
    try:
        found = socket.getaddrinfo(text, None, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"the name {text} does not resolve",
            why=str(getattr(error, "strerror", None) or error),
            next_move="Check the name and the resolver, or give an address.",
        ) from error
    return str(found[0][4][0])


def family_of(address: Address) -> socket.AddressFamily:
    """AF_INET or AF_INET6."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def socket_address(address: Address, port: int = 0) -> tuple[str, int] | tuple[str, int, int, int]:
    """What `connect` and `sendto` want, with the scope of a link-local address."""
    if address.version == 4:
        return (str(address), port)
    scope = getattr(address, "scope_id", None)
    return (str(address).partition("%")[0], port, 0, _scope_number(scope) if scope else 0)


def _scope_number(scope: str) -> int:
    try:
        return int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    except OSError as error:
        raise InputError(f"there is no interface {scope!r}", next_move="List them with `ip link`.") from error


def raw_socket(family: int, protocol: int, what: str) -> socket.socket:
    """A raw IP socket; the kernel routes and resolves neighbours. Raises PermissionDeniedError."""
    with raw_rights(what):
        return socket.socket(family, socket.SOCK_RAW, protocol)


def packet_socket(interface: str, protocol: int, what: str) -> socket.socket:
    """A socket for whole frames of one interface; raises PermissionDeniedError or InputError."""
    hardware(interface)  # a wrong name is told first, rights or not
    with raw_rights(what):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.bind((interface, protocol))
    return opened


def _interface_request(interface: str, request: int) -> bytes:
    name = interface.encode()
    if not 0 < len(name) < 16:
        raise InputError(f"{interface!r} is not the name of an interface", next_move="List them with `ip link`.")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            return fcntl.ioctl(any_socket, request, struct.pack("16s24x", name))
        except OSError as error:
            raise InputError(
                f"there is no interface {interface!r}", why=error.strerror or "", next_move="List them with `ip link`."
            ) from error


def hardware(interface: str) -> tuple[int, str]:
    """An interface's hardware type (ARPHRD) and MAC; raises InputError when there is none of that name."""
    answer = _interface_request(interface, _SIOCGIFHWADDR)
    (kind,) = struct.unpack_from("=H", answer, 16)
    return int(kind), answer[18:24].hex(":")


def interface_mtu(interface: str) -> int:
    """An interface's MTU in bytes; raises InputError."""
    (mtu,) = struct.unpack_from("=i", _interface_request(interface, _SIOCGIFMTU), 16)
    return int(mtu)


def interface_is_up(interface: str) -> bool:
    """Whether an interface is switched on; raises InputError."""
    (flags,) = struct.unpack_from("=h", _interface_request(interface, _SIOCGIFFLAGS), 16)
    return bool(flags & _IFF_UP)
