"""How every page answers: security headers, a closed sign while the box is busy, refusals and redirects as pages."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from toolkit.emulator.appliance.accounts import WebInterface
from toolkit.emulator.appliance.pages.rendering import render
from toolkit.emulator.appliance.refusal import Refusal, invalid
from toolkit.emulator.appliance.states import BoxState

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class ElsewhereError(Exception):
    """The answer is another page: log in first, change the password first."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def see_other(url: str) -> RedirectResponse:
    """Go and look there: the answer to every form that did its work."""
    return RedirectResponse(url, 303)


def interface_of(request: Request) -> WebInterface:
    """Which of the two web interfaces an address belongs to."""
    return "login" if request.url.path.startswith("/login") else "appliance"


AUTHENTICATES: dict[Callable[..., Any], Callable[[Request], object]] = {}
"""Dependencies of routes, and what finds out who is visiting without reading a form."""


class PageRoute(APIRoute):
    """A route whose answers are pages; who is visiting is found out before a form is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps FastAPI's own handler."""
        handle = super().get_route_handler()
        checks = [AUTHENTICATES[one.call] for one in self.dependant.dependencies if one.call in AUTHENTICATES]

        async def answer(request: Request) -> Response:
            try:
                _refuse_if_closed(request)
                for check in checks:
                    await run_in_threadpool(check, request)
                response = await handle(request)
            except ElsewhereError as elsewhere:
                response = see_other(elsewhere.url)
            except Refusal as refusal:
                response = await run_in_threadpool(_refused, request, refusal)
            except RequestValidationError as error:
                response = await run_in_threadpool(_refused, request, invalid(_sentence(error)))
            except HTTPException as error:
                response = await run_in_threadpool(_refused, request, _refusal_behind(error))
            return _as_page(response)

        return answer


def prefers_page(request: Request) -> bool:
    """Whether whoever asks wants a page rather than JSON: a browser does, a program says nothing or `*/*`."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for part in request.headers.get("accept", "").split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        if kind in weights:
            weights[kind] = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 0.0
    return weights["text/html"] > weights["application/json"]


def page_of_error(request: Request, error: HTTPException) -> Response:
    """The page for an address at which there is none, or not for this method."""
    refusal = Refusal(error.status_code, "bad_request", f"{error.detail}.")
    if error.status_code == 404:
        refusal = Refusal(404, "no_such_page", "This box has no page at this address.")
    response = _refused(request, refusal)
    response.headers.update(error.headers or {})
    return _as_page(response)


def _as_page(response: Response) -> Response:
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


_OPEN_ALWAYS = ("/assets/", "/appliance/reset")
_OPEN_WHILE_INSTALLING = "/appliance/support/updates/jobs/"


def _refuse_if_closed(request: Request) -> None:
    """503 while the box is out of service; 404 for a support site that is not installed."""
    path, box = request.url.path, request.app.state.box
    if path.startswith(_OPEN_ALWAYS):
        return
    if not (path.startswith(_OPEN_WHILE_INSTALLING) and box.condition.state is BoxState.INSTALLING):
        box.refuse_if_busy()
    if interface_of(request) == "login" and box.versions.site is None:
        raise Refusal(
            404, "no_site_package", "This appliance has no site package yet. Install one in Support > Updates first."
        )


def _refusal_behind(error: HTTPException) -> Refusal:
    """FastAPI hides what was raised while a form was read; the cause says more than it does."""
    if isinstance(error.__cause__, Refusal):
        return error.__cause__
    return Refusal(error.status_code, "bad_request", f"{error.detail}.")


def _refused(request: Request, refusal: Refusal) -> Response:
    return render(request, "refused.html", interface_of(request), refusal=refusal)


def _sentence(error: RequestValidationError) -> str:
    fields = sorted({str(problem["loc"][-1]).replace("_", " ") for problem in error.errors()})
    return f"The form was not filled in rightly: {', '.join(fields)}."
