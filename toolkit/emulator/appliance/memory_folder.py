"""A folder in memory for what is not to lie on the box's disk: uploads, downloads and backups on their way."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from toolkit.model.errors import StorageError, words_of

_MOUNTS = Path("/proc/self/mounts")
_IN_MEMORY = ("tmpfs", "ramfs")


@contextmanager
def temporary_files_in_memory(box: Path) -> Iterator[Path]:
    """While inside, every temporary file of this process lies in memory; raises StorageError where there is no room.

    `box` is the box's disk: what a killed process has left for it is removed. `tempfile` is told, because others ask
    it: the web framework for uploads, The Update Framework for downloads.
    """
    folder = _file_system_in_memory() / f"rebox-{sha256(os.fsencode(box.resolve())).hexdigest()[:16]}"
    shutil.rmtree(folder, ignore_errors=True)
    before = tempfile.tempdir
    try:
        # fails where somebody else has made one of this name
        folder.mkdir(mode=0o700)
        tempfile.tempdir = str(folder)
        yield folder
    except FileExistsError as error:
        raise StorageError(
            "the folder for temporary files cannot be made anew",
            where=str(folder),
            why=words_of(error),
            next_move="Remove it.",
        ) from error
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def _file_system_in_memory() -> Path:
    kinds = dict(line.split()[1:3] for line in _MOUNTS.read_text(encoding="utf-8").splitlines())
    candidates = ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}", "/run")  # noqa: S108
    for candidate in candidates:
        if candidate and kinds.get(candidate) in _IN_MEMORY and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise StorageError(
        "there is no file system in memory for the box's temporary files",
        where="/dev/shm",  # noqa: S108
        why="what passes through must not lie unencrypted on a disk",
        next_move="Mount a tmpfs there.",
    )
