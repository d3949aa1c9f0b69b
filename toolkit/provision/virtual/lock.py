"""One provisioning of a virtual machine at a time, for all who share a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.model.errors import RefusedError
from toolkit.storage.errors import storage_error


@contextmanager
def held(path: Path, machine: str) -> Iterator[None]:
    """Holds the lock; the kernel lets go of it when the process ends in whatever way. Raises RefusedError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(path, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f"the virtual machine {machine} is being provisioned or removed already",
                where=str(path),
                why=f"process {os.pread(descriptor, 20, 0).decode() or 'unknown'} is at work on it",
                next_move="Wait until it has ended.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
