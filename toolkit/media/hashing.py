"""Hashes what goes by, beside whoever reads and writes it: neither waits for the other."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib


@contextmanager
def hashed(pieces: Iterable[bytes], digests: Collection["hashlib._Hash"]) -> Iterator[Iterator[bytes]]:
    """The pieces as they come; when this is left, the digests are of all that were taken.

    Each is hashed while it is worked on and the next is read. Not for use within a generator: one that nobody ends is
    ended by the garbage collector, in any thread, and waits for ever when that is one that has just begun.
    """
    with ThreadPoolExecutor(len(digests), thread_name_prefix="hashing") as beside:
        yield _passing(pieces, digests, beside)


def _passing(
    pieces: Iterable[bytes], digests: Collection["hashlib._Hash"], beside: ThreadPoolExecutor
) -> Iterator[bytes]:
    before: list[Future[None]] = []
    for piece in pieces:
        wait(before)
        before = [beside.submit(digest.update, piece) for digest in digests]
        yield piece
