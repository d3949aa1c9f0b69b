"""Fetches secrets from where a reference says they are: prompt, environment, a private file or the keyring."""

import getpass
import os
import stat
import sys
from pathlib import Path

from toolkit.model.errors import InputError, words_of
from toolkit.model.secret import SCHEMES
from toolkit.storage.given_file import read_given_text


def resolve(reference: str, purpose: str, *, base: Path | None = None) -> str:
    """The secret behind `prompt[:LABEL]`, `env:NAME`, `file:PATH` or `keyring:SERVICE/NAME`.

    `purpose` says in words what it is for; relative paths count from `base`. Raises InputError, which names the
    reference and never what was found there.
    """
    scheme, _, rest = reference.partition(":")
    readers = {"prompt": _from_prompt, "env": _from_environment, "file": _from_file, "keyring": _from_keyring}
    if scheme not in readers:
        raise InputError(
            f"the secret for {purpose} is not a reference",
            why=f"a reference starts with one of {', '.join(SCHEMES)}",
            next_move='Use "prompt", "env:NAME", "file:PATH" (mode 0600) or "keyring:SERVICE/NAME".',
        )
    if scheme == "file":
        rest = str((base or Path()) / Path(rest).expanduser())
    secret = readers[scheme](rest, purpose)
    if not secret:
        raise InputError(
            f"the secret for {purpose} is empty", where=reference, next_move="Put the secret there and try again."
        )
    return secret


def resolve_new(reference: str, purpose: str) -> str:
    """A secret that is being chosen: at a prompt it is asked for twice; raises InputError as `resolve` does."""
    secret = resolve(reference, purpose)
    if reference.startswith("prompt") and resolve("prompt", f"{purpose}, again") != secret:
        raise InputError("the two passphrases are not the same", next_move="Try again.")
    return secret


def _from_prompt(label: str, purpose: str) -> str:
    if not sys.stdin.isatty():
        raise InputError(
            f"the secret for {purpose} cannot be asked for",
            why="there is no terminal to ask on",
            next_move='Give it as "env:NAME", "file:PATH" or "keyring:SERVICE/NAME".',
        )
    return getpass.getpass(f"{label or purpose}: ")


def _from_environment(name: str, purpose: str) -> str:
    if name not in os.environ:
        raise InputError(
            f"the secret for {purpose} is missing",
            where=f"env:{name}",
            why="the environment variable is not set",
            next_move=f"Set {name} and try again.",
        )
    return os.environ[name]


def _from_file(name: str, purpose: str) -> str:
    path = Path(name)
    text = read_given_text(
        path,
        what=f"the secret for {purpose} cannot be read",
        next_move="Create the file with the secret in its first line and mode 0600.",
    )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InputError(
            f"the secret for {purpose} can be read by others",
            where=str(path),
            why=f"its mode is {mode:04o}",
            next_move=f"Run: chmod 600 {path}",
        )
    return text.splitlines()[0] if text else ""


def _from_keyring(name: str, purpose: str) -> str:
    # imported here: it starts D-Bus machinery that nobody else needs
    import keyring  # noqa: PLC0415
    from keyring.errors import KeyringError  # noqa: PLC0415

    service, _, user = name.partition("/")
    try:
        secret = keyring.get_password(service, user)
    except KeyringError as error:
        raise InputError(
            f"the secret for {purpose} cannot be read",
            where=f"keyring:{name}",
            why=words_of(error),
            next_move="Unlock the keyring, or use env:NAME or file:PATH.",
        ) from None
    if secret is None:
        raise InputError(
            f"the secret for {purpose} is missing",
            where=f"keyring:{name}",
            why="the keyring has no such entry",
            next_move=f"Run: keyring set {service} {user}",
        )
    return secret
