"""Which ports of many hosts are open: half-open connections (SYN), every answer matched to its question."""

import os
import socket
import struct
import time
from collections.abc import Callable, Sequence

from toolkit.model.counting import counted
from toolkit.model.errors import InputError, UnreachableError, words_of
from toolkit.model.execution import Progress
from toolkit.model.verdict import Verdict
from toolkit.probes.batches import BatchReceiver, socket_name
from toolkit.probes.bpf import attach, tcp_to_port
from toolkit.probes.results import ProbeResult, Seen
from toolkit.probes.rounds import Rounds, check_one_version
from toolkit.probes.sockets import Address, family_of, parse_address, raw_socket, socket_address

QUESTIONS_MAX = 4_000_000
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_ANSWER = _SYN | _RST | _ACK
_ANSWERS = frozenset({_SYN | _ACK, _RST | _ACK})
_HEADER = struct.Struct("!HHIIBBHHH")
_IPV6_CHECKSUM, _CHECKSUM_AT = 7, 16


class HostPorts(Seen):
    """One host's ports: `filtered` kept silent in every round."""

    address: str
    open: tuple[int, ...]
    closed: tuple[int, ...]
    filtered: tuple[int, ...]


class PortsResult(ProbeResult):
    """Ports found: passed when every question was answered, unknown when some port kept silent or was not asked."""

    hosts: tuple[HostPorts, ...]
    asked: int
    seconds: float


def ports_of(text: str) -> list[int]:
    """Reads "22,80,8000-8100", each port once and in order; raises InputError."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError as error:
            raise InputError(f"{part!r} is no port", next_move='Write ports like "22,80,8000-8100".') from error
        if low > high:
            raise InputError(
                f"{part!r} is no range of ports",
                why="it begins with the larger port",
                next_move=f"Write it as {high}-{low}.",
            )
        if not 1 <= low <= high <= 65535:
            raise InputError(
                f"{part!r} is no port or range of ports",
                why="ports go from 1 to 65535",
                next_move='Write ports like "22,80,8000-8100".',
            )
        found.update(range(low, high + 1))
    return sorted(found)


def sweep_ports(
    addresses: Sequence[str],
    ports: Sequence[int],
    *,
    timeout_s: float = 0.5,
    retries: int = 2,
    progress: Progress | None = None,
) -> PortsResult:
    """Sends a SYN to every port of every host, again (`retries`) to those that kept silent for `timeout_s`.

    No connection is ever made: the kernel itself resets what answers, because nobody here listens on our port. An
    answer counts only from the host and port asked and with the sequence number of that question.
    Raises InputError, UnreachableError (no route), PermissionDeniedError.
    """
    targets = list(dict.fromkeys(parse_address(address) for address in addresses))
    if not targets or not ports:
        raise InputError("there is nothing to sweep", next_move="Give at least one address and one port.")
    check_one_version(targets)
    if len(targets) * len(ports) > QUESTIONS_MAX:
        raise InputError(f"more than {QUESTIONS_MAX} ports in one sweep", next_move="Split it.")
    started = time.monotonic()
    sweep = _PortSweep(targets, ports)
    try:
        sweep.rounds.ask("ports", timeout_s=timeout_s, retries=retries, progress=progress)
    finally:
        sweep.close()
    hosts = tuple(sweep.host(number) for number in range(len(targets)))
    silent = sum(len(host.filtered) for host in hosts)
    opened = sum(len(host.open) for host in hosts)
    return PortsResult(
        verdict=Verdict.UNKNOWN if silent else Verdict.PASSED,
        summary=f"{counted(opened, 'open port')} on {counted(len(hosts), 'host')}"
        + (f", {silent} kept silent" if silent else ""),
        hosts=hosts,
        asked=len(targets) * len(ports),
        seconds=time.monotonic() - started,
    )


class _PortSweep:
    """One sweep's sockets, segments and answers; a question's number is its host's position and its port."""

    def __init__(self, targets: Sequence[Address], ports: Sequence[int]) -> None:
        self._targets, self._ports = targets, ports
        self._version = targets[0].version
        family = family_of(targets[0])
        self._socket = raw_socket(family, socket.IPPROTO_TCP, "a SYN probe")
        # bound and never listening: nobody else gets this port, and the kernel resets whatever answers
        self._reserved = socket.socket(family, socket.SOCK_STREAM)
        self._reserved.bind(("", 0))
        self._port = int(self._reserved.getsockname()[1])
        attach(self._socket, tcp_to_port(self._port, self._version))
        if self._version == 6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_CHECKSUM, _CHECKSUM_AT)
        self._sequence = int.from_bytes(os.urandom(3), "big")
        self._answers: list[dict[int, bool]] = [{} for _ in targets]
        self._by_address = {target.packed: number for number, target in enumerate(targets)}
        self._names = [socket_name(target) for target in targets]
        self._segments = [self._segments_to(target) for target in targets]
        self._receiver = BatchReceiver(self._socket, packet_bytes=80)
        # ports turn slower than hosts, so that no single host gets them all at once
        # (whole numbers as keys: a hundred thousand tuples would be the garbage collector's main business)
        questions = (number << 16 | port for port in ports for number in range(len(targets)))
        self.rounds = Rounds(self._socket, _HEADER.size, questions, self._packets_for, self._take)

    def close(self) -> None:
        self._socket.close()
        self._reserved.close()

    def host(self, number: int) -> HostPorts:
        answers = self._answers[number]
        return HostPorts(
            address=str(self._targets[number]),
            open=tuple(port for port in self._ports if answers.get(port) is True),
            closed=tuple(port for port in self._ports if answers.get(port) is False),
            filtered=tuple(port for port in self._ports if port not in answers),
        )

    def _segments_to(self, target: Address) -> Callable[[int], bytes]:
        if self._version == 6:
            return syn_segments(self._port, self._sequence, b"", b"")
        return syn_segments(self._port, self._sequence, _source_for(target), target.packed)

    def _packets_for(self, questions: list[int]) -> tuple[list[bytes], list[bytes]]:
        segments, names = self._segments, self._names
        return (
            [segments[question >> 16](question & 0xFFFF) for question in questions],
            [names[question >> 16] for question in questions],
        )

    def _take(self) -> None:
        four, ours, sequence, waiting = self._version == 4, self._port, self._sequence, self.rounds.waiting
        for packet, sender in self._receiver.receive():
            start = (packet[0] & 0x0F) * 4 if four else 0
            number = self._by_address.get(sender)
            if number is None or len(packet) < start + _HEADER.size:
                continue
            port, to_port, _, acknowledged, _, flags, _, _, _ = _HEADER.unpack_from(packet, start)
            if to_port != ours or acknowledged != sequence + port + 1 or flags & _ANSWER not in _ANSWERS:
                continue
            question = number << 16 | port
            if question in waiting:
                del waiting[question]
                self._answers[number][port] = not flags & _RST


def syn_segments(own_port: int, sequence: int, source: bytes, target: bytes) -> Callable[[int], bytes]:
    """A maker of SYN segments to one host, by port; the question's sequence number is `sequence` plus the port.

    With IPv4 addresses the checksum is filled in (the parts that never change are summed once); without, it stays
    zero for the kernel to fill.
    """
    offset_and_flags = (0x50, _SYN)
    window = 64240
    fixed = _HEADER.pack(own_port, 0, 0, 0, *offset_and_flags, window, 0, 0)
    words = sum(struct.unpack("!10H", fixed))
    if target:
        words += sum(struct.unpack("!4H", source + target)) + socket.IPPROTO_TCP + _HEADER.size

    def segment(port: int) -> bytes:
        number = sequence + port
        if not target:
            return _HEADER.pack(own_port, port, number, 0, *offset_and_flags, window, 0, 0)
        total = words + port + (number >> 16) + (number & 0xFFFF)
        total = (total & 0xFFFF) + (total >> 16)
        return _HEADER.pack(own_port, port, number, 0, *offset_and_flags, window, ~(total + (total >> 16)) & 0xFFFF, 0)

    return segment


def _source_for(target: Address) -> bytes:
    """Our own address towards a host, as the kernel will choose it."""
    with socket.socket(family_of(target), socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(socket_address(target, 9))
        except OSError as error:
            raise UnreachableError(f"there is no route to {target}", why=words_of(error)) from error
        return socket.inet_aton(asking.getsockname()[0])
