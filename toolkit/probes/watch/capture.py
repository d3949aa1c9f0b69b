"""The watch's look at the link: who sends the address's frames, who claims it, and a capture of both."""

import socket
import struct
import time

from toolkit.probes import pcapng
from toolkit.probes.bpf import attach, watch_filter
from toolkit.probes.sockets import ARPHRD_ETHER, ARPHRD_LOOPBACK, ETH_P_ALL, hardware, packet_socket
from toolkit.probes.watch.settings import boot_time_ns
from toolkit.probes.watch.worker import Worker

_KEPT_BYTES = 256
_LOOK_S = 0.01
_TAKEN_PER_LOOK_MAX = 4096
_PACKET_OUTGOING = 4
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_RECEIVE_BUFFER_BYTES = 4 * 2**20
_TIMESPEC = struct.Struct("@qq")
_CHANGES_MAX = 20_000


def open_capture(interface: str) -> socket.socket:
    """The packet socket, opened before there is anything to filter; raises PermissionDeniedError, InputError."""
    link = packet_socket(interface, ETH_P_ALL, "watching who owns the address")
    link.setblocking(False)
    link.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except OSError:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    return link


class CaptureWatch:
    """Reads frames in small batches; the kernel has stamped them, so it need not hurry."""

    def __init__(self, worker: Worker, link: socket.socket, interface: str) -> None:
        self._worker = worker
        self._link = link
        self._generation = -1
        self._address = worker.target.address
        self._owner: tuple[str, str] | None = None
        self._claim: tuple[str, str] | None = None
        self._changes = 0
        kind, _ = hardware(interface)
        self._ethernet = kind in {ARPHRD_ETHER, ARPHRD_LOOPBACK}
        head = pcapng.header(interface, pcapng.LINK_ETHERNET if self._ethernet else pcapng.LINK_RAW, _KEPT_BYTES)
        worker.data.add(head)
        worker.data.flush()
        self._aim()

    def run(self) -> None:
        """Until asked to end."""
        while not self._worker.stopping:
            time.sleep(_LOOK_S)
            if self._worker.target.generation != self._generation:
                self._aim()
            self._take()
            self._worker.flush_when_due()
        # answers to the last probes are still on their way
        time.sleep(2 * _LOOK_S)
        self._take()

    def _aim(self) -> None:
        self._generation = self._worker.target.generation
        self._address = self._worker.target.address
        if self._ethernet:
            attach(self._link, watch_filter(self._address.packed, _KEPT_BYTES))

    def _take(self) -> None:
        for _ in range(_TAKEN_PER_LOOK_MAX):
            try:
                frame, ancillary, _, sender = self._link.recvmsg(65535, 64)
            except BlockingIOError:
                return
            except OSError:
                time.sleep(_LOOK_S)  # the interface went down: it may come back
                return
            at_ns = _stamp(ancillary)
            if self._ethernet and sender[2] != _PACKET_OUTGOING:
                self._look(frame, at_ns)
            self._keep(frame, at_ns)

    def _keep(self, frame: bytes, at_ns: int) -> None:
        self._worker.data.add(pcapng.packet(at_ns, frame[:_KEPT_BYTES], len(frame)))

    def _look(self, frame: bytes, at_ns: int) -> None:
        packed = self._address.packed
        claim = _claim(frame, packed)
        if claim is not None:
            self._claim = self._changed("claim", self._claim, claim, at_ns)
        elif _source(frame) == packed:
            self._owner = self._changed("reply", self._owner, frame[6:12].hex(":"), at_ns)

    def _changed(self, seen_by: str, before: tuple[str, str] | None, mac: str, at_ns: int) -> tuple[str, str]:
        address = str(self._address)
        if (mac, address) != before and self._changes < _CHANGES_MAX:
            self._changes += 1
            ahead_ns = time.time_ns() - boot_time_ns()
            at_ms = max(0.0, (at_ns - ahead_ns - self._worker.start_ns) / 1e6)
            self._worker.lines.add_line({"at_ms": round(at_ms, 3), "mac": mac, "address": address, "seen_by": seen_by})
        return (mac, address)


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 10**9 + nanoseconds)
    return time.time_ns()


def _source(frame: bytes) -> bytes | None:
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return frame[26:30]
    return frame[22:38] if kind == b"\x86\xdd" else None


def _claim(frame: bytes, packed: bytes) -> str | None:
    """The MAC at which ARP or a neighbour advertisement puts the address; by hand, for there may be many of them."""
    kind = frame[12:14]
    if kind == b"\x08\x06" and frame[28:32] == packed:
        return frame[22:28].hex(":")
    if (
        kind == b"\x86\xdd"
        and frame[20] == socket.IPPROTO_ICMPV6
        and frame[54:55] == b"\x88"
        and frame[62:78] == packed
    ):
        # option 2: the target's link-layer address
        return (frame[80:86] if frame[78:80] == b"\x02\x01" else frame[6:12]).hex(":")
    return None
