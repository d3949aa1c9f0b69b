"""Boxes of which it is not known whether their reset was whole: kept out of every plan until somebody answers for them.

One JSON file per serial number in the state folder, beside the claims of unfinished runs. An entry is written before a
step begins to destroy anything, and closed when that step has been verified: a box whose run was killed, failed or
could not be verified is in quarantine without anybody having to note it. Entries are closed and never taken out: the
file is the box's history.
"""

import fcntl
import os
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from toolkit.model.errors import InputError, RefusedError, StorageError
from toolkit.storage.errors import storage_error
from toolkit.storage.sealed import Sealed
from toolkit.storage.whole_file import write_whole

_FOLDER, _LOCK = "quarantine", ".lock"
_NOT_WRITTEN = "it cannot be written down that a box is in quarantine"


class Entry(BaseModel):
    """Why a box is in quarantine. `ended`: how its step ended, as far as it did; `released` None: it still is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    run_id: str
    run_directory: Path
    since: AwareDatetime
    ended: Literal["begun", "failed", "unknown"]
    why: str
    would_release: str
    released: AwareDatetime | None = None
    because: str = ""


class _File(Sealed):
    serial_number: str
    entries: tuple[Entry, ...] = ()


class Quarantine:
    """The registry in one state folder, which all runs of a machine share. Every call raises StorageError."""

    def __init__(self, state_directory: Path) -> None:
        self._folder = state_directory / _FOLDER

    def of(self, serial_number: str) -> tuple[Entry, ...]:
        """Why the box is in quarantine now; nothing: it is not."""
        return tuple(entry for entry in self.history(serial_number) if entry.released is None)

    def history(self, serial_number: str) -> tuple[Entry, ...]:
        """All there ever was, oldest first."""
        return self._read(self._path(serial_number), serial_number).entries

    def boxes(self) -> dict[str, tuple[Entry, ...]]:
        """Every box that is in quarantine now, by its serial number."""
        if not self._folder.is_dir():
            return {}
        serials = sorted(urllib.parse.unquote(path.stem) for path in self._folder.glob("*.json"))
        return {serial: entries for serial in serials if (entries := self.of(serial))}

    def put(self, serial_number: str, entry: Entry) -> None:
        """Puts the box in quarantine; an entry of the same step that is open already is replaced, but for its time."""

        def change(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
            before = next((old for old in entries if _open_of(entry.step)(old)), None)
            kept = tuple(old for old in entries if old is not before)
            return (*kept, entry.model_copy(update={"since": before.since}) if before else entry)

        self._change(serial_number, change)

    def close(self, serial_number: str, step: str, when: AwareDatetime, because: str) -> None:
        """What that step had left open is known now; the box may be in quarantine for other steps."""
        self._change(serial_number, lambda entries: _closed(entries, _open_of(step), when, because))

    def release(self, serial_number: str, when: AwareDatetime, because: str) -> tuple[Entry, ...]:
        """Somebody answers for the box: all of it is closed. Raises InputError when it is not in quarantine."""
        found = self.of(serial_number)
        if not found:
            raise InputError(
                f"box {serial_number} is not in quarantine",
                why=f"in quarantine are: {', '.join(self.boxes()) or 'none'}",
                next_move="Check the serial number: rebox inventory quarantined",
            )
        self._change(serial_number, lambda entries: _closed(entries, lambda entry: True, when, because))
        return found

    def refuse(self, boxes: Iterable[tuple[str, str]]) -> None:
        """Raises RefusedError when one of `boxes`, each its role and serial number, is in quarantine."""
        for role, serial_number in boxes:
            for entry in self.of(serial_number):
                raise RefusedError(
                    f"the {role} box, {serial_number}, is in quarantine since {entry.since:%Y-%m-%d %H:%M} UTC",
                    where=f"step {entry.step} of run {entry.run_id}",
                    why=entry.why,
                    next_move=entry.would_release,
                )

    def _change(self, serial_number: str, change: Callable[[tuple[Entry, ...]], tuple[Entry, ...]]) -> None:
        path = self._path(serial_number)
        with self._alone():
            file = self._read(path, serial_number)
            changed = file.model_copy(update={"entries": change(file.entries)})
            if changed != file:
                write_whole(path, changed.sealed_json(), what=_NOT_WRITTEN)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two runs may write of one box at the same time; each takes moments."""
        path = self._folder / _LOCK
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(path, error, what=_NOT_WRITTEN) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _path(self, serial_number: str) -> Path:
        return self._folder / f"{urllib.parse.quote(serial_number, safe='')}.json"

    def _read(self, path: Path, serial_number: str) -> _File:
        try:
            return _File.read_sealed(path.read_bytes())
        except FileNotFoundError:
            return _File(serial_number=serial_number)
        except (OSError, ValueError) as error:
            raise StorageError(
                f"it cannot be read whether box {serial_number} is in quarantine",
                where=str(path),
                why=(error.strerror or "") if isinstance(error, OSError) else "the file is damaged",
                next_move="Restore it from a copy; or look at the box, make sure that nothing is left on it, and "
                "delete the file.",
            ) from None


def _open_of(step: str) -> Callable[[Entry], bool]:
    return lambda entry: entry.step == step and entry.released is None


def _closed(
    entries: tuple[Entry, ...], which: Callable[[Entry], bool], when: AwareDatetime, because: str
) -> tuple[Entry, ...]:
    closing = {"released": when, "because": because}
    return tuple(
        entry.model_copy(update=closing) if entry.released is None and which(entry) else entry for entry in entries
    )
