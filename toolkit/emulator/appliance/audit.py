"""Who changed what, and when by the box's clock."""

import json

from pydantic import JsonValue

from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.facts import AuditEntry


class Audit:
    """The list of changes; it goes with the box's state when that is destroyed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, by: str, action: str, **detail: JsonValue) -> None:
        """Writes one line, within the transaction under way if there is one; never a secret."""
        with self._database.change() as connection:
            connection.execute(
                "INSERT INTO audit (time, actor, action, detail) VALUES (?, ?, ?, ?)",
                (self._clock.now().isoformat(), by, action, json.dumps(detail)),
            )

    def after(self, seq: int, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """Up to `limit` lines after `seq`, oldest first."""
        rows = self._database.rows("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
        return tuple(AuditEntry.model_validate({**row, "detail": json.loads(row["detail"])}) for row in rows)
