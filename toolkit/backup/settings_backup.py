"""The settings backup: fetched, sealed and read back; restored and compared (requirements U9, H2, H6)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.appliances.protocol import BackedUp, Identified, Progress
from toolkit.backup.age import Identity
from toolkit.backup.compare import RecordDifferences, compare_records
from toolkit.backup.folder import own_folder, scratch_folder
from toolkit.backup.manifest import (
    Manifest,
    SealedFile,
    check_same,
    find_manifest,
    new_manifest,
    read_manifest,
    write_manifest,
)
from toolkit.backup.sealed import SUFFIX, seal, unsealed
from toolkit.backup.verification import check_stored, verify
from toolkit.model.box import RecordCounts
from toolkit.model.errors import ApplianceError, VerificationError
from toolkit.model.run_report import Compared
from toolkit.model.verdict import Verdict
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import WholeFile

KINDS = ("users", "teams", "jump-clients", "options")
"""What a settings backup carries and a box shows, so that it can be compared."""

Settings = Mapping[str, Sequence[Mapping[str, JsonValue]]]
"""By kind, what a box shows of its settings; never a password."""

_PIECE = 1 << 20
_ATTEMPTS = 3


class SettingsBox(Identified, BackedUp, Protocol):
    """A box that says who it is and gives and takes settings backups."""


class RestoredSettings(BaseModel):
    """What a box held after a restore, against what the backup was taken from."""

    model_config = ConfigDict(frozen=True)

    counts: RecordCounts
    differences: tuple[RecordDifferences, ...]

    @property
    def verdict(self) -> Verdict:
        """PASSED when every record is there and the same; UNKNOWN when there was nothing to compare."""
        return verdict_of(self.differences)

    def compared(self) -> tuple[Compared, ...]:
        """The lines of the run's report."""
        return tuple(kind.compared() for kind in self.differences)


def verdict_of(differences: Sequence[RecordDifferences]) -> Verdict:
    """PASSED when nothing differs; UNKNOWN when there was not a single record to compare."""
    if not any(kind.before for kind in differences):
        return Verdict.UNKNOWN
    return Verdict.PASSED if all(kind.same for kind in differences) else Verdict.FAILED


NOTED = "noted"
"""In a snapshot: how far the box's own list of changes went when the backup was begun."""


def create_settings_backup(  # noqa: PLR0917  (box, where, for whom, under what: all of them always given)
    box: SettingsBox,
    folder: Path,
    recipients: Sequence[str],
    passphrase: str,
    now: datetime,
    progress: Progress,
    *,
    noted: int | None = None,
) -> Manifest:
    """Downloads the box's settings backup (locked with `passphrase` by the box itself) and seals it in `folder`.

    What the box shows of its settings is sealed beside it, so that a restore can be compared when the box is gone.
    With it is kept how far the box's own list of changes went beforehand (`noted`): a list that tells of changed
    passwords, which nothing else shows. Both are read back from the disk. Called again on a folder that holds this
    box's backup, it verifies that one and fetches nothing: a newer backup belongs into another folder. The box is only
    read.

    Raises StorageError, BackupError, InputError when the folder belongs to another box, VerificationError when the
    settings keep changing meanwhile, and the driver's errors.
    """
    status = box.status()
    with own_folder(folder):
        manifest = find_manifest(folder)
        if manifest is not None:
            manifest = read_manifest(folder, "settings")
            check_same(manifest, status, recipients, folder)
            verify(folder)
            progress(1.0, "there already, and whole")
            return manifest
        files = _fetch(box, folder, recipients, passphrase, progress, noted=noted)
        progress(0.9, "reading back")
        for file in files:
            check_stored(folder, file)
        manifest = new_manifest("settings", status, recipients, now)
        manifest = manifest.model_copy(update={"files": files, "complete": True})
        write_manifest(folder, manifest)
    progress(1.0, "written and read back")
    return manifest


def _fetch(
    box: SettingsBox,
    folder: Path,
    recipients: Sequence[str],
    passphrase: str,
    progress: Progress,
    *,
    noted: int | None,
) -> tuple[SealedFile, ...]:
    name, snapshot_name = f"settings{SUFFIX}", f"snapshot.json{SUFFIX}"
    # only the box's own protection is on the download: it stays in a folder nobody else may enter, until it is sealed
    with scratch_folder(folder) as scratch:
        download = scratch / "settings"
        settings = _while_steady(box, lambda: _download(box, download, passphrase, progress))
        progress(0.7, "encrypting")
        backup = seal(_pieces(download), folder / name, recipients)
    if noted is not None:
        settings = {**settings, NOTED: ({"id": NOTED, "value": noted},)}
    snapshot = seal([json.dumps(settings, indent=1, sort_keys=True).encode()], folder / snapshot_name, recipients)
    return (
        SealedFile(name=name, holds="settings", **backup.model_dump()),
        SealedFile(name=snapshot_name, holds="snapshot", **snapshot.model_dump()),
    )


def _download(box: SettingsBox, target: Path, passphrase: str, progress: Progress) -> None:
    target.unlink(missing_ok=True)
    try:
        box.download_backup(target, passphrase, lambda fraction, phase: progress(0.7 * fraction, phase))
        empty = target.stat().st_size == 0
    except OSError as error:
        raise storage_error(target, error) from error
    if empty:
        raise ApplianceError(
            "the box gave an empty settings backup", where=box.name, next_move="Look at its Software Management page."
        )


def _while_steady(box: SettingsBox, fetch: Callable[[], None]) -> Settings:
    """What the box shows, when it shows the same before and after `fetch`: a backup of a moving box is of no moment."""
    for _ in range(_ATTEMPTS):
        before = read_settings(box)
        fetch()
        if all(kind.same for kind in compare_settings(before, read_settings(box))):
            return before
    raise VerificationError(
        "the settings change while they are backed up",
        where=box.name,
        why=f"they were not the same before and after, {_ATTEMPTS} times",
        next_move="Ask who is changing them to pause, and run it again.",
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            yield piece


def read_settings(box: BackedUp) -> Settings:
    """What the box shows of its settings now."""
    return {kind: box.settings(kind) for kind in KINDS}


def compare_settings(before: Settings, after: Settings) -> tuple[RecordDifferences, ...]:
    """Kind by kind, record by record."""
    return tuple(compare_records(kind, before.get(kind, ()), after.get(kind, ())) for kind in KINDS)


def backed_up_settings(folder: Path, identities: Sequence[Identity]) -> Settings:
    """What the box showed of its settings when it was backed up; raises BackupError and its kin."""
    file = read_manifest(folder, "settings").file("snapshot")
    check_stored(folder, file)
    with unsealed(folder / file.name, identities, file) as stream:
        settings: Settings = json.loads(stream.read())
    return settings


def restore_settings(
    box: SettingsBox,
    folder: Path,
    identities: Sequence[Identity],
    passphrase: str,
    progress: Progress,
    *,
    scratch: Path | None = None,
) -> RestoredSettings:
    """Restores the backup in `folder` to the box, and compares record by record what it then holds.

    The backup is verified first; a damaged one never reaches the box. `passphrase` is the one the box put on it.
    `scratch` takes the opened backup for as long as the upload lasts (default: the system's temporary folder). Called
    again it restores again: equal settings on the pages say nothing about passwords, which no page shows, and the box
    takes all or nothing.
    """
    file = read_manifest(folder, "settings").file("settings")
    before = backed_up_settings(folder, identities)
    check_stored(folder, file)
    with scratch_folder(scratch) as private:
        opened = private / "settings"
        with unsealed(folder / file.name, identities, file) as stream, WholeFile(opened) as target:
            while piece := stream.read(_PIECE):
                target.write(piece)
            target.commit()
        progress(0.2, "opened")
        counts = box.restore_backup(opened, passphrase, lambda done, phase: progress(0.2 + 0.7 * done, phase))
    progress(0.9, "comparing")
    differences = compare_settings(before, read_settings(box))
    progress(1.0, "restored and compared")
    return RestoredSettings(counts=counts, differences=differences)
