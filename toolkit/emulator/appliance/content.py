"""The site's content: users, teams, Jump Clients, options, session records and recordings."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from toolkit.emulator.appliance.facts import ImportResult, RecordCounts, SessionPage

SettingsKind = Literal["users", "teams", "jump-clients", "options"]


class Content:
    """What the site package holds."""

    def counts(self) -> RecordCounts:
        """How much there is."""
        raise NotImplementedError

    def settings(self, kind: SettingsKind) -> tuple[dict[str, JsonValue], ...]:
        """Objects with a stable `id`, in its order; never a password."""
        raise NotImplementedError

    def sessions(self, after: int, limit: int) -> SessionPage:
        """Up to `limit` session records with `seq` greater than `after`."""
        raise NotImplementedError

    def import_sessions(self, by: str, sessions: Sequence[dict[str, JsonValue]]) -> ImportResult:
        """Puts records back; 409 `not_supported`."""
        raise NotImplementedError

    def recording(self, lsid: str) -> tuple[Path, int, str]:
        """The file, its size in bytes and its SHA-256; 404."""
        raise NotImplementedError

    def import_recording(self, by: str, lsid: str, chunks: Iterable[bytes], sha256: str) -> bool:
        """Puts a recording back; True when new; 404, 409 `not_supported`, 422 `hash_mismatch`."""
        raise NotImplementedError
