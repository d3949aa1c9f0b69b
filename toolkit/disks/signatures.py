"""By which bytes a member of an array, a volume group or a pool is known, though nobody holds it now."""

import struct
from collections.abc import Callable, Iterator

Read = Callable[[int, int], bytes]
"""Offset and size to the bytes there; shorter beyond the end."""

_LVM = (b"LABELONE", b"LVM2 001")  # lvm2, lib/format_text/layout.h: the label in one of the first four sectors
_MD = 0xA92B4EFC  # linux/raid/md_p.h: MD_SB_MAGIC
_BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")  # linux/bcache.h
_ZFS = 0x00BAB10C  # OpenZFS, uberblock_impl.h: UBERBLOCK_MAGIC, in the byte order of who wrote it
_ZFS_LABEL, _ZFS_RING = 256 << 10, slice(128 << 10, 256 << 10)
_BTRFS = b"_BHRfS_M"
_DDF = struct.pack(">I", 0xDE11DE11)  # SNIA DDF 2.0, 4.2.1: the anchor header in the last sector
_INTEL = b"Intel Raid ISM Cfg Sig. "


def member(read: Read, size_bytes: int) -> str:
    """What it is a member of, in words; "" when it is none that is known here."""
    for words, holds in _KINDS.items():
        if holds(read, size_bytes):
            return words
    return ""


def _lvm(read: Read, size_bytes: int) -> bool:
    sectors = read(0, 4 * 512)
    return any(
        sectors[at : at + 8] == _LVM[0] and sectors[at + 24 : at + 32] == _LVM[1] for at in range(0, 4 * 512, 512)
    )


def _md(read: Read, size_bytes: int) -> bool:
    little, either = struct.pack("<I", _MD), {struct.pack("<I", _MD), struct.pack(">I", _MD)}
    if any(read(at, 4) == little for at in (0, 4096, _end(size_bytes, 8192, 4096))):
        return True
    return read(_end(size_bytes, 0, 65536) - 65536, 4) in either  # version 0.90, in the byte order of who wrote it


def _end(size_bytes: int, before: int, grain: int) -> int:
    return max(size_bytes - before, 0) // grain * grain


def _zfs(read: Read, size_bytes: int) -> bool:
    """Each of the four labels holds a ring of uberblocks, at least 1 KiB apart."""
    end = _end(size_bytes, 0, _ZFS_LABEL)
    magics = {struct.pack("<Q", _ZFS), struct.pack(">Q", _ZFS)}
    for label in (0, _ZFS_LABEL, end - 2 * _ZFS_LABEL, end - _ZFS_LABEL):
        ring = read(label + _ZFS_RING.start, _ZFS_RING.stop - _ZFS_RING.start) if label >= 0 else b""
        if any(ring[at : at + 8] in magics for at in range(0, len(ring), 1024)):
            return True
    return False


def _bcache(read: Read, size_bytes: int) -> bool:
    return read(4096 + 24, 16) == _BCACHE


def _btrfs(read: Read, size_bytes: int) -> bool:
    """Of several devices: one alone is an ordinary file system."""
    superblock = read(64 << 10, 0x90)
    return superblock[0x40:0x48] == _BTRFS and int.from_bytes(superblock[0x88:0x90], "little") > 1


def _firmware(read: Read, size_bytes: int) -> bool:
    return read(size_bytes - 512, 4) == _DDF or read(size_bytes - 1024, len(_INTEL)) == _INTEL


_KINDS: dict[str, Callable[[Read, int], bool]] = {
    "an LVM volume group": _lvm,
    "an MD RAID array": _md,
    "a ZFS pool": _zfs,
    "a bcache set": _bcache,
    "a btrfs file system of several devices": _btrfs,
    "a firmware's RAID array": _firmware,
}


def kinds() -> Iterator[str]:
    """All that are known."""
    yield from _KINDS
