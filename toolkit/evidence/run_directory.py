"""Where a run keeps what it leaves: `runs/<id>/`, and `runs/latest` that points at the newest."""

import contextlib
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from toolkit.model.errors import InputError
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

LATEST = "latest"
_OF_A_RUN = ("run.json", "plan.json", "journal.jsonl", "journal.head")


def make_run_id(now: datetime, site: str, token: str) -> str:
    """An id that sorts by time and names the site, e.g. `20261122-194501-support-example-net-3fa9`.

    `now` is UTC, `token` a few random letters or digits that keep two runs of one second apart.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", site.lower()).strip("-")[:40] or "site"
    return f"{now:%Y%m%d-%H%M%S}-{slug}-{token}"


def create_run_directory(runs_directory: Path, run_id: str, files: Mapping[str, bytes]) -> Path:
    """Makes `runs/<id>/` with these files in it, all at once, and points `latest` at it; raises StorageError."""
    target = runs_directory / run_id
    building = runs_directory / f".{run_id}.new"
    try:
        building.mkdir(parents=True, mode=0o700)
        for name, content in files.items():
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
    """The folder of a run, by its id, `latest`, or the start of an id that no other run has; raises InputError."""
    exact = runs_directory / run_id
    if run_id not in ("", ".", "..") and "/" not in run_id and _is_run(exact):
        return exact.resolve()
    fits = [path for path in list_run_directories(runs_directory) if run_id and path.name.startswith(run_id)]
    if len(fits) == 1:
        return fits[0].resolve()
    raise InputError(
        f"there is no run {run_id!r}" if not fits else f"{run_id!r} fits {len(fits)} runs",
        where=str(runs_directory),
        next_move="See the runs there are with: rebox runs",
    )


def list_run_directories(runs_directory: Path) -> list[Path]:
    """The folders of all runs, oldest first."""
    if not runs_directory.is_dir():
        return []
    return sorted(
        path
        for path in runs_directory.iterdir()
        if not path.is_symlink() and not path.name.startswith(".") and _is_run(path)
    )


def _is_run(path: Path) -> bool:
    """Whether a folder is a run's, also one that has lost some of its files."""
    return any((path / name).exists() for name in _OF_A_RUN)


def _point_latest(runs_directory: Path, run_id: str) -> None:
    temporary = runs_directory / f".{LATEST}.{run_id}"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(run_id)
    temporary.replace(runs_directory / LATEST)
    sync_folder(runs_directory)
