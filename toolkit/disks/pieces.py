"""A disk in pieces: what is read or written at once, and several of them on their way, as disks like it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

PIECE, LONG_PIECE = 1 << 20, 4 << 20
IN_FLIGHT = 4
"""Less, and a disk waits for us; more is not faster (measured)."""
Span = tuple[int, int]
"""A part of a disk: its first byte, and how many there are."""
T = TypeVar("T")


def pieces(begin: int, end: int, length: int = PIECE) -> Iterator[Span]:
    """Offset and length of each piece between two bytes."""
    for offset in range(begin, end, length):
        yield offset, min(length, end - offset)


@contextmanager
def in_flight(work: Callable[[int, int], T], spans: Iterable[Span]) -> Iterator[Iterator[tuple[int, int, T]]]:
    """Offset, length and what `work` made of each, in order, while the next is worked on; raises what `work` does.

    None is on its way any more when this is left, however that is: the descriptor it goes by may be closed then.
    """
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="disk") as workers:
        yield _in_order(workers, work, iter(spans))


def _in_order(
    workers: ThreadPoolExecutor, work: Callable[[int, int], T], spans: Iterator[Span]
) -> Iterator[tuple[int, int, T]]:
    flying: deque[tuple[int, int, Future[T]]] = deque()
    for offset, length in spans:
        flying.append((offset, length, workers.submit(work, offset, length)))
        if len(flying) == IN_FLIGHT:
            yield _landed(flying)
    while flying:
        yield _landed(flying)


def _landed(flying: deque[tuple[int, int, Future[T]]]) -> tuple[int, int, T]:
    offset, length, future = flying.popleft()
    return offset, length, future.result()
