"""The way in and out of both interfaces: log in, change the password (forced the first time), log out."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from toolkit.emulator.appliance.pages.page_route import PageRoute, interface_of, see_other
from toolkit.emulator.appliance.pages.rendering import MENU, render
from toolkit.emulator.appliance.pages.visit import (
    COOKIE,
    KnownVisit,
    box_of,
    check_token,
    drop_cookie,
    peer_of,
    set_cookie,
)
from toolkit.emulator.appliance.refusal import Refusal, invalid

router = APIRouter(route_class=PageRoute)
"""Included twice: under `/appliance` and under `/login`."""

_FORM_COOKIE = "log_in_form"
"""Ties the log-in form to the browser that was shown it: there is no session yet that could."""


@router.get("")
def front(request: Request) -> RedirectResponse:
    """The interface's first page."""
    return see_other(MENU[interface_of(request)][0][2])


@router.get("/log-in")
def log_in_form(request: Request) -> HTMLResponse:
    """The form."""
    return _log_in_page(request)


@router.post("/log-in")
def log_in(
    request: Request,
    username: Annotated[str, Form()],
    password: Annotated[str, Form()],
    csrf_token: Annotated[str, Form()] = "",
) -> Response:
    """Opens a session; repeated failures lock the account for this address."""
    interface = interface_of(request)
    expected = request.cookies.get(_FORM_COOKIE, "")
    if not expected:
        raise Refusal(403, "csrf", "The browser did not send back this page's cookie. Open the page again.")
    check_token(expected, csrf_token)
    try:
        cookie, session = box_of(request).accounts.log_in(interface, username, password, peer_of(request))
    except Refusal as refusal:
        return _log_in_page(request, refusal=refusal, username=username)
    response = see_other(f"/{interface}/password" if session.must_change_password else f"/{interface}")
    set_cookie(response, COOKIE[interface], cookie, interface)
    drop_cookie(response, _FORM_COOKIE, interface)
    return response


def _log_in_page(request: Request, *, refusal: Refusal | None = None, username: str = "") -> HTMLResponse:
    interface = interface_of(request)
    token = secrets.token_urlsafe(32)
    page = render(request, "log_in.html", interface, refusal=refusal, csrf_token=token, username=username)
    set_cookie(page, _FORM_COOKIE, token, interface)
    return page


@router.get("/password")
def password_form(visit: KnownVisit) -> HTMLResponse:
    """The form; the only page that a factory password opens."""
    return visit.page("password.html")


@router.post("/password")
def change_password(
    visit: KnownVisit,
    password: Annotated[str, Form()],
    new_password: Annotated[str, Form()],
    repeated: Annotated[str, Form()],
    csrf_token: Annotated[str, Form()] = "",
) -> Response:
    """Replaces the password of whoever is logged in."""
    check_token(visit.session.csrf_token, csrf_token)
    try:
        if new_password != repeated:
            raise invalid("The new password and its repetition are not the same.")
        visit.box.accounts.change_password(visit.cookie, visit.session, password, new_password, visit.peer)
    except Refusal as refusal:
        return visit.page("password.html", refusal=refusal)
    return see_other(f"{MENU[visit.interface][0][2]}?done=password")


@router.post("/log-out")
def log_out(visit: KnownVisit, csrf_token: Annotated[str, Form()] = "") -> RedirectResponse:
    """Ends the session here and on the box."""
    check_token(visit.session.csrf_token, csrf_token)
    visit.box.accounts.log_out(visit.cookie)
    response = see_other(f"/{visit.interface}/log-in?done=logged-out")
    drop_cookie(response, COOKIE[visit.interface], visit.interface)
    return response
