"""Reads a FAT volume by itself, past the kernel's memory (Microsoft, FAT32 File System Specification, 1.03).

By another hand than what writes one: mtools says that all went well when a file did not fit.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.disks.direct import DirectReader
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.pieces import PIECE
from toolkit.disks.refusal import Unknown
from toolkit.disks.volumes import Damaged

_ENTRY = 32
_FOLDER, _LABEL, _LONG = 0x10, 0x08, 0x0F
_DELETED, _END = 0xE5, 0x00
_FAT12_MAX, _FAT16_MAX = 4085, 65525  # clusters, by the specification's own comparison
_TABLE_BYTES_MAX = 256 << 20  # 2 TB in clusters of 32 KiB
_TABLE_PIECE = 64 << 10
_FOLDER_BYTES_MAX = 2 << 20  # 65,536 entries: no folder has more


@dataclass(frozen=True)
class Entry:
    """A file or folder: where it begins and how large it is."""

    name: str
    is_folder: bool
    cluster: int
    size_bytes: int


class _VolumeReader:
    """Any part of a volume from the device itself, or of an image file from its disk where that has O_DIRECT."""

    def __init__(self, device: LiveDevice, offset_bytes: int) -> None:
        self._device = device
        self._offset = offset_bytes
        path = f"/proc/self/fd/{device.descriptor}"
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        except OSError:  # a file system without it: what the kernel remembered was dropped before
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._direct = DirectReader(str(device.path), self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """All of it, at most a long piece; raises Damaged, Gone."""
        self._device.check()
        try:
            return self._direct.read(self._offset + offset, size)
        except Unknown as unknown:
            self._device.check()
            raise Damaged(str(unknown)) from None

    def close(self) -> None:
        """Lets go of the device."""
        os.close(self._descriptor)


class FatReader:
    """A FAT12, FAT16 or FAT32 volume; nothing in it is believed that would lead beyond it or round in a circle."""

    def __init__(self, device: LiveDevice, offset_bytes: int = 0) -> None:
        self._reader = _VolumeReader(device, offset_bytes)
        self._path = device.path
        self._pieces: dict[int, bytes] = {}
        try:
            self._layout(self._reader.read(0, 512))
        except BaseException:
            self._reader.close()
            raise

    def _layout(self, boot: bytes) -> None:
        sector: int
        sector, per_cluster, reserved, tables, root, small, table16, large, table32, start = struct.unpack_from(
            "<11xHBHBHHxH8xII4xI", boot
        )
        if sector not in {512, 1024, 2048, 4096} or not per_cluster or not tables or not reserved:
            raise self._damaged("its first sector is none of a FAT volume")
        self._table_bytes, self._table_offset = (table16 or table32) * sector, reserved * sector
        self._root_offset = self._table_offset + tables * self._table_bytes
        self._root_bytes = root * _ENTRY
        self._first = self._root_offset + -(-self._root_bytes // sector) * sector
        self._cluster_bytes: int = per_cluster * sector
        self._clusters: int = ((small or large) * sector - self._first) // self._cluster_bytes
        self._bits = 12 if self._clusters < _FAT12_MAX else 16 if self._clusters < _FAT16_MAX else 32
        self._root_cluster = start if self._bits == 32 else 0
        needed = -(-(self._clusters + 2) * self._bits // 8)
        if self._clusters < 1 or self._table_bytes < needed or needed > _TABLE_BYTES_MAX:
            raise self._damaged("its table does not fit its size")
        self._table_bytes = needed

    def _table_piece(self, number: int) -> bytes:
        """Of the table: a stick's may have megabytes, of which a file needs little."""
        if number not in self._pieces:
            at = number * _TABLE_PIECE
            size = min(_TABLE_PIECE, self._table_bytes - at)
            self._pieces[number] = self._reader.read(self._table_offset + at, size)
        return self._pieces[number]

    def _table_entry(self, at: int, size: int) -> int:
        """None lies in two pieces: those of 12 bits are all in the first."""
        number, inside = divmod(at, _TABLE_PIECE)
        return int.from_bytes(self._table_piece(number)[inside : inside + size], "little")

    def entries(self, folder: Entry | None = None) -> list[Entry]:
        """What is in a folder, in the volume's own when none is named; raises Damaged."""
        if folder is None and not self._root_cluster:
            begin, end = self._root_offset, self._root_offset + self._root_bytes
            content = b"".join(self._reader.read(at, min(PIECE, end - at)) for at in range(begin, end, PIECE))
        else:
            chain = self._chain(folder.cluster if folder else self._root_cluster, _FOLDER_BYTES_MAX)
            content = b"".join(self._runs(chain))
        return list(_listed(content))

    def read(self, entry: Entry) -> Iterator[bytes]:
        """A file's bytes, in pieces; raises Damaged when its chain is shorter or longer than the file."""
        needed = -(-entry.size_bytes // self._cluster_bytes)
        chain = self._chain(entry.cluster, entry.size_bytes) if needed else []
        if len(chain) != needed:
            raise self._damaged(f"{entry.name} has {entry.size_bytes} bytes and {len(chain)} clusters")
        left = entry.size_bytes
        for piece in self._runs(chain):
            yield piece[:left]
            left -= min(left, len(piece))

    def free_bytes(self) -> int:
        """Clusters that belong to nothing, counted in the table itself."""
        if self._bits == 12:
            return self._cluster_bytes * sum(not self._next(cluster) for cluster in range(2, self._clusters + 2))
        mask = 0xFFFF if self._bits == 16 else 0x0FFFFFFF
        free = 0
        for number in range(-(-self._table_bytes // _TABLE_PIECE)):
            # the first two entries are no clusters, and never zero
            piece = memoryview(self._table_piece(number))
            free += sum(not value & mask for value in (piece.cast("H") if self._bits == 16 else piece.cast("I")))
        return free * self._cluster_bytes

    def _chain(self, cluster: int, bytes_max: int) -> list[int]:
        """The clusters of a file, in order; at most one more than `bytes_max` need."""
        found: list[int] = []
        most = min(self._clusters, -(-bytes_max // self._cluster_bytes))
        while 2 <= cluster < self._clusters + 2:
            if len(found) > most:
                raise self._damaged("a chain of clusters is longer than its file or goes round in a circle")
            found.append(cluster)
            cluster = self._next(cluster)
        if cluster < self._end_mark():
            raise self._damaged(f"a chain of clusters leads to {cluster}, which is none")
        return found

    def _end_mark(self) -> int:
        return {12: 0xFF8, 16: 0xFFF8}.get(self._bits, 0x0FFFFFF8)

    def _next(self, cluster: int) -> int:
        if self._bits == 12:
            pair = self._table_entry(cluster * 3 // 2, 2)
            return (pair >> 4) if cluster & 1 else pair & 0xFFF
        return self._table_entry(cluster * self._bits // 8, self._bits // 8) & 0x0FFFFFFF

    def _runs(self, chain: list[int]) -> Iterator[bytes]:
        """The content of clusters; those that lie side by side are read at once."""
        at = 0
        while at < len(chain):
            most = max(1, PIECE // self._cluster_bytes)
            count = 1
            while count < most and at + count < len(chain) and chain[at + count] == chain[at] + count:
                count += 1
            yield self._reader.read(self._first + (chain[at] - 2) * self._cluster_bytes, count * self._cluster_bytes)
            at += count

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"the file system of {self._path} is damaged: {why}")

    def close(self) -> None:
        """Lets go of the device."""
        self._reader.close()


def _listed(content: bytes) -> Iterator[Entry]:
    """The entries of a folder, under their long names where they have one; names in UTF-16 that is none are marked."""
    long: list[bytes] = []
    for at in range(0, len(content) - _ENTRY + 1, _ENTRY):
        record = content[at : at + _ENTRY]
        if record[0] == _END:
            return
        if record[0] == _DELETED:
            long = []
        elif record[11] & 0x3F == _LONG:
            long.insert(0, record[1:11] + record[14:26] + record[28:32])
        else:
            if not record[11] & _LABEL:
                yield _entry(record, long)
            long = []


def _entry(record: bytes, long: list[bytes]) -> Entry:
    high, low, size = struct.unpack_from("<20xH4xHI", record)
    name = b"".join(long).decode("utf-16-le", errors="replace").partition("\0")[0] or _short(record)
    return Entry(name, bool(record[11] & _FOLDER), high << 16 | low, size)


def _short(record: bytes) -> str:
    """A name of eight and three letters; two bits say which half is meant in lower case (Windows NT)."""
    stem, suffix = (part.decode("ascii", errors="replace").rstrip() for part in (record[:8], record[8:11]))
    stem = stem.lower() if record[12] & 0x08 else stem
    suffix = suffix.lower() if record[12] & 0x10 else suffix
    return f"{stem}.{suffix}" if suffix else stem
