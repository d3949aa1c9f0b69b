"""The entries of a folder: brought to the disk, and whether one still is the file that was opened."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Makes names given or taken in `folder` survive a power cut; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def still_is(path: Path, descriptor: int) -> bool:
    """Whether `path` is the file that is open: whoever held a lock on it before may have taken the name away."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
