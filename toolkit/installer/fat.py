"""A small FAT volume with a few files in its root folder, as bytes (Microsoft, FAT32 File System Specification)."""

import struct
from collections.abc import Mapping

_SECTOR = 512
_RESERVED, _TABLES, _ROOT_ENTRIES = 1, 2, 64
_ENTRY_BYTES, _LONG_CHARACTERS = 32, 13
_END_OF_FILE = 0xFFF
_ARCHIVE, _LABEL, _LONG = 0x20, 0x08, 0x0F
_CLUSTERS_MAX = 4084  # more would be FAT16


def volume(label: str, files: Mapping[str, bytes], size_bytes: int) -> bytes:
    """A FAT12 volume of this size, one sector a cluster; ValueError when the files do not fit."""
    sectors = size_bytes // _SECTOR
    table_sectors = (sectors * 3 // 2 + _SECTOR) // _SECTOR
    root_sectors = _ROOT_ENTRIES * _ENTRY_BYTES // _SECTOR
    first = _RESERVED + _TABLES * table_sectors + root_sectors
    clusters = min(sectors - first, _CLUSTERS_MAX)
    chain, root, content = [0xFF8, _END_OF_FILE], [_record(label.encode().ljust(11), _LABEL, 0, 0)], bytearray()
    for number, (name, data) in enumerate(files.items(), start=1):
        length = -(-len(data) // _SECTOR)
        start = len(chain) if length else 0
        chain += [*range(len(chain) + 1, len(chain) + length), _END_OF_FILE] if length else []
        short = f"FILE{number:04}".encode().ljust(11)
        root += [*_long(name, short), _record(short, _ARCHIVE, start, len(data))]
        content += data.ljust(length * _SECTOR, b"\0")
    if len(chain) - 2 > clusters or len(root) > _ROOT_ENTRIES:
        raise ValueError("the files do not fit")
    tables = _packed(chain).ljust(table_sectors * _SECTOR, b"\0") * _TABLES
    folder = b"".join(root).ljust(root_sectors * _SECTOR, b"\0")
    return (_boot_sector(label, sectors, table_sectors) + tables + folder + content).ljust(size_bytes, b"\0")


def _boot_sector(label: str, sectors: int, table_sectors: int) -> bytes:
    fields = struct.pack(
        "<3s8sHBHBHHBHHHII", b"\xeb\x3c\x90", b"REBOX   ", _SECTOR, 1, _RESERVED, _TABLES, _ROOT_ENTRIES, sectors,
        0xF8, table_sectors, 32, 64, 0, 0,
    )  # fmt: skip
    more = struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 0x5245424F, label.encode().ljust(11), b"FAT12   ")
    return (fields + more).ljust(510, b"\0") + b"\x55\xaa"


def _record(name: bytes, attributes: int, start: int, size: int) -> bytes:
    return struct.pack("<11sB14xHI", name, attributes, start, size)


def _long(name: str, short: bytes) -> list[bytes]:
    """The entries that hold a name in full, the last piece first, before the one that they belong to."""
    check = 0
    for byte in short:
        check = (((check & 1) << 7) + (check >> 1) + byte) & 0xFF
    letters = name.encode("utf-16-le")
    if len(letters) // 2 % _LONG_CHARACTERS:
        letters += b"\0\0"
    step = _LONG_CHARACTERS * 2
    pieces = [letters[at : at + step].ljust(step, b"\xff") for at in range(0, len(letters), step)]
    records = []
    for number, piece in enumerate(pieces, start=1):
        order = number | (0x40 if number == len(pieces) else 0)
        records.append(struct.pack("<B10sBBB12sH4s", order, piece[:10], _LONG, 0, check, piece[10:22], 0, piece[22:]))
    return records[::-1]


def _packed(chain: list[int]) -> bytes:
    """Twelve bits an entry: two of them in three bytes."""
    pairs = zip(chain[::2], [*chain[1::2], 0], strict=False)
    return b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)
