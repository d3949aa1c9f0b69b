"""What the operating system says about a file that cannot be read or written, in words that say what to do."""

import errno
import pwd
import shutil
from pathlib import Path

from toolkit.model.errors import PermissionDeniedError, ReboxError, StorageError, words_of

NOT_WRITTEN = "it cannot be written"
AGAIN = "run the same command again"

_RIGHTS = "Choose a folder you may write to, or get the right to write into {folder}"
_FILE = "Choose another folder than {folder}, which is a file or lies below one"
_REMEDIES = {
    errno.ENOSPC: "Free space on the disk of {folder} ({free} free)",
    errno.EDQUOT: "Free space on the disk of {folder} or have your quota raised",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f) or choose a file system that takes larger ones",
    errno.ENOENT: "Create the folder {folder} or choose another one",
    errno.ENOTDIR: _FILE,
    errno.EEXIST: _FILE,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
}
_LOOK = "Look at {folder} and the disk beneath it"


class AlreadyThereError(StorageError):
    """A file of that name is there, and it was not to be overwritten."""


def storage_error(path: Path, error: OSError, *, what: str = NOT_WRITTEN, then: str = AGAIN) -> StorageError:
    """The file, the reason and the remedy in one error; `then` says how to go on once it is remedied."""
    folder = path.parent
    why = words_of(error)
    remedy = _REMEDIES.get(error.errno or 0, _LOOK).format(folder=folder, free=_free(folder))
    return StorageError(
        what,
        where=str(path),
        why=f"{why}: the disk is full" if error.errno == errno.ENOSPC else why,
        next_move=f"{remedy}, then {then}.",
    )


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB"
    except OSError:
        return "unknown"


def read_error(path: Path, error: OSError, what: str) -> ReboxError:
    """Of a file that was written by us and cannot be read now; to have no right to it is no damage."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(
            what,
            where=str(path),
            why=words_of(error),
            next_move=f"Run the command as the user who made it{_owner_of(path)}, or as root.",
        )
    return StorageError(
        what, where=str(path), why=words_of(error), next_move="Look at the disk and the rights on that file."
    )


def _owner_of(path: Path) -> str:
    """Whose it is, or what lies nearest above it, in words for the end of a sentence; empty when that is not told."""
    for place in (path, *path.parents):
        try:
            return f" ({pwd.getpwuid(place.stat().st_uid).pw_name})"
        except KeyError:
            return f" (user {place.stat().st_uid})"
        except OSError:
            continue
    return ""
