"""Reads past the kernel's memory: what comes is what lies there."""

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

from toolkit.disks.pieces import IN_FLIGHT, LONG_PIECE, Span, in_flight, pieces
from toolkit.disks.refusal import Unknown

ALIGNED = 4096  # open(2), O_DIRECT: no disk's sectors are larger
_ZEROS = bytearray(256 << 10)


class DirectReader:
    """An opened disk or file, read from wherever and as much as is wanted; raises Unknown where it cannot be read.

    `name` is what it is called in errors; `descriptor` is opened with O_DIRECT where the file system lets that be.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self._name = name
        self._descriptor = descriptor
        # memory of its own begins at a page, as the disk wants it that reads into it; each for one reading at a time
        self._memories: SimpleQueue[mmap.mmap] = SimpleQueue()
        for _ in range(IN_FLIGHT):
            self._memories.put(mmap.mmap(-1, LONG_PIECE + 2 * ALIGNED))

    def read(self, offset: int, size: int) -> bytes:
        """All of it, at most a long piece."""
        with self._there(offset, size) as there:
            return bytes(there)

    def _first_left(self, offset: int, size: int) -> int | None:
        with self._there(offset, size) as there:
            for at in range(0, size, len(_ZEROS)):
                part = there[at : at + len(_ZEROS)]
                # a bytearray on the left is compared as memory is, at once; short enough to stay beside the processor
                if (_ZEROS if len(part) == len(_ZEROS) else _ZEROS[: len(part)]) != part:
                    return offset + at + len(part) - len(bytes(part).lstrip(b"\0"))
        return None

    def first_left_in(self, spans: Sequence[Span], read: Callable[[int], None]) -> int | None:
        """The first byte of the spans that is not zero; `read` is called with how many bytes before it were zero."""
        done = 0
        every = (piece for begin, size in spans for piece in pieces(begin, begin + size, LONG_PIECE))
        with in_flight(self._first_left, every) as looked_at:
            for offset, length, left in looked_at:
                done += length if left is None else left - offset
                read(done)
                if left is not None:
                    return left
        return None

    @contextmanager
    def _there(self, offset: int, size: int) -> Iterator[memoryview]:
        memory = self._memories.get()
        try:
            with memoryview(memory) as whole:
                yield self._filled(whole, offset, size)
        finally:
            self._memories.put(memory)

    def _filled(self, memory: memoryview, offset: int, size: int) -> memoryview:
        begin, end = offset - offset % ALIGNED, offset + size
        wanted = memory[: -(-end // ALIGNED) * ALIGNED - begin]
        there = 0
        while begin + there < end:
            try:
                count = os.preadv(self._descriptor, [wanted[there:]], begin + there)
            except OSError as error:
                raise Unknown(f"{self._name} cannot be read at byte {begin + there:,}: {error.strerror}") from None
            if not count:
                raise Unknown(f"{self._name} ends at byte {begin + there:,}, before its end")
            there += count
        return wanted[offset - begin : end - begin]
