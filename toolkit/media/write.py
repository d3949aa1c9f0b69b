"""Writes to a stick what is to be carried, and says so only after every byte was read back from the stick itself.

Order: the parts; unmounted, forgotten, read back and compared; then the signed manifest and, last, the marker that
names it by its hash; both read back. Cut off anywhere before, the stick has no marker that fits, and counts as
unfinished. An earlier cargo stays whole until the new one's parts are proven.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from toolkit.disks.volumes import Damaged, Full, Volume
from toolkit.media.cargo import (
    FORMAT,
    MANIFEST,
    MARKER,
    PART_BYTES,
    PARTS_MAX,
    File,
    Kind,
    Manifest,
    Marker,
    Part,
    VolumeFacts,
    at,
    cargo_of,
    part_sizes,
    stored_name,
)
from toolkit.media.carrier import WRITING, Carrier, told
from toolkit.media.hashing import hashed
from toolkit.media.progress import Counted
from toolkit.media.sources import Source
from toolkit.media.standing import Standing, State, small, standing
from toolkit.model.errors import InputError, RefusedError, VerificationError
from toolkit.model.execution import Progress
from toolkit.signing import SigningKey

_PER_PART_BYTES, _RESERVE_BYTES = 128 << 10, 1 << 20  # the rest of a cluster; folders, manifest, marker


@dataclass(frozen=True)
class Purpose:
    """What goes into the manifest besides the files."""

    kind: Kind
    source: str
    made_by: str
    created: datetime


def write(
    carrier: Carrier,
    given: Sequence[Source],
    purpose: Purpose,
    key: SigningKey,
    progress: Progress,
    *,
    part_bytes: int = PART_BYTES,
    replace: bool = False,
) -> Manifest:
    """What was written and read back; raises InputError, RefusedError, MediaError, VerificationError."""
    counts = [len(part_sizes(source.size_bytes, part_bytes)) for source in given]
    if sum(counts) > PARTS_MAX:
        raise InputError(
            "this is too much for a stick",
            where=carrier.name,
            why=f"it would be more than {PARTS_MAX} files on it",
            next_move="Put many small files into one archive, and carry that.",
        )
    bar = Counted(progress, 2 * sum(source.size_bytes for source in given))
    with told(carrier.name, WRITING):
        with carrier.open(writing=True) as volume:
            found = standing(volume)
            cargo = _new_cargo(carrier, found, replace=replace)
            _clear(
                volume, found, keep={found.marker.cargo} if found.state is State.COMPLETE and found.marker else set()
            )
            _check_room(volume, given, sum(counts))
            writer = _Writer(volume, cargo, part_bytes, bar)
            files = tuple(writer.write(number, source) for number, source in enumerate(given, start=1))
        manifest = Manifest(
            format=FORMAT,
            cargo=cargo,
            kind=purpose.kind,
            source=purpose.source,
            made_by=purpose.made_by,
            created=at(purpose.created),
            volume=VolumeFacts(uuid=carrier.volume_uuid, kind=carrier.volume_kind),
            files=files,
        )
        with carrier.open(writing=False) as volume:
            _compare(carrier, volume, manifest, bar)
        _seal(carrier, manifest, key)
    progress(1.0, "")
    return manifest


def _new_cargo(carrier: Carrier, found: Standing, *, replace: bool) -> str:
    if found.state is State.COMPLETE and found.marker and not replace:
        raise RefusedError(
            f"this stick carries a {found.marker.kind} already",
            where=carrier.name,
            why="what is complete on a stick may be the only copy",
            next_move="Read it off first and give --replace, or take another stick.",
        )
    while True:
        cargo = secrets.token_hex(4)
        if all(cargo_of(name) != cargo for name in found.names):
            return cargo


def _clear(volume: Volume, found: Standing, keep: set[str]) -> None:
    """Takes away what was cut off; marker and manifest of a complete cargo are kept with it."""
    for name in found.names:
        sealed = keep and name in {MARKER, MANIFEST}
        if not sealed and cargo_of(name) not in keep:
            volume.remove(name)


def _check_room(volume: Volume, given: Sequence[Source], parts: int) -> None:
    needed = sum(source.size_bytes for source in given) + (parts + len(given)) * _PER_PART_BYTES + _RESERVE_BYTES
    free = volume.free_bytes()
    if needed > free:
        raise Full(f"it needs {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free")


@dataclass(frozen=True)
class _Writer:
    """Splits files and writes their parts, hashing as the bytes go by."""

    volume: Volume
    cargo: str
    part_bytes: int
    bar: Counted

    def write(self, number: int, source: Source) -> File:
        pieces, whole = source.read(), hashlib.sha256()
        rest = _Rest(pieces)
        sizes = part_sizes(source.size_bytes, self.part_bytes)
        parts = []
        for count, size in enumerate(sizes, start=1):
            digest = whole if len(sizes) == 1 else hashlib.sha256()
            name = stored_name(self.cargo, number, source.name, count, len(sizes))
            with hashed(rest.take(size), {whole, digest}) as passing:
                self.volume.write(name, self._counted(passing, source.name))
            parts.append(Part(name=name, size_bytes=size, sha256=digest.hexdigest()))
        for _ in pieces:  # the last look: whether it has grown
            pass
        return File(name=source.name, size_bytes=source.size_bytes, sha256=whole.hexdigest(), parts=tuple(parts))

    def _counted(self, pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            self.bar.add(len(piece), f"writing {name}")


class _Rest:
    """What is still to come of a file, handed out by number of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._kept = pieces, b""

    def take(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._kept or next(self._pieces)
            self._kept = piece[size:]
            yield piece[:size]
            size -= min(size, len(piece))


def _compare(carrier: Carrier, volume: Volume, manifest: Manifest, bar: Counted) -> None:
    for file in manifest.files:
        for part in file.parts:
            digest, size = hashlib.sha256(), 0
            with hashed(volume.read(part.name), {digest}) as passing:
                for piece in passing:
                    size += len(piece)
                    bar.add(len(piece), f"reading back {file.name}")
            if (size, digest.hexdigest()) != (part.size_bytes, part.sha256):
                raise VerificationError(
                    "the stick does not hold what was written to it",
                    where=carrier.name,
                    why=f"{file.name} came back as {size} bytes of another content",
                    next_move="Throw the stick away, and take another one.",
                )


def _seal(carrier: Carrier, manifest: Manifest, key: SigningKey) -> None:
    """Manifest, then marker, then what was there before goes; both are read back from the stick."""
    signed = key.sign(manifest.model_dump(mode="json"))
    marker = Marker(manifest.cargo, manifest.kind.value, hashlib.sha256(signed).hexdigest())
    with carrier.open(writing=True) as volume:
        volume.write(MANIFEST, (signed,))
        volume.write(MARKER, (marker.content(),))
        _clear(volume, Standing(State.COMPLETE, standing(volume).names), keep={manifest.cargo})
    with carrier.open(writing=False) as volume:
        missing = {part.name for part in manifest.parts()} - {*volume.names()}
        if missing or small(volume, MANIFEST, len(signed)) != signed or read_back(volume) != marker:
            raise Damaged("its manifest did not come back as it was written")


def read_back(volume: Volume) -> Marker | None:
    """The marker of what is complete on a stick."""
    return standing(volume).marker
