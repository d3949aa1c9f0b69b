"""A disk that is written from end to end: nothing counts until it was read back from the disk itself."""

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from toolkit.installer.refusal import Failed

PIECE = 1 << 20
MARK = b"rebox-installer began here and has not ended\n"
"""Stands at the beginning of a disk from the first write to the last; a disk with it does not start."""
_BLKDISCARD, _BLKZEROOUT = 0x1277, 0x127F  # linux/fs.h: _IO(0x12, 119) and _IO(0x12, 127)
ZEROS = bytes(PIECE)
_CACHES = Path("/proc/sys/vm/drop_caches")

Progress = Callable[[float], None]


class Device:
    """A disk, open for this process alone; raises Failed where the disk does."""

    def __init__(self, path: Path, descriptor: int, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def open(cls, path: Path, size_bytes: int) -> Iterator[Self]:
        """O_EXCL: a disk that is mounted is not opened (open(2)); a file is, for the tests."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
        except OSError as error:
            raise Failed(f"{path} cannot be opened for writing: {error.strerror}") from None
        try:
            yield cls(path, descriptor, size_bytes)
        finally:
            os.close(descriptor)

    def begun(self) -> bool:
        """Whether a job began here and was cut off."""
        return self.read(0, len(MARK)) == MARK

    def mark(self) -> None:
        """Makes the disk one that does not start: the mark, and no partition table at either end."""
        self.write(0, MARK.ljust(PIECE, b"\0"))
        self.write(max(PIECE, self.size_bytes - PIECE), bytes(min(PIECE, max(0, self.size_bytes - PIECE))))
        self.settle()

    def write(self, offset: int, content: bytes | memoryview) -> None:
        """All of it."""
        rest = memoryview(content)
        while rest:
            try:
                written = os.pwrite(self._descriptor, rest, offset)
            except OSError as error:
                raise Failed(f"{self.path} cannot be written at byte {offset}: {error.strerror}") from None
            rest, offset = rest[written:], offset + written

    def zero(self, offset: int, size: int) -> None:
        """Zeros, by a command to the disk where it has one; at most a piece."""
        try:
            fcntl.ioctl(self._descriptor, _BLKZEROOUT, struct.pack("QQ", offset, size))
        except OSError:
            self.write(offset, memoryview(ZEROS)[:size])

    def read(self, offset: int, size: int) -> bytes:
        """All of it."""
        pieces = []
        while size:
            try:
                piece = os.pread(self._descriptor, size, offset)
            except OSError as error:
                raise Failed(f"{self.path} cannot be read at byte {offset}: {error.strerror}") from None
            if not piece:
                raise Failed(f"{self.path} ends at byte {offset}, before its end")
            pieces.append(piece)
            size, offset = size - len(piece), offset + len(piece)
        return b"".join(pieces)

    def settle(self) -> None:
        """Brings what was written to the disk, and forgets it here: what is read next comes from the disk."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise Failed(f"{self.path} did not take what was written: {error.strerror}") from None
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        with suppress(OSError):  # as an ordinary user, in the tests
            _CACHES.write_text("1", encoding="ascii")

    def discard(self) -> bool:
        """Tells the disk that it may forget everything; whether it has that."""
        try:
            fcntl.ioctl(self._descriptor, _BLKDISCARD, struct.pack("QQ", 0, self.size_bytes))
        except OSError:
            return False
        return True


def pieces(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each piece between two bytes."""
    for offset in range(begin, end, PIECE):
        yield offset, min(PIECE, end - offset)
