"""Which of many hosts answer an echo request: as many packets per system call as the kernel takes."""

import ipaddress
import os
import struct
import time
from collections.abc import Collection, Iterator, Sequence

from toolkit.model.errors import InputError, words_of
from toolkit.model.execution import Progress
from toolkit.model.verdict import Verdict
from toolkit.probes.batches import BatchReceiver, socket_name
from toolkit.probes.echo_socket import checksum, open_echo
from toolkit.probes.results import ProbeResult
from toolkit.probes.rounds import Rounds, check_one_version
from toolkit.probes.sockets import Address, parse_address

HOSTS_MAX = 65536  # one 16-bit sequence number each


class SweepResult(ProbeResult):
    """Which hosts answered, in the order asked for: passed when all did that had to, and at least one.

    `unsent` are those to whom the kernel would not send at all (no route, neighbour table full): their silence says
    nothing, so the verdict is unknown.
    """

    asked: int
    answered: tuple[str, ...]
    silent: tuple[str, ...]
    unsent: tuple[str, ...]
    seconds: float


def hosts_of(texts: Sequence[str]) -> list[str]:
    """Addresses and networks (`192.0.2.0/24`: every host of it) as single addresses, each once; raises InputError."""
    found: dict[str, None] = {}
    for text in texts:
        if "/" not in text:
            found[str(parse_address(text))] = None
            continue
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise InputError(
                f"{text!r} is no network", why=words_of(error), next_move="Write it like 192.0.2.0/24."
            ) from error
        if network.num_addresses > HOSTS_MAX:
            raise InputError(f"{text} has more than {HOSTS_MAX} hosts", next_move="Sweep smaller networks one by one.")
        for host in network.hosts():
            found[str(host)] = None
    return list(found)


def hosts_listed(texts: Sequence[str]) -> frozenset[str]:
    """The hosts among `texts` that are listed one by one, and not as part of a network."""
    return frozenset(hosts_of([text for text in texts if "/" not in text]))


def sweep_hosts(
    addresses: Sequence[str],
    *,
    must_answer: Collection[str] | None = None,
    timeout_s: float = 0.5,
    retries: int = 1,
    payload_bytes: int = 56,
    progress: Progress | None = None,
) -> SweepResult:
    """Asks every host once, then again (`retries`) those that kept silent for `timeout_s`.

    The kernel routes, so hosts may be anywhere; on an own link of more than about a thousand hosts the kernel's
    neighbour table is the limit, and whoever did not fit is `unsent`. `must_answer` are those whose silence is a
    failure (None: all); in a network there is no host at many an address. Raises InputError, PermissionDeniedError.
    """
    if not addresses:
        raise InputError("there is nobody to sweep", next_move="Give addresses or networks.")
    if len(addresses) > HOSTS_MAX:
        raise InputError(f"more than {HOSTS_MAX} hosts", next_move="Sweep smaller networks one by one.")
    targets = [parse_address(address) for address in addresses]
    check_one_version(targets)
    started = time.monotonic()
    sweep = _Sweep(targets, payload_bytes)
    try:
        sweep.rounds.ask("hosts", timeout_s=timeout_s, retries=retries, progress=progress)
    finally:
        sweep.close()
    waiting = sweep.rounds.waiting
    silent = [number for number in waiting if number not in sweep.rounds.unsent]
    unsent = [number for number in waiting if number in sweep.rounds.unsent]
    answered = [address for number, address in enumerate(addresses) if number not in waiting]
    wanted = frozenset(addresses if must_answer is None else must_answer)
    failed = not answered or any(addresses[number] in wanted for number in silent)
    verdict = Verdict.UNKNOWN if unsent else (Verdict.FAILED if failed else Verdict.PASSED)
    summary = f"{len(answered)} of {len(addresses)} hosts answer"
    if unsent:
        summary += f"; the kernel would not send to {len(unsent)}"
    return SweepResult(
        verdict=verdict,
        summary=summary,
        asked=len(addresses),
        answered=tuple(answered),
        silent=tuple(addresses[number] for number in silent),
        unsent=tuple(addresses[number] for number in unsent),
        seconds=time.monotonic() - started,
    )


class _Sweep:
    """One sweep's socket, requests and answers; a question's number is its host's position."""

    def __init__(self, targets: Sequence[Address], payload_bytes: int) -> None:
        self.version = targets[0].version
        self.socket, self.raw = open_echo(targets[0])
        self._packed = [target.packed for target in targets]
        self._names = [socket_name(target) for target in targets]
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._requests = list(requests(len(targets), self.version, self._identifier, payload_bytes))
        self._receiver = BatchReceiver(self.socket, packet_bytes=64)
        self.rounds = Rounds(self.socket, 8 + payload_bytes, range(len(targets)), self._packets_for, self._take)

    def close(self) -> None:
        self.socket.close()

    def _packets_for(self, numbers: list[int]) -> tuple[list[bytes], list[bytes]]:
        return [self._requests[number] for number in numbers], [self._names[number] for number in numbers]

    def _take(self) -> None:
        skip = 20 if self.raw and self.version == 4 else 0
        waiting = self.rounds.waiting
        for packet, sender in self._receiver.receive():
            start = (packet[0] & 0x0F) * 4 if skip else 0
            if len(packet) < start + 8:
                continue
            kind, code, _, identifier, number = _ECHO.unpack_from(packet, start)
            ours = kind in _REPLIES and code == 0 and (identifier == self._identifier or not self.raw)
            if ours and number in waiting and self._packed[number] == sender:
                del waiting[number]


_ECHO = struct.Struct("!BBHHH")
_REPLIES = frozenset({0, 129})


def requests(count: int, version: int, identifier: int, payload_bytes: int) -> Iterator[bytes]:
    """Echo requests with sequence numbers 0 to `count` - 1, varied from one template.

    Only the sequence number changes, and with it the checksum by as much (RFC 1624).
    """
    kind = 8 if version == 4 else 128
    payload = bytes(payload_bytes)
    base = ~checksum(_ECHO.pack(kind, 0, 0, identifier, 0) + payload) & 0xFFFF
    for number in range(count):
        total = base + number
        yield _ECHO.pack(kind, 0, ~(total + (total >> 16)) & 0xFFFF, identifier, number) + payload
