"""Where a file lies in an ISO image (ECMA-119): enough to read it, or to write over it if it was put there for that."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from toolkit.model.errors import InputError

_SECTOR = 2048
_VOLUME = 16 * _SECTOR
_FOLDER_BYTES_MAX = 1 << 20


@dataclass(frozen=True)
class Place:
    """A file's bytes in the image."""

    offset: int
    size_bytes: int


def find_file(iso: Path, name: str) -> Place:
    """A file or folder of the image, by its ISO 9660 names in any case, `/` between them; raises InputError."""
    try:
        with iso.open("rb") as file:
            file.seek(_VOLUME)
            volume = file.read(_SECTOR)
            if volume[1:6] != b"CD001":
                raise InputError("this is no ISO image", where=str(iso), next_move="Build it: rebox image build NAME")
            place: Place | None = _place(volume[156:190])
            for part in name.split("/"):
                place = _within(file, place, part) if place else None
    except OSError as error:
        raise InputError(
            "the ISO image cannot be read", where=str(iso), why=error.strerror or "", next_move="Check its path."
        ) from None
    if place is None:
        raise InputError(f"this ISO image holds no {name}", where=str(iso), next_move="Is it the installer's?")
    return place


def _within(file: IO[bytes], folder: Place, name: str) -> Place | None:
    file.seek(folder.offset)
    for record in _records(file.read(min(folder.size_bytes, _FOLDER_BYTES_MAX))):
        named = record[33 : 33 + record[32]].partition(b";")[0].decode("ascii", errors="replace")
        # a name without an ending keeps its dot where it is written strictly (ECMA-119 7.5.1)
        if named.removesuffix(".").lower() == name.lower():
            return _place(record)
    return None


def _place(record: bytes) -> Place:
    return Place(int.from_bytes(record[2:6], "little") * _SECTOR, int.from_bytes(record[10:14], "little"))


def _records(folder: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(folder):
        length = folder[position]
        if length < 34:
            # no record goes over the end of a sector: the rest of it is empty
            position = (position // _SECTOR + 1) * _SECTOR
            continue
        yield folder[position : position + length]
        position += length
