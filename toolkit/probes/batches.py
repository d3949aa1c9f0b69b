"""Many packets per system call: `sendmmsg` and `recvmmsg`, which Python does not offer (`man 2 sendmmsg`)."""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator

from toolkit.probes.sockets import Address, socket_address

# struct msghdr and struct mmsghdr as the platform's C compiler lays them out
_MMSGHDR = struct.Struct("@PIPNPNi0PI0P")
_LENGTH_OFFSET = struct.calcsize("@PIPNPNi0P")
_IOVEC = struct.Struct("@PN")
_NAME_BYTES = 28  # sockaddr_in6, the larger of the two

_library = ctypes.CDLL(None, use_errno=True)


def socket_name(address: Address, port: int = 0) -> bytes:
    """A `sockaddr_in` or `sockaddr_in6` as the kernel reads it, padded to one size."""
    if address.version == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s", port, address.packed) + bytes(_NAME_BYTES - 8)
    scope = socket_address(address, port)[3]  # type: ignore[misc]  # four elements for IPv6
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16s", port, 0, address.packed)
    return head + struct.pack("=I", scope)


class _Slots:
    """Room for so many packets and addresses, and the headers that lead the kernel to them."""

    def __init__(self, count: int, packet_bytes: int, name_bytes: int) -> None:
        self.packets = ctypes.create_string_buffer(packet_bytes * count)
        self.names = ctypes.create_string_buffer(_NAME_BYTES * count)
        self._vectors = ctypes.create_string_buffer(
            b"".join(
                _IOVEC.pack(ctypes.addressof(self.packets) + slot * packet_bytes, packet_bytes) for slot in range(count)
            )
        )
        names, vectors = ctypes.addressof(self.names), ctypes.addressof(self._vectors)
        self.headers = b"".join(
            _MMSGHDR.pack(names + slot * _NAME_BYTES, name_bytes, vectors + slot * _IOVEC.size, 1, 0, 0, 0, 0)
            for slot in range(count)
        )


class BatchSender:
    """Sends packets of one size, each to an address of its own, `slots` per system call."""

    def __init__(self, sender: socket.socket, packet_bytes: int, slots: int = 64) -> None:
        self.slots = slots
        self._descriptor = sender.fileno()
        self._room = _Slots(slots, packet_bytes, 16 if sender.family == socket.AF_INET else _NAME_BYTES)
        self._headers = ctypes.create_string_buffer(self._room.headers)

    def send(self, packets: list[bytes], names: list[bytes]) -> tuple[int, int]:
        """How many of the packets (at most `slots`) were taken, and the error number that stopped the rest, or 0."""
        body = b"".join(packets)
        ctypes.memmove(self._room.packets, body, len(body))
        ctypes.memmove(self._room.names, b"".join(names), _NAME_BYTES * len(names))
        taken = 0
        while taken < len(packets):
            done = _library.sendmmsg(
                self._descriptor,
                ctypes.byref(self._headers, taken * _MMSGHDR.size),
                len(packets) - taken,
                socket.MSG_DONTWAIT,
            )
            if done <= 0:
                return taken, ctypes.get_errno()
            taken += int(done)
        return taken, 0


class BatchReceiver:
    """Takes whatever has arrived on a socket, up to `slots` packets per system call, without waiting."""

    def __init__(self, receiver: socket.socket, packet_bytes: int = 128, slots: int = 256) -> None:
        self._descriptor = receiver.fileno()
        self._packet_bytes = packet_bytes
        self._slots = slots
        self._sender_at = (4, 8) if receiver.family == socket.AF_INET else (8, 24)
        self._room = _Slots(slots, packet_bytes, _NAME_BYTES)
        self._headers = ctypes.create_string_buffer(len(self._room.headers))

    def receive(self) -> Iterator[tuple[bytes, bytes]]:
        """Every packet (cut to the size asked for) and its sender's address in network form (4 or 16 bytes)."""
        while True:
            # the kernel has written into those of the last call
            ctypes.memmove(self._headers, self._room.headers, len(self._room.headers))
            count = _library.recvmmsg(self._descriptor, self._headers, self._slots, socket.MSG_DONTWAIT, None)
            if count <= 0:
                number = ctypes.get_errno()
                if count == 0 or number in {errno.EAGAIN, errno.EWOULDBLOCK}:
                    return
                if number in _PASSING:
                    continue  # an ICMP error about an earlier packet; taking it cleared it
                raise OSError(number, os.strerror(number))
            yield from self._taken(int(count))
            if count < self._slots:
                return

    def _taken(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        # one copy of the whole buffers is cheaper than a view per packet
        packets, names, headers = self._room.packets.raw, self._room.names.raw, self._headers.raw
        size = self._packet_bytes
        first, last = self._sender_at
        for slot in range(count):
            (length,) = _LENGTH.unpack_from(headers, slot * _MMSGHDR.size + _LENGTH_OFFSET)
            name = slot * _NAME_BYTES
            yield packets[slot * size : slot * size + min(length, size)], names[name + first : name + last]


_LENGTH = struct.Struct("@I")
_PASSING = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.EINTR, errno.EPROTO})
