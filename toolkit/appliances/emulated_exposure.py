"""Asks an emulated appliance all that a stranger can ask, and what our old account can: nothing is changed by it.

The factory's password is offered as its own replacement. A box that is as it has to be refuses that, and tells by how
it refuses that the password is the factory's and has to be replaced.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import httpx
from pydantic import JsonValue

from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated_calls import BOX_PAGES, GIVING, SITE_PAGES
from toolkit.model.box import Exposure, Shown, ShownKind

Caller = Literal["nobody", "the old token", "the old account"]
DefaultPassword = Literal["must-be-replaced", "taken-again", "already-replaced", "not-the-factorys", "unknown"]
_BY_CODE: dict[str, DefaultPassword] = {
    "invalid_credentials": "not-the-factorys",
    "already_set_up": "already-replaced",
    "weak_password": "must-be-replaced",
}


def look_from_outside(
    connection: BoxConnection, factory: tuple[str, str], *, signs_in: Callable[[], bool], site_names: Sequence[str]
) -> Exposure:
    """Everything as nobody, with the token of before if there is one, and with our account if it still signs in."""
    callers: list[tuple[Caller, str | None]] = [("nobody", None)]
    if connection.token is not None:
        callers.append(("the old token", connection.token))
    known = signs_in()
    if known:
        callers.append(("the old account", connection.token))
    shown = [answer for caller, token in callers for answer in _calls(connection, caller, token)]
    return Exposure(
        shown=(*shown, *_pages(connection, site_names)),
        old_account_known=known,
        default_password=_offer_default_password(connection, *factory),
    )


def _calls(connection: BoxConnection, caller: Caller, token: str | None) -> Iterator[Shown]:
    for call in GIVING:
        body = {"json": call.body} if call.method == "POST" else {}
        for path in call.paths:
            answer = connection.ask(call.method, path, token=token, **body)
            yield _shown(caller, f"{call.method} {path}", call.kind, answer)


def _pages(connection: BoxConnection, site_names: Sequence[str]) -> Iterator[Shown]:
    kinds: tuple[tuple[ShownKind, tuple[str, ...]], ...] = (("site-page", SITE_PAGES), ("open", BOX_PAGES))
    for name in (None, *site_names):
        headers = {"Accept": "text/html"} | ({"Host": name} if name else {})
        for kind, paths in kinds:
            for path in paths:
                answer = connection.ask("GET", path, headers=headers)
                yield _shown("nobody", f"GET {path}" + (f" as {name}" if name else ""), kind, answer)


def _shown(caller: Caller, call: str, kind: ShownKind, answer: httpx.Response) -> Shown:
    return Shown(caller=caller, call=call, kind=kind, status=answer.status_code, body=_body(answer))


def _body(answer: httpx.Response) -> JsonValue:
    try:
        body: JsonValue = answer.json()
    except ValueError:
        # names are looked for in it, whatever it is
        return answer.content.decode("utf-8", errors="replace")
    return body


def _offer_default_password(connection: BoxConnection, username: str, password: str) -> DefaultPassword:
    body = {"username": username, "password": password, "new_password": password}
    answer = connection.ask("POST", "/api/v1/setup/password", json=body)
    if answer.status_code == 204:
        return "taken-again"
    said = _body(answer)
    return _BY_CODE.get(str(said.get("error")), "unknown") if isinstance(said, dict) else "unknown"
