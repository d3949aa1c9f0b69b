"""Who is visiting a page: the session behind the cookie, the forced change of password, and the forms' CSRF token."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from toolkit.emulator.appliance.accounts import WebInterface
from toolkit.emulator.appliance.box import Box
from toolkit.emulator.appliance.facts import WebSession
from toolkit.emulator.appliance.pages.page_route import AUTHENTICATES, ElsewhereError, interface_of
from toolkit.emulator.appliance.pages.rendering import render
from toolkit.emulator.appliance.refusal import Refusal

COOKIE: dict[WebInterface, str] = {"appliance": "appliance_session", "login": "login_session"}


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is logged in."""

    request: Request
    interface: WebInterface
    session: WebSession
    cookie: str

    @property
    def box(self) -> Box:
        """The box behind the pages."""
        return box_of(self.request)

    @property
    def by(self) -> str:
        """Who it is, for the audit."""
        return self.session.actor

    @property
    def peer(self) -> str:
        """The address the request came from."""
        return peer_of(self.request)

    def page(self, template: str, *, refusal: Refusal | None = None, **values: Any) -> HTMLResponse:
        """A page of this interface, with the menu of somebody who is logged in."""
        return render(self.request, template, self.interface, session=self.session, refusal=refusal, **values)


def box_of(request: Request) -> Box:
    """The box behind the pages."""
    return cast("Box", request.app.state.box)


def peer_of(request: Request) -> str:
    """The address a request came from."""
    return request.client.host if request.client else "unknown"


def set_cookie(response: Response, name: str, value: str, interface: WebInterface) -> None:
    """A cookie that only this interface's pages get back, over TLS, unseen by scripts and by other sites."""
    response.set_cookie(name, value, path=f"/{interface}", secure=True, httponly=True, samesite="strict")


def drop_cookie(response: Response, name: str, interface: WebInterface) -> None:
    """Tells the browser to forget it."""
    response.delete_cookie(name, path=f"/{interface}", secure=True, httponly=True, samesite="strict")


def find_visit(request: Request, interface: WebInterface) -> Visit | None:
    """Whoever is logged in on this interface, whatever their password's state."""
    cookie = request.cookies.get(COOKIE[interface], "")
    session = box_of(request).accounts.web_session(interface, cookie) if cookie else None
    return Visit(request, interface, session, cookie) if session else None


def check_token(expected: str, given: str) -> None:
    """Refuses a form that did not come from one of our own pages."""
    if not secrets.compare_digest(expected.encode(), given.encode()):
        raise Refusal(
            403, "csrf", "This form did not come from a page of your session. Open the page again and repeat it."
        )


def _visit(interface: WebInterface) -> Callable[[Request], Visit]:
    def dependency(request: Request) -> Visit:
        visit = find_visit(request, interface)
        if visit is None:
            raise ElsewhereError(f"/{interface}/log-in")
        if visit.session.must_change_password:
            raise ElsewhereError(f"/{interface}/password")
        return visit

    AUTHENTICATES[dependency] = dependency
    return dependency


def _change(interface: WebInterface) -> Callable[..., Visit]:
    visiting = _visit(interface)

    def dependency(request: Request, csrf_token: Annotated[str, Form()] = "") -> Visit:
        visit = visiting(request)
        check_token(visit.session.csrf_token, csrf_token)
        if interface == "login" and not visit.box.users.is_administrator(visit.session.username):
            raise Refusal(403, "not_allowed", "Only administrators of this site may do that.")
        return visit

    AUTHENTICATES[dependency] = visiting
    return dependency


def _known(request: Request) -> Visit:
    """Whoever is logged in, whatever their password's state."""
    interface = interface_of(request)
    visit = find_visit(request, interface)
    if visit is None:
        raise ElsewhereError(f"/{interface}/log-in")
    return visit


AUTHENTICATES[_known] = _known
KnownVisit = Annotated[Visit, Depends(_known)]


ApplianceVisit = Annotated[Visit, Depends(_visit("appliance"))]
ApplianceChange = Annotated[Visit, Depends(_change("appliance"))]
SiteVisit = Annotated[Visit, Depends(_visit("login"))]
SiteChange = Annotated[Visit, Depends(_change("login"))]
"""For handlers' signatures: a Visit may look, a Change has sent a form of its own session."""
