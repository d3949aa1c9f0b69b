"""A backup's folder: one writer at a time, nobody else's to read, and what its disk really holds."""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.model.errors import RefusedError
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import PARTIAL

_LOCK = ".lock"


def sha256_on_disk(path: Path) -> str:
    """SHA-256 of what the disk holds, not of what the page cache remembers; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """`folder`, made with mode 0700 when it is not there, and nobody else writing into it meanwhile.

    Leftovers of a killed predecessor are removed. Raises StorageError, and RefusedError while another process holds
    the folder; the lock ends with the process, however it ends.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(folder / _LOCK, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                "another process is writing into this folder",
                where=str(folder),
                next_move="Wait until it has ended, or stop it, and run the same command again.",
            ) from None
        for leftover in leftovers(folder):
            _remove(leftover)
        yield
    finally:
        os.close(lock)


def leftovers(folder: Path) -> tuple[Path, ...]:
    """What an interrupted run was still writing; it is no part of the backup."""
    return tuple(sorted(folder.glob(f".*{PARTIAL}")))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """A folder of mode 0700 in `parent` (None: the system's place for such), removed at the end.

    What a killed process leaves of it counts as a leftover. Raises StorageError.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".scratch-", suffix=PARTIAL, dir=parent))
    except OSError as error:
        raise storage_error((parent or Path(tempfile.gettempdir())) / ".scratch", error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def others_may_read(path: Path) -> bool:
    """Whether anybody but the owner may read or write it."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
