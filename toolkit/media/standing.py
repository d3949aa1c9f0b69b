"""How it stands with a stick: nothing of ours on it, something that was cut off, or a cargo that was completed."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from toolkit.disks.volumes import Damaged, Volume
from toolkit.media.cargo import MANIFEST, MANIFEST_BYTES_MAX, MARKER, MARKER_BYTES_MAX, Marker, is_ours, read_marker


class State(StrEnum):
    """The marker is written last, and names the manifest by its hash: without both nothing is complete."""

    EMPTY = "empty"
    UNFINISHED = "unfinished"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Standing:
    """What was found; `manifest` is the file's bytes, of which nothing but the hash was checked."""

    state: State
    names: tuple[str, ...] = ()
    marker: Marker | None = None
    manifest: bytes = b""


def standing(volume: Volume) -> Standing:
    """Reads marker and manifest; raises Failed when the stick does not read."""
    names = volume.names()
    ours = tuple(name for name in names if is_ours(name))
    if not ours:
        return Standing(State.EMPTY)
    if not {MARKER, MANIFEST} <= {*ours}:
        return Standing(State.UNFINISHED, ours)
    marker = read_marker(small(volume, MARKER, MARKER_BYTES_MAX))
    manifest = small(volume, MANIFEST, MANIFEST_BYTES_MAX)
    if marker is None or hashlib.sha256(manifest).hexdigest() != marker.manifest_sha256:
        return Standing(State.UNFINISHED, ours, marker)
    return Standing(State.COMPLETE, ours, marker, manifest)


def small(volume: Volume, name: str, bytes_max: int) -> bytes:
    """A file that is no larger; raises Damaged."""
    content = bytearray()
    for piece in volume.read(name):
        content += piece
        if len(content) > bytes_max:
            raise Damaged(f"{name} is larger than {bytes_max} bytes")
    return bytes(content)
