"""What is said when something was raised that nobody expected: words on the terminal, the traceback in a file."""

import errno
import os
import re
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from toolkit.lab.folder import state_folder
from toolkit.model.errors import InternalError, PermissionDeniedError, ReboxError, StorageError, words_of

KEPT = 20
"""How many tracebacks are kept; the oldest go first."""


def in_words(error: Exception) -> ReboxError:
    """The error for people: what the system refused, or that the toolkit is at fault and where the details are."""
    if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
        return _refused_by_the_system(error)
    place = _kept(error)
    details = f"its details are in {place}" if place else "its details could not be written down"
    return InternalError(
        "a fault of the toolkit has ended the command",
        why=f"{type(error).__name__}: {words_of(error)}",
        next_move=f"Report it; {details}. A run that was at work can be resumed: rebox resume latest",
    )


def _refused_by_the_system(error: OSError) -> ReboxError:
    where, why = os.fsdecode(error.filename), words_of(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(
            "the system does not allow it", where=where, why=why, next_move="Run it as who may, or name another file."
        )
    return StorageError(
        "it cannot be used", where=where, why=why, next_move="Check the path, or name another file or folder."
    )


def _kept(error: Exception) -> Path | None:
    """Writes the traceback where only this user can read it."""
    words = "".join(traceback.format_exception(error))
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for folder in (state_folder() / "faults", Path(tempfile.gettempdir())):
        path = folder / (name if folder.name == "faults" else f"rebox-fault-{name}")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(words)
        except OSError:
            continue
        if folder.name == "faults":
            _forget_the_oldest(folder)
        return path
    return None


def _forget_the_oldest(folder: Path) -> None:
    found = sorted(path for path in folder.iterdir() if re.fullmatch(r"\d{8}-\d{6}-\d+\.txt", path.name))
    for path in found[:-KEPT]:
        path.unlink(missing_ok=True)
