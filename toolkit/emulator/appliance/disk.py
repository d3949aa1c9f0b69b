"""The box's disk: one folder, private to its owner; files appear whole or not at all.

What the box keeps of its customer is encrypted (`data_keys`, `sealed_files`, `database`): the factory reset destroys
the key, and with it all that lies in files, in blocks that the file system has given back, and in its journal.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.emulator.appliance.data_keys import DataKeys
from toolkit.emulator.appliance.sealed_files import SealedFiles, sync_folder
from toolkit.emulator.appliance.storage_errors import told_as_storage_error
from toolkit.model.errors import InputError, RefusedError


class Disk:
    """Where what lies.

    `factory`, `clock`, `trust` and `faults` outlive a factory reset and are not encrypted: they tell of the box, not of
    its customer. All else is encrypted, and goes with its key; `next_certificate` is used up by a reset.
    """

    def __init__(self, root: Path, *, power_may_fail: bool = False) -> None:
        """With `power_may_fail` the box is a machine, and what the kernel has not written yet goes with its power."""
        self.root = root
        self.power_may_fail = power_may_fail
        self.factory = root / "factory.json"
        self.clock = root / "clock.json"
        self.trust = root / "trust"
        self.faults = root / "faults"
        self.keys = DataKeys(root / "data.keys")
        self.reset = root / "reset"
        self.next_certificate = root / "next-certificate"
        self.database = root / "state.sqlite3"
        self.recordings = root / "recordings"
        self.updates = root / "updates"
        self.scratch = root / "scratch"

    def lay(self) -> None:
        """Makes the folders that are missing; raises StorageError."""
        with told_as_storage_error(self.root):
            for folder in (self.root, self.trust, self.recordings, self.updates, self.scratch):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def files(self) -> SealedFiles:
        """Files under the key in use; raises InputError when it is gone."""
        return SealedFiles(self.keys.current)

    def refuse_unencrypted(self) -> None:
        """Raises InputError when the box was made before boxes encrypted what they keep."""
        if self.factory.exists() and not self.keys.exist() and self.database.exists():
            raise InputError(
                "this box was made by an older release, which did not encrypt what it keeps",
                where=str(self.root),
                why="a factory reset could not destroy it for good",
                next_move="Make the box anew; in a lab: take it down and bring it up again. If the disk held what must "
                "not be read, wipe it whole: rebox reset disk.",
            )

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
                sync_folder(path.parent)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def sweep(self) -> None:
        """Clears the scratch folder of what a crash left there."""
        for path in self.scratch.iterdir():
            path.unlink()

    def remove_kept(self, progress: Callable[[float], None]) -> None:
        """Removes what a factory reset removes, once its key is destroyed; may be called again after a crash.

        `progress` gets the fraction of files removed. Raises StorageError.
        """
        folders = (self.recordings, self.updates, self.scratch)
        with told_as_storage_error(self.root):
            doomed = [path for path in self.root.glob(f"{self.database.name}*") if path.is_file()]
            within = [path for folder in folders for path in folder.rglob("*")]
            doomed += [path for path in within if path.is_symlink() or not path.is_dir()]
            for count, path in enumerate(doomed, start=1):
                path.unlink()
                progress(count / len(doomed))
            for folder in folders:
                for path in sorted(folder.rglob("*"), reverse=True):
                    path.rmdir()
