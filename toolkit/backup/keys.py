"""Identity files: the private half of a backup's key, itself locked with a passphrase."""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from toolkit.backup import age, age_scrypt
from toolkit.backup.folder import others_may_read
from toolkit.model.errors import InputError
from toolkit.model.secret import check_new_passphrase
from toolkit.storage.errors import AlreadyThereError
from toolkit.storage.given_file import read_given
from toolkit.storage.whole_file import write_whole

_AGE_HEADERS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_SIZE_MAX = 1 << 20


def make_identity(path: Path, passphrase: str, now: datetime) -> str:
    """Writes a new identity to `path` (mode 0600, locked with `passphrase`) and returns its recipient.

    The file is what `age-keygen | age -p` would give, so that `age -d -i FILE` opens it and what was encrypted to it.
    Never overwrites: raises InputError when `path` is there or the passphrase is too short, StorageError when it
    cannot be written.
    """
    check_new_passphrase(passphrase, where=str(path))
    if os.path.lexists(path):
        raise _already_there(path)
    secret, recipient = age.new_identity()
    text = f"# created: {now.isoformat(timespec='seconds')}\n# public key: {recipient}\n{secret}\n"
    locked = age_scrypt.lock(text.encode(), passphrase)
    try:
        write_whole(path, locked, replace=False)
    except AlreadyThereError:  # made by somebody else while we were busy with the passphrase
        raise _already_there(path) from None
    return recipient


def read_identities(path: Path, passphrase: Callable[[], str] | None = None) -> tuple[age.Identity, ...]:
    """The identities in `path`: one of ours, or what age-keygen writes, locked with a passphrase or not.

    `passphrase` is asked only when the file is locked. Raises MissingIdentityError when the file is not there or holds
    none, WrongPassphraseError, and InputError when it is locked and nobody can give the passphrase, or when it is not
    locked and others may read it.
    """
    content = _content(path)
    if content.startswith(_AGE_HEADERS):
        if passphrase is None:
            raise InputError(
                "the identity file is locked", where=str(path), next_move="Say where its passphrase is and try again."
            )
        content = age.decrypt_with_passphrase(content, passphrase(), str(path))
    elif others_may_read(path):
        raise InputError("the identity file can be read by others", where=str(path), next_move=f"Run: chmod 600 {path}")
    identities = tuple(_parsed(content, path))
    if not identities:
        raise age.MissingIdentityError(
            "the file holds no identity",
            where=str(path),
            next_move='Give a file made by "rebox backup keygen" or age-keygen.',
        )
    return identities


def recipients_of(identities: Sequence[age.Identity]) -> tuple[str, ...]:
    """The public keys that belong to `identities`."""
    return tuple(age.recipient_of(identity) for identity in identities)


def _already_there(path: Path) -> InputError:
    return InputError(
        "there is a file already",
        where=str(path),
        why="overwriting an identity makes every backup for it unreadable",
        next_move="Choose another name.",
    )


def _content(path: Path) -> bytes:
    if _is_not_there(path):
        raise age.MissingIdentityError(
            "the identity file is not there",
            where=str(path),
            why="without it no backup made for it can be opened",
            next_move='Give the right path, or make a new one with "rebox backup keygen".',
        )
    content = read_given(path, bytes_max=_SIZE_MAX + 1)
    if len(content) > _SIZE_MAX:
        raise InputError("this is no identity file", where=str(path), why="it is larger than 1 MB")
    return content


def _is_not_there(path: Path) -> bool:
    """Whether there is no such file; where that cannot be told, reading it says why."""
    try:
        return not path.exists()
    except OSError:
        return False


def _parsed(content: bytes, path: Path) -> Iterator[age.Identity]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            yield age.identity(line.decode("ascii").strip())
        except ValueError:
            raise InputError(
                "this is no identity file",
                where=f"{path}:{number}",
                why="the line is no age secret key (what it holds is not repeated here)",
                next_move='Give a file made by "rebox backup keygen" or age-keygen.',
            ) from None
