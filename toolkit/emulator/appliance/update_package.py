"""Unpacks a verified package archive into the box's disk folder, encrypted, whole or not at all."""

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.emulator.appliance.sealed_files import SealedFiles, SealedWriter, sync_folder

_CHUNK = 1 << 18
_MANIFEST_BYTES_MAX = 1 << 20


class PackageDamagedError(Exception):
    """The archive is not what its manifest says, though its signature was right: the vendor packed it wrongly."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    sha256: str


class Manifest(BaseModel):
    """The first member of every archive, `manifest.json`: every other member with its size and SHA-256."""

    model_config = ConfigDict(extra="forbid")

    format: int
    kind: str
    version: str
    files: dict[str, _File]


def unpack(
    archive: BinaryIO, folder: Path, files: SealedFiles, progress: Callable[[float], None], *, kind: str, version: str
) -> None:
    """Unpacks into `folder`, which appears only when every file is there, checked and on the disk.

    Each member becomes a sealed file of its name, at `SealedFiles.opaque` of its name.

    Raises PackageDamagedError when archive and manifest differ or it holds another package, OSError from
    the disk.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=archive) as tar:
            manifest = _manifest(tar)
            if (manifest.kind, manifest.version) != (kind, version):
                raise PackageDamagedError(f"it holds {manifest.version}")
            _unpack_members(tar, manifest, partial, files, progress)
    except tarfile.TarError as error:
        raise PackageDamagedError(f"the archive cannot be read ({error})") from error
    sync_folder(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    sync_folder(folder.parent)


def _unpack_members(
    tar: tarfile.TarFile, manifest: Manifest, folder: Path, files: SealedFiles, progress: Callable[[float], None]
) -> None:
    left = dict(manifest.files)
    total, done = sum(file.size for file in left.values()) or 1, 0
    for member in tar:
        if member.name == "manifest.json":
            continue
        expected = left.pop(member.name, None)
        if expected is None or not member.isfile() or member.size != expected.size:
            raise PackageDamagedError(f"{member.name} is not what the manifest says")
        with files.writer(folder / files.opaque(member.name), member.name) as target:
            digest = _write_member(tar, member, target)
        if digest != expected.sha256:
            raise PackageDamagedError(f"{member.name} has not the hash that the manifest says")
        done += member.size
        progress(done / total)
    if left:
        raise PackageDamagedError(f"{min(left)} is in the manifest but not in the archive")


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    content = tar.extractfile(member) if member is not None and member.name == "manifest.json" else None
    if content is None:
        raise PackageDamagedError("the archive does not begin with its manifest")
    try:
        manifest = Manifest.model_validate_json(content.read(_MANIFEST_BYTES_MAX))
    except ValidationError as error:
        raise PackageDamagedError("the manifest cannot be read") from error
    for name in manifest.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or str(path) != name:
            raise PackageDamagedError(f"the manifest names a path outside the package: {name}")
    return manifest


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: SealedWriter) -> str:
    source = tar.extractfile(member)
    assert source is not None  # noqa: S101 - only regular files come here
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
    target.finish()
    return digest.hexdigest()
