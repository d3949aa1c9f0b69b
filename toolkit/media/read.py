"""Reads a stick: signature, manifest and every hash are verified before a byte is handed over; the target too."""

import fcntl
import hashlib
import mmap
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolkit.disks.volumes import Volume
from toolkit.media.cargo import MANIFEST, File, Manifest, read_manifest
from toolkit.media.carrier import READING, Carrier, told
from toolkit.media.hashing import hashed
from toolkit.media.progress import Counted
from toolkit.media.standing import State, standing
from toolkit.model.errors import InputError, RefusedError, StorageError, UnknownStateError, VerificationError
from toolkit.model.execution import Progress
from toolkit.signing import open_signed
from toolkit.storage.entries import still_is, sync_folder
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import WholeFile

_PIECE = 1 << 20
_Take = Callable[[bytes], None]
_NOT_TAKEN = "what the stick carries cannot be put there"


@dataclass(frozen=True)
class Checked:
    """A cargo of which every byte was read and verified."""

    manifest: Manifest
    signer: str


def look(carrier: Carrier, trusted: Collection[str], *, copied: bool = False) -> Checked:
    """What the stick says that it carries; signature and place are verified, the files are not read."""
    with told(carrier.name, READING), carrier.open(writing=False) as volume:
        return _opened(carrier, volume, trusted, copied=copied)


def verify(carrier: Carrier, trusted: Collection[str], progress: Progress, *, copied: bool = False) -> Checked:
    """Reads all of it; raises UnknownStateError when nothing is there, VerificationError, MediaError."""
    with told(carrier.name, READING), carrier.open(writing=False) as volume:
        checked = _opened(carrier, volume, trusted, copied=copied)
        bar = Counted(progress, checked.manifest.size_bytes)
        for file in checked.manifest.files:
            _prove(carrier, volume, file, bar.counter(f"reading {file.name}"))
    progress(1.0, "")
    return checked


def read(
    carrier: Carrier, target: Path, trusted: Collection[str], progress: Progress, *, copied: bool = False
) -> Checked:
    """Puts it into a new folder, whole or not at all; raises as `verify` does, and InputError, StorageError."""
    with _new_folder(target) as temporary, told(carrier.name, READING), carrier.open(writing=False) as volume:
        checked = _opened(carrier, volume, trusted, copied=copied)
        _check_room(target, checked.manifest)
        bar = Counted(progress, 2 * checked.manifest.size_bytes)
        for file in checked.manifest.files:
            proven = partial(_prove, carrier, volume, file)
            _take(proven, temporary / file.name, target, bar.counter(f"reading {file.name}"))
        for file in checked.manifest.files:
            _compare(temporary / file.name, target, file, bar)
    progress(1.0, "")
    return checked


def _opened(carrier: Carrier, volume: Volume, trusted: Collection[str], *, copied: bool) -> Checked:
    found = standing(volume)
    if found.state is State.EMPTY:
        raise UnknownStateError(
            "nothing was written to this stick", where=carrier.name, next_move="Look whether it is the right one."
        )
    if found.state is State.UNFINISHED:
        raise VerificationError(
            "what is on this stick was not completed",
            where=carrier.name,
            why="the marker that is written last is missing, or does not fit the manifest",
            next_move="Write it again; do not use what is there.",
        )
    document, signer = open_signed(found.manifest, trusted, f"{carrier.name}: {MANIFEST}")
    manifest = read_manifest(document, carrier.name)
    if manifest.volume.uuid != carrier.volume_uuid and not copied:
        raise VerificationError(
            "this was written to another stick",
            where=carrier.name,
            why=f"it was written to the file system {manifest.volume.uuid}, and this is {carrier.volume_uuid}",
            next_move="When you have copied it yourself, give --copied.",
        )
    return Checked(manifest, signer)


def _prove(carrier: Carrier, volume: Volume, file: File, take: _Take) -> None:
    """Has a file's bytes taken, joined from its parts; raises VerificationError at the first part that is another."""
    whole = hashlib.sha256()
    for part in file.parts:
        digest, size = whole if len(file.parts) == 1 else hashlib.sha256(), 0
        with hashed(volume.read(part.name), {whole, digest}) as passing:
            for piece in passing:
                size += len(piece)
                if size > part.size_bytes:
                    break
                take(piece)
        if (size, digest.hexdigest()) != (part.size_bytes, part.sha256):
            raise _altered(carrier, file, f"{part.name} is not what was written")
    if whole.hexdigest() != file.sha256:
        raise _altered(carrier, file, "its parts do not make up the file")


def _altered(carrier: Carrier, file: File, why: str) -> VerificationError:
    return VerificationError(
        "the stick does not hold what was written to it",
        where=f"{carrier.name}: {file.name}",
        why=why,
        next_move="Do not use it; take another copy.",
    )


def _check_room(target: Path, manifest: Manifest) -> None:
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise storage_error(target, error, what=_NOT_TAKEN) from None
    if manifest.size_bytes > free:
        raise StorageError(
            _NOT_TAKEN,
            where=str(target),
            why=f"it has {manifest.size_bytes / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free",
            next_move="Free space, or name another folder.",
        )


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder that gets its name when all went well, and is taken away when not; one reader at a time."""
    if os.path.lexists(target):
        raise InputError(
            "something is there already", where=str(target), next_move="Name a folder that is not there yet."
        )
    temporary = target.with_name(f".{target.name}.part")
    try:
        descriptor = _alone(temporary, target)
    except OSError as error:
        raise storage_error(target, error, what=_NOT_TAKEN) from None
    try:
        yield temporary
        try:
            _sync(temporary)
            temporary.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            raise storage_error(target, error, what=_NOT_TAKEN) from None
    finally:
        if still_is(temporary, descriptor):
            shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def _alone(temporary: Path, target: Path) -> int:
    """The new folder, held; what a killed reader left is cleared away."""
    temporary.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RefusedError(
            "another command is putting something there", where=str(target), next_move="Wait for it to end."
        ) from None
    for entry in temporary.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return descriptor


def _take(proven: Callable[[_Take], None], path: Path, target: Path, count: _Take) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(target, error, what=_NOT_TAKEN) from None
    with WholeFile(path, replace=False, what=_NOT_TAKEN) as whole:

        def take(piece: bytes) -> None:
            whole.write(piece)
            count(piece)

        proven(take)
        whole.commit()


def _compare(path: Path, target: Path, file: File, bar: Counted) -> None:
    """Reads it back from the disk that it was put on, past what the kernel remembers where the disk allows it."""
    digest, buffer = hashlib.sha256(), mmap.mmap(-1, _PIECE)
    try:
        descriptor = _open_direct(path)
        try:
            while count := os.readv(descriptor, [buffer]):
                digest.update(memoryview(buffer)[:count])
                bar.add(count, f"verifying {file.name}")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(target, error, what=_NOT_TAKEN) from None
    if digest.hexdigest() != file.sha256:
        raise VerificationError(
            "the disk does not hold what was written to it",
            where=f"{target}: {file.name}",
            next_move="Name a folder on another disk.",
        )


def _open_direct(path: Path) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError:  # a file system without it
        descriptor = os.open(path, flags)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return descriptor


def _sync(folder: Path) -> None:
    for below, _, _ in os.walk(folder):
        sync_folder(Path(below))
