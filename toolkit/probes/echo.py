"""ICMP and ICMPv6 echo to one address."""

import statistics
import time
from collections.abc import Callable

from toolkit.model.verdict import Verdict
from toolkit.probes.echo_socket import EchoSocket
from toolkit.probes.results import ProbeResult
from toolkit.probes.sockets import parse_address


class EchoResult(ProbeResult):
    """How many echo requests were answered, and how fast: passed when any was, failed when none was."""

    address: str
    sent: int
    answered: int
    rtt_ms_min: float | None
    rtt_ms_median: float | None
    rtt_ms_max: float | None


def echo(
    address: str,
    *,
    count: int = 3,
    interval_s: float = 0.2,
    timeout_s: float = 1.0,
    payload_bytes: int = 56,
    sleep: Callable[[float], None] = time.sleep,
) -> EchoResult:
    """Sends `count` echo requests, each after the one before was answered or given up.

    Raises InputError and PermissionDeniedError; an address that cannot be reached is a failed result.
    """
    target = parse_address(address)
    round_trips: list[float] = []
    problem = ""
    probe: EchoSocket | None = None
    try:
        probe = EchoSocket(target)
        for sequence in range(count):
            if sequence:
                sleep(interval_s)
            sent = time.monotonic()
            probe.socket.send(probe.request(sequence & 0xFFFF, bytes(payload_bytes)))
            answered = probe.wait_for(sequence & 0xFFFF, sent + timeout_s)
            if answered is not None:
                round_trips.append((answered - sent) * 1000.0)
    except OSError as error:
        problem = f": {error.strerror or error}"
    finally:
        if probe is not None:
            probe.close()
    if round_trips:
        summary = f"{address} answered {len(round_trips)} of {count}, median {statistics.median(round_trips):.2f} ms"
    else:
        summary = f"{address} does not answer echo requests{problem}"
    return EchoResult(
        verdict=Verdict.PASSED if round_trips else Verdict.FAILED,
        summary=summary,
        address=address,
        sent=count,
        answered=len(round_trips),
        rtt_ms_min=min(round_trips, default=None),
        rtt_ms_median=statistics.median(round_trips) if round_trips else None,
        rtt_ms_max=max(round_trips, default=None),
    )
