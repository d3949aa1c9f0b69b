"""A small file of a fixed size that holds the last state of a watch, written in place.

Its blocks are taken when the watch starts, so that a disk that fills up later cannot take the figures away. Two places
are written in turn, each with a checksum: a kill in the middle of a write leaves the state before it.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

_HEAD = struct.Struct("<4sQII")
_MARK = b"RBWS"


class StateFile:
    """The writer's side; raises OSError when the file cannot be made."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._place_bytes = bytes_max // 2
        self._written = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.posix_fallocate(self._file, 0, 2 * self._place_bytes)

    def write(self, state: dict[str, Any]) -> None:
        """Puts down a whole state; raises OSError, also when it is larger than its place."""
        content = zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 1)
        if _HEAD.size + len(content) > self._place_bytes:
            raise OSError("the state of the watch is larger than its place")
        head = _HEAD.pack(_MARK, self._written, len(content), zlib.crc32(content))
        os.pwrite(self._file, head + content, self._written % 2 * self._place_bytes)
        self._written += 1


def read_state(path: Path) -> dict[str, Any] | None:
    """The last state that was written whole; None when there is none."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    found: tuple[int, dict[str, Any]] | None = None
    for start in (0, len(data) // 2):
        place = data[start : start + len(data) // 2]
        if len(place) < _HEAD.size:
            continue
        mark, number, size, checksum = _HEAD.unpack_from(place)
        content = place[_HEAD.size : _HEAD.size + size]
        if mark == _MARK and zlib.crc32(content) == checksum and (found is None or number > found[0]):
            found = number, json.loads(zlib.decompress(content))
    return found[1] if found else None
