"""References to secrets: where a secret is, never the secret itself; and what a passphrase must be to protect a key."""

from typing import Annotated

from pydantic import AfterValidator

from toolkit.model.errors import InputError

SCHEMES = ("prompt", "env", "file", "keyring")

PASSPHRASE_LENGTH_MIN = 8
"""Shortest passphrase, in characters, that a private key is encrypted with (NIST SP 800-63B, 5.1.1.2)."""


def _check(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if scheme not in SCHEMES or (colon and not rest) or (scheme != "prompt" and not rest):
        raise ValueError(
            'a secret is never written here; say where it is: "prompt", "env:NAME", "file:PATH" (mode 0600) '
            'or "keyring:SERVICE/NAME"'
        )
    return text


def check_new_passphrase(passphrase: str, where: str = "") -> str:
    """The passphrase, when it is long enough to lock a key with; raises InputError, which does not hold it."""
    if len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise InputError(
            "the passphrase is too short" if passphrase else "the passphrase is empty",
            where=where,
            why=f"it has fewer than {PASSPHRASE_LENGTH_MIN} characters",
            next_move="Choose a longer one, best a few random words.",
        )
    return passphrase


SecretReference = Annotated[str, AfterValidator(_check)]
"""Text of the form `prompt`, `prompt:LABEL`, `env:NAME`, `file:PATH` or `keyring:SERVICE/NAME`."""
