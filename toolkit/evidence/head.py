"""Where a chain of lines stood last, kept beside it: tells that lines are missing at its end, or all of them.

Two slots in one file, written in turn and in place, each in a disk block of its own: a torn write costs one slot, the
other still says where the chain stood one line earlier. No write needs room: also on a full disk the head is written.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Self

from toolkit.evidence.chain import Link
from toolkit.storage.errors import read_error, storage_error

_SLOT_BYTES = 4096
_SLOT = re.compile(rb"([0-9]{12}) ([0-9a-f]{64}) ([0-9a-f]{64})\n\Z")


def new_head(link: Link) -> bytes:
    """The content of a head file whose chain stands at `link`."""
    slots = [b"".ljust(_SLOT_BYTES), b"".ljust(_SLOT_BYTES)]
    slots[link.number % 2] = _slot(link).ljust(_SLOT_BYTES)
    return b"".join(slots)


def read_head(path: Path) -> Link | None:
    """Where the chain stood at least; None when neither slot is whole. Raises StorageError, also when it is missing."""
    try:
        with path.open("rb") as file:
            content = file.read(2 * _SLOT_BYTES)
    except OSError as error:
        raise read_error(path, error, "the head of the journal cannot be read") from None
    found = [_parse(content[start : start + _SLOT_BYTES], parity) for parity, start in enumerate((0, _SLOT_BYTES))]
    return max((link for link in found if link is not None), key=lambda link: link.number, default=None)


class Head:
    """The head file of a chain that is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise storage_error(path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def write(self, link: Link, *, on_disk: bool = True) -> None:
        """Says where the chain stands, unless told otherwise on disk before this returns; raises StorageError."""
        try:
            os.pwrite(self._descriptor, _slot(link), (link.number % 2) * _SLOT_BYTES)
            if on_disk:
                os.fdatasync(self._descriptor)
        except OSError as error:
            raise storage_error(self._path, error) from None


def _slot(link: Link) -> bytes:
    text = f"{link.number:012d} {link.chain}"
    return f"{text} {hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def _parse(slot: bytes, parity: int) -> Link | None:
    found = _SLOT.match(slot.rstrip(b" "))
    if found is None:
        return None
    link = Link(int(found[1]), found[2].decode())
    # the other slot's content here would be an older head than there is
    return link if _slot(link) == found[0] and link.number % 2 == parity else None
