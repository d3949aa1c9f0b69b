"""A disk that is written from end to end: nothing counts until it was read back from the disk itself."""

import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from toolkit.disks.direct import ALIGNED, DirectReader
from toolkit.disks.pieces import LONG_PIECE, PIECE, Span
from toolkit.disks.refusal import Failed, Refused

MARK = b"rebox-installer began here and has not ended\n"
"""Stands at the beginning of a disk from the first write to the last; a disk with it does not start."""
_BLKDISCARD, _BLKZEROOUT = 0x1277, 0x127F  # linux/fs.h: _IO(0x12, 119) and _IO(0x12, 127)
ZEROS = bytes(PIECE)

Progress = Callable[[float], None]


class Device:
    """A disk, open for this process alone; raises Failed where the disk does, Unknown where it cannot be read."""

    def __init__(self, path: Path, descriptor: int, direct: int, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._descriptor = descriptor
        self._direct = direct
        self._reader = DirectReader(str(path), direct)
        # memory of its own begins at a page, as the disk wants it that is written from it
        self._zeros = mmap.mmap(-1, LONG_PIECE)

    @classmethod
    @contextmanager
    def open(cls, path: Path, size_bytes: int) -> Iterator[Self]:
        """O_EXCL: a disk that is mounted is not opened (open(2)); a file is, for the tests. Raises Refused, Failed.

        What is read comes by O_DIRECT: from the disk, not from what the kernel remembers of it.
        """
        flags = os.O_RDWR | os.O_CLOEXEC
        with ExitStack() as opened:
            try:
                descriptor = os.open(path, flags | os.O_EXCL)
                opened.callback(os.close, descriptor)
                # by the open disk, not by its name: that may be another's by now
                same = f"/proc/self/fd/{descriptor}"
                try:
                    direct = os.open(same, flags | os.O_DIRECT)
                except OSError:  # a file system without it, in the tests
                    direct = os.open(same, flags)
                opened.callback(os.close, direct)
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise Refused(f"{path} is in use: the system does not let it be opened by one alone") from None
                raise Failed(f"{path} cannot be opened for writing: {error.strerror}") from None
            yield cls(path, descriptor, direct, size_bytes)

    @property
    def descriptor(self) -> int:
        """For commands to the disk itself."""
        return self._descriptor

    def begun(self) -> bool:
        """Whether a job began here and was cut off."""
        return self.read(0, len(MARK)) == MARK

    def mark(self) -> None:
        """Makes the disk one that does not start: the mark, and no partition table at either end."""
        self.write(0, MARK.ljust(PIECE, b"\0")[: self.size_bytes])
        self.write(max(PIECE, self.size_bytes - PIECE), bytes(min(PIECE, max(0, self.size_bytes - PIECE))))
        self.settle()

    def write(self, offset: int, content: bytes | memoryview) -> None:
        """All of it."""
        self._write(self._descriptor, offset, memoryview(content))

    def overwrite(self, offset: int, size: int) -> None:
        """Zeros, past the kernel's memory; at most a long piece."""
        whole = not (offset % ALIGNED or size % ALIGNED)
        self._write(self._direct if whole else self._descriptor, offset, memoryview(self._zeros)[:size])

    def first_left(self, spans: Sequence[Span], read: Callable[[int], None]) -> int | None:
        """The first byte of the spans that is not zero, as `DirectReader.first_left_in`."""
        return self._reader.first_left_in(spans, read)

    def zero(self, offset: int, size: int) -> None:
        """Zeros, by a command to the disk where it has one; at most a piece."""
        try:
            fcntl.ioctl(self._descriptor, _BLKZEROOUT, struct.pack("QQ", offset, size))
        except OSError:
            self.write(offset, memoryview(ZEROS)[:size])

    def _write(self, descriptor: int, offset: int, rest: memoryview) -> None:
        while rest:
            try:
                written = os.pwrite(descriptor, rest, offset)
            except OSError as error:
                raise Failed(f"{self.path} cannot be written at byte {offset}: {error.strerror}") from None
            rest, offset = rest[written:], offset + written

    def read(self, offset: int, size: int) -> bytes:
        """All of it, at most a long piece, past the kernel's memory."""
        return self._reader.read(offset, size)

    def settle(self) -> None:
        """Brings what was written to the disk, and forgets it here: what is read next comes from the disk."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise Failed(f"{self.path} did not take what was written: {error.strerror}") from None
        # this disk alone: a file system of others that hangs would hold up whoever drops all that is remembered
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        self._forget_file()

    def _forget_file(self) -> None:
        """A loop device is no disk: what it reads may come from what the kernel remembers of its file."""
        number = os.fstat(self._descriptor).st_rdev
        place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/loop/backing_file")
        with suppress(OSError):  # no loop; or a file that has no name here
            descriptor = os.open(place.read_text(encoding="utf-8").rstrip("\n"), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)

    def discard(self) -> bool:
        """Tells the disk that it may forget everything; whether it has that."""
        try:
            fcntl.ioctl(self._descriptor, _BLKDISCARD, struct.pack("QQ", 0, self.size_bytes))
        except OSError:
            return False
        return True
