"""Classic BPF programs in readable form: the kernel drops what a probe has no use for (`man 7 socket`)."""

import ctypes
import socket
import struct
from collections.abc import Sequence

LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30
LOAD_HALF_INDEXED, LOAD_BYTE_INDEXED = 0x48, 0x50
INDEX_HEADER = 0xB1  # X = 4 * (byte & 15): the length of an IPv4 header
IF_EQUAL, IF_AT_LEAST, IF_BITS = 0x15, 0x35, 0x45
RETURN = 0x06

_SO_ATTACH_FILTER = 26
_PROGRAM = struct.Struct("@HP")

Line = tuple[int, int] | tuple[int, int, str, str] | str
"""An instruction (operation, value), a jump (operation, value, label if true, label if false), or a label.

The labels `accept` and `drop` are there already; an empty label means the next line.
"""


def assemble(lines: Sequence[Line], keep_bytes: int) -> bytes:
    """Machine code; `keep_bytes` of every accepted packet are kept. Jumps go forward only, at most 255 lines."""
    complete: list[Line] = [*lines, "accept", (RETURN, keep_bytes), "drop", (RETURN, 0)]
    places: dict[str, int] = {}
    instructions: list[tuple[int, int] | tuple[int, int, str, str]] = []
    for line in complete:
        if isinstance(line, str):
            places[line] = len(instructions)
        else:
            instructions.append(line)
    code = b""
    for number, instruction in enumerate(instructions):
        if len(instruction) == 2:
            operation, value = instruction
            code += struct.pack("=HBBI", operation, 0, 0, value)
        else:
            operation, value, yes, no = instruction
            jumps = [places[label] - number - 1 if label else 0 for label in (yes, no)]
            code += struct.pack("=HBBI", operation, *jumps, value)
    return code


def attach(receiver: socket.socket, code: bytes) -> None:
    """Puts the program before a socket; replaces the one that was there. Raises OSError."""
    kept = ctypes.create_string_buffer(code, len(code))
    receiver.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(len(code) // 8, ctypes.addressof(kept)))


def tcp_to_port(port: int, version: int) -> bytes:
    """For a raw TCP socket: segments to one of our ports (IPv4 shows the IP header, IPv6 does not)."""
    lines: list[Line] = (
        [(INDEX_HEADER, 0), (LOAD_HALF_INDEXED, 2), (IF_EQUAL, port, "accept", "drop")]
        if version == 4
        else [(LOAD_HALF, 2), (IF_EQUAL, port, "accept", "drop")]
    )
    return assemble(lines, 0xFFFF)


def watch_filter(address: bytes, keep_bytes: int) -> bytes:
    """For a packet socket: what tells about one address (4 or 16 bytes), and not its bulk traffic.

    ARP and neighbour discovery of everybody, ICMP of the address, and of its TCP connections only the segments that
    begin or end them (SYN, FIN, RST).
    """
    return assemble(_four(address) if len(address) == 4 else _six(address), keep_bytes)


def _four(address: bytes) -> list[Line]:
    (word,) = struct.unpack("!I", address)
    return [
        (LOAD_HALF, 12),
        (IF_EQUAL, 0x0806, "accept", ""),
        (IF_EQUAL, 0x0800, "", "drop"),
        (LOAD_WORD, 26),
        (IF_EQUAL, word, "ours", ""),
        (LOAD_WORD, 30),
        (IF_EQUAL, word, "", "drop"),
        "ours",
        (LOAD_BYTE, 23),
        (IF_EQUAL, socket.IPPROTO_ICMP, "accept", ""),
        (IF_EQUAL, socket.IPPROTO_TCP, "", "drop"),
        (LOAD_HALF, 20),
        (IF_BITS, 0x1FFF, "drop", ""),  # a later fragment has no TCP header
        (INDEX_HEADER, 14),
        (LOAD_BYTE_INDEXED, 14 + 13),
        (IF_BITS, 0x07, "accept", "drop"),
    ]


def _six(address: bytes) -> list[Line]:
    words = struct.unpack("!4I", address)
    lines: list[Line] = [
        (LOAD_HALF, 12),
        (IF_EQUAL, 0x86DD, "", "drop"),
        (LOAD_BYTE, 20),
        (IF_EQUAL, socket.IPPROTO_TCP, "source", ""),
        (IF_EQUAL, socket.IPPROTO_ICMPV6, "", "drop"),
        (LOAD_BYTE, 54),
        (IF_AT_LEAST, 138, "source", ""),
        (IF_AT_LEAST, 133, "accept", ""),  # 133 to 137: neighbour discovery
        "source",
    ]
    for number, word in enumerate(words):
        lines += [(LOAD_WORD, 22 + 4 * number), (IF_EQUAL, word, "", "destination")]
    lines += [(LOAD_BYTE, 20), (IF_EQUAL, socket.IPPROTO_TCP, "flags", "accept"), "destination"]
    for number, word in enumerate(words):
        lines += [(LOAD_WORD, 38 + 4 * number), (IF_EQUAL, word, "", "drop")]
    lines += [
        (LOAD_BYTE, 20),
        (IF_EQUAL, socket.IPPROTO_TCP, "flags", "accept"),
        "flags",
        (LOAD_BYTE, 54 + 13),
        (IF_BITS, 0x07, "accept", "drop"),
    ]
    return lines
