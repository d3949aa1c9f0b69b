"""Who owns an address, by MAC: ARP and neighbour discovery, duplicates, and the check before an address is taken."""

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from toolkit.model.errors import InputError, UnknownStateError
from toolkit.model.verdict import Verdict
from toolkit.probes.results import ProbeResult, Seen
from toolkit.probes.route import route_to
from toolkit.probes.sockets import (
    ARPHRD_ETHER,
    ETH_P_ARP,
    ETH_P_IPV6,
    Address,
    hardware,
    interface_is_up,
    packet_socket,
    parse_address,
)

_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_MULTICAST = 263, 1, 0
_PACKET_OUTGOING = 4


class Owner(Seen):
    """One MAC that answers for an address; `first_ms` counts from the first question."""

    mac: str
    answers: int
    first_ms: float


class OwnerResult(ProbeResult):
    """Who answered for an address: passed with exactly one MAC, failed with none or several."""

    address: str
    interface: str
    owners: tuple[Owner, ...]

    @property
    def mac(self) -> str | None:
        """The one owner's MAC, None when there is none or more than one."""
        return self.owners[0].mac if len(self.owners) == 1 else None


class DuplicateResult(ProbeResult):
    """Whether an address may be taken: passed when nobody holds it, failed when somebody does."""

    address: str
    interface: str
    holders: tuple[Owner, ...]
    allowed: tuple[str, ...] = ()


def find_owners(address: str, interface: str | None = None, *, wait_s: float = 1.0, asks: int = 3) -> OwnerResult:
    """Asks the link who owns an address and listens `wait_s` seconds for every answer, so that a second owner shows.

    Works for addresses on the own link only: beyond a gateway, the MAC seen is the gateway's, so that is refused.
    Raises PermissionDeniedError, InputError, UnreachableError (no route), UnknownStateError (own address).
    """
    target = parse_address(address)
    source = None
    if interface is None:
        route = route_to(target)
        if route.own:
            raise UnknownStateError(
                f"{address} is this host's own address",
                why="nobody on the link answers this host for it",
                next_move="Ask from another host of the same link.",
            )
        if route.gateway is not None:
            raise InputError(
                f"{address} is not on this host's link",
                why=f"it is reached through the gateway {route.gateway}, and only the link's own hosts answer ARP",
                next_move="Ask from a host of the same link, or name an interface.",
            )
        interface, source = route.interface, route.source
    owners = _ask(target, interface, source or _own_address(target, interface), wait_s=wait_s, asks=asks)
    macs = " and ".join(owner.mac for owner in owners)
    if not owners:
        return _owner_result(address, interface, owners, Verdict.FAILED, f"nobody answers for {address} on {interface}")
    if len(owners) == 1:
        return _owner_result(address, interface, owners, Verdict.PASSED, f"{address} is at {macs}")
    return _owner_result(
        address, interface, owners, Verdict.FAILED, f"{address} has {len(owners)} owners at once: {macs} (split brain)"
    )


def check_duplicate(
    address: str,
    interface: str,
    *,
    allowed: Collection[str] = (),
    wait_s: float = 1.0,
    probes: int = 3,
) -> DuplicateResult:
    """Whether a stranger holds an address that is about to be taken on `interface`.

    IPv4: RFC 5227 probes with sender 0.0.0.0; IPv6: duplicate address detection with sender :: (RFC 4862). Neither
    changes any host's table. Somebody who probes for the same address at this moment counts as a holder. The RFCs
    wait up to seven seconds; here `probes` questions share `wait_s` seconds, which an awake host answers in
    milliseconds. `allowed` are MACs that may hold it, e.g. the old box that is about to hand it over.
    Raises PermissionDeniedError, InputError, UnknownStateError (the interface is down: nothing was checked).
    """
    target = parse_address(address)
    holders = _ask(target, interface, "0.0.0.0" if target.version == 4 else "::", wait_s=wait_s, asks=probes)  # noqa: S104
    welcome = tuple(sorted(mac.lower() for mac in allowed))
    strangers = [holder.mac for holder in holders if holder.mac not in welcome]
    if strangers:
        verdict, summary = Verdict.FAILED, f"{address} is already in use by {' and '.join(strangers)}"
    elif holders:
        verdict, summary = Verdict.PASSED, f"{address} is held by {holders[0].mac}, which may hold it"
    else:
        verdict, summary = Verdict.PASSED, f"nobody holds {address} on {interface}"
    return DuplicateResult(
        verdict=verdict, summary=summary, address=address, interface=interface, holders=holders, allowed=welcome
    )


def _owner_result(
    address: str, interface: str, owners: tuple[Owner, ...], verdict: Verdict, summary: str
) -> OwnerResult:
    return OwnerResult(verdict=verdict, summary=summary, address=address, interface=interface, owners=owners)


def _ask(target: Address, interface: str, source: str, *, wait_s: float, asks: int) -> tuple[Owner, ...]:
    from toolkit.probes import frames  # noqa: PLC0415 - scapy takes half a second to import

    kind, mac = hardware(interface)
    if kind != ARPHRD_ETHER:
        raise InputError(f"{interface} is no Ethernet interface", why="only Ethernet has owners by MAC")
    if not interface_is_up(interface):
        raise UnknownStateError(
            f"{interface} is down", why="nothing could be asked", next_move=f"`ip link set {interface} up`."
        )
    plain = str(target).partition("%")[0]
    if target.version == 4:
        question = frames.arp_request(mac, source, plain)
        protocol = ETH_P_ARP
    else:
        question = frames.neighbour_solicitation(mac, source, plain)
        protocol = ETH_P_IPV6
    found: dict[str, Owner] = {}
    with packet_socket(interface, protocol, "asking who owns an address") as link:
        if target.version == 6:
            _join(link, interface, frames.solicited_node(plain)[1])
        for at_ms, frame in _converse(link, question, wait_s=wait_s, asks=asks):
            claim = frames.read_claim(frame, target.version)
            if claim is None or not frames.same_address(claim.address, target) or claim.mac == mac:
                continue
            before = found.get(claim.mac)
            found[claim.mac] = Owner(
                mac=claim.mac,
                answers=before.answers + 1 if before else 1,
                first_ms=before.first_ms if before else at_ms,
            )
    return tuple(found.values())


def _converse(link: socket.socket, question: bytes, *, wait_s: float, asks: int) -> Iterator[tuple[float, bytes]]:
    """Sends the question `asks` times, spread over the first half, and yields every frame with its time in ms."""
    started = time.monotonic()
    deadline = started + wait_s
    due = [started + wait_s / 2 * number / asks for number in range(asks)]
    while (now := time.monotonic()) < deadline:
        if due and now >= due[0]:
            due.pop(0)
            link.send(question)
        readable, _, _ = select.select([link], [], [], max(0.0, (due[0] if due else deadline) - time.monotonic()))
        if readable:
            frame, sender = link.recvfrom(2048)
            if sender[2] != _PACKET_OUTGOING:
                yield (time.monotonic() - started) * 1000.0, frame


def _join(link: socket.socket, interface: str, mac: str) -> None:
    """Lets the network card hand over frames for a multicast MAC."""
    request = struct.pack(
        "=iHH8s", socket.if_nametoindex(interface), _PACKET_MR_MULTICAST, 6, bytes.fromhex(mac.replace(":", ""))
    )
    link.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)


def _own_address(target: Address, interface: str) -> str:
    """The address to ask with: one of the interface's own when it has one, else the unspecified one."""
    if target.version == 6:
        return _own_link_local(interface) or "::"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            asking.connect((str(target), 9))
        except OSError:
            return "0.0.0.0"  # noqa: S104 - asks as a probe: answered all the same
        return str(asking.getsockname()[0])


def _own_link_local(interface: str) -> str | None:
    for line in Path("/proc/self/net/if_inet6").read_text(encoding="ascii").splitlines():
        digits, _, _, scope, _, name = line.split()
        if name == interface and scope == "20":
            return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
    return None
