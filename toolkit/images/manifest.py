"""What is recorded beside an image: its files with their hashes, the exact packages, and what it was built from."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.images.debian import DebianPackage
from toolkit.images.python_packages import PythonPackage
from toolkit.model.errors import InputError
from toolkit.storage.given_file import read_given

DISK, ISO = "disk.raw", "installer.iso"
KERNEL, INITRD = "vmlinux", "initrd"
"""Disk and ISO start by themselves; a virtual machine that is handed kernel and initrd starts sooner."""
_LIST_BYTES_MAX = 16 << 20
PACKAGES, SBOM, MANIFEST = "packages.json", "sbom.cdx.json", "manifest.json"
_PIECE = 1 << 20


class PackageList(BaseModel):
    """Every package of an image, exactly. The same list and the same recipe give the same image, bit by bit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    debian: tuple[DebianPackage, ...]
    python: tuple[PythonPackage, ...] = ()
    contained: "PackageList | None" = None
    """Those of the image that lies in this one."""

    def all(self) -> list[DebianPackage | PythonPackage]:
        """Debian's and Python's, each once, with those of the image contained."""
        within = [] if self.contained is None else self.contained.all()
        return list({(one.name, one.sha256): one for one in (*self.debian, *self.python, *within)}.values())

    def as_bytes(self) -> bytes:
        """The list as it is written down."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), indent=1, sort_keys=True).encode() + b"\n"


class FileRecord(BaseModel):
    """One file of an image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What an image is: `files` by name, the first of them the image itself.

    `recipe_sha256` is the recipe's hash, `command_line` the kernel's, `root_uuid` the root file system's (a disk's).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    recipe_sha256: str
    kernel_version: str
    command_line: str
    root_uuid: str = ""
    build_seconds: float
    files: dict[str, FileRecord]

    @property
    def image(self) -> str:
        """The name of the raw disk or ISO."""
        return next(iter(self.files))

    @property
    def sha256(self) -> str:
        """The raw disk's or ISO's."""
        return self.files[self.image].sha256


def record(path: Path) -> FileRecord:
    """A file's size and hash."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return FileRecord(size_bytes=path.stat().st_size, sha256=digest.hexdigest())


def records(paths: Iterable[Path]) -> dict[str, FileRecord]:
    """By file name, sorted."""
    return {path.name: record(path) for path in sorted(paths)}


def read_manifest(folder: Path) -> Manifest | None:
    """An image's manifest; None when there is none, or it is unreadable: what has none is no image."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def read_packages(path: Path) -> PackageList:
    """A recorded list; raises InputError."""
    try:
        return PackageList.model_validate_json(read_given(path, bytes_max=_LIST_BYTES_MAX))
    except ValidationError as error:
        raise InputError(
            "this is no package list",
            where=str(path),
            why=error.errors(include_input=False)[0]["msg"],
            next_move=f"Give the {PACKAGES} that lies beside an image.",
        ) from None
