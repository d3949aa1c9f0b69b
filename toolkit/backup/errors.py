"""What is said of a backup that is not there or cannot be read."""

import errno
from pathlib import Path

from toolkit.model.errors import BackupError, PermissionDeniedError, ReboxError, words_of


class NoBackupError(BackupError):
    """There is no backup in the folder that was given."""

    code = "no_backup"
    exit_status = 2


def unreadable(path: Path, error: OSError, what: str = "it cannot be read", *, next_move: str = "") -> ReboxError:
    """What the operating system said about a file of a backup; having no right to read it is no damage."""
    why = words_of(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(
            what, where=str(path), why=why, next_move="Run it as the user who made the backup: nobody else may read it."
        )
    return BackupError(what, where=str(path), why=why, next_move=next_move)
