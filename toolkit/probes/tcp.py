"""Whether a TCP port takes connections: a whole connect on an ordinary socket."""

import socket
import time
from typing import Literal

from toolkit.model.verdict import Verdict
from toolkit.probes.results import ProbeResult
from toolkit.probes.sockets import family_of, parse_address, socket_address

PortState = Literal["open", "closed", "filtered", "unreachable"]


class TcpResult(ProbeResult):
    """A port's state: passed when open; `filtered` means that nothing came back in time."""

    address: str
    port: int
    state: PortState
    connect_ms: float | None


def connect(address: str, port: int, *, timeout_s: float = 2.0) -> TcpResult:
    """Connects and hangs up at once; needs no rights. Raises InputError."""
    target = parse_address(address)
    state: PortState = "open"
    connect_ms = None
    with socket.socket(family_of(target), socket.SOCK_STREAM) as caller:
        caller.settimeout(timeout_s)
        started = time.monotonic()
        try:
            caller.connect(socket_address(target, port))
            connect_ms = (time.monotonic() - started) * 1000.0
        except ConnectionRefusedError:
            state = "closed"
        except TimeoutError:
            state = "filtered"
        except OSError:
            state = "unreachable"
    took = "" if connect_ms is None else f" ({connect_ms:.2f} ms)"
    return TcpResult(
        verdict=Verdict.PASSED if state == "open" else Verdict.FAILED,
        summary=f"port {port} of {address} is {state}{took}",
        address=address,
        port=port,
        state=state,
        connect_ms=connect_ms,
    )
