"""Files that are written whole or not at all: under a temporary name, to the disk, then to their place.

The temporary name is hidden and always the same, so that what a killed writer leaves is cleared away by the next one
and never adds up. A lock on it keeps two writers of one file apart: the second waits, the kernel lets go of the dead.
"""

import errno
import fcntl
import hashlib
import io
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.storage.entries import still_is, sync_folder
from toolkit.storage.errors import AGAIN, NOT_WRITTEN, AlreadyThereError, storage_error

if TYPE_CHECKING:
    from typing_extensions import Buffer

PARTIAL = ".part"
"""What a temporary name ends with; it begins with a dot."""

_SEND_AHEAD = 8 << 20
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


class WholeFile(io.RawIOBase):
    """A file that grows under a temporary name in the same folder until `commit`; without it nothing is left.

    `mode` is what the file gets, less the umask. Unless it may `replace` one, AlreadyThereError is raised when there
    is one at the beginning or at the end. `what` and `then` go into the StorageError that every call may raise.

    Its size and SHA-256 count along. The first error is kept and raised again by every later call, because what
    writes into it (pyrage's own buffer) may swallow an error once.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: int = 0o600,
        replace: bool = True,
        what: str = NOT_WRITTEN,
        then: str = AGAIN,
    ) -> None:
        super().__init__()
        self._path = path
        self._temporary = path.with_name(f".{path.name}{PARTIAL}")
        self._replace = replace
        self._what = what
        self._explain = partial(storage_error, path, what=what, then=then)
        self._digest = hashlib.sha256()
        self._sent_bytes = 0
        self._descriptor = -1
        self.error: BaseException | None = None
        self.size_bytes = 0
        if not replace and os.path.lexists(path):
            raise self._already_there()
        try:
            self._descriptor = _open_alone(self._temporary, mode)
        except OSError as error:
            raise self._explain(error) from error

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
            self.error = self._explain(error)
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
            self._take_place()
            self._let_go()
            sync_folder(self._path.parent)
        except FileExistsError:
            self.error = self._already_there()
            raise self.error from None
        except OSError as error:
            self.error = self._explain(error)
            raise self.error from error

    def _take_place(self) -> None:
        if not self._replace:
            try:
                # a link fails where a rename would overwrite what has appeared meanwhile
                os.link(self._temporary, self._path)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # FAT on a stick has no links; there another look has to do
                if os.path.lexists(self._path):
                    raise FileExistsError from None
            else:
                self._temporary.unlink()
                return
        self._temporary.replace(self._path)

    def _already_there(self) -> AlreadyThereError:
        return AlreadyThereError(
            self._what, where=str(self._path), why="a file is there already", next_move="Choose another name."
        )

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def close(self) -> None:
        """Gives up what has not been committed."""
        if self._descriptor >= 0:
            # while it is still locked: afterwards the name may be the next writer's
            with suppress(OSError):
                self._temporary.unlink()
            self._let_go()
        super().close()


def write_whole(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o600,
    replace: bool = True,
    what: str = NOT_WRITTEN,
    then: str = AGAIN,
) -> None:
    """Writes a small file: the old or the new content is there, never half, and on the disk before this returns.

    Raises StorageError, worded by `what` and `then`; AlreadyThereError when one is there and it may not `replace` it.
    """
    with WholeFile(path, mode=mode, replace=replace, what=what, then=then) as file:
        file.write(content)
        file.commit()


def _open_alone(temporary: Path, mode: int) -> int:
    """A new, empty file that this writer alone is at; its lock ends with the writer, however that ends."""
    while True:
        try:
            # never one that is there: somebody else may have laid it, or hold it open
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            _clear_away(temporary)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        if still_is(temporary, descriptor):
            return descriptor
        # another writer came between the two calls and took it for a leftover
        os.close(descriptor)


def _clear_away(temporary: Path) -> None:
    """Waits for the writer of a temporary file to end, and removes it when that one was killed."""
    try:
        # a link is not followed: it may have been planted, to lead the content elsewhere
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if still_is(temporary, descriptor):
            temporary.unlink()
    finally:
        os.close(descriptor)
