"""Support sessions in progress: who helps whom right now, and the session records they become when they end (U7)."""

import json
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import JsonValue

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.content import canonical
from toolkit.emulator.appliance.database import Connection, Database, Row
from toolkit.emulator.appliance.facts import ActiveSession, SessionRecord, User
from toolkit.emulator.appliance.refusal import conflict, invalid, not_found
from toolkit.emulator.appliance.versions import Versions

ACTIVE_SESSIONS_MAX = 1000
BOX = "appliance"
"""Who ended a session that its representative did not."""
_IN_PROGRESS = "SELECT * FROM active_sessions WHERE start_time IS NOT NULL ORDER BY start_time, lsid"


class SupportSessions:
    """The site's sessions in progress.

    Each runs over one of the box's addresses, and ends with it. They end as well when the box is taken out of service
    by an installation, is rebooted or shut down, or loses its power: that is noted at the next power-on. Every one
    that ends becomes an ordinary session record; a factory reset destroys it with all others.

    A session the factory laid begins at the first power-on: until then it has no time and no address.
    """

    def __init__(
        self, database: Database, audit: Audit, clock: Clock, versions: Versions, refuse_if_busy: Callable[[], None]
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._versions = versions
        self._refuse_if_busy = refuse_if_busy

    def count(self) -> int:
        """How many there are."""
        row = self._database.row("SELECT count(*) AS count FROM active_sessions")
        return int(row["count"]) if row else 0

    def list(self) -> tuple[ActiveSession, ...]:
        """All, the oldest first."""
        return tuple(_session(row) for row in self._database.rows(_IN_PROGRESS))

    def begin(self, by: str, *, username: str, customer: str) -> ActiveSession:
        """A user of the site begins to help a customer; 409 `no_site_package`, `conflict`, 422 `invalid_request`."""
        self._versions.require_site()
        with self._database.change() as connection:
            # asked in here: whoever takes the box out of service ends the sessions afterwards, and finds this one
            self._refuse_if_busy()
            if self.count() >= ACTIVE_SESSIONS_MAX:
                raise conflict(f"There are {ACTIVE_SESSIONS_MAX} sessions in progress already: end one first.")
            user = _representative(connection, username)
            session = ActiveSession(
                lsid=secrets.token_hex(16),
                start_time=self._clock.now(),
                representative=user.display_name,
                customer=customer,
                team=_team(connection, user.id),
                address=_site_address(connection),
            )
            connection.execute(
                "INSERT INTO active_sessions VALUES (:lsid, :start_time, :representative, :customer, :team, :address)",
                session.model_dump(mode="json"),
            )
            self._audit.record(by, "begin-session", lsid=session.lsid)
        return session

    def end(self, by: str, lsid: str) -> None:
        """Its representative ends it; 404."""
        with self._database.change() as connection:
            row = connection.execute("SELECT * FROM active_sessions WHERE lsid = ?", (lsid,)).fetchone()
            if row is None:
                raise not_found(f"session {lsid} in progress")
            session = _session(row)
            self._keep(connection, session, by=session.representative)
            self._audit.record(by, "end-session", lsid=lsid)

    def end_all(self, by: str, reason: str) -> None:
        """The box ends every one, whatever its representative is doing."""
        with self._database.change() as connection:
            self._cut(connection, by, reason, [_session(row) for row in connection.execute(_IN_PROGRESS)])

    def address_left(self, address: str) -> None:
        """Ends those that ran over an address the box has just given up."""
        if not self.count():
            return  # there is a swing under way, and every millisecond counts
        with self._database.change() as connection:
            sessions = [_session(row) for row in connection.execute(_IN_PROGRESS)]
            gone = [session for session in sessions if session.address == address]
            self._cut(connection, BOX, f"the appliance gave up {address}", gone)

    def wake(self) -> None:
        """At power-on: what was in progress when the box went off has ended, what the factory laid begins."""
        with self._database.change() as connection:
            self.end_all(BOX, "the appliance went off")
            connection.execute(
                "UPDATE active_sessions SET start_time = ?, address = ?",
                (self._clock.now().isoformat(), _site_address(connection)),
            )

    def _cut(self, connection: Connection, by: str, reason: str, sessions: Sequence[ActiveSession]) -> None:
        for session in sessions:
            self._keep(connection, session, by=BOX, reason=reason)
        if sessions:
            self._audit.record(by, "end-sessions", count=len(sessions), reason=reason)

    def _keep(self, connection: Connection, session: ActiveSession, **ended: JsonValue) -> None:
        """Makes a session record of a session in progress; `ended` goes into its last event."""
        end = max(self._clock.now(), session.start_time)  # the clock may have been set back meanwhile
        record = SessionRecord(
            lsid=session.lsid,
            start_time=session.start_time,
            end_time=end,
            duration_seconds=int((end - session.start_time).total_seconds()),
            representative=session.representative,
            customer=session.customer,
            team=session.team,
            events=(
                {"time": _text(session.start_time), "type": "Session Start", "by": session.customer},
                {"time": _text(session.start_time), "type": "Representative Joined", "by": session.representative},
                {"time": _text(end), "type": "Session End", **ended},
            ),
        )
        connection.execute("DELETE FROM active_sessions WHERE lsid = ?", (session.lsid,))
        connection.execute(
            "INSERT OR IGNORE INTO sessions (lsid, record) VALUES (?, ?)",  # one that was put back meanwhile stays
            (session.lsid, canonical(record.model_dump(mode="json"))),
        )


def _session(row: Row) -> ActiveSession:
    return ActiveSession.model_validate(dict(row))


def _representative(connection: Connection, username: str) -> User:
    row = connection.execute("SELECT record FROM users WHERE username = ?", (username,)).fetchone()
    user = User.model_validate_json(row["record"]) if row else None
    if user is None or not user.enabled:
        raise invalid(f"This site has no user {username!r} who may support anybody.")
    return user


def _team(connection: Connection, user_id: str) -> str:
    """The first team the user leads or belongs to; none: empty."""
    rows = connection.execute("SELECT record FROM records WHERE kind = 'teams' ORDER BY id")
    teams = [json.loads(row["record"]) for row in rows]
    return next((team["name"] for team in teams if user_id in (team["lead"], *team["members"])), "")


def _site_address(connection: Connection) -> str:
    """Where people reach the site: a shared address if the box has one, else its own."""
    row = connection.execute("SELECT address FROM addresses WHERE enabled ORDER BY shared DESC, id").fetchone()
    return str(row["address"])


def _text(moment: datetime) -> str:
    return moment.isoformat()
