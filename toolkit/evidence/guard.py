"""Keeps the secrets the run knows out of everything that is written down."""

import base64
import urllib.parse
from collections.abc import Callable
from typing import Any

from toolkit.model.errors import InternalError

# shorter values stand in ordinary text by chance, and protect nothing
_SHORTEST = 4


class SecretGuard:
    """Knows what must never be written; `secrets` is asked anew each time, because some are made during a run."""

    def __init__(self, secrets: Callable[[], frozenset[str]]) -> None:
        self._secrets = secrets

    def check(self, value: Any, what: str) -> None:
        """Raises InternalError, without the secret, when any text inside `value` (JSON-like) holds one."""
        forms = self._forms()
        for place, text in _texts(value, what):
            if any(form in text for form in forms):
                raise InternalError(
                    f"{what} was refused",
                    where=place,
                    why="it holds a secret, and secrets are never written down",
                    next_move="Report this as a fault of the toolkit; nothing of it was kept.",
                )

    def redact(self, text: str) -> str:
        """The text with every secret replaced; for messages that come from elsewhere and are worth keeping."""
        for form in sorted(self._forms(), key=len, reverse=True):
            text = text.replace(form, "[secret]")
        return text

    def _forms(self) -> set[str]:
        forms: set[str] = set()
        for secret in self._secrets():
            if len(secret) >= _SHORTEST:
                forms |= {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)}
                forms.add(base64.b64encode(secret.encode()).decode())
        return forms


def _texts(value: Any, place: str) -> list[tuple[str, str]]:
    """Every text inside a JSON-like value, with where it stands; a key that is itself secret is not quoted."""
    if isinstance(value, str):
        return [(place, value)]
    if isinstance(value, dict):
        found = [(f"a key of {place}", str(key)) for key in value]
        for number, inner in enumerate(value.values(), 1):
            found += _texts(inner, f"{place}, entry {number}")
        return found
    if isinstance(value, list | tuple | set | frozenset):
        return [text for number, inner in enumerate(value, 1) for text in _texts(inner, f"{place}, item {number}")]
    return []
