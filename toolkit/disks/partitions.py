"""Partitions as they stand in the table of an image (MBR; UEFI 2.10, section 5: GPT), read without the kernel."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from toolkit.disks.refusal import Failed

_SECTOR = 512
_TABLE_OFFSET, _ENTRY_BYTES, _SIGNATURE = 446, 16, b"\x55\xaa"
_PROTECTIVE, _EXTENDED = 0xEE, frozenset({0x05, 0x0F, 0x85})
_GPT_ENTRIES_MAX, _GPT_ENTRY_BYTES_MAX = 128, 512


@dataclass(frozen=True)
class Partition:
    """Where one lies."""

    offset_bytes: int
    size_bytes: int


def partitions(image: Path) -> list[Partition]:
    """Those of an image with sectors of 512 bytes that lie within it; none without a table. Raises Failed."""
    try:
        with image.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(0)
            entries = _mbr(file.read(_SECTOR))
            found = _gpt(file) if any(kind == _PROTECTIVE for kind, _ in entries) else [part for _, part in entries]
    except OSError as error:
        raise Failed(f"{image} cannot be read: {error.strerror}") from None
    return [part for part in found if 0 < part.offset_bytes < part.offset_bytes + part.size_bytes <= end]


def _mbr(sector: bytes) -> list[tuple[int, Partition]]:
    """Type and place of the primary partitions that hold something themselves."""
    if len(sector) < _SECTOR or sector[-2:] != _SIGNATURE:
        return []
    found = []
    for number in range(4):
        begin = _TABLE_OFFSET + number * _ENTRY_BYTES
        kind, start, count = struct.unpack("<4xB3xII", sector[begin : begin + _ENTRY_BYTES])
        if kind and kind not in _EXTENDED:
            found.append((kind, Partition(start * _SECTOR, count * _SECTOR)))
    return found


def _gpt(file: BinaryIO) -> list[Partition]:
    file.seek(_SECTOR)
    header = file.read(_SECTOR)
    if len(header) < _SECTOR or header[:8] != b"EFI PART":
        return []
    start, count, size = struct.unpack("<72xQII", header[:88])
    if count > _GPT_ENTRIES_MAX or not 128 <= size <= _GPT_ENTRY_BYTES_MAX:
        return []
    file.seek(start * _SECTOR)
    table = file.read(count * size)
    found = []
    for begin in range(0, len(table) - 127, size):
        kind, first, last = struct.unpack("<16s16xQQ", table[begin : begin + 48])
        if any(kind):
            found.append(Partition(first * _SECTOR, (last - first + 1) * _SECTOR))
    return found
