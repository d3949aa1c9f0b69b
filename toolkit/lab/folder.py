"""A lab's folder: where things lie in it, who holds it, and how it is taken away.

Whether a lab is up is asked of the kernel, not of a file: its supervisor holds a record lock on `lock` for as long as
it lives, and the kernel names the holder.
"""

import fcntl
import os
import re
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.model.errors import InputError, RefusedError, StorageError, words_of
from toolkit.storage import errors
from toolkit.storage.entries import still_is

LAB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
LAB_NAME_IN_WORDS = "1 to 63 letters, digits, dots, hyphens and underscores, the first a letter or a digit"

_BUSY_SECONDS = 30.0
_FLOCK = struct.Struct("hhqqi4x")
"""`struct flock` on 64-bit Linux: type, whence, start, length, pid."""


def state_folder(given: Path | None = None) -> Path:
    """Where all of rebox's state is: `given`, or $REBOX_STATE, or the user's state folder."""
    if given is not None:
        return given.absolute()
    if "REBOX_STATE" in os.environ:
        return Path(os.environ["REBOX_STATE"]).absolute()
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "rebox"


@dataclass(frozen=True)
class LabFolder:
    """The folder of one lab."""

    path: Path

    @classmethod
    def of(cls, name: str, state: Path | None = None) -> "LabFolder":
        """The folder of the lab called `name`."""
        if not LAB_NAME.fullmatch(name):
            raise InputError(f"{name!r} cannot be a lab's name", next_move=f"Use {LAB_NAME_IN_WORDS}.")
        return cls(state_folder(state) / "labs" / name)

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.path.name

    @property
    def description(self) -> Path:
        """`lab.json`: what was built."""
        return self.path / "lab.json"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.path / "control.sock"

    @property
    def lock(self) -> Path:
        """The file the supervisor holds a lock on."""
        return self.path / "lock"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor says when something goes wrong."""
        return self.path / "supervisor.log"

    @property
    def operator(self) -> Path:
        """What the operator is given: inventory, secrets, authorities."""
        return self.path / "operator"

    @property
    def topology(self) -> Path:
        """The topology the lab is built from."""
        return self.path / "topology.json"

    @property
    def authorities(self) -> Path:
        """PEM: the root that users of the lab trust."""
        return self.operator / "ca.pem"

    @property
    def site_certificate(self) -> Path:
        """PEM: the site's certificate and its chain."""
        return self.path / "site" / "certificate.pem"

    @property
    def site_key(self) -> Path:
        """PEM: the key of the site's certificate."""
        return self.path / "site" / "key.pem"

    @property
    def updates(self) -> Path:
        """The update server's repository."""
        return self.path / "updates"

    @property
    def hypervisor(self) -> Path:
        """All that the lab's own libvirt daemon writes; with backend "vm"."""
        return self.path / "hypervisor"

    @property
    def pool(self) -> Path:
        """The storage pool of the lab's libvirt."""
        return self.path / "pool"

    def sticks(self, host: str | None = None) -> Path:
        """Where the stick's image lies while it is plugged in at `host`; None: while it is in the drawer."""
        return self.path / "sticks" / (host or ".drawer")

    def seed(self, box: str) -> Path:
        """What a box that is a virtual machine is told at its first power-on."""
        return self.host(box) / "seed.raw"

    def host(self, name: str) -> Path:
        """The folder of one machine: its disk, its logs, its configuration."""
        return self.path / "hosts" / name

    def disk(self, box: str) -> Path:
        """A box's disk."""
        return self.host(box) / "disk"

    def plate(self, box: str) -> Path:
        """What can be read off a box without switching it on."""
        return self.host(box) / "plate.json"

    def console(self, box: str) -> Path:
        """What a box prints on its console."""
        return self.host(box) / "console.log"

    def hold(self) -> None:
        """Makes this process the lab's supervisor for as long as it lives; raises RefusedError when there is one."""
        # the lock goes with the first descriptor of the file that is closed: this one never is
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError(f"lab {self.name} already has a supervisor", where=str(self.path)) from None

    def supervisor(self) -> int | None:
        """The process that keeps the lab up, or None when it is down."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise _foreign(self, error) from None
        try:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_, holder = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        finally:
            os.close(descriptor)
        return None if kind == fcntl.F_UNLCK else int(holder)

    @contextmanager
    def exclusively(self, *, busy_seconds: float = _BUSY_SECONDS) -> Iterator[None]:
        """Keeps every other `up` and `down` of this lab out; makes the folder when it is not there."""
        descriptor = self._acquire(time.monotonic() + busy_seconds)
        try:
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, deadline: float) -> int:
        while True:
            descriptor = self._open()
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if still_is(self.path, descriptor):
                    return descriptor
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"lab {self.name} is being built or taken down by another command",
                    where=str(self.path),
                    next_move="Wait for it to end, or end it, and try again.",
                )
            time.sleep(0.05)

    def _open(self) -> int:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError as error:
            raise _foreign(self, error) from None
        except OSError as error:
            raise storage_error(error, self.path) from None

    def clear(self) -> None:
        """Empties the folder but leaves it; refuses one that is no lab's."""
        entries = list(self.path.iterdir())
        if entries and not self.lock.exists():
            raise RefusedError(
                "this folder is not a lab's, and is left alone",
                where=str(self.path),
                why="it holds files, but no lock file of a lab",
                next_move="Name another lab or another --folder.",
            )
        # the lock file goes last, so that an interrupted clearing is still known as a lab's
        for entry in sorted(entries, key=lambda entry: entry == self.lock):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def remove(self) -> None:
        """Takes the whole folder away."""
        self.clear()
        self.path.rmdir()


def storage_error(error: OSError, path: Path) -> StorageError:
    """What to tell when a file of the lab cannot be written; `path` is the folder it lies in."""
    return errors.storage_error(
        Path(error.filename or path),
        error,
        what="the lab's files cannot be written",
        then="try again, or name another folder with --folder",
    )


def _foreign(folder: LabFolder, error: OSError) -> RefusedError:
    return RefusedError(
        f"lab {folder.name} belongs to somebody else",
        where=str(folder.path),
        why=words_of(error),
        next_move="Run the command as the user who built it.",
    )


def labs(state: Path | None = None) -> list[LabFolder]:
    """Every lab's folder there is, up or not, in the order of their names."""
    parent = state_folder(state) / "labs"
    try:
        return [LabFolder(path) for path in sorted(parent.iterdir()) if path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise errors.read_error(parent, error, "the labs cannot be listed") from None
