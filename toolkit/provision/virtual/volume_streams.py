"""What libvirt's streams carry to and from a volume that is wiped: zeros where it holds data, and what is read back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.provision.virtual.connection import Hypervisor, download_sparse

Span = tuple[int, int]
"""First byte and size."""
Said = Callable[[int], None]
"""Called with how many bytes are done."""

_ZEROS = bytes(1 << 20)
_GAP = 64 << 10
"""Holes up to so long are filled: a stream for each piece of data between them would take longer than writing them."""


@contextmanager
def _stream(host: Hypervisor, what: str) -> Iterator[Any]:
    with host.asked(what) as connection:
        stream = connection.newStream()
        try:
            yield stream
        except BaseException:
            stream.abort()
            raise
        stream.finish()


def read_beginning(host: Hypervisor, volume: Any, size: int) -> bytes:
    """The first bytes of a volume, as its pool has it: of a container, the container's own."""
    pieces: list[bytes] = []
    with host.asked("a volume cannot be looked at"):
        size = min(size, volume.info()[1]) if volume.info()[1] else size
    with _stream(host, "a volume cannot be read") as stream:
        volume.download(stream, 0, size)
        stream.recvAll(lambda _stream, piece, _none: pieces.append(piece), None)
    return b"".join(pieces)


def write_at(host: Hypervisor, volume: Any, offset: int, content: bytes) -> None:
    """Writes there; what is around it stays."""
    rest = memoryview(content)

    def more(_stream: object, count: int, _none: object) -> bytes:
        nonlocal rest
        piece, rest = rest[:count], rest[count:]
        return bytes(piece)

    with _stream(host, "a volume cannot be written") as stream:
        volume.upload(stream, offset, len(content))
        stream.sendAll(more, None)


def write_zeros(host: Hypervisor, volume: Any, span: Span, said: Said) -> None:
    """Overwrites one span; `said` is told how much of it is done."""
    begin, size = span
    done = 0

    def more(_stream: object, count: int, _none: object) -> bytes:
        nonlocal done
        piece = _ZEROS[: min(count, size - done)]
        done += len(piece)
        said(done)
        return piece

    with _stream(host, "a volume cannot be overwritten") as stream:
        # never with holes skipped: libvirt lets go of what lies behind one without overwriting it
        volume.upload(stream, begin, size)
        stream.sendAll(more, None)


def data_spans(host: Hypervisor, volume: Any) -> tuple[list[Span], int]:
    """Where a volume holds data, near pieces joined, and how large all of it is; holes are nowhere on the host."""
    spans: list[Span] = []
    place = 0

    def data(_stream: object, piece: bytes, _none: object) -> None:
        nonlocal place
        if spans and place - sum(spans[-1]) <= _GAP:
            spans[-1] = (spans[-1][0], place + len(piece) - spans[-1][0])
        else:
            spans.append((place, len(piece)))
        place += len(piece)

    def hole(_stream: object, length: int, _none: object) -> None:
        nonlocal place
        place += length

    with _stream(host, "a volume cannot be read") as stream:
        download_sparse(volume, stream)
        stream.sparseRecvAll(data, hole, None)
    return spans, place


class LeftError(Exception):
    """Something is left, first at that byte."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def must_be_zero(beginning: bytes) -> None:
    """Raises LeftError unless the first bytes of a volume are zeros."""
    if beginning.strip(b"\0"):
        raise LeftError(len(beginning) - len(beginning.lstrip(b"\0")))


def read_zeros(host: Hypervisor, volume: Any, beginning: bytes, said: Said) -> int:
    """Reads all of it, which must be `beginning` and then zeros; how many bytes that were. Raises LeftError."""
    place = 0

    def data(_stream: object, piece: bytes, _none: object) -> None:
        nonlocal place
        wanted = beginning[place : place + len(piece)].ljust(len(piece), b"\0")
        if piece != wanted:
            raise LeftError(place + next(at for at in range(len(piece)) if piece[at] != wanted[at]))
        place += len(piece)
        said(place)

    def hole(_stream: object, length: int, _none: object) -> None:
        nonlocal place
        if beginning[place : place + length].strip(b"\0"):
            raise LeftError(place)
        place += length
        said(place)

    with _stream(host, "a volume cannot be read back") as stream:
        download_sparse(volume, stream)
        stream.sparseRecvAll(data, hole, None)
    return place
