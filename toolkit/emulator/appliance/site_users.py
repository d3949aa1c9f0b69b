"""The support site's users: who they are, adding one, disabling and enabling one."""

import json
import re
import secrets
import sqlite3
from typing import Any

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.passwords import hash_password
from toolkit.emulator.appliance.refusal import Refusal, conflict, invalid, not_found

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PASSWORD_LENGTH_MIN = 12


class SiteUsers:
    """Users of `/login`. A disabled one has no password and no session; enabling gives a new first password."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def is_administrator(self, username: str) -> bool:
        """Whether this user may change anything."""
        row = self._database.row("SELECT record FROM users WHERE username = ?", (username,))
        return row is not None and "administrator" in json.loads(row["record"]).get("rights", [])

    def add(self, by: str, *, username: str, display_name: str, email: str, password: str) -> None:
        """Adds a user who supports, and has to change this password first; 409 `conflict`, 422."""
        username, display_name = username.strip().lower(), display_name.strip()
        if not _USERNAME.fullmatch(username) or not display_name:
            raise invalid("A user has a name, and a username of letters, digits, dots and dashes.")
        _check_password(password)
        with self._database.change() as connection:
            if connection.execute("SELECT 1 FROM users WHERE username = ?", (username,)).fetchone():
                raise conflict(f"There is a user {username} already.")
            user: dict[str, Any] = {
                "id": _next_id(connection),
                "username": username,
                "display_name": display_name,
                "email": email.strip(),
                "rights": ["support"],
                "enabled": True,
            }
            connection.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?, 1)",
                (user["id"], username, json.dumps(user), hash_password(password)),
            )
            self._audit.record(by, "add-user", username=username)

    def disable(self, by: str, user_id: str) -> None:
        """Ends the user's sessions and forgets the password; 404, 409 `conflict` for who asks."""
        with self._database.change() as connection:
            user = _user(connection, user_id)
            if by == f"login:{user['username']}":
                raise conflict("Nobody can disable the account that they are logged in with.")
            # a password that nobody has ever known
            _write(connection, {**user, "enabled": False}, hash_password(secrets.token_urlsafe(32)))
            connection.execute(
                "DELETE FROM web_sessions WHERE interface = 'login' AND username = ?", (user["username"],)
            )
            self._audit.record(by, "disable-user", username=user["username"])

    def enable(self, by: str, user_id: str, password: str) -> None:
        """Lets the user in again, with a first password that has to be changed; 404, 422."""
        _check_password(password)
        with self._database.change() as connection:
            user = _user(connection, user_id)
            _write(connection, {**user, "enabled": True}, hash_password(password))
            self._audit.record(by, "enable-user", username=user["username"])


def _check_password(password: str) -> None:
    if len(password) < _PASSWORD_LENGTH_MIN:
        raise Refusal(422, "weak_password", f"A password has at least {_PASSWORD_LENGTH_MIN} characters.")


def _next_id(connection: sqlite3.Connection) -> str:
    """Ids are never taken twice while the user with the highest one is there, and never by two at a time."""
    numbers = [int(row["id"].rpartition("-")[2]) for row in connection.execute("SELECT id FROM users")]
    return f"user-{max(numbers, default=0) + 1:04d}"


def _user(connection: sqlite3.Connection, user_id: str) -> dict[str, Any]:
    row = connection.execute("SELECT record FROM users WHERE id = ?", (user_id,)).fetchone()
    if row is None:
        raise not_found(f"user {user_id}")
    user: dict[str, Any] = json.loads(row["record"])
    return user


def _write(connection: sqlite3.Connection, user: dict[str, Any], password: str) -> None:
    connection.execute(
        "UPDATE users SET record = ?, password = ?, must_change = 1 WHERE id = ?",
        (json.dumps(user), password, user["id"]),
    )
