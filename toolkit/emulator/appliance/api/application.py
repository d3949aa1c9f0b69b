"""The web application of a box: the automation API and both web interfaces, and how every error is answered."""

import errno
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from toolkit.emulator.appliance.api import (
    accounts,
    certificates,
    content,
    network,
    support_sessions,
    system,
    updates,
    users,
)
from toolkit.emulator.appliance.api.access import check_any_time, refusals
from toolkit.emulator.appliance.api.limits import BodyLimit
from toolkit.emulator.appliance.box import Box
from toolkit.emulator.appliance.database import DatabaseError, OperationalError
from toolkit.emulator.appliance.pages import router as pages
from toolkit.emulator.appliance.pages.page_route import page_of_error, prefers_page
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.states import BoxState

_DESCRIPTION = "Errors are `{error, message}`: a stable code and a sentence. See docs/appliance-api.md."
_CODES = {401: "access_denied", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Adds what any call with a JSON body may be answered."""
        document = super().openapi()
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
        for operations in document["paths"].values():
            for operation in operations.values():
                if "application/json" in operation.get("requestBody", {}).get("content", {}):
                    for status, code in ((413, "too_large"), (415, "unsupported_media_type")):
                        description = f"`error` is one of: {code}"
                        operation["responses"].setdefault(str(status), {"description": description, "content": error})
        return document


def application(box: Box) -> FastAPI:
    """The application; routes find the box in `app.state.box`."""
    app = _Application(
        title="Emulated appliance",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=refusals(s422="invalid_request"),
    )
    app.state.box = box
    for part in (system, accounts, network, certificates, users, content, support_sessions, updates):
        app.include_router(part.router)
    app.include_router(pages)
    app.add_middleware(BodyLimit)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(DatabaseError, _database)
    app.add_exception_handler(Exception, _broken)
    return app


def _answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": code, "message": message}, status, dict(headers or {}))


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)  # noqa: S101 (starlette's signature is wider than its use)
    headers = {}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if refusal.code == "same_connection":
        headers["Connection"] = "close"  # the next call has to come over a new one
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer" if refusal.code == "access_denied" else "Basic"
    return _answer(refusal.status, refusal.code, refusal.message, headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Names the field; never repeats what was sent, which may be a secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    problems = error.errors()
    whole_body = any(problem["loc"] == ("body",) and problem["type"] != "missing" for problem in problems)
    if whole_body and kind != "application/json":
        return _answer(
            415, "unsupported_media_type", f"The body is of type {kind or 'unknown'}; send application/json."
        )
    return _answer(422, "invalid_request", "; ".join(_spoken(problem) for problem in problems[:5]) + ".")


def _spoken(problem: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"][1:]) or "the body"
    return f"{place}: {problem['msg']}"


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code in (404, 405) and request.url.path.startswith("/api/"):
        # which calls there are, and with which methods, is no matter of somebody without an account
        try:
            await check_any_time(request)
        except Refusal as refusal:
            return await _refused(request, refusal)
    if prefers_page(request) and not request.url.path.startswith("/api/"):
        return await run_in_threadpool(page_of_error, request, error)
    return _answer(error.status_code, _CODES.get(error.status_code, "bad_request"), f"{error.detail}.", error.headers)


async def _disk(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _answer(507, "disk_full", "The box's disk is full: nothing was changed. Free space first.")
    raise error


async def _database(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OperationalError) and "full" in str(error):
        return _answer(507, "disk_full", "The box's disk is full: nothing was changed. Free space first.")
    if request.app.state.box.condition.state is BoxState.RESETTING:  # the state went away under a call
        return _answer(503, "resetting", "The box is busy: resetting. Ask again later.", {"Retry-After": "1"})
    raise error


async def _broken(_: Request, error: Exception) -> JSONResponse:
    return _answer(500, "internal", "The box ran into an error of its own; its console has more.")
