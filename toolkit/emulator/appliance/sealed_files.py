"""Files that only the data key opens: AES-256-GCM in pieces, so that any part of a large one can be read by itself.

A file is 8 bytes that say what it is, 32 random bytes, and pieces of 64 KiB with a tag of 16 bytes each. Its key is
made (HKDF, RFC 5869) of the data key, the random bytes and the file's name, so that no file passes for another. A
piece's nonce is its number, and whether it is the last: pieces that are missing, cut off or out of order are noticed
(the STREAM construction, Hoang, Reyhanitabar, Rogaway and Vizár 2015, as age has it).
"""

import contextlib
import hmac
import io
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from toolkit.emulator.appliance.data_keys import DataKey
from toolkit.model.errors import StorageError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MAGIC = b"rebox\0s1"
_SALT_BYTES = 32
_HEAD = len(_MAGIC) + _SALT_BYTES
_PIECE = 1 << 16
_TAG = 16
_READ = 1 << 20


class SealedFiles:
    """Reads and writes them under one data key."""

    def __init__(self, key: DataKey) -> None:
        self._secret = key.derived("files")
        self._names = key.derived("names")

    def opaque(self, name: str) -> str:
        """The name a file has on the disk: a session's number in a folder would outlive the file."""
        return hmac.digest(self._names, name.encode(), "sha256").hex()

    def writer(self, path: Path, name: str) -> "SealedWriter":
        """A new file; `name` says what it is, and has to be said again to read it. Raises OSError."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return SealedWriter(path, _MAGIC + salt, self._cipher(salt, name))

    def reader(self, path: Path, name: str) -> "SealedReader":
        """A file that is there; raises FileNotFoundError, StorageError."""
        file = path.open("rb", buffering=0)
        head = file.read(_HEAD)
        reader = SealedReader(file, path, self._cipher(head[len(_MAGIC) :], name))
        if reader.size < 0 or not head.startswith(_MAGIC):
            reader.close()
            raise _damaged(path, "it is not a whole file of the box's")
        return reader

    def write(self, path: Path, name: str, content: bytes) -> None:
        """Replaces a file whole: temporary name, fsync, rename, fsync of the folder. Raises OSError."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with self.writer(temporary, name) as file:
                file.write(content)
                file.finish()
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def read(self, path: Path, name: str) -> bytes:
        """All of a small file; raises FileNotFoundError, StorageError."""
        with self.reader(path, name) as file:
            return b"".join(file.pieces())

    def _cipher(self, salt: bytes, name: str) -> AESGCM:
        key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=name.encode()).derive(self._secret)
        return AESGCM(key)


class SealedWriter(io.RawIOBase):
    """Takes a file's content piece by piece. Without `finish` it is no whole file, and no reader takes it for one."""

    def __init__(self, path: Path, head: bytes, cipher: AESGCM) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb", buffering=_READ)
        self._file.write(head)
        self._cipher = cipher
        self._held = bytearray()
        self._number = 0

    def __enter__(self) -> "SealedWriter":
        return self

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: "Buffer", /) -> int:
        """The next piece, of any length."""
        with memoryview(content) as view:
            self._held += view
            size = view.nbytes
        whole = (len(self._held) - 1) // _PIECE * _PIECE  # the last piece is sealed as that, so one is always held back
        with memoryview(self._held) as held:
            for start in range(0, whole, _PIECE):
                self._seal(held[start : start + _PIECE], last=False)
        if whole > 0:
            del self._held[:whole]
        return size

    def finish(self) -> None:
        """It is whole, and on the disk when this returns."""
        self._seal(self._held, last=True)
        self._held = bytearray()
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Lets go of it; what the disk did not take is told by `write` and `finish`."""
        with contextlib.suppress(OSError):
            self._file.close()
        super().close()

    def _seal(self, content: bytearray | memoryview, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), content, None))
        self._number += 1


class SealedReader(io.RawIOBase):
    """A sealed file's content, to be read from anywhere; every piece is checked before any of it is given out.

    `size` is in bytes, of the content; below 0 when so little is there that nothing can be.
    """

    def __init__(self, file: BinaryIO | io.FileIO, path: Path, cipher: AESGCM) -> None:
        self._file = file
        self._path = path
        self._cipher = cipher
        sealed = os.fstat(file.fileno()).st_size - _HEAD
        self._count = max(1, -(-sealed // (_PIECE + _TAG)))
        self.size = sealed - self._count * _TAG
        self._place = 0

    def __enter__(self) -> "SealedReader":
        return self

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Where the next read begins."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def readinto(self, target: "Buffer", /) -> int:
        """The next bytes; 0 at the end. Raises StorageError when they are damaged."""
        with memoryview(target).cast("B") as view:
            content = next(self.pieces(self._place, min(self.size, self._place + len(view))), b"")
            view[: len(content)] = content
        self._place += len(content)
        return len(content)

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The content from `start` up to `end`, in pieces of about a MiB; raises StorageError when it is damaged."""
        end = self.size if end is None else min(end, self.size)
        group = _READ // _PIECE
        number = start // _PIECE
        while start < end or (self.size == 0 and number == 0):
            last = min(number + group, -(-end // _PIECE) or 1)
            content = self._open(number, last)
            skipped = start - number * _PIECE
            piece = content[skipped : skipped + end - start]
            start += len(piece)
            number = last
            yield piece

    def close(self) -> None:
        """Lets go of it."""
        self._file.close()
        super().close()

    def _open(self, first: int, end: int) -> bytes:
        """The pieces `first` up to but without `end`, as one."""
        sealed = os.pread(self._file.fileno(), (end - first) * (_PIECE + _TAG), _HEAD + first * (_PIECE + _TAG))
        opened: list[bytes] = []
        with memoryview(sealed) as view:
            for number in range(first, end):
                start = (number - first) * (_PIECE + _TAG)
                piece = view[start : start + _PIECE + _TAG]
                try:
                    opened.append(self._cipher.decrypt(_nonce(number, number == self._count - 1), piece, None))
                except (InvalidTag, ValueError):
                    raise _damaged(self._path, "a part of it is not what was written, or another key's") from None
        return b"".join(opened)


def sync_folder(folder: Path) -> None:
    """Puts a folder's own entries on the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def opened_by(keys: "tuple[DataKey, ...]", read: Callable[[SealedFiles], bytes]) -> tuple[DataKey, bytes]:
    """The first of these keys that opens a file, and its content; raises StorageError when none does."""
    for key in keys[:-1]:
        with contextlib.suppress(StorageError):
            return key, read(SealedFiles(key))
    return keys[-1], read(SealedFiles(keys[-1]))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _damaged(path: Path, why: str) -> StorageError:
    return StorageError(
        "a file of the box is damaged",
        where=str(path),
        why=why,
        next_move="Look at the disk; what else the box holds can still be read and backed up.",
    )
