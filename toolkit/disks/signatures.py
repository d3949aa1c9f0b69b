"""By which signatures a disk is known that others may need, though nobody holds it now.

Two look: blkid, which knows most, and the table here, for what it does not know in every release, or takes for an
ordinary file system. A signature has blkid's name in both; by that name a person says that it may be wiped.
"""

import struct
from collections.abc import Callable, Iterator

Read = Callable[[int, int], bytes]
"""Offset and size to the bytes there; shorter beyond the end."""

ORDINARY = (
    "ext4", "ext3", "ext2", "ext4dev", "xfs", "btrfs", "bcachefs", "f2fs", "nilfs2", "reiserfs", "reiser4", "jfs",
    "ufs", "vfat", "exfat", "ntfs", "ReFS", "hfs", "hfsplus", "apfs", "hpfs", "iso9660", "udf", "minix", "sysv",
    "xenix", "bfs", "befs", "exfs", "squashfs", "squashfs3", "cramfs", "romfs", "erofs", "zonefs", "swap", "swsuspend",
    "crypto_LUKS", "BitLocker",
)  # fmt: skip
"""File systems of one machine, its swap, and what it encrypts: what is there to be wiped. Any other name blocks."""
_RAID = "_raid_member"
_WORDS = {
    "LVM2_member": "an LVM volume group",
    "LVM1_member": "an LVM volume group",
    "linux_raid_member": "an MD RAID array",
    "zfs_member": "a ZFS pool",
    "bcache": "a bcache set",
    "btrfs": "a btrfs file system of several devices",
    "bcachefs": "a bcachefs file system of several devices",
    "ceph_bluestore": "a Ceph cluster",
    "stratis": "a Stratis pool",
    "VMFS_volume_member": "a VMware datastore",
    "VMFS": "a VMware datastore",
    "ocfs2": "an OCFS2 cluster",
    "ocfs": "an OCFS cluster",
    "gfs2": "a GFS2 cluster",
    "gfs": "a GFS cluster",
    "oracleasm": "an Oracle ASM disk group",
    "vdo": "a VDO volume",
    "drbd": "a DRBD resource",
    "drbdmanage_control_volume": "a DRBD cluster",
    "drbdproxy_datalog": "a DRBD resource",
    "jbd": "a file system whose journal it is",
    "xfs_external_log": "a file system whose journal it is",
    "DM_snapshot_cow": "a snapshot of another device",
    "DM_verity_hash": "a device that is verified by it",
    "DM_integrity": "a device-mapper integrity device",
    "ubi": "a UBI device",
}

_LVM = (b"LABELONE", b"LVM2 001")  # lvm2, lib/format_text/layout.h: the label in one of the first four sectors
_MD = 0xA92B4EFC  # linux/raid/md_p.h: MD_SB_MAGIC
_BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")  # linux/bcache.h
_BCACHEFS = bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")  # bcachefs-tools, bcachefs_format.h: BCHFS_MAGIC
_ZFS = 0x00BAB10C  # OpenZFS, uberblock_impl.h: UBERBLOCK_MAGIC, in the byte order of who wrote it
_ZFS_LABEL, _ZFS_RING = 256 << 10, slice(128 << 10, 256 << 10)
_BTRFS = b"_BHRfS_M"
_DDF = {struct.pack(">I", 0xDE11DE11), struct.pack("<I", 0xDE11DE11)}  # SNIA DDF 2.0, 4.2.1: the anchor header
_INTEL = b"Intel Raid ISM Cfg Sig. "
_STRATIS = b"!Stra0tis\x86\xff\x02^\x41rh"  # stratisd, engine/strat_engine/metadata/sizes.rs and static_header.rs
_GFS = struct.pack(">II", 0x01161970, 1)  # linux/gfs2_ondisk.h: magic and type of the superblock, at 64 KiB
_GFS2_FORMATS = range(1800, 1900)
_DRBD = {struct.pack(">I", 0x83740267 + more) for more in (4, 5, 6)}  # drbd, drbd_meta_data.h: DRBD_MD_MAGIC_08 to _09


def member(read: Read, size_bytes: int) -> list[str]:
    """The names of all signatures that are known here, of what it is a member of."""
    return [name for name, holds in _KINDS.items() if holds(read, size_bytes)]


def described(name: str) -> str:
    """What has that signature, in words; "" for one that is not known here."""
    return "a firmware's RAID array" if name.endswith(_RAID) and name not in _WORDS else _WORDS.get(name, "")


def kinds() -> Iterator[str]:
    """The names of all that the table knows."""
    yield from _KINDS


def _at(offset: int, *magics: bytes) -> Callable[[Read, int], bool]:
    return lambda read, _size: read(offset, len(magics[0])) in magics


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


def _btrfs(read: Read, size_bytes: int) -> bool:
    """Of several devices: one alone is an ordinary file system."""
    superblock = read(64 << 10, 0x90)
    return superblock[0x40:0x48] == _BTRFS and int.from_bytes(superblock[0x88:0x90], "little") > 1


def _bcachefs(read: Read, size_bytes: int) -> bool:
    """The same; nr_devices is the byte at 0x7b of the superblock, which begins in sector 8."""
    superblock = read(8 * 512, 0x80)
    return superblock[24:40] == _BCACHEFS and superblock[0x7B] > 1


def _ddf(read: Read, size_bytes: int) -> bool:
    """In the last sector; some controllers leave a place for themselves behind it."""
    return any(read(size_bytes - sectors * 512, 4) in _DDF for sectors in (1, 257))


def _stratis(read: Read, size_bytes: int) -> bool:
    return any(read(sector * 512 + 4, len(_STRATIS)) == _STRATIS for sector in (1, 9))


def _ocfs2(read: Read, size_bytes: int) -> bool:
    """In block 2, of 512 bytes to 4 KiB (linux/fs/ocfs2/ocfs2_fs.h)."""
    return any(read(2 * block, 6) == b"OCFSV2" for block in (512, 1024, 2048, 4096))


def _gfs(read: Read, size_bytes: int) -> int:
    """The number of the file system's format; 0: it is none."""
    header = read(64 << 10, 28)
    return int.from_bytes(header[24:28], "big") or -1 if header[:8] == _GFS else 0


def _drbd(read: Read, size_bytes: int) -> bool:
    """Internal metadata, in the last 4 KiB (drbd, struct meta_data_on_disk: the magic at byte 60)."""
    end = _end(size_bytes, 0, 4096) - 4096
    return end >= 0 and read(end + 60, 4) in _DRBD


_KINDS: dict[str, Callable[[Read, int], bool]] = {
    "LVM2_member": _lvm,
    "LVM1_member": _at(0, b"HM\1\0", b"HM\2\0"),
    "linux_raid_member": _md,
    "zfs_member": _zfs,
    "bcache": _at(4096 + 24, _BCACHE),
    "btrfs": _btrfs,
    "bcachefs": _bcachefs,
    "isw_raid_member": lambda read, size: read(size - 1024, len(_INTEL)) == _INTEL,
    "ddf_raid_member": _ddf,
    "promise_fasttrack_raid_member": lambda read, size: read(size - 63 * 512, 24) == b"Promise Technology, Inc.",
    "ceph_bluestore": _at(0, b"bluestore block device"),
    "stratis": _stratis,
    "VMFS_volume_member": _at(1 << 20, struct.pack("<I", 0xC001D00D)),
    "VMFS": _at(2 << 20, struct.pack("<I", 0x2FABF15E)),
    "ocfs2": _ocfs2,
    "gfs2": lambda read, size: (number := _gfs(read, size)) != 0 and (number in _GFS2_FORMATS or number < 0),
    "gfs": lambda read, size: _gfs(read, size) > 0 and _gfs(read, size) not in _GFS2_FORMATS,
    "oracleasm": _at(32, b"ORCLDISK"),
    "vdo": _at(0, b"dmvdo001"),
    "drbd": _drbd,
}
