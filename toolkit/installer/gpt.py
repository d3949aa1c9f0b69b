"""A partition table that grows with its disk and gets more partitions (UEFI specification 2.10, chapter 5)."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4
from zlib import crc32

from toolkit.disks.refusal import Failed

SECTOR = 512
HEAD_BYTES = 1 << 20
"""What lies before the first partition: boot code, protective partition table, header and entries."""
TABLE_SECTORS = 33
BASIC_DATA = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
LINUX = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_PROTECTIVE = slice(446, 462)


@dataclass(frozen=True)
class Partition:
    """One to add; `start` and `size` in bytes."""

    name: str
    kind: UUID
    start: int
    size: int


def grown(
    head: bytes, disk_bytes: int, partitions: Sequence[Partition], identity: Callable[[], UUID] = uuid4
) -> tuple[bytes, bytes]:
    """The disk's new first MiB, and its new last sectors; `head` is the first MiB of the image. Raises Failed."""
    signature, revision, size, crc, _, own, _, first, _, disk, entries_at, count, entry_size, _ = _HEADER.unpack_from(
        head, SECTOR
    )
    if signature != b"EFI PART" or (own, entries_at, count, entry_size) != (1, 2, 128, _ENTRY.size):
        raise Failed("the image has no partition table of the kind that the installer can add to")
    if crc != crc32(_zeroed(head[SECTOR : SECTOR + size])):
        raise Failed("the image's partition table is damaged")
    entries = bytearray(head[entries_at * SECTOR : entries_at * SECTOR + count * entry_size])
    free = [number for number in range(count) if not any(entries[number * entry_size : number * entry_size + 16])]
    for number, partition in zip(free, partitions, strict=False):
        begin, end = partition.start // SECTOR, (partition.start + partition.size) // SECTOR - 1
        name = partition.name.encode("utf-16-le")
        _ENTRY.pack_into(
            entries, number * entry_size, partition.kind.bytes_le, identity().bytes_le, begin, end, 0, name
        )
    last = disk_bytes // SECTOR - 1

    def header(here: int, there: int, entries_here: int) -> bytes:
        fields = (signature, revision, size, 0, 0, here, there, first, last - TABLE_SECTORS, disk, entries_here)
        plain = _HEADER.pack(*fields, count, entry_size, crc32(entries))
        return (plain[:16] + struct.pack("<I", crc32(plain)) + plain[20:]).ljust(SECTOR, b"\0")

    new = bytearray(head)
    # its sectors are counted by 32 bits; more of them are written as all ones
    new[_PROTECTIVE] = head[446:458] + struct.pack("<I", min(last, 0xFFFFFFFF))
    new[SECTOR : 2 * SECTOR] = header(1, last, 2)
    new[2 * SECTOR : 2 * SECTOR + len(entries)] = entries
    return bytes(new), bytes(entries) + header(last, 1, last - TABLE_SECTORS + 1)


def _zeroed(header: bytes) -> bytes:
    return header[:16] + bytes(4) + header[20:]
