"""Reads a backup back from the disk and says whether every byte is as it was written."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from toolkit.appliances.protocol import Progress
from toolkit.backup.age import Identity
from toolkit.backup.errors import unreadable
from toolkit.backup.folder import leftovers, sha256_on_disk
from toolkit.backup.manifest import NAME, Manifest, SealedFile, find_manifest, read_manifest
from toolkit.backup.sealed import read_through, unsealed
from toolkit.model.errors import BackupError
from toolkit.model.verdict import Verdict, combine

_AGAIN = "Take another copy of the backup."


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileCheck(_Frozen):
    """One file: `stored` is about the bytes on the disk, `content` about what comes out when it is opened."""

    name: str
    size_bytes: int
    stored: Verdict
    content: Verdict


class Verification(_Frozen):
    """What was read back. Without an identity the contents are skipped, the stored bytes are not."""

    folder: str
    kind: str
    files: tuple[FileCheck, ...]
    complete: bool
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """FAILED while the extraction of records has not been completed."""
        if not self.complete:
            return Verdict.FAILED
        return combine(verdict for file in self.files for verdict in (file.stored, file.content))


def backup_folders(folder: Path) -> tuple[Path, ...]:
    """`folder` when it holds a manifest, else the folders directly in it that do.

    Raises NoBackupError for none, PermissionDeniedError when one cannot be looked into.
    """
    if find_manifest(folder) is not None:
        return (folder,)
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    except OSError as error:
        raise unreadable(folder, error) from None
    found = tuple(path for path in inside if find_manifest(path) is not None)
    if not found:
        read_manifest(folder)  # says that there is none
    return found


def verify(
    folder: Path, identities: Sequence[Identity] | None = None, progress: Progress | None = None
) -> Verification:
    """Every file of one backup folder against its manifest; with identities also what comes out of them.

    Raises BackupError naming the first damaged file, and how many others are; WrongIdentityError when the identities
    do not open it.
    """
    manifest = read_manifest(folder)
    checks = [
        FileCheck(name=NAME, size_bytes=(folder / NAME).stat().st_size, stored=Verdict.PASSED, content=Verdict.PASSED)
    ]
    damages: list[BackupError] = []
    report = _Share(manifest.files, opening=bool(identities), progress=progress)
    for file in manifest.files:
        try:
            check_stored(folder, file)
            report.add(file.size_bytes, f"{file.name}: as stored")
            if identities:
                check_content(folder, file, identities, partial(report.add, phase=f"{file.name}: opened"))
        except BackupError as error:
            if type(error) is not BackupError:
                raise  # about the identity, not about the file
            damages.append(error)
        content = Verdict.PASSED if identities else Verdict.SKIPPED
        checks.append(FileCheck(name=file.name, size_bytes=file.size_bytes, stored=Verdict.PASSED, content=content))
    if damages:
        raise _first_of(damages)
    return Verification(
        folder=str(folder),
        kind=manifest.kind,
        files=tuple(checks),
        complete=manifest.complete,
        notes=tuple(_notes(folder, manifest)),
    )


def check_stored(folder: Path, file: SealedFile) -> None:
    """Raises BackupError when the bytes on the disk are not those that were written."""
    check_there(folder, file)
    path = folder / file.name
    try:
        sha256 = sha256_on_disk(path)
    except OSError as error:
        raise unreadable(path, error, next_move=_AGAIN) from None
    if sha256 != file.sha256:
        raise BackupError(
            "it was altered",
            where=str(path),
            why=f"its SHA-256 is {sha256[:16]}… and not {file.sha256[:16]}…",
            next_move=_AGAIN,
        )


def check_there(folder: Path, file: SealedFile) -> None:
    """The quick look: raises BackupError when the file is missing or has another size than it was written with."""
    path = folder / file.name
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise BackupError("it is missing", where=str(path), why=error.strerror or "", next_move=_AGAIN) from None
    except OSError as error:
        raise unreadable(path, error, next_move=_AGAIN) from None
    if size != file.size_bytes:
        raise BackupError(
            "it has another size than it was written with",
            where=str(path),
            why=f"{size} of {file.size_bytes} bytes",
            next_move=_AGAIN,
        )


def check_content(folder: Path, file: SealedFile, identities: Sequence[Identity], read: Callable[[int], None]) -> None:
    """Opens the file and reads it to the end; `read` is told the size of each piece. Raises as `unsealed` does."""
    with unsealed(folder / file.name, identities, file) as stream:
        for size in read_through(stream):
            read(size)


def _first_of(damages: Sequence[BackupError]) -> BackupError:
    first, *others = damages
    if not others:
        return first
    names = ", ".join(Path(error.where).name for error in others[:5])
    more = f"{first.why}; also damaged: {names}" + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return BackupError(first.what, where=first.where, why=more, next_move=first.next_move)


def _notes(folder: Path, manifest: Manifest) -> Iterator[str]:
    if not manifest.complete:
        yield "The extraction was interrupted: run it again, it goes on where it stopped."
    known = {file.name for file in manifest.files} | {NAME}
    try:
        strangers = sorted(path.name for path in folder.iterdir() if path.name not in known and path.name[0] != ".")
    except OSError as error:
        raise unreadable(folder, error) from None
    if strangers:
        yield f"Not part of the backup: {', '.join(strangers[:10])}."
    if leftovers(folder):
        yield "An interrupted run left unfinished files (.part); the next run removes them."


class _Share:
    """Turns bytes read into a fraction of the whole work."""

    def __init__(self, files: Sequence[SealedFile], *, opening: bool, progress: Progress | None) -> None:
        self._total = sum(file.size_bytes + (file.plain_size_bytes if opening else 0) for file in files) or 1
        self._done = 0
        self._progress = progress

    def add(self, size_bytes: int, phase: str) -> None:
        self._done += size_bytes
        if self._progress is not None:
            self._progress(self._done / self._total, phase)
