"""`manifest.json`: what a backup folder holds, from which box and for whom; it shows when it was altered itself."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.backup.errors import NoBackupError, unreadable
from toolkit.backup.sealed import Sealed
from toolkit.model.box import BoxStatus, RecordCounts
from toolkit.model.errors import BackupError, InputError
from toolkit.model.problems import first_problem
from toolkit.storage.whole_file import write_whole

NAME = "manifest.json"
FORMAT = 2
"""2: segments with sessions that had changed since they were extracted; what is of 1 is read as before."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """The box a backup was taken from, and how much it said it held."""

    serial_number: str
    guid: str
    model: str
    hostname: str
    site_hostname: str | None
    base_version: str
    site_version: str | None
    records: RecordCounts


class Segment(_Frozen):
    """What one segment of a records archive holds; sequence numbers are the box's own."""

    first_seq: int
    last_seq: int
    sessions: int
    recordings: int
    recording_bytes: int
    left_out: int = Field(default=0, description="Recordings that were left on the box because someone said so.")
    again: bool = Field(
        default=False, description="True: earlier segments have these sessions as they were before; these count."
    )
    recordings_before: int = Field(default=0, description="Of its recordings, those that replace an earlier one.")


class SealedFile(Sealed):
    """One encrypted file of the folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", description="In this folder; never a path.")
    holds: Literal["settings", "snapshot", "records", "index"]
    segment: Segment | None = None


class Manifest(_Frozen):
    """What a backup folder holds. `complete` is false while records are still being extracted."""

    format: int = FORMAT
    kind: Literal["settings", "records"]
    made_by: str
    created: datetime
    updated: datetime
    source: Source
    recipients: tuple[str, ...]
    complete: bool
    files: tuple[SealedFile, ...] = ()

    def file(self, holds: str) -> SealedFile:
        """The only file of that kind; raises KeyError."""
        for file in self.files:
            if file.holds == holds:
                return file
        raise KeyError(holds)


def source_of(status: BoxStatus) -> Source:
    """The box as it describes itself."""
    return Source.model_validate({name: getattr(status, name) for name in Source.model_fields})


def new_manifest(
    kind: Literal["settings", "records"], status: BoxStatus, recipients: Sequence[str], now: datetime
) -> Manifest:
    """The manifest of a folder that holds nothing yet."""
    return Manifest(
        kind=kind,
        made_by=f"rebox {version('rebox')}",
        created=now,
        updated=now,
        source=source_of(status),
        recipients=tuple(recipients),
        complete=False,
    )


def render(manifest: Manifest) -> bytes:
    """The file's bytes; `sha256` in it is of the same text without that field, so any altered bit shows."""
    fields = manifest.model_dump(mode="json")
    return _text({**fields, "sha256": hashlib.sha256(_text(fields)).hexdigest()})


def _text(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode()


def parse(content: bytes, where: str) -> Manifest:
    """The manifest in `content`; raises BackupError when it was cut or altered, or comes from a newer rebox."""
    try:
        fields = json.loads(content)
        stated = fields.pop("sha256")
        newer = fields["format"] > FORMAT
        whole = stated == hashlib.sha256(_text(fields)).hexdigest() and content == _text({**fields, "sha256": stated})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = newer = False
    if not whole:
        raise BackupError(
            "the manifest is damaged",
            where=where,
            why="it was cut or altered: its own SHA-256 does not match",
            next_move="Take another copy of the backup.",
        )
    if newer:
        raise BackupError(
            "the backup was made by a newer rebox",
            where=where,
            why=f"its format is {fields['format']}, this one knows {FORMAT}",
            next_move="Use that newer version.",
        )
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise BackupError(
            "the manifest cannot be understood",
            where=where,
            why=first_problem(error),
            next_move="Use the version of rebox that made it.",
        ) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replaces the folder's manifest at once; raises StorageError."""
    write_whole(folder / NAME, render(manifest))


def find_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, or None when there is none yet; raises BackupError and PermissionDeniedError."""
    path = folder / NAME
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error, "the manifest cannot be read") from None
    return parse(content, str(path))


def read_manifest(folder: Path, kind: Literal["settings", "records"] | None = None) -> Manifest:
    """The folder's manifest; raises NoBackupError when there is none, BackupError when it is of another kind."""
    manifest = find_manifest(folder)
    if manifest is None:
        raise NoBackupError(
            "there is no backup here",
            where=str(folder),
            why=f"the folder has no {NAME}" if folder.is_dir() else "there is no such folder",
            next_move='Give the folder that "rebox backup create" wrote.',
        )
    if kind is not None and manifest.kind != kind:
        raise BackupError(f"this is a backup of {manifest.kind}, not of {kind}", where=str(folder / NAME))
    return manifest


def check_same(manifest: Manifest, status: BoxStatus, recipients: Sequence[str], folder: Path) -> None:
    """Raises InputError when the folder belongs to another box or is encrypted to other recipients."""
    if manifest.source.serial_number != status.serial_number:
        raise InputError(
            f"the folder holds the {manifest.kind} of box {manifest.source.serial_number}",
            where=str(folder),
            why=f"this box has the serial number {status.serial_number}",
            next_move="Give another folder for this box.",
        )
    if set(manifest.recipients) != set(recipients):
        raise InputError(
            "the folder is encrypted to other recipients",
            where=str(folder),
            why=f"its manifest lists {', '.join(manifest.recipients)}",
            next_move="Give the same recipients, or another folder.",
        )
