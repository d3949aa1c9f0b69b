"""The site's content: users, teams, Jump Clients, options, session records and recordings (requirement A5)."""

import json
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from pydantic import JsonValue

from toolkit.emulator.appliance.accounts import FACTORY_PASSWORD, FACTORY_USERNAME
from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Connection, Database, Row
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.facts import (
    ImportResult,
    RecordCounts,
    RefusedSession,
    Session,
    SessionPage,
    SessionRecord,
)
from toolkit.emulator.appliance.passwords import hash_password
from toolkit.emulator.appliance.refusal import Refusal, not_found
from toolkit.emulator.appliance.sealed_files import SealedReader, SealedWriter, sync_folder
from toolkit.emulator.appliance.versions import Versions

SettingsKind = Literal["users", "teams", "jump-clients", "options"]
RECORD_KINDS: tuple[SettingsKind, ...] = get_args(SettingsKind)[1:]
"""The kinds kept in the table `records`; users have a table of their own, with their passwords."""


class Content:
    """What the site package holds."""

    def __init__(self, database: Database, audit: Audit, disk: Disk, versions: Versions) -> None:
        self._database = database
        self._audit = audit
        self._disk = disk
        self._versions = versions

    def counts(self) -> RecordCounts:
        """How much there is."""
        row = self._database.row(
            "SELECT (SELECT count(*) FROM users) AS users,"
            " (SELECT count(*) FROM records WHERE kind = 'teams') AS teams,"
            " (SELECT count(*) FROM records WHERE kind = 'jump-clients') AS jump_clients,"
            " (SELECT count(*) FROM sessions) AS sessions,"
            " (SELECT count(recording_size) FROM sessions) AS recordings,"
            " (SELECT coalesce(sum(recording_size), 0) FROM sessions) AS recording_bytes"
        )
        return RecordCounts.model_validate(dict(row or {}))

    def settings(self, kind: SettingsKind) -> tuple[dict[str, JsonValue], ...]:
        """Objects with a stable `id`, in its order; never a password."""
        if kind == "users":
            rows = self._database.rows("SELECT record FROM users ORDER BY id")
        else:
            rows = self._database.rows("SELECT record FROM records WHERE kind = ? ORDER BY id", (kind,))
        return tuple(json.loads(row["record"]) for row in rows)

    def sessions(self, after: int, limit: int) -> SessionPage:
        """Up to `limit` session records with `seq` greater than `after`."""
        rows = self._database.rows("SELECT * FROM sessions WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit + 1))
        page = tuple(_session(row) for row in rows[:limit])
        return SessionPage(sessions=page, next_after=page[-1].seq if len(rows) > limit else None)

    def import_sessions(self, by: str, sessions: Sequence[SessionRecord]) -> ImportResult:
        """Puts records back, each with its `lsid`; 409 `not_supported`.

        A record whose `lsid` is there already with the same content counts as `already`; with another content it is
        refused. Recordings come afterwards, one by one.
        """
        self._require("import-sessions")
        imported = already = 0
        refused: list[RefusedSession] = []
        with self._database.change() as connection:
            for record in sessions:
                lsid = record.lsid
                text = canonical(record.model_dump(mode="json"))
                known = connection.execute("SELECT record FROM sessions WHERE lsid = ?", (lsid,)).fetchone()
                if known is None:
                    connection.execute("INSERT INTO sessions (lsid, record) VALUES (?, ?)", (lsid, text))
                    imported += 1
                elif known["record"] == text:
                    already += 1
                else:
                    reason = "another record with this lsid is on the box"
                    refused.append(RefusedSession(lsid=lsid, reason=reason))
            self._audit.record(by, "import-sessions", imported=imported, already=already, refused=len(refused))
        return ImportResult(imported=imported, already=already, refused=tuple(refused))

    def recording(self, lsid: str) -> tuple[SealedReader, str]:
        """The recording, to be closed by the caller, and its SHA-256; 404."""
        row = self._session_row(lsid)
        if row["recording_size"] is None:
            raise not_found(f"recording of session {lsid}")
        return read_recording(self._disk, lsid), row["recording_sha256"]

    def open_recording(self, by: str, lsid: str, expected_sha256: str) -> "RecordingIntake":
        """Where a recording is put back, piece by piece; 404, 409 `not_supported`."""
        self._require("import-recordings")
        row = self._session_row(lsid)
        return RecordingIntake(self, by, lsid, expected_sha256.lower(), known=row["recording_sha256"])

    def keep_recording(self, by: str, lsid: str, file: Path, size_bytes: int, digest: str) -> None:
        """Makes a verified file the session's recording."""
        folder = self._disk.recordings
        file.replace(folder / self._disk.files.opaque(lsid))
        sync_folder(folder)
        with self._database.change() as connection:
            connection.execute(
                "UPDATE sessions SET recording_size = ?, recording_sha256 = ? WHERE lsid = ?",
                (size_bytes, digest, lsid),
            )
            self._audit.record(by, "import-recording", lsid=lsid, size_bytes=size_bytes, sha256=digest)

    def new_recording(self, lsid: str) -> tuple[Path, SealedWriter]:
        """Where a recording lies until it is known to be whole."""
        path = self._disk.scratch / f"recording-{secrets.token_hex(8)}"
        return path, self._disk.files.writer(path, recording_name(lsid))

    def _session_row(self, lsid: str) -> Row:
        row = self._database.row("SELECT * FROM sessions WHERE lsid = ?", (lsid,))
        if row is None:
            raise not_found(f"session {lsid}")
        return row

    def _require(self, capability: str) -> None:
        if capability not in self._versions.capabilities:
            raise Refusal(
                409,
                "not_supported",
                f"This box cannot do {capability}: its site package is {self._versions.site or 'not installed'}.",
            )


class RecordingIntake:
    """Takes a recording piece by piece; nothing of it stays unless `finish` finds the hash right."""

    def __init__(self, content: Content, by: str, lsid: str, expected: str, *, known: str | None) -> None:
        self._content = content
        self._by = by
        self._lsid = lsid
        self._expected = expected
        self._known = known
        self._hash = sha256()
        self._size_bytes = 0
        self._path, self._file = content.new_recording(lsid)

    def __enter__(self) -> "RecordingIntake":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """The next piece."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> bool:
        """Keeps it; True when it is new. 422 `hash_mismatch`, 409 `conflict` when another one is there."""
        digest = self._hash.hexdigest()
        if digest != self._expected:
            raise Refusal(422, "hash_mismatch", f"The content's SHA-256 is {digest}, not the one that was announced.")
        if self._known is not None:
            if self._known != digest:
                raise Refusal(409, "conflict", f"Session {self._lsid} has another recording already.")
            return False
        self._file.finish()
        self._content.keep_recording(self._by, self._lsid, self._path, self._size_bytes, digest)
        return True


def recording_name(lsid: str) -> str:
    """What a session's recording is called as a sealed file."""
    return f"recordings/{lsid}"


def read_recording(disk: Disk, lsid: str) -> SealedReader:
    """A recording as it lies on the disk; raises FileNotFoundError, StorageError."""
    files = disk.files
    return files.reader(disk.recordings / files.opaque(lsid), recording_name(lsid))


def canonical(record: dict[str, Any]) -> str:
    """A session record as it is kept: without what belongs to this box alone, in one spelling."""
    kept = {name: value for name, value in record.items() if name not in ("seq", "recording")}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def lay_first_site(connection: Connection, hostname: str) -> None:
    """What a site package brings when it is the first: its own admin, with the guide's first credentials (A1)."""
    record = {
        "id": "user-0001",
        "username": FACTORY_USERNAME,
        "display_name": "Administrator",
        "email": "",
        "rights": ["administrator"],
        "enabled": True,
    }
    connection.execute(
        "INSERT INTO users VALUES (?, ?, ?, ?, 1)",
        (record["id"], FACTORY_USERNAME, json.dumps(record), hash_password(FACTORY_PASSWORD)),
    )
    option = {"id": "site.hostname", "value": hostname}
    connection.execute("INSERT INTO records VALUES ('options', ?, ?)", (option["id"], json.dumps(option)))


def _session(row: Row) -> Session:
    recording = None
    if row["recording_size"] is not None:
        recording = {"size_bytes": row["recording_size"], "sha256": row["recording_sha256"]}
    return Session.model_validate({**json.loads(row["record"]), "seq": row["seq"], "recording": recording})
