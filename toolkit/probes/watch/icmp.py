"""The watch's echo requests, by default a thousand a second, through the kernel's routing and neighbour table."""

import contextlib
import socket
import struct
import time

from toolkit.probes.echo_socket import EchoSocket
from toolkit.probes.sockets import socket_address
from toolkit.probes.watch.samples import SEQUENCE_MAX
from toolkit.probes.watch.settings import boot_time_ns
from toolkit.probes.watch.worker import Pace, Worker

SO_TIMESTAMPNS = 35
_TAKEN_PER_TICK_MAX = 64
_TIMESPEC = struct.Struct("@qq")
_NUMBER = struct.Struct("!I")


def watch_icmp(worker: Worker, probe: EchoSocket) -> None:
    """Sends on every tick and takes the answers of earlier ones; ends when asked, after the last answers came."""
    interval_ms = worker.request.icmp_interval_ms or 1.0
    probe.socket.setblocking(False)
    # the kernel's own time of arrival: how late we look does not matter
    probe.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    generation = worker.target.generation
    pace = Pace(interval_ms)
    waiting: set[int] = set()
    window = int(worker.request.timeout_ms / interval_ms) + 1  # whoever is older can no longer be answered
    sequence = worker.first_sequence
    while not worker.stopping and sequence <= SEQUENCE_MAX:
        left = pace.left_s()
        if left > 0:
            time.sleep(left)
        if worker.target.generation != generation:
            generation = worker.target.generation
            _follow(probe, worker)
        packet = probe.request(sequence & 0xFFFF, _NUMBER.pack(sequence))
        worker.sent(sequence, worker.now_us())
        waiting.add(sequence)
        with contextlib.suppress(OSError):  # no route, no neighbour: sent in vain, which is what is measured
            probe.socket.send(packet)
        sequence += 1
        _take(worker, probe, waiting)
        if len(waiting) > 4 * window:
            waiting = {number for number in waiting if number >= sequence - window}
        worker.flush_when_due()
        pace.advance()
    deadline = time.monotonic() + worker.request.timeout_ms / 1000.0
    while any(number >= sequence - window for number in waiting) and time.monotonic() < deadline:
        time.sleep(0.005)
        _take(worker, probe, waiting)


def _follow(probe: EchoSocket, worker: Worker) -> None:
    with contextlib.suppress(OSError):  # no route to it now: the probes are lost until there is one
        probe.socket.connect(socket_address(worker.target.address))


def _take(worker: Worker, probe: EchoSocket, waiting: set[int]) -> None:
    for _ in range(_TAKEN_PER_TICK_MAX):
        try:
            packet, ancillary, _, _ = probe.socket.recvmsg(256, 64)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error about an earlier probe; taking it cleared it
        reply = probe.reply(packet)
        if reply is None or len(reply[1]) < _NUMBER.size:
            continue
        (sequence,) = _NUMBER.unpack_from(reply[1])
        if sequence in waiting:
            waiting.discard(sequence)
            worker.answered(sequence, _arrival_us(worker, ancillary))


def _arrival_us(worker: Worker, ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            # the kernel stamps in time of day; the difference of the clocks is taken anew, so setting one is harmless
            ahead_ns = time.time_ns() - boot_time_ns()
            return int(seconds * 10**9 + nanoseconds - ahead_ns - worker.start_ns) // 1000
    return worker.now_us()
