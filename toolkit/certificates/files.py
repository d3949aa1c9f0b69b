"""Reads certificate files and trusted authorities; writes files that hold keys, private and whole or not at all."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from toolkit.certificates.bundle import Material
from toolkit.certificates.parsing import parse
from toolkit.certificates.trust import Anchors
from toolkit.model.errors import InputError, ReboxError, RefusedError, StorageError
from toolkit.probes import system_anchors as anchors

FILE_BYTES_MAX = 4 * 1024 * 1024
"""Largest certificate file read; a system's whole store of authorities has a tenth of that."""


def read_content(path: Path) -> bytes:
    """A file's bytes; raises InputError when it is missing, unreadable, empty or too large to be one."""
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(
            "the file cannot be read",
            where=str(path),
            why=error.strerror or type(error).__name__,
            next_move="Check the path and its permissions.",
        ) from None
    if not content or len(content) > FILE_BYTES_MAX:
        why = "it is empty" if not content else f"it is larger than {FILE_BYTES_MAX // 1024**2} MiB"
        raise InputError(
            "this is no certificate file", where=str(path), why=why, next_move="Give a certificate, chain or key file."
        )
    return content


def read_material(path: Path, passphrase: str | None = None) -> Material:
    """Everything in a file; raises as `read_content` and `parsing.parse` do."""
    return parse(read_content(path), passphrase, where=str(path))


def write_private(path: Path, content: bytes, *, force: bool = False) -> None:
    """Writes a file of mode 0600, whole or not at all; raises RefusedError when one is there and not `force`.

    Raises StorageError when it cannot be written; what was there before is then untouched.
    """
    if not force and os.path.lexists(path):
        raise _exists(path)
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _put(temporary, path, force=force)
        _sync_folder(path.parent)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def anchors_from_file(path: Path) -> Anchors:
    """The authorities in a file; raises as `read_material` does."""
    return Anchors(read_material(path).certificates, source=str(path))


def system_anchors() -> Anchors:
    """The authorities this machine trusts, where OpenSSL looks; raises UnknownStateError when there are none."""
    return Anchors(anchors.system_anchors(), source=f"this machine ({anchors.system_anchors_source()})")


def _put(temporary: Path, path: Path, *, force: bool) -> None:
    if not force:
        try:
            # a link fails where a rename would overwrite what appeared meanwhile
            os.link(temporary, path)
        except OSError as error:
            # FAT on a stick has no links; there the look beforehand has to do
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
        else:
            return
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path: Path) -> RefusedError:
    return RefusedError(
        "the file is there already",
        where=str(path),
        why="it may hold the only copy of a key",
        next_move="Choose another name, or overwrite it by --force.",
    )


def _not_written(path: Path, error: OSError) -> ReboxError:
    moves = {
        errno.ENOSPC: f"Free space on the disk of {path.parent} and try again.",
        errno.ENOENT: f"Create the folder {path.parent} first.",
        errno.EACCES: f"Get the right to write in {path.parent}.",
    }
    return StorageError(
        "the file cannot be written",
        where=str(path),
        why=error.strerror or type(error).__name__,
        next_move=moves.get(error.errno or 0, "Choose another place."),
    )
