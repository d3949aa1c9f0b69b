"""What libvirt's streams carry to a volume: bytes, or a file without its holes; hashed on the way."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

Said = Callable[[float], None]
"""Called with the fraction done, 0 to 1."""

_ZEROS = bytes(1 << 20)


class Reader:
    """Bytes as libvirt's upload asks for them."""

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def read(self, count: int) -> bytes:
        """The next piece, at most `count` bytes."""
        piece, self._rest = self._rest[:count], self._rest[count:]
        return bytes(piece)


class SparseFile:
    """A file as libvirt's sparse upload asks for it; `digest` is of all of it, holes being zeros."""

    def __init__(self, path: Path, size_bytes: int, said: Said) -> None:
        self.digest = sha256()
        self._size = size_bytes
        self._said = said
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._place = 0

    def __enter__(self) -> "SparseFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def section(self, _stream: object, _none: object) -> list[bool | int]:
        """Whether data or a hole comes next, and how long it is."""
        if self._place >= self._size:
            return [False, 0]
        try:
            data = os.lseek(self._descriptor, self._place, os.SEEK_DATA)
        except OSError:  # no data to the end
            return [False, self._size - self._place]
        if data > self._place:
            return [False, min(data, self._size) - self._place]
        hole = os.lseek(self._descriptor, self._place, os.SEEK_HOLE)
        return [True, min(hole, self._size) - self._place]

    def read(self, _stream: object, count: int, _none: object) -> bytes:
        """The next piece of data."""
        piece = os.pread(self._descriptor, count, self._place)
        self._place += len(piece)
        self.digest.update(piece)
        self._said(self._place / self._size)
        return piece

    def skip(self, _stream: object, length: int, _none: object) -> int:
        """Passes a hole."""
        self._place += length
        feed_zeros(self.digest, length)
        return 0


def feed_zeros(digest: Any, zeros: int) -> None:
    """Has a hash take that many zeros: what a hole is read as."""
    while zeros > 0:
        digest.update(_ZEROS[: min(zeros, len(_ZEROS))])
        zeros -= len(_ZEROS)
