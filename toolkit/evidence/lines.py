"""An append-only file of JSON lines that survives a power cut: the one way the journal and the evidence are written."""

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any, Self

from toolkit.model.errors import StorageError
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import storage_error

_THEN = "go on"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; a torn last one (a power cut, or a writer just now at it) is left out.

    A file that is not there has no lines. Raises StorageError when a line before the last is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from None
    lines, _ = _whole_lines(path, content)
    return lines


class AppendOnlyLines:
    """Appends JSON objects, each on disk before `append` returns; several threads may append.

    On opening, a torn end is cut off down to the last whole line; `repaired_bytes` says how much that was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            new = not path.exists()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise storage_error(path, error, then=_THEN) from None
        try:
            if new:
                sync_folder(path.parent)
            self.existing, self.repaired_bytes = self._repair()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, record: dict[str, Any]) -> None:
        """Adds one line; raises StorageError and leaves the file as it was when it cannot be kept."""
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            before = os.fstat(self._descriptor).st_size
            try:
                written = os.write(self._descriptor, line)
                while written < len(line):  # a nearly full disk takes a part and refuses the rest
                    written += os.write(self._descriptor, line[written:])
                os.fsync(self._descriptor)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, before)
                raise storage_error(self.path, error, then=_THEN) from None

    def _repair(self) -> tuple[list[dict[str, Any]], int]:
        size = os.fstat(self._descriptor).st_size
        content = os.pread(self._descriptor, size, 0)
        lines, whole = _whole_lines(self.path, content)
        if whole < size:
            os.ftruncate(self._descriptor, whole)
            os.fsync(self._descriptor)
        return lines, size - whole


def _whole_lines(path: Path, content: bytes) -> tuple[list[dict[str, Any]], int]:
    """The lines, and how many bytes from the start are whole."""
    lines: list[dict[str, Any]] = []
    whole = 0
    pieces = content.split(b"\n")
    for number, piece in enumerate(pieces, 1):
        last = number >= len(pieces) - 1  # what follows the last newline, or the line before it
        record = _parse(piece) if number < len(pieces) else None
        if record is None:
            # a power cut can also leave the last line's length without its content
            if last:
                break
            raise _unreadable(path, f"line {number} is damaged")
        lines.append(record)
        whole += len(piece) + 1
    return lines, whole


def _parse(piece: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(piece)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _unreadable(path: Path, why: str) -> StorageError:
    return StorageError(
        "the record cannot be read",
        where=str(path),
        why=why,
        next_move="Restore the file from a copy; nothing was changed.",
    )
