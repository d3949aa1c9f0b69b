"""Hashes what goes by, beside whoever reads and writes it: neither waits for the other."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib


def hashed(pieces: Iterable[bytes], digests: Collection["hashlib._Hash"]) -> Iterator[bytes]:
    """The pieces as they come; when the last has been taken, the digests are of all of them.

    Each is hashed while it is worked on and the next is read.
    """
    with ThreadPoolExecutor(len(digests), thread_name_prefix="hashing") as beside:
        before: list[Future[None]] = []
        for piece in pieces:
            wait(before)
            before = [beside.submit(digest.update, piece) for digest in digests]
            yield piece
