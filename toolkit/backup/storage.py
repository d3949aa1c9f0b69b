"""Files that are whole, on the disk and readable by their owner only, or not there at all."""

import errno
import fcntl
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from toolkit.model.errors import RefusedError, StorageError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PARTIAL = ".part"
_LOCK = ".lock"
_SEND_AHEAD = 8 << 20


def storage_error(path: Path, error: OSError, doing: str = "written") -> StorageError:
    """What the operating system said about `path`, with what to do about it."""
    folder = path.parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        next_move = f"Free space on the file system of {folder} ({_free(folder)} free) and run the same command again."
    elif error.errno == errno.EFBIG:
        next_move = "Raise the limit on the size of files (ulimit -f), or choose a file system that takes larger ones."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        next_move = f"Choose a folder you may write to, or change the permissions of {folder}."
    else:
        next_move = f"Look at {folder} and the disk beneath it, then run the same command again."
    return StorageError(
        f"it cannot be {doing}", where=str(path), why=error.strerror or type(error).__name__, next_move=next_move
    )


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB"
    except OSError:
        return "unknown"


class NewFile(io.RawIOBase):
    """A file that grows under a temporary name in the same folder until `commit`; without it nothing is left.

    Its size and SHA-256 count along. The first error is kept and raised again by every later call, because what
    writes into it (pyrage's own buffer) may swallow an error once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._temporary = path.with_name(f".{path.name}{_PARTIAL}")
        self._digest = hashlib.sha256()
        self.error: BaseException | None = None
        self.size_bytes = 0
        self._sent_bytes = 0
        try:
            # O_NOFOLLOW: a link planted in a shared folder must not lead the backup elsewhere
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._temporary, flags, 0o600)
        except OSError as error:
            self._descriptor = -1
            raise storage_error(path, error) from error

    @property
    def sha256(self) -> str:
        """Of what has been written so far, in lower-case hex."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """Always: it is made for writing."""
        return True

    def write(self, data: "Buffer", /) -> int:
        """Writes all of `data`; raises StorageError."""
        if self.error is not None:
            raise self.error
        rest = memoryview(data).cast("B")
        size = len(rest)
        self._digest.update(rest)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.error = storage_error(self._path, error)
            raise self.error from error
        except BaseException as error:  # an interruption by the keyboard
            self.error = error
            raise
        self.size_bytes += size
        if self.size_bytes - self._sent_bytes >= _SEND_AHEAD:
            # starts writing it to the disk now, so that the fsync at the end finds little left to wait for
            os.posix_fadvise(self._descriptor, self._sent_bytes, 0, os.POSIX_FADV_DONTNEED)
            self._sent_bytes = self.size_bytes
        return size

    def commit(self) -> None:
        """Puts it on the disk and gives it its name; raises StorageError, also for an error met before."""
        if self.error is not None:
            raise self.error
        try:
            os.fsync(self._descriptor)
            self._shut()
            self._temporary.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            self.error = storage_error(self._path, error)
            raise self.error from error

    def _shut(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def close(self) -> None:
        """Gives up what has not been committed."""
        if self._descriptor >= 0:
            self._shut()
            self._temporary.unlink(missing_ok=True)
        super().close()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a small file so that either the old or the new content is there, never half; raises StorageError."""
    with NewFile(path) as file:
        file.write(content)
        file.commit()


def sync_folder(folder: Path) -> None:
    """Makes names given or taken in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    return tuple(sorted(folder.glob(f".*{_PARTIAL}")))


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
        folder = Path(tempfile.mkdtemp(prefix=".scratch-", suffix=_PARTIAL, dir=parent))
    except OSError as error:
        raise storage_error((parent or Path(tempfile.gettempdir())) / ".scratch", error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def others_may_read(path: Path) -> bool:
    """Whether anybody but the owner may read or write it."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
