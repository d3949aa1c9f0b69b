"""The samples of one method on disk: twelve bytes for every send and every answer, only ever appended."""

import struct
from collections.abc import Iterator

SAMPLE = struct.Struct("<IQ")
"""A sequence number (the top bit says that it is an answer) and microseconds since the watch's start."""

ANSWER = 0x80000000
SEQUENCE_MAX = ANSWER - 1


def read_samples(data: bytes) -> tuple[list[int], dict[int, int]]:
    """The sends in order (µs, by sequence number from 0) and the first answer (µs) of each sequence number.

    A last sample cut by a kill is left out, and so is anything out of order.
    """
    sends: list[int] = []
    answers: dict[int, int] = {}
    for number, at_us in _samples(data):
        if number & ANSWER:
            answers.setdefault(number & SEQUENCE_MAX, at_us)
        elif number == len(sends):
            sends.append(at_us)
    return sends, answers


def _samples(data: bytes) -> Iterator[tuple[int, int]]:
    whole = len(data) - len(data) % SAMPLE.size
    return SAMPLE.iter_unpack(memoryview(data)[:whole])
