"""Writing packet captures in the pcapng format, block by block, so that a cut file is still read (RFC draft pcapng)."""

import struct

_SECTION, _INTERFACE, _ENHANCED = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_OPTION_NAME, _OPTION_RESOLUTION, _OPTION_END = 2, 9, 0
_NANOSECONDS = 9
LINK_ETHERNET, LINK_RAW = 1, 101


def header(interface: str, link_type: int, keep_bytes: int) -> bytes:
    """A section with one interface, timestamps in nanoseconds."""
    section = struct.pack("=IHHq", _BYTE_ORDER, 1, 0, -1)
    options = _option(_OPTION_NAME, interface.encode()) + _option(_OPTION_RESOLUTION, bytes([_NANOSECONDS]))
    description = struct.pack("=HHI", link_type, 0, keep_bytes) + options + _option(_OPTION_END, b"")
    return _block(_SECTION, section) + _block(_INTERFACE, description)


def packet(at_ns: int, frame: bytes, whole_bytes: int) -> bytes:
    """One frame, seen `at_ns` nanoseconds after 1970; `whole_bytes` is its length before it was cut."""
    head = struct.pack("=IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, len(frame), whole_bytes)
    return _block(_ENHANCED, head + _padded(frame))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("=II", kind, length) + body + struct.pack("=I", length)
