"""Where a run keeps what it leaves: `runs/<id>/`, and `runs/latest` that points at the newest."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from toolkit.model.errors import InputError
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import read_error, storage_error
from toolkit.storage.whole_file import write_whole

LATEST = "latest"
_OF_A_RUN = ("run.json", "plan.json", "journal.jsonl", "journal.head")


def make_run_id(now: datetime, site: str, token: str) -> str:
    """An id that sorts by time and names the site, e.g. `20261122-194501-support-example-net-3fa9`.

    `now` is UTC, `token` a few random letters or digits that keep two runs of one second apart.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", site.lower()).strip("-")[:40] or "site"
    return f"{now:%Y%m%d-%H%M%S}-{slug}-{token}"


def check_writable(runs_directory: Path) -> None:
    """Raises StorageError when no run could be kept there; changes nothing."""
    place = runs_directory.absolute()
    try:
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise storage_error(runs_directory / LATEST, error, what="no run can be kept there") from None


def create_run_directory(runs_directory: Path, run_id: str, files: Mapping[str, bytes]) -> Path:
    """Makes `runs/<id>/` with these files in it, all at once, and points `latest` at it; raises StorageError."""
    target = runs_directory / run_id
    building = runs_directory / f".{run_id}.new"
    try:
        building.mkdir(parents=True, mode=0o700)
        for name, content in files.items():
            (building / name).parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(building / name, content)
        building.rename(target)
        sync_folder(runs_directory)
        _point_latest(runs_directory, run_id)
    except OSError as error:
        raise storage_error(target, error) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def find_run_directory(runs_directory: Path, run_id: str) -> Path:
    """The folder of a run, by its id, `latest`, or the start of an id that no other run has.

    Raises InputError when there is no such run, and as `list_run_directories` does.
    """
    exact = runs_directory / run_id
    if run_id not in ("", ".", "..") and "/" not in run_id and _is_run(exact):
        return Path(os.path.realpath(exact))
    fits = [path for path in list_run_directories(runs_directory) if run_id and path.name.startswith(run_id)]
    if len(fits) == 1:
        return Path(os.path.realpath(fits[0]))
    raise InputError(
        f"there is no run {run_id!r}" if not fits else f"{run_id!r} fits {len(fits)} runs",
        where=str(runs_directory),
        next_move="See the runs there are with: rebox runs",
    )


def list_run_directories(runs_directory: Path) -> list[Path]:
    """The folders of all runs, oldest first, those of other users too; raises PermissionDeniedError, StorageError."""
    try:
        entries = list(runs_directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise read_error(runs_directory, error, "the runs cannot be listed") from None
    return sorted(path for path in entries if not path.is_symlink() and not path.name.startswith(".") and _is_run(path))


def _is_run(path: Path) -> bool:
    """Whether a folder is a run's, also one that has lost some of its files, or that we may not look into."""
    try:
        return any((path / name).exists() for name in _OF_A_RUN)
    except PermissionError:
        return True
    except OSError:
        return False


def _point_latest(runs_directory: Path, run_id: str) -> None:
    temporary = runs_directory / f".{LATEST}.{run_id}"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(run_id)
    temporary.replace(runs_directory / LATEST)
    sync_folder(runs_directory)
