"""Who may do what: the admin accounts of both web interfaces, API accounts, tokens and web sessions."""

import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Literal

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.facts import AdminAccount, BoxAccounts, WebSession
from toolkit.emulator.appliance.lockout import Lockout
from toolkit.emulator.appliance.passwords import hash_password, matches
from toolkit.emulator.appliance.refusal import Refusal

WebInterface = Literal["appliance", "login"]

FACTORY_USERNAME = "admin"
FACTORY_PASSWORD = "password"  # noqa: S105 (the guide's; every box leaves the factory with it, and loses it first)
TOKEN_SECONDS = 3600
_PASSWORD_LENGTH_MIN = 12
_SECRET_LENGTH_MIN = 24
_IDLE_SECONDS = 1800.0
_SELECT_PASSWORD = {
    "appliance": "SELECT password, must_change FROM admins WHERE username = ?",
    "login": "SELECT password, must_change FROM users WHERE username = ?",
}
_UPDATE_PASSWORD = {
    "appliance": "UPDATE admins SET password = ?, must_change = 0 WHERE username = ?",
    "login": "UPDATE users SET password = ?, must_change = 0 WHERE username = ?",
}


class Accounts:
    """The box's accounts. `peer` is the address a call came from, for the lockout.

    `taken_into_use` is called when the factory password has been replaced. Lifetimes are
    counted by the machine's time: setting the box's clock neither ends nor prolongs anything.
    """

    def __init__(
        self,
        database: Database,
        audit: Audit,
        *,
        taken_into_use: Callable[[], None],
        lockout: Lockout | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._audit = audit
        self._taken_into_use = taken_into_use
        self._lockout = lockout or Lockout()
        self._now = now

    # the admin of /appliance

    def set_up_password(self, username: str, password: str, new_password: str, peer: str) -> None:
        """First boot: replaces `admin`/`password`; 401, 409 `already_set_up`, 422 `weak_password`, 429."""
        if not self._factory_password_stands():
            raise Refusal(409, "already_set_up", "The factory password has been changed already.")
        self._check("appliance", username, password, peer)
        self._replace_password("appliance", username, new_password)

    def check_admin(self, username: str, password: str, peer: str, *, factory_too: bool = False) -> str:
        """The actor's name for the audit; 401 `invalid_credentials`, 429.

        The factory password opens nothing (403 `password_change_required`) unless `factory_too`.
        """
        must_change = self._check("appliance", username, password, peer)
        if must_change and not factory_too:
            raise Refusal(403, "password_change_required", "The factory password must be changed first.")
        return f"appliance:{username}"

    def names(self) -> BoxAccounts:
        """Whom the box itself knows; never a password or a secret."""
        admins = self._database.rows("SELECT username, must_change FROM admins ORDER BY username")
        clients = self._database.rows("SELECT client_id FROM api_accounts ORDER BY client_id")
        return BoxAccounts(
            admins=tuple(
                AdminAccount(username=row["username"], must_change_password=bool(row["must_change"])) for row in admins
            ),
            api_accounts=tuple(row["client_id"] for row in clients),
        )

    # API accounts

    def put_api_account(self, by: str, client_id: str, client_secret: str) -> bool:
        """Makes (True) or replaces (False) an API account; 422 `weak_secret`. Its old tokens end."""
        if len(client_secret) < _SECRET_LENGTH_MIN:
            raise Refusal(422, "weak_secret", f"A client secret has at least {_SECRET_LENGTH_MIN} characters.")
        hashed = hash_password(client_secret)
        with self._database.change() as connection:
            known = connection.execute("SELECT 1 FROM api_accounts WHERE client_id = ?", (client_id,)).fetchone()
            connection.execute("INSERT OR REPLACE INTO api_accounts VALUES (?, ?)", (client_id, hashed))
            connection.execute("DELETE FROM tokens WHERE client_id = ?", (client_id,))
            self._audit.record(by, "replace-api-account" if known else "make-api-account", client_id=client_id)
        return known is None

    def issue_token(self, client_id: str, client_secret: str, peer: str) -> tuple[str, int]:
        """An access token and the seconds it lasts; 401 `invalid_client`, 429 `locked_out`."""
        self.check_client(client_id, client_secret, peer)
        token = secrets.token_urlsafe(32)
        with self._database.change() as connection:
            connection.execute("DELETE FROM tokens WHERE expires < ?", (self._now(),))
            connection.execute(
                "INSERT INTO tokens VALUES (?, ?, ?)", (_digest(token), client_id, self._now() + TOKEN_SECONDS)
            )
        return token, TOKEN_SECONDS

    def revoke_token(self, client_id: str, client_secret: str, token: str, peer: str) -> None:
        """Ends one of the client's own tokens; 401 `invalid_client`, 429.

        One that is unknown or has ended is no error (RFC 7009 section 2.2).
        """
        self.check_client(client_id, client_secret, peer)
        with self._database.change() as connection:
            connection.execute("DELETE FROM tokens WHERE hash = ? AND client_id = ?", (_digest(token), client_id))

    def check_token(self, token: str) -> str:
        """The actor's name for the audit; 401 `access_denied`."""
        row = self._database.row("SELECT client_id, expires FROM tokens WHERE hash = ?", (_digest(token),))
        if row is None or row["expires"] < self._now():
            raise Refusal(401, "access_denied", "The access token is missing, unknown or expired: get a new one.")
        return f"api:{row['client_id']}"

    # the two web interfaces

    def log_in(self, interface: WebInterface, username: str, password: str, peer: str) -> tuple[str, WebSession]:
        """A cookie's value and the session; 401 `invalid_credentials`, 429 `locked_out`.

        A session with `must_change_password` may do nothing but `change_password` and `log_out`: the pages see to it.
        """
        must_change = self._check(interface, username, password, peer)
        cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        with self._database.change() as connection:
            connection.execute("DELETE FROM web_sessions WHERE used < ?", (self._now() - _IDLE_SECONDS,))
            connection.execute(
                "INSERT INTO web_sessions VALUES (?, ?, ?, ?, ?)",
                (_digest(cookie), interface, username, csrf, self._now()),
            )
        session = WebSession(interface=interface, username=username, csrf_token=csrf, must_change_password=must_change)
        return cookie, session

    def web_session(self, interface: WebInterface, cookie: str) -> WebSession | None:
        """The session behind a cookie; None when there is none, or it was idle for 30 minutes."""
        with self._database.change() as connection:
            row = connection.execute(
                "UPDATE web_sessions SET used = ? WHERE hash = ? AND interface = ? AND used >= ? RETURNING *",
                (self._now(), _digest(cookie), interface, self._now() - _IDLE_SECONDS),
            ).fetchone()
        account = self._account(interface, row["username"]) if row else None
        if row is None or account is None:
            return None
        return WebSession(
            interface=interface,
            username=row["username"],
            csrf_token=row["csrf"],
            must_change_password=account[1],
        )

    def change_password(self, cookie: str, session: WebSession, password: str, new_password: str, peer: str) -> None:
        """Replaces the logged-in account's password; 401, 422 `weak_password`, 429. Its other sessions end."""
        self._check(session.interface, session.username, password, peer)
        self._replace_password(session.interface, session.username, new_password, keep=_digest(cookie))

    def check_account(self, interface: WebInterface, username: str, password: str, peer: str) -> None:
        """For whoever is not logged in; 401, 403, 429.

        403 `password_change_required` at first boot, where `set_up_password` is the way.
        """
        if interface == "appliance":
            self.check_admin(username, password, peer)
        else:
            self._check(interface, username, password, peer)

    def replace_password(self, interface: WebInterface, username: str, new_password: str) -> None:
        """Of an account that was checked; all its web sessions end. 422 `weak_password`."""
        self._replace_password(interface, username, new_password)

    def log_out(self, cookie: str) -> None:
        """Ends the session."""
        with self._database.change() as connection:
            connection.execute("DELETE FROM web_sessions WHERE hash = ?", (_digest(cookie),))

    # what they have in common

    def check_client(self, client_id: str, client_secret: str, peer: str) -> None:
        """An API account and its secret; 401 `invalid_client`, 429 `locked_out`."""
        account = f"api:{client_id}"
        self._lockout.check(account, peer)
        row = self._database.row("SELECT secret FROM api_accounts WHERE client_id = ?", (client_id,))
        if not matches(client_secret, row["secret"] if row else None):
            self._lockout.failed(account, peer)
            raise Refusal(401, "invalid_client", "There is no such API account, or the secret is wrong.")
        self._lockout.succeeded(account, peer)

    def _check(self, interface: WebInterface, username: str, password: str, peer: str) -> bool:
        """Whether the password is right and still has to be changed; raises Refusal when it is wrong."""
        name = f"{interface}:{username}"
        self._lockout.check(name, peer)
        account = self._account(interface, username)
        if not matches(password, account[0] if account else None) or account is None:
            self._lockout.failed(name, peer)
            raise Refusal(401, "invalid_credentials", "There is no such account, or the password is wrong.")
        self._lockout.succeeded(name, peer)
        return account[1]

    def _account(self, interface: WebInterface, username: str) -> tuple[str, bool] | None:
        """The stored password and whether it must be changed."""
        row = self._database.row(_SELECT_PASSWORD[interface], (username,))
        return (row["password"], bool(row["must_change"])) if row else None

    def _replace_password(self, interface: WebInterface, username: str, new_password: str, keep: str = "") -> None:
        """Ends the account's web sessions, but for the one whose cookie has the digest `keep`."""
        if len(new_password) < _PASSWORD_LENGTH_MIN or new_password == FACTORY_PASSWORD:
            raise Refusal(
                422,
                "weak_password",
                f"A password has at least {_PASSWORD_LENGTH_MIN} characters and is not the factory's.",
            )
        hashed = hash_password(new_password)
        with self._database.change() as connection:
            first = interface == "appliance" and self._factory_password_stands()
            connection.execute(_UPDATE_PASSWORD[interface], (hashed, username))
            connection.execute(
                "DELETE FROM web_sessions WHERE interface = ? AND username = ? AND hash != ?",
                (interface, username, keep),
            )
            self._audit.record(f"{interface}:{username}", "change-password")
        if first:
            self._taken_into_use()

    def _factory_password_stands(self) -> bool:
        return self._database.row("SELECT 1 FROM admins WHERE must_change") is not None


def _digest(token: str) -> str:
    # 256 random bits need no salt
    return sha256(token.encode()).hexdigest()
