"""What a stick carries, as data: a marker for whoever looks, and a manifest of every file and its parts.

Both come from sticks of strangers: nothing is believed that is too large, too many, or leads out of a folder.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from toolkit.model.errors import VerificationError
from toolkit.model.problems import first_problem

FORMAT: Literal["rebox-media-1"] = "rebox-media-1"
MARKER, MANIFEST = "rebox.txt", "manifest.json"
MARKER_BYTES_MAX, MANIFEST_BYTES_MAX = 4096, 8 << 20
FILES_MAX, PARTS_MAX = 5000, 8000
PART_BYTES = (4 << 30) - (1 << 20)
"""FAT32 holds files of less than 4 GiB."""
_BYTES_MAX = 1 << 50
_NAME_BYTES_MAX, _DEPTH_MAX, _PIECE_BYTES_MAX = 1000, 20, 200
_STORED = re.compile(r"(?P<cargo>[0-9a-f]{8})-[0-9]{4}-[a-z0-9._-]{1,47}")
_MARKER = re.compile(
    r"cargo: (?P<cargo>[0-9a-f]{8})\nkind: (?P<kind>[a-z]+)\nmanifest-sha256: (?P<sha256>[0-9a-f]{64})\n"
)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Words = Annotated[str, Field(max_length=500)]


class Kind(StrEnum):
    """What it is carried for."""

    BACKUP = "backup"
    CERTIFICATE = "certificate"
    PACKAGES = "packages"
    FREE = "free"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(_Data):
    """A file on the stick."""

    name: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9]{4}-[a-z0-9._-]{1,47}$")]
    size_bytes: Annotated[int, Field(ge=1, lt=1 << 42)]
    sha256: Sha256


class File(_Data):
    """A file that is carried: its parts, joined in their order."""

    name: str
    size_bytes: Annotated[int, Field(ge=0, le=_BYTES_MAX)]
    sha256: Sha256
    parts: tuple[Part, ...]

    @field_validator("name")
    @classmethod
    def _name_stays_below(cls, name: str) -> str:
        return check_path(name)

    @model_validator(mode="after")
    def _parts_are_the_file(self) -> "File":
        if sum(part.size_bytes for part in self.parts) != self.size_bytes:
            raise ValueError("the parts are not as large as the file")
        return self


class VolumeFacts(_Data):
    """The file system that it was written to."""

    uuid: Words
    kind: Words


class Manifest(_Data):
    """What is on a stick, signed by who wrote it."""

    format: Literal["rebox-media-1"]
    cargo: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    kind: Annotated[Kind, Field(strict=False)]
    source: Words
    made_by: Words
    created: Annotated[AwareDatetime, Field(strict=False)]
    volume: VolumeFacts
    files: Annotated[tuple[File, ...], Field(min_length=1, max_length=FILES_MAX)]

    @model_validator(mode="after")
    def _each_is_there_once(self) -> "Manifest":
        parts = self.parts()
        names = [file.name for file in self.files]
        stored = {part.name for part in parts}
        if len(parts) > PARTS_MAX or len(stored) != len(parts) or len({*names}) != len(names):
            raise ValueError("a name is there twice, or there are too many")
        folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
        if folders & {*names}:
            raise ValueError("a name is a file's and a folder's")
        if any(not name.startswith(f"{self.cargo}-") for name in stored):
            raise ValueError("a part belongs to another cargo")
        return self

    def parts(self) -> tuple[Part, ...]:
        """Those of all files."""
        return tuple(part for file in self.files for part in file.parts)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class Marker:
    """How a stick is recognised: which cargo is complete on it."""

    cargo: str
    kind: str
    manifest_sha256: str

    def content(self) -> bytes:
        """As it lies on the stick, for people too."""
        return (
            f"This stick carries a {self.kind} of rebox. Leave this folder as it is;\n"
            "rebox media verify says whether all of it is there, rebox media read takes it off.\n\n"
            f"cargo: {self.cargo}\nkind: {self.kind}\nmanifest-sha256: {self.manifest_sha256}\n"
        ).encode()


def read_marker(content: bytes) -> Marker | None:
    """The marker, or None when it is none."""
    found = _MARKER.search(content[:MARKER_BYTES_MAX].decode("ascii", errors="replace").replace("\r\n", "\n"))
    return Marker(found["cargo"], found["kind"], found["sha256"]) if found else None


def read_manifest(document: dict[str, Any], where: str) -> Manifest:
    """A signed document's content; raises VerificationError."""
    try:
        return Manifest.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise VerificationError(
            "the manifest cannot be used",
            where=where,
            why=first_problem(error, "manifest")[:300],
            next_move="It is signed, but by another rebox: use the version that wrote it.",
        ) from None


def check_path(name: str) -> str:
    """A file's name with its folders, that stays below wherever it is put; raises ValueError."""
    pieces = name.split("/")
    if not name or len(name.encode(errors="surrogatepass")) > _NAME_BYTES_MAX or len(pieces) > _DEPTH_MAX:
        raise ValueError("the name is empty or too long")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name) or "\\" in name:
        raise ValueError("the name has signs that no name has")
    if any(piece in {"", ".", ".."} or len(piece.encode()) > _PIECE_BYTES_MAX for piece in pieces):
        raise ValueError("the name leads out of its folder")
    return name


def stored_name(cargo: str, number: int, name: str, part: int, parts: int) -> str:
    """How a part is called on the stick: still readable, and the same on every file system."""
    readable = re.sub(r"[^a-z0-9._-]+", "-", name.rpartition("/")[2].lower())[-43:].strip("-.") or "file"
    return f"{cargo}-{number:04}-{readable}" + (f".{part:03}" if parts > 1 else "")


def cargo_of(stored: str) -> str | None:
    """Whose part a file on the stick is; None when it is no part."""
    found = _STORED.match(stored.lstrip("."))
    return found["cargo"] if found else None


def is_ours(stored: str) -> bool:
    """Whether a file in the folder was written by us, also one that was cut off."""
    name = stored.lstrip(".").removesuffix("-part")
    return name in {MARKER, MANIFEST} or cargo_of(stored) is not None


def part_sizes(size_bytes: int, part_bytes: int) -> Sequence[int]:
    """How a file is split: parts of `part_bytes`, the last one smaller; none of an empty file."""
    whole, rest = divmod(size_bytes, part_bytes)
    return [part_bytes] * whole + ([rest] if rest else [])


def at(moment: datetime) -> datetime:
    """Without fractions of a second, as it is told."""
    return moment.replace(microsecond=0)
