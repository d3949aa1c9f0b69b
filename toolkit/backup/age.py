"""The age format (age-encryption.org/v1) through pyrage; the only module that knows pyrage and its manners.

pyrage streams, but three of its manners must be known. It holds the interpreter's lock while it works, so what should
run beside it must run in threads of C code (zstd's do). An exception raised by a stream it is given comes back as text
only, so the streams keep theirs. And it drops an error of the very last write without a word, so the stream must be
asked afterwards; `WholeFile.commit` raises it again.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyrage  # type: ignore[import-untyped,unused-ignore]

from toolkit.backup import age_scrypt
from toolkit.model.errors import BackupError, InputError, words_of

Identity = Any
"""A private key (`pyrage.x25519.Identity`). Its `str()` is the secret: never log it."""

_MEASUREMENTS = 5
_MEMORY = Path("/proc/meminfo")
_SECRET_PREFIX = "AGE-SECRET-KEY-"  # noqa: S105  (the format's own marker)


class WrongIdentityError(BackupError):
    """None of the identities at hand opens the file."""

    code = "wrong_identity"
    exit_status = 2


class MissingIdentityError(BackupError):
    """Opening needs an identity, and there is none."""

    code = "missing_identity"
    exit_status = 2


class WrongPassphraseError(BackupError):
    """The passphrase does not open it."""

    code = "wrong_passphrase"
    exit_status = 2


class TooMuchWorkError(BackupError):
    """The passphrase's work factor is more than this machine is measured to do in some seconds."""

    code = "too_much_work"


class DamagedIdentityError(BackupError):
    """A locked identity file that was cut or altered."""

    code = "damaged_identity"
    exit_status = 2


def new_identity() -> tuple[str, str]:
    """A fresh X25519 key pair as text: the secret key and the recipient."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def identity(text: str) -> Identity:
    """The identity of one `AGE-SECRET-KEY-1…` line; raises ValueError, which does not hold the line."""
    try:
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise ValueError("the line is no age secret key") from None


def recipient_of(identity: Identity) -> str:
    """The public half of an identity."""
    return str(identity.to_public())


def check_recipients(recipients: Sequence[str]) -> None:
    """Raises InputError when there is none, or naming the first that is none."""
    _parsed(recipients)


def _parsed(recipients: Sequence[str]) -> list[Any]:
    if not recipients:
        raise InputError(
            "there is no recipient",
            why="a backup that nobody can open is none",
            next_move='Make a key with "rebox backup keygen FILE" and give the public key it prints.',
        )
    parsed = []
    for text in recipients:
        if text.upper().startswith(_SECRET_PREFIX):
            raise InputError(
                "a recipient is a secret key",
                why="what was given starts with AGE-SECRET-KEY; it is not repeated here",
                next_move="Give the public key (age1…), and make a new key: this one has been shown.",
            )
        try:
            parsed.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise InputError(
                f"{text!r} is not an age recipient",
                why=words_of(error),
                next_move='Give a public key as "rebox backup keygen" or "age-keygen -y" prints it (age1…).',
            ) from None
    return parsed


def encrypt(reader: BinaryIO, writer: BinaryIO, recipients: Sequence[str]) -> None:
    """Encrypts the stream `reader` into `writer` in bounded memory; raises InputError, and OSError for both streams'
    errors, as text: ask the streams for their own.
    """
    try:
        pyrage.encrypt_io(reader, writer, _parsed(recipients))
    except pyrage.EncryptError as error:
        raise OSError(str(error)) from None


def decrypt(reader: BinaryIO, writer: BinaryIO, identities: Sequence[Identity], where: str) -> None:
    """Decrypts the stream `reader`, which comes from the file `where`, into `writer` in bounded memory.

    Raises MissingIdentityError, WrongIdentityError, and BackupError when the content was cut or altered: what was
    written before that is genuine, but not whole. An error of `writer` is raised as BackupError too.
    """
    if not identities:
        raise MissingIdentityError(
            "it cannot be opened without an identity", where=where, next_move="Give the identity file it was made for."
        )
    try:
        pyrage.decrypt_io(reader, writer, list(identities))
    except (pyrage.DecryptError, OSError) as error:
        if str(error) == "No matching keys found":
            raise WrongIdentityError(
                "none of the given identities opens it",
                where=where,
                why="it was encrypted to other recipients",
                next_move="Give the identity file whose public key the manifest lists.",
            ) from None
        raise BackupError(
            "it is damaged",
            where=where,
            why=f"the encrypted content was cut or altered ({error})",
            next_move="Take another copy of it; this one cannot be trusted.",
        ) from None


def decrypt_with_passphrase(content: bytes, passphrase: str, where: str) -> bytes:
    """Opens a small passphrase-protected content, armored or not; raises WrongPassphraseError, DamagedIdentityError,
    and TooMuchWorkError.
    """
    _check_memory(content, where)
    try:
        opened = _decrypt_patiently(content, passphrase)
    except pyrage.DecryptError as error:
        if _would_take_too_long(error):
            raise TooMuchWorkError(
                "opening it with its passphrase would take too long",
                where=where,
                why=f"this machine was measured just now, and may be busy ({' '.join(str(error).split())})",
                next_move="Try again when the machine has less to do.",
            ) from None
        if str(error) == "Decryption failed":
            raise WrongPassphraseError(
                "the passphrase does not open it",
                where=where,
                next_move="Check that the passphrase belongs to this file, and give it again.",
            ) from None
        raise DamagedIdentityError(
            "it is damaged",
            where=where,
            why=f"the encrypted content was cut or altered ({error})",
            next_move="Take another copy of it.",
        ) from None
    return opened


def _check_memory(content: bytes, where: str) -> None:
    """pyrage would take the memory that the file asks for, and the system end the process for want of it."""
    work_factor = age_scrypt.work_factor_of(content)
    needed, free = age_scrypt.memory_bytes(work_factor or 0), _available_bytes()
    if free is not None and needed > free:
        raise TooMuchWorkError(
            "opening it with its passphrase would take more memory than is free",
            where=where,
            why=f"its work factor is {work_factor}: {needed / 1e6:,.0f} MB for a moment, and {free / 1e6:,.0f} MB are "
            "free",
            next_move="Free some memory and try again, or lock the identity anew with less: see the page on backups.",
        )


def _available_bytes() -> int | None:
    """Memory that can be had without anything being swapped out (proc_meminfo(5)); None where it cannot be told."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB$", _MEMORY.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _decrypt_patiently(content: bytes, passphrase: str) -> bytes:
    """pyrage refuses what would take 16 s by a measurement of a moment: on a busy machine it is taken again."""
    for _ in range(_MEASUREMENTS - 1):
        try:
            opened: bytes = pyrage.passphrase.decrypt(content, passphrase)
        except pyrage.DecryptError as error:
            if not _would_take_too_long(error):
                raise
        else:
            return opened
    last: bytes = pyrage.passphrase.decrypt(content, passphrase)
    return last


def _would_take_too_long(error: Exception) -> bool:
    return str(error).startswith("Excessive work parameter")
