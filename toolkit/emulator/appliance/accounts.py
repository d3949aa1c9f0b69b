"""Who may do what: the admin accounts of both web interfaces, API accounts, tokens, web sessions and lockout."""

from typing import Literal

from toolkit.emulator.appliance.facts import WebSession

WebInterface = Literal["appliance", "login"]


class Accounts:
    """The box's accounts. `peer` is the address a call came from, for the lockout."""

    def set_up_password(self, username: str, password: str, new_password: str, peer: str) -> None:
        """First boot: replaces `admin`/`password`; 401, 409 `already_set_up`, 422 `weak_password`, 429."""
        raise NotImplementedError

    def check_admin(self, username: str, password: str, peer: str) -> str:
        """The actor's name for the audit; 401 `invalid_credentials`, 403 `password_change_required`, 429."""
        raise NotImplementedError

    def put_api_account(self, by: str, client_id: str, client_secret: str) -> bool:
        """Makes (True) or replaces (False) an API account; 422 `weak_secret`."""
        raise NotImplementedError

    def issue_token(self, client_id: str, client_secret: str, peer: str) -> tuple[str, int]:
        """An access token and the seconds it lasts; 401 `invalid_client`, 429 `locked_out`."""
        raise NotImplementedError

    def check_token(self, token: str) -> str:
        """The actor's name for the audit; 401 `access_denied`."""
        raise NotImplementedError

    def log_in(self, interface: WebInterface, username: str, password: str, peer: str) -> tuple[str, WebSession]:
        """A cookie's value and the session; 401 `invalid_credentials`, 429 `locked_out`.

        A session with `must_change_password` may do nothing but `change_password` and `log_out`: the pages see to it.
        """
        raise NotImplementedError

    def web_session(self, interface: WebInterface, cookie: str) -> WebSession | None:
        """The session behind a cookie; None when there is none (or it was idle for 30 minutes)."""
        raise NotImplementedError

    def change_password(self, cookie: str, session: WebSession, password: str, new_password: str, peer: str) -> None:
        """Replaces the logged-in account's password; 401, 422 `weak_password`, 429."""
        raise NotImplementedError

    def log_out(self, cookie: str) -> None:
        """Ends the session."""
        raise NotImplementedError
