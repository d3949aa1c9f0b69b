"""The samples of one method: twelve bytes for every send, every answer and every end without one, only ever appended.

Python's own library only, as all that a watch does on another machine.
"""

import struct
from collections.abc import Iterator

SAMPLE = struct.Struct("<IQ")
"""A sequence number (the top bit says that it is no send) and microseconds since the watch's start."""

ANSWER = 0x80000000
SEQUENCE_MAX = ANSWER - 1

FAILED = 1 << 63
"""In the time of what is no send: it ended without an answer, refused, reset, or given up."""

STOOD = 1 << 62
"""Beside `FAILED`: the connection had been established; what was cut was under way."""

TIME = STOOD - 1


def read_samples(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Sequence number and time as they were written; a last sample cut by a kill is left out."""
    whole = len(data) - len(data) % SAMPLE.size
    return SAMPLE.iter_unpack(memoryview(data)[:whole])
