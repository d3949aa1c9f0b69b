"""The box's disk: one folder, private to its owner; files appear whole or not at all, and are destroyed for good."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.model.errors import RefusedError, StorageError, words_of

_BLOCK = 1 << 20


class Disk:
    """Where what lies.

    Everything but `factory`, `clock`, `trust` and `faults` is destroyed by a factory reset; `next_certificate` is used
    up by it.
    """

    def __init__(self, root: Path, *, power_may_fail: bool = False) -> None:
        """With `power_may_fail` the box is a machine, and what the kernel has not written yet goes with its power."""
        self.root = root
        self.power_may_fail = power_may_fail
        self.factory = root / "factory.json"
        self.clock = root / "clock.json"
        self.trust = root / "trust"
        self.faults = root / "faults"
        self.reset = root / "reset.json"
        self.next_certificate = root / "next-certificate.json"
        self.database = root / "state.sqlite3"
        self.recordings = root / "recordings"
        self.updates = root / "updates"
        self.scratch = root / "scratch"

    def lay(self) -> None:
        """Makes the folders that are missing; raises StorageError."""
        with told_as_storage_error(self.root):
            for folder in (self.root, self.trust, self.recordings, self.updates, self.scratch):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def powered_on(self) -> Iterator[None]:
        """Held while the box runs: one disk is in one box. Raises RefusedError when it is in another."""
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RefusedError(
                    "this box is switched on already",
                    where=str(self.root),
                    why="another process holds its disk",
                    next_move="Shut that one down first.",
                ) from None
            yield
        finally:
            os.close(handle)

    def write(self, path: Path, content: bytes) -> None:
        """Replaces a file whole: temporary name, fsync, rename; mode 0600. Raises StorageError."""
        with told_as_storage_error(path):
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def sweep(self) -> None:
        """Clears the scratch folder of what a crash left there."""
        for path in self.scratch.iterdir():
            path.unlink()

    def destroy(self, progress: Callable[[float], None]) -> None:
        """Overwrites and unlinks all that a factory reset destroys; may be called again after a crash.

        `progress` gets the fraction of bytes overwritten.
        """
        doomed = [
            *(path for path in self.root.glob(f"{self.database.name}*") if path.is_file()),
            *(
                path
                for folder in (self.recordings, self.updates, self.scratch)
                if folder.is_dir()
                for path in folder.rglob("*")
                if path.is_file() and not path.is_symlink()
            ),
        ]
        total = sum(path.stat().st_size for path in doomed) or 1
        done = 0
        for path in doomed:
            for written in _overwrite(path):
                done += written
                progress(done / total)
            path.unlink()
        for folder in (self.recordings, self.updates, self.scratch):
            _remove_empty(folder)


def _overwrite(path: Path) -> Iterator[int]:
    """Fills a file with zeros, block by block; yields the bytes written."""
    left = path.stat().st_size
    zeros = bytes(min(_BLOCK, left))
    with path.open("r+b", buffering=0) as file:
        while left:
            written = file.write(zeros[: min(_BLOCK, left)])
            left -= written
            yield written
        os.fsync(file.fileno())


def _remove_empty(folder: Path) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


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
