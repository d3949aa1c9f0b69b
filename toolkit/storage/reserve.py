"""Room on a disk that is kept from the start for what must still be written when the disk is full.

A file of bytes that no file system can compress or share away. It is given up piece by piece: shortening a file works
on a full disk, too. Whoever needs room writes at once into what became free.
"""

import contextlib
import os
import shutil
from pathlib import Path

from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

PIECE_BYTES = 64 * 1024


def reserved(size_bytes: int) -> bytes:
    """The content of a reserve of that size."""
    return os.urandom(size_bytes)


class Reserve:
    """The reserve in the file `path`, which is to be `size_bytes` long; one process at a time may use it."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size = size_bytes

    @property
    def left_bytes(self) -> int:
        """How much there is still to be given up."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def refill(self, *, then: str) -> None:
        """Makes it whole again; raises StorageError, worded by `then`, when there is no room for it."""
        if self.left_bytes < self._size:
            write_whole(self._path, reserved(self._size), then=then)

    def give_up(self, wanted_bytes: int = PIECE_BYTES) -> bool:
        """Frees at least that much, or what is left; False when there was nothing left. Raises StorageError."""
        left = self.left_bytes
        if left == 0:
            return False
        try:
            os.truncate(self._path, max(left - max(wanted_bytes, PIECE_BYTES), 0))
        except OSError as error:
            raise storage_error(self._path, error) from None
        return True

    def keep_free(self, wanted_bytes: int) -> None:
        """Gives up as much as is needed for that much to be free on the disk, at most half of what is left.

        Somebody may fill the disk again each time. Raises StorageError.
        """
        missing = min(wanted_bytes - shutil.disk_usage(self._path.parent).free, self.left_bytes // 2)
        if missing > 0:
            self.give_up(missing)

    def remove(self) -> None:
        """Gives all of it up, for good."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
