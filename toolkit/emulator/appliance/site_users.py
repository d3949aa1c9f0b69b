"""The support site's users: who they are, adding one, disabling and enabling one."""

import re
import secrets

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Connection, Database
from toolkit.emulator.appliance.facts import User
from toolkit.emulator.appliance.passwords import hash_password
from toolkit.emulator.appliance.refusal import Refusal, conflict, invalid, not_found
from toolkit.emulator.appliance.versions import Versions

ADMINISTRATOR = "administrator"
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PASSWORD_LENGTH_MIN = 12


class SiteUsers:
    """Users of `/login`. A disabled one has no password and no session; enabling gives a new first password."""

    def __init__(self, database: Database, audit: Audit, versions: Versions) -> None:
        self._database = database
        self._audit = audit
        self._versions = versions

    def is_administrator(self, username: str) -> bool:
        """Whether this user may change anything."""
        row = self._database.row("SELECT record FROM users WHERE username = ?", (username,))
        return row is not None and ADMINISTRATOR in User.model_validate_json(row["record"]).rights

    def add(self, by: str, *, username: str, display_name: str, email: str, password: str) -> User:
        """Adds a user who supports, and has to change this password first; 409 `conflict`, `no_site_package`, 422."""
        self._versions.require_site()
        username, display_name = username.strip().lower(), display_name.strip()
        if not _USERNAME.fullmatch(username) or not display_name:
            raise invalid("A user has a name, and a username of letters, digits, dots and dashes.")
        _check_password(password)
        with self._database.change() as connection:
            if connection.execute("SELECT 1 FROM users WHERE username = ?", (username,)).fetchone():
                raise conflict(f"There is a user {username} already.")
            user = User(
                id=_next_id(connection),
                username=username,
                display_name=display_name,
                email=email.strip(),
                rights=("support",),
                enabled=True,
            )
            connection.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?, 1)",
                (user.id, username, user.model_dump_json(), hash_password(password)),
            )
            self._audit.record(by, "add-user", username=username)
        return user

    def disable(self, by: str, user_id: str) -> User:
        """Ends the user's sessions and forgets the password; 404, 409 `conflict` for who asks and the only admin."""
        with self._database.change() as connection:
            user = _user(connection, user_id)
            if by == f"login:{user.username}":
                raise conflict("Nobody can disable the account that they are logged in with.")
            if [one.id for one in _administrators(connection)] == [user_id]:
                raise conflict(f"{user.username} is the site's only administrator: nobody else could enable anybody.")
            # a password that nobody has ever known
            changed = _write(connection, user, hash_password(secrets.token_urlsafe(32)), enabled=False)
            connection.execute("DELETE FROM web_sessions WHERE interface = 'login' AND username = ?", (user.username,))
            self._audit.record(by, "disable-user", username=user.username)
        return changed

    def enable(self, by: str, user_id: str, password: str) -> User:
        """Lets the user in again, with a first password that has to be changed; 404, 422."""
        _check_password(password)
        with self._database.change() as connection:
            changed = _write(connection, _user(connection, user_id), hash_password(password), enabled=True)
            self._audit.record(by, "enable-user", username=changed.username)
        return changed


def _check_password(password: str) -> None:
    if len(password) < _PASSWORD_LENGTH_MIN:
        raise Refusal(422, "weak_password", f"A password has at least {_PASSWORD_LENGTH_MIN} characters.")


def _next_id(connection: Connection) -> str:
    """Ids are never taken twice while the user with the highest one is there, and never by two at a time."""
    numbers = [int(row["id"].rpartition("-")[2]) for row in connection.execute("SELECT id FROM users")]
    return f"user-{max(numbers, default=0) + 1:04d}"


def _user(connection: Connection, user_id: str) -> User:
    row = connection.execute("SELECT record FROM users WHERE id = ?", (user_id,)).fetchone()
    if row is None:
        raise not_found(f"user {user_id}")
    return User.model_validate_json(row["record"])


def _administrators(connection: Connection) -> list[User]:
    """Those who can still log in."""
    users = [User.model_validate_json(row["record"]) for row in connection.execute("SELECT record FROM users")]
    return [user for user in users if user.enabled and ADMINISTRATOR in user.rights]


def _write(connection: Connection, user: User, password: str, *, enabled: bool) -> User:
    changed = user.model_copy(update={"enabled": enabled})
    connection.execute(
        "UPDATE users SET record = ?, password = ?, must_change = 1 WHERE id = ?",
        (changed.model_dump_json(), password, user.id),
    )
    return changed
