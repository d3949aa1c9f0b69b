"""The largest packet that passes a path whole (RFC 1191, 8201), found by echo requests that may not be cut."""

import select
import socket
import time
from dataclasses import dataclass

from toolkit.model.verdict import Verdict
from toolkit.probes.echo_socket import EchoSocket
from toolkit.probes.icmp_errors import forbid_fragments, next_error, want_errors
from toolkit.probes.results import ProbeResult
from toolkit.probes.route import route_to
from toolkit.probes.sockets import Address, interface_mtu, parse_address

_FLOOR = {4: 68, 6: 1280}  # what every link must carry
_HEADERS = {4: 20 + 8, 6: 40 + 8}


class MtuResult(ProbeResult):
    """A path's MTU in bytes, IP header included.

    Passed when it was found; unknown when the address answers no echo at all. `told_by` is the router that named its
    smaller MTU; `black_hole` says that too large packets vanish without a word, which breaks TCP in ways hard to see.
    """

    address: str
    mtu: int | None
    interface_mtu: int
    told_by: str | None
    black_hole: bool


@dataclass
class _Told:
    mtu: int | None = None
    by: str | None = None


def discover(address: str, *, ceiling: int | None = None, tries: int = 2, timeout_s: float = 0.5) -> MtuResult:
    """Searches between the protocol's minimum and `ceiling` (default: the outgoing interface's MTU).

    Never trusts a router's word alone: the size it names is tried, and so is one byte more.
    Raises InputError, UnreachableError (no route), PermissionDeniedError.
    """
    target = parse_address(address)
    own = interface_mtu(route_to(target).interface)
    high = min(own, 65535) if ceiling is None else ceiling
    told = _Told()
    low = _FLOOR[target.version]
    if not _passes(target, low, told, tries, timeout_s):
        return _result(address, own, None, told)
    if _passes(target, high, told, tries, timeout_s):
        return _result(address, own, high, told)
    # invariant: `low` passes, `high` does not
    guess = told.mtu
    while high - low > 1:
        size = guess if guess is not None and low < guess < high else (low + high) // 2
        if _passes(target, size, told, tries, timeout_s):
            low = size
            guess = size + 1
        else:
            high = size
            guess = told.mtu if told.mtu is not None and low < told.mtu < high else None
    return _result(address, own, low, told)


def _passes(target: Address, size: int, told: _Told, tries: int, timeout_s: float) -> bool:
    for turn in range(tries):
        probe = EchoSocket(target)
        try:
            want_errors(probe.socket)
            forbid_fragments(probe.socket)
            answer = _try(probe, size - _HEADERS[target.version], turn, told, timeout_s)
        finally:
            probe.close()
        if answer is not None:
            return answer
    return False


def _try(probe: EchoSocket, payload: int, sequence: int, told: _Told, timeout_s: float) -> bool | None:
    """True: it passed; False: somebody said it is too large; None: silence."""
    poll = select.poll()
    poll.register(probe.socket, select.POLLIN)
    try:
        probe.socket.send(probe.request(sequence, bytes(payload)))
    except OSError:
        return False  # larger than the interface itself
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0 and poll.poll(left * 1000.0):
        error = next_error(probe.socket)
        if error is not None:
            if error.mtu is None:
                continue
            if error.sender is not None:
                told.mtu, told.by = error.mtu, error.sender
            return False
        try:
            answered = probe.reply(probe.socket.recv(65535, socket.MSG_DONTWAIT))
        except OSError:
            continue
        if answered is not None and answered[0] == sequence:
            return True
    return None


def _result(address: str, own: int, mtu: int | None, told: _Told) -> MtuResult:
    black_hole = mtu is not None and mtu < own and told.by is None
    if mtu is None:
        verdict, summary = Verdict.UNKNOWN, f"{address} answers no echo request, so the path's MTU could not be found"
    else:
        verdict, summary = Verdict.PASSED, f"packets of {mtu} bytes reach {address} whole"
        if told.by is not None:
            summary += f"; {told.by} named the limit"
        elif black_hole:
            summary += "; larger ones vanish without a word (black hole)"
    return MtuResult(
        verdict=verdict,
        summary=summary,
        address=address,
        mtu=mtu,
        interface_mtu=own,
        told_by=told.by,
        black_hole=black_hole,
    )
