"""Writes files whole or not at all, and says what to free when the disk is full."""

import errno
import os
from pathlib import Path

from toolkit.model.errors import StorageError


def storage_error(path: Path, error: OSError) -> StorageError:
    """The operating system's error as one for people: names the file, the reason and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "the file cannot be written",
            where=str(path),
            why="the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up",
            next_move=f"Free space on the disk that holds {path.parent}, then go on.",
        )
    return StorageError(
        "the file cannot be written",
        where=str(path),
        why=error.strerror or type(error).__name__,
        next_move=f"Check that {path.parent} exists and may be written to.",
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces the file with `content`, on disk before it returns; readers see the old or the new, never half.

    Raises StorageError; the old file is then still there.
    """
    # the name is hidden and fixed: a leftover of a killed writer is overwritten by the next one
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(path, error) from None


def sync_directory(directory: Path) -> None:
    """Brings a directory's entries to disk, so that a rename survives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
