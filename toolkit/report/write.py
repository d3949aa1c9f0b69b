"""Writes what a run leaves for people and programs, each file whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from toolkit.model.errors import StorageError
from toolkit.model.evidence import EvidenceRecord
from toolkit.model.plan import Plan
from toolkit.model.run_report import RunReport
from toolkit.report.page import html_page
from toolkit.report.reading import read_run
from toolkit.report.runbook import runbook

_COMPANIONS = ("evidence.jsonl", "capture.pcapng")


def write_report(run: RunReport, evidence: Iterable[EvidenceRecord], plan: Plan, folder: Path) -> None:
    """Writes `report.json`, `runbook.md` and `report.html` into the run's folder, over what an earlier call left.

    `evidence` is read once. The page links to `evidence.jsonl` and `capture.pcapng` where they are there already.
    Raises StorageError; a file that could not be written is as it was before.
    """
    reading = read_run(run, evidence, plan)
    companions = [name for name in _COMPANIONS if (folder / name).is_file()]
    contents = {
        "report.json": run.model_dump_json(indent=2) + "\n",
        "runbook.md": runbook(reading),
        "report.html": html_page(reading, ["report.json", "runbook.md", *companions]),
    }
    for name, content in contents.items():
        _replace(folder / name, content.encode("utf-8"))


def _replace(path: Path, content: bytes) -> None:
    """Writes beside the file, brings it to disk, then takes its place."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise _storage_error(path, error) from error


def _storage_error(path: Path, error: OSError) -> StorageError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return StorageError(
        f"{path.name} could not be written",
        where=str(path),
        why="no space is left on its disk" if full else (error.strerror or str(error)),
        next_move=(
            f"Free space on the disk of {path.parent} (older runs in {path.parent.parent}), then make the report again."
            if full
            else f"Make {path.parent} a folder that can be written to, then make the report again."
        ),
    )
