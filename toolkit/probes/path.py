"""The path to an address, hop by hop, by packets that may pass only so many routers (traceroute)."""

import select
import socket
import time
from typing import Literal

from toolkit.model.counting import counted
from toolkit.model.verdict import Verdict
from toolkit.probes.echo_socket import EchoSocket
from toolkit.probes.icmp_errors import IcmpError, next_error, set_hops, want_errors
from toolkit.probes.results import ProbeResult, Seen
from toolkit.probes.sockets import Address, family_of, parse_address, socket_address

_FIRST_PORT = 33434  # where traceroute always sent: nobody listens there

PathMethod = Literal["udp", "icmp"]


class Hop(Seen):
    """One router on the way; `address` is None when it keeps silent."""

    hops: int
    address: str | None
    rtt_ms: float | None


class PathResult(ProbeResult):
    """The routers on the way: passed when the destination itself answered, unknown when it kept silent."""

    address: str
    method: PathMethod
    hops: tuple[Hop, ...]
    reached: bool


def trace(
    address: str,
    *,
    method: PathMethod = "udp",
    hops_max: int = 30,
    tries: int = 2,
    timeout_s: float = 0.5,
) -> PathResult:
    """Follows the path until the destination answers; `udp` needs no rights, `icmp` passes more firewalls.

    Ends early when a router says that there is no way on. Raises InputError, PermissionDeniedError (icmp only).
    """
    target = parse_address(address)
    hops: list[Hop] = []
    reached = refused = False
    for number in range(1, hops_max + 1):
        hop, reached, refused = _hop(target, number, method, tries, timeout_s)
        hops.append(hop)
        if reached or refused:
            break
    if reached:
        verdict, summary = Verdict.PASSED, f"{address} is {counted(len(hops), 'hop')} away"
    elif refused:
        verdict, summary = Verdict.FAILED, f"{hops[-1].address or 'this host'} says there is no way to {address}"
    else:
        known = [hop.address for hop in hops if hop.address]
        verdict, summary = (
            Verdict.UNKNOWN,
            f"{address} keeps silent; the last hop that answered is {known[-1] if known else 'none'}",
        )
    while hops and not reached and not refused and hops[-1].address is None:
        hops.pop()  # a tail of silent hops says nothing more
    return PathResult(
        verdict=verdict, summary=summary, address=address, method=method, hops=tuple(hops), reached=reached
    )


def _hop(target: Address, number: int, method: PathMethod, tries: int, timeout_s: float) -> tuple[Hop, bool, bool]:
    """One hop, whether it is the destination, and whether it is the end of the way."""
    for turn in range(tries):
        started = time.monotonic()
        try:
            answer = (
                _ask_udp(target, number, turn, timeout_s)
                if method == "udp"
                else _ask_echo(target, number, turn, timeout_s)
            )
        except OSError:
            return Hop(hops=number, address=None, rtt_ms=None), False, True
        if answer is None:
            continue
        rtt_ms = (time.monotonic() - started) * 1000.0
        if isinstance(answer, str):
            return Hop(hops=number, address=answer, rtt_ms=rtt_ms), True, False
        arrived = answer.sender is not None and parse_address(answer.sender) == target and not answer.time_exceeded
        return Hop(hops=number, address=answer.sender, rtt_ms=rtt_ms), arrived, not arrived and not answer.time_exceeded
    return Hop(hops=number, address=None, rtt_ms=None), False, False


def _ask_udp(target: Address, number: int, turn: int, timeout_s: float) -> IcmpError | str | None:
    with socket.socket(family_of(target), socket.SOCK_DGRAM) as asking:
        want_errors(asking)
        set_hops(asking, number)
        asking.connect(socket_address(target, _FIRST_PORT + number * 3 + turn))
        asking.send(bytes(32))
        poll = select.poll()
        poll.register(asking, select.POLLIN)
        if not poll.poll(timeout_s * 1000.0):
            return None
        # something that does listen there, and answers, is the destination as well
        return next_error(asking) or str(target)


def _ask_echo(target: Address, number: int, turn: int, timeout_s: float) -> IcmpError | str | None:
    probe = EchoSocket(target)
    try:
        want_errors(probe.socket)
        set_hops(probe.socket, number)
        sequence = number * 8 + turn
        probe.socket.send(probe.request(sequence, bytes(32)))
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(probe.socket, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if not poll.poll(left * 1000.0):
                return None
            error = next_error(probe.socket)
            if error is not None:
                return error
            answered = probe.reply(probe.socket.recv(2048, socket.MSG_DONTWAIT))
            if answered is not None and answered[0] == sequence:
                return str(target)
        return None
    finally:
        probe.close()
