"""The system's word about a file, told as an error that says what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.model.errors import StorageError, words_of


@contextmanager
def told_as_storage_error(path: Path) -> Iterator[None]:
    """Turns the system's word about a file into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise StorageError(
            "the box's disk cannot be written",
            where=str(path),
            why=words_of(error),
            next_move="Free space on the file system that holds it." if full else "Check the folder's owner and mode.",
        ) from error
