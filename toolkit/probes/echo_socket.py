"""ICMP and ICMPv6 echo over an ordinary kernel socket: unprivileged where the system allows it, raw otherwise."""

import os
import select
import socket
import struct
import time

from toolkit.probes.sockets import Address, family_of, raw_socket, socket_address

_ECHO_REQUEST = {4: 8, 6: 128}
_ECHO_REPLY = {4: 0, 6: 129}
_SOL_RAW, _ICMP_FILTER = 255, 1
_SOL_ICMPV6, _ICMPV6_FILTER = 58, 1


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class EchoSocket:
    """Echo requests to one address and their replies, by sequence number (0 to 65535).

    The kernel routes and resolves the neighbour, so a probe follows an address that moves. `raw` tells which kind of
    socket the system gave: a ping socket (`net.ipv4.ping_group_range`) needs no rights.
    """

    def __init__(self, address: Address) -> None:
        self.version = address.version
        self.socket, self.raw = open_echo(address)
        self.socket.connect(socket_address(address))
        self.identifier = int.from_bytes(os.urandom(2), "big") if self.raw else 0
        # a raw IPv4 socket hands over the IP header too
        self._strips_header = self.raw and self.version == 4

    def fileno(self) -> int:
        """For select and poll."""
        return self.socket.fileno()

    def close(self) -> None:
        """Ends it."""
        self.socket.close()

    def request(self, sequence: int, payload: bytes) -> bytes:
        """One echo request, with its checksum where the kernel does not add it."""
        kind = _ECHO_REQUEST[self.version]
        head = struct.pack("!BBHHH", kind, 0, 0, self.identifier, sequence)
        if self.raw and self.version == 4:
            head = struct.pack("!BBHHH", kind, 0, checksum(head + payload), self.identifier, sequence)
        return head + payload

    def reply(self, packet: bytes) -> tuple[int, bytes] | None:
        """The sequence number and payload of a reply to one of our requests; None for anything else."""
        start = (packet[0] & 0x0F) * 4 if self._strips_header and packet else 0
        if len(packet) < start + 8:
            return None
        kind, code, _, identifier, sequence = struct.unpack_from("!BBHHH", packet, start)
        if kind != _ECHO_REPLY[self.version] or code != 0 or (self.raw and identifier != self.identifier):
            return None
        return sequence, packet[start + 8 :]

    def wait_for(self, sequence: int, deadline: float) -> float | None:
        """The monotonic time at which the reply to `sequence` was read; None when it has not come by `deadline`."""
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self.socket], [], [], left)
            if not readable:
                return None
            try:
                packet = self.socket.recv(65535)
            except OSError:
                # an ICMP error about an earlier request; the reply may still come
                continue
            answered = self.reply(packet)
            if answered is not None and answered[0] == sequence:
                return time.monotonic()
        return None


def open_echo(address: Address) -> tuple[socket.socket, bool]:
    """An unconnected echo socket and whether it is raw; raises PermissionDeniedError when neither kind is allowed."""
    family = family_of(address)
    protocol = socket.IPPROTO_ICMP if address.version == 4 else socket.IPPROTO_ICMPV6
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        opened = raw_socket(family, protocol, "ICMP echo")
    if address.version == 4:
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << _ECHO_REPLY[4]) & 0xFFFFFFFF))
    else:
        words = [0xFFFFFFFF] * 8
        words[_ECHO_REPLY[6] >> 5] &= ~(1 << (_ECHO_REPLY[6] & 31))
        opened.setsockopt(_SOL_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *words))
    return opened, True
