"""A sealed file: zstd inside age, written and read as a stream in bounded memory.

`age -d -i IDENTITY FILE | zstd -d` opens one without us.

Writing is pulled through one thread: pyrage asks for compressed bytes, which asks the source for plain ones. zstd's own
threads compress ahead meanwhile, so all cores are at work although pyrage holds the interpreter's lock. They get pieces
of 1 MiB: left to itself zstd takes 8 MiB for each thread several times over, and hands out all it has at once.
"""

import fcntl
import hashlib
import io
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard
from pydantic import BaseModel, ConfigDict, Field

from toolkit.backup import age
from toolkit.backup.errors import unreadable
from toolkit.model.errors import BackupError
from toolkit.storage.whole_file import WholeFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

SUFFIX = ".zst.age"
_LEVEL = 3
_THREADS = max(1, min(8, os.cpu_count() or 1))
_PIECE = 1 << 20


class Sealed(BaseModel):
    """What a sealed file must be, byte for byte, before and after opening."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_bytes: int = Field(description="On disk.")
    sha256: str = Field(description="Of the file on disk, lower-case hex.")
    plain_size_bytes: int = Field(description="Of what comes out of it.")
    plain_sha256: str = Field(description="Of what comes out of it, lower-case hex.")


def seal(chunks: Iterable[bytes], target: Path, recipients: Sequence[str]) -> Sealed:
    """Writes `chunks` to `target`, fsynced and renamed into place, so that only `recipients` can open it.

    An exception of `chunks` comes out as it is, and nothing is left of `target`. Raises StorageError and InputError.
    """
    age.check_recipients(recipients)
    source = _Counted(chunks)
    with WholeFile(target) as file:
        compressed = _Pulled(_compressed(source))
        try:
            age.encrypt(cast(BinaryIO, io.BufferedReader(compressed, _PIECE)), cast(BinaryIO, file), recipients)
        except OSError as error:
            raise (compressed.error or file.error or error) from None
        file.commit()
        return Sealed(
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            plain_size_bytes=source.size_bytes,
            plain_sha256=source.digest.hexdigest(),
        )


@contextmanager
def unsealed(path: Path, identities: Sequence[age.Identity], expected: Sealed | None = None) -> Iterator[BinaryIO]:
    """The content of a sealed file as a stream.

    What is read before the end is genuine but not yet whole: only at the end of the stream it is known that nothing is
    missing. Reading raises BackupError naming `path` when it was cut or altered or is not what was `expected`, and
    MissingIdentityError or WrongIdentityError when the identities do not open it.
    """
    decrypting = _Decrypting(path, identities)
    try:
        decompressing = zstandard.ZstdDecompressor().stream_reader(
            cast(BinaryIO, decrypting), read_size=_PIECE, closefd=False
        )
        yield cast(BinaryIO, io.BufferedReader(_Whole(decompressing, path, expected), _PIECE))
    finally:
        decrypting.close()


def read_through(stream: BinaryIO) -> Iterator[int]:
    """Reads `stream` to its end and yields the size of each piece: what proves that a sealed file is whole."""
    while piece := stream.read(_PIECE):
        yield len(piece)


class _Counted:
    """Passes chunks on and counts and hashes them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.size_bytes = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, threads=_THREADS, job_size=_PIECE, write_checksum=True
    )
    # it gives pieces of one size, however much the threads have ready
    compressor = zstandard.ZstdCompressor(compression_params=parameters).chunker(chunk_size=_PIECE)
    for chunk in chunks:
        # a huge chunk would be taken in as a whole
        for start in range(0, len(chunk), _PIECE):
            yield from compressor.compress(memoryview(chunk)[start : start + _PIECE])
    yield from compressor.finish()  # type: ignore[no-untyped-call]


class _Pulled(io.RawIOBase):
    """An iterator of bytes as a stream; keeps the exception that the reader at the other end would turn into text."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._pieces))
        except StopIteration:
            return 0
        except BaseException as error:
            self.error = error
            raise
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _PipeEnd(io.RawIOBase):
    """The writing end of the pipe; whoever reads may leave at any time."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer", /) -> int:
        return os.write(self._descriptor, data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class _Decrypting(io.RawIOBase):
    """The decrypted content of a file, pushed by pyrage in a thread through a pipe, so that it can be pulled here."""

    def __init__(self, path: Path, identities: Sequence[age.Identity]) -> None:
        super().__init__()
        self._path = path
        self._error: BaseException | None = None
        self._descriptor, writing = os.pipe()
        # default pipes hold 64 KiB: the two sides would wait for each other at every piece
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIECE)
        self._thread = threading.Thread(
            target=self._push, args=(_PipeEnd(writing), identities), name=f"decrypt {path.name}", daemon=True
        )
        self._thread.start()

    def _push(self, pipe: _PipeEnd, identities: Sequence[age.Identity]) -> None:
        try:
            with pipe, self._path.open("rb", buffering=_PIECE) as file:
                age.decrypt(file, cast(BinaryIO, pipe), identities, str(self._path))
        except FileNotFoundError:
            self._error = BackupError(
                "it is missing", where=str(self._path), next_move="Take the whole folder from where it was copied."
            )
        except OSError as error:
            self._error = unreadable(self._path, error)
        except BaseException as error:  # the thread's end is the reader's news
            self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        size = os.readv(self._descriptor, [buffer])
        if size == 0:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return size

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
            self._thread.join()
        super().close()


class _Whole(io.RawIOBase):
    """Hashes what passes and says at the end whether it is what was expected."""

    def __init__(self, stream: zstandard.ZstdDecompressionReader, path: Path, expected: Sealed | None) -> None:
        super().__init__()
        self._stream = stream
        self._path = path
        self._expected = expected
        self._digest = hashlib.sha256()
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        target = memoryview(buffer).cast("B")
        try:
            size = self._stream.readinto(target)
        except zstandard.ZstdError as error:
            raise BackupError(
                "its content is damaged", where=str(self._path), why=f"it is not zstd ({error})"
            ) from None
        self._digest.update(target[:size])
        self._size += size
        if size == 0:
            self._check()
        return size

    def _check(self) -> None:
        if self._expected is None:
            return
        if (self._size, self._digest.hexdigest()) != (self._expected.plain_size_bytes, self._expected.plain_sha256):
            raise BackupError(
                "its content is not what the manifest says",
                where=str(self._path),
                why=f"{self._size} bytes with SHA-256 {self._digest.hexdigest()[:16]}… instead of "
                f"{self._expected.plain_size_bytes} with {self._expected.plain_sha256[:16]}…",
                next_move="Take another copy of the backup.",
            )
