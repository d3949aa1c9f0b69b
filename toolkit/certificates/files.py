"""Reads certificate files and trusted authorities; writes files that hold keys, private and whole or not at all."""

from pathlib import Path

from toolkit.certificates.bundle import Material
from toolkit.certificates.parsing import parse
from toolkit.certificates.trust import Anchors
from toolkit.model.errors import InputError, RefusedError
from toolkit.probes import system_anchors as anchors
from toolkit.storage.errors import AlreadyThereError
from toolkit.storage.given_file import read_given
from toolkit.storage.whole_file import write_whole

FILE_BYTES_MAX = 4 * 1024 * 1024
"""Largest certificate file read; a system's whole store of authorities has a tenth of that."""


def read_content(path: Path) -> bytes:
    """A file's bytes; raises InputError when it is missing, unreadable, empty or too large to be one."""
    content = read_given(path, bytes_max=FILE_BYTES_MAX + 1)
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
    try:
        write_whole(path, content, replace=force)
    except AlreadyThereError:
        raise RefusedError(
            "the file is there already",
            where=str(path),
            why="it may hold the only copy of a key",
            next_move="Choose another name, or overwrite it by --force.",
        ) from None


def anchors_from_file(path: Path) -> Anchors:
    """The authorities in a file; raises as `read_material` does."""
    return Anchors(read_material(path).certificates, source=str(path))


def system_anchors() -> Anchors:
    """The authorities this machine trusts, where OpenSSL looks; raises UnknownStateError when there are none."""
    return Anchors(anchors.system_anchors(), source=f"this machine ({anchors.system_anchors_source()})")
