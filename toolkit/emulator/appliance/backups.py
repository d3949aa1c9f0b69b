"""*Management > Software Management*: Download Backup and Restore Settings (requirements U9, H2, H6)."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.backup_format import Header, read_header, read_lines, write_backup
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.content import Content
from toolkit.emulator.appliance.database import Connection, Database, DatabaseError
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.facts import RecordCounts
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.versions import Versions
from toolkit.model.errors import InputError
from toolkit.model.version import Version

_SLOW_SECONDS = 3.0


class Backups:
    """Makes and takes back settings backups.

    A backup holds users with their password hashes, teams, Jump Clients and options. It holds no network settings, no
    certificates, no session records and no recordings.
    """

    def __init__(
        self,
        database: Database,
        audit: Audit,
        *,
        disk: Disk,
        clock: Clock,
        versions: Versions,
        content: Content,
        faults: Faults,
        serial_number: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._audit = audit
        self._disk = disk
        self._clock = clock
        self._versions = versions
        self._content = content
        self._faults = faults
        self._serial_number = serial_number
        self._sleep = sleep

    def make(self, by: str, passphrase: str | None) -> tuple[Path, str]:
        """A file to be sent and then unlinked by the caller, and the name to offer it under; 409 `no_site_package`."""
        header = Header.fresh(
            site_version=self._versions.require_site(),
            base_version=self._versions.base,
            serial_number=self._serial_number,
            created=self._clock.now(),
        )
        handle, name = tempfile.mkstemp(prefix="backup-")  # in memory: see `memory_folder`
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                write_backup(file, header, self._lines(), passphrase)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._audit.record(by, "download-backup", passphrase=bool(passphrase))
        return path, f"backup-{self._serial_number}-{header.created:%Y%m%d-%H%M%S}.rbxbak"

    def restore(self, by: str, source: BinaryIO, passphrase: str | None) -> RecordCounts:
        """All or nothing; 409 `no_site_package`, else 422.

        `wrong_passphrase`, `passphrase_required`, `corrupt_backup`, `backup_too_new`.
        """
        present = self._versions.require_site()
        header = read_header(source)
        self._refuse_newer(header.site_version, present)
        rows = [_row(line) for line in read_lines(source, passphrase)]
        with self._database.change() as connection:
            self._replace(connection, rows)
            self._audit.record(by, "restore-settings", made_by=header.serial_number, site_version=header.site_version)
            if self._faults.is_set("slow-disk"):
                self._sleep(_SLOW_SECONDS)
        return self._content.counts()

    def _lines(self) -> Iterator[bytes]:
        for row in self._database.rows("SELECT * FROM users ORDER BY id"):
            yield json.dumps({"table": "users", **dict(row)}).encode()
        for row in self._database.rows("SELECT * FROM records ORDER BY kind, id"):
            yield json.dumps({"table": "records", **dict(row)}).encode()

    def _replace(self, connection: Connection, rows: list[dict[str, object]]) -> None:
        connection.execute("DELETE FROM users")
        connection.execute("DELETE FROM records")
        connection.execute("DELETE FROM web_sessions WHERE interface = 'login'")
        try:
            for row in rows:
                if row["table"] == "users":
                    connection.execute(
                        "INSERT INTO users VALUES (:id, :username, :record, :password, :must_change)", row
                    )
                else:
                    connection.execute("INSERT INTO records VALUES (:kind, :id, :record)", row)
        except DatabaseError:
            raise Refusal(
                422, "corrupt_backup", "The backup's records contradict each other; nothing changed."
            ) from None

    def _refuse_newer(self, made_by: str, present: str) -> None:
        try:
            newer = Version.parse(made_by) > Version.parse(present)
        except InputError:
            raise Refusal(422, "corrupt_backup", "The backup does not say which version made it.") from None
        if newer:
            raise Refusal(
                422, "backup_too_new", f"The backup was made by {made_by} and this box has {present}: update it first."
            )


def _row(line: bytes) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or row.get("table") not in ("users", "records"):
        raise Refusal(422, "corrupt_backup", "The backup holds something this box does not know; nothing changed.")
    return row
