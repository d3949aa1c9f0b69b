"""An append-only file of chained JSON lines that survives a power cut: the one way journal and evidence are written."""

import contextlib
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from toolkit.evidence.chain import ChainReading, Link, add_link, read_chain
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import read_error, storage_error

_THEN = "go on"


def no_room() -> bool:
    """There is nothing that could be given up for room on the disk."""
    return False


def read_lines(path: Path) -> ChainReading:
    """What a file holds, without touching it; one that is not there holds nothing. Raises StorageError."""
    try:
        return read_chain(path.read_bytes())
    except FileNotFoundError:
        return read_chain(b"")
    except OSError as error:
        raise read_error(path, error, "the record cannot be read") from None


class AppendOnlyLines:
    """Appends JSON objects, each on disk before `append` returns; several threads may append.

    `reading` is what the file held on opening. A torn last line stays until the first line that is appended takes its
    place. Asked for room on a full disk, `make_room` says whether it has made some. `then` ends the StorageError's next
    move.
    """

    def __init__(self, path: Path, *, make_room: Callable[[], bool] = no_room, then: str = _THEN) -> None:
        self.path = path
        self._make_room = make_room
        self._then = then
        self._lock = threading.Lock()
        try:
            new = not path.exists()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(path, error, then=then) from None
        try:
            if new:
                sync_folder(path.parent)
            self._size = os.fstat(self._descriptor).st_size
            self.reading = read_chain(os.pread(self._descriptor, self._size, 0))
        except BaseException:
            os.close(self._descriptor)
            raise
        self._end = self.reading.whole_bytes
        self.last = self.reading.last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, record: dict[str, Any]) -> Link:
        """Adds one line and returns where the chain stands then.

        Raises StorageError, and leaves the lines as they were, when it cannot be kept.
        """
        with self._lock:
            line, link = add_link(self.last, record)
            while True:
                try:
                    self._write(line)
                    break
                except OSError as error:
                    if error.errno != errno.ENOSPC or not self._make_room():
                        raise storage_error(self.path, error, then=self._then) from None
            self._end += len(line)
            self._size = self._end
            self.last = link
            return link

    def _write(self, line: bytes) -> None:
        torn = self._size > self._end
        try:
            written = 0
            while written < len(line):  # a nearly full disk takes a part and refuses the rest
                written += os.pwrite(self._descriptor, line[written:], self._end + written)
            if self._size > self._end + len(line):
                os.ftruncate(self._descriptor, self._end + len(line))
            os.fdatasync(self._descriptor)
        except OSError:
            # what is left of a torn line has to stay: that there was one is told by nothing else
            if not torn:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
            raise
