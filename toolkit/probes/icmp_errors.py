"""The kernel's queue of ICMP errors for a socket: who said what about a packet of ours (`man 7 ip`, IP_RECVERR)."""

import ipaddress
import socket
import struct
from dataclasses import dataclass

_IP_TTL, _IP_MTU_DISCOVER, _IP_RECVERR = 2, 10, 11
_IPV6_UNICAST_HOPS, _IPV6_MTU_DISCOVER, _IPV6_RECVERR = 16, 23, 25
_PMTUDISC_PROBE = 3
_ORIGIN_LOCAL, _ORIGIN_ICMP, _ORIGIN_ICMP6 = 1, 2, 3
_TIME_EXCEEDED = {_ORIGIN_ICMP: 11, _ORIGIN_ICMP6: 3}
_UNREACHABLE = {_ORIGIN_ICMP: 3, _ORIGIN_ICMP6: 1}
_PORT_UNREACHABLE = {_ORIGIN_ICMP: 3, _ORIGIN_ICMP6: 4}
_EMSGSIZE = 90


@dataclass(frozen=True)
class IcmpError:
    """One queued error. `sender` is the router or host that sent it, None when this host's kernel made it."""

    sender: str | None
    time_exceeded: bool
    port_unreachable: bool
    unreachable: bool
    mtu: int | None


def want_errors(asking: socket.socket) -> None:
    """Lets the kernel keep the errors for `next_error`."""
    if asking.family == socket.AF_INET:
        asking.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        asking.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def set_hops(asking: socket.socket, hops: int) -> None:
    """How many routers a packet may pass."""
    if asking.family == socket.AF_INET:
        asking.setsockopt(socket.IPPROTO_IP, _IP_TTL, hops)
    else:
        asking.setsockopt(socket.IPPROTO_IPV6, _IPV6_UNICAST_HOPS, hops)


def forbid_fragments(asking: socket.socket) -> None:
    """Sets DF, also beyond what the kernel believes the path's MTU to be."""
    if asking.family == socket.AF_INET:
        asking.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
    else:
        asking.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)


def next_error(asking: socket.socket) -> IcmpError | None:
    """Takes one error from the queue, None when it is empty."""
    try:
        _, ancillary, _, _ = asking.recvmsg(2048, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) in {(socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)}:
            return _read(data)
    return None


def _read(data: bytes) -> IcmpError:
    number, origin, icmp_type, code, _, info, _ = struct.unpack_from("=IBBBBII", data)
    unreachable = icmp_type == _UNREACHABLE.get(origin)
    return IcmpError(
        sender=_offender(data[16:]) if origin in _TIME_EXCEEDED else None,
        time_exceeded=icmp_type == _TIME_EXCEEDED.get(origin),
        port_unreachable=unreachable and code == _PORT_UNREACHABLE[origin],
        unreachable=unreachable,
        mtu=info if number == _EMSGSIZE and info else None,
    )


def _offender(address: bytes) -> str | None:
    (family,) = struct.unpack_from("=H", address)
    if family == socket.AF_INET:
        return str(ipaddress.IPv4Address(address[4:8]))
    if family == socket.AF_INET6:
        return str(ipaddress.IPv6Address(address[8:24]))
    return None
