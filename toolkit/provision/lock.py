"""One provisioning of a machine at a time, for all who share a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.model.errors import RefusedError
from toolkit.storage.errors import storage_error


@contextmanager
def held(path: Path, busy: str) -> Iterator[None]:
    """Holds the lock; the kernel lets go of it when the process ends in whatever way.

    Raises RefusedError, which says `busy` and names the process that holds it; StorageError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(path, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                busy,
                where=str(path),
                why=f"process {os.pread(descriptor, 20, 0).decode(errors='replace') or 'unknown'} is at work on it",
                next_move="Wait until it has ended, or interrupt it with Ctrl-C where it runs.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
