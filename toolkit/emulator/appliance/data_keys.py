"""The keys that the box's data is encrypted with, in one small file: whoever destroys a key destroys the data.

The file has two places of one block each. The key with the lowest number is in use. The one after it is there already,
so that a factory reset can lay under the new key what it needs to come to its end, before it destroys the old one. A
key is never written anywhere else, and never moved: the file is filled with zeros first and written in place from
then on, so that on a file system which writes in place (ext4, xfs) overwriting it overwrites the only copy. The file
is larger than what a file system may keep within an inode, which its journal would copy.

What no program reaches: blocks that a flash disk or a copy-on-write file system (btrfs, ZFS) has set aside.
"""

import contextlib
import mmap
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from toolkit.emulator.appliance.storage_errors import told_as_storage_error
from toolkit.model.errors import InputError, StorageError

_BLOCK = 4096
_PLACES = 2
_MAGIC = b"rebox data key 1\n"
_KEY_BYTES = 32
_RECORD_BYTES = len(_MAGIC) + 8 + _KEY_BYTES + 32
_REMADE = "Make the box anew; in a lab: take it down and bring it up again."


class DataKey(NamedTuple):
    """A key and its number; later keys have higher ones."""

    number: int
    secret: bytes

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose (HKDF, RFC 5869)."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(self.secret)

    def __repr__(self) -> str:
        return f"DataKey({self.number})"


class DataKeys:
    """The file. `current` is the key in use, `following` the one that a factory reset changes to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exist(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def make(self) -> None:
        """A file with two new keys; raises StorageError."""
        with told_as_storage_error(self._path):
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(handle, bytes(_BLOCK * _PLACES))
                os.fsync(handle)
            finally:
                os.close(handle)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._write(0, DataKey(1, secrets.token_bytes(_KEY_BYTES)))
        self._write(1, DataKey(2, secrets.token_bytes(_KEY_BYTES)))

    def all(self) -> tuple[DataKey, ...]:
        """One or two keys, the one in use first; raises InputError when there is none, StorageError."""
        found = sorted(key for key in self._places() if key is not None)
        if not found:
            raise InputError(
                "the box's data key is gone",
                where=str(self._path),
                why="the file is missing or damaged, and nothing else opens the box's data",
                next_move=_REMADE,
            )
        return tuple(found)

    @property
    def current(self) -> DataKey:
        """The key in use; raises InputError, StorageError."""
        return self.all()[0]

    @property
    def following(self) -> DataKey:
        """The key that comes after it; made when it is not there yet. Raises InputError, StorageError."""
        keys = self.all()
        if len(keys) == 1:
            key = DataKey(keys[0].number + 1, secrets.token_bytes(_KEY_BYTES))
            self._write(self._places().index(None), key)
            return key
        return keys[1]

    def destroy_before(self, number: int) -> None:
        """Overwrites every key with a lower number, and what cannot be read; reads back that it is gone.

        May be called again. Raises StorageError when it still stands on the disk.
        """
        for place, key in enumerate(self._places()):
            if key is None or key.number < number:
                for content in (secrets.token_bytes(_BLOCK), bytes(_BLOCK)):
                    self._write_block(place, content)
                if self._read()[place * _BLOCK : (place + 1) * _BLOCK] != bytes(_BLOCK):
                    raise StorageError(
                        "the data key could not be destroyed",
                        where=str(self._path),
                        why="it was overwritten, and something else is read back from the disk",
                        next_move="Look at the disk: it does not keep what it is told. Destroy it if it is to be safe.",
                    )

    def _places(self) -> list[DataKey | None]:
        content = self._read()
        return [_parsed(content[place * _BLOCK :][:_RECORD_BYTES]) for place in range(_PLACES)]

    def _write(self, place: int, key: DataKey) -> None:
        text = _MAGIC + key.number.to_bytes(8, "big") + key.secret
        self._write_block(place, (text + sha256(text).digest()).ljust(_BLOCK, b"\0"))

    def _write_block(self, place: int, content: bytes) -> None:
        with told_as_storage_error(self._path):
            handle = os.open(self._path, os.O_WRONLY)
            try:
                os.pwrite(handle, content, place * _BLOCK)
                os.fsync(handle)
            finally:
                os.close(handle)

    def _read(self) -> bytes:
        """The whole file, from the disk itself where the file system allows that (O_DIRECT); empty without one."""
        with told_as_storage_error(self._path):
            try:
                handle = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return b""
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                with contextlib.suppress(OSError):
                    return self._read_past_the_kernel()
                return os.pread(handle, _BLOCK * _PLACES, 0)
            finally:
                os.close(handle)

    def _read_past_the_kernel(self) -> bytes:
        handle = os.open(self._path, os.O_RDONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, _BLOCK * _PLACES) as aligned:
                count = os.preadv(handle, [aligned], 0)
                return aligned[:count]
        finally:
            os.close(handle)


def _parsed(content: bytes) -> DataKey | None:
    text, digest = content[:-32], content[-32:]
    if not text.startswith(_MAGIC) or sha256(text).digest() != digest:
        return None
    rest = text.removeprefix(_MAGIC)
    return DataKey(int.from_bytes(rest[:8], "big"), rest[8:])
