"""Without an account nobody learns what a call expects: 401 comes before every other refusal, on every route."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.emulator.appliance.box_process import in_use_order
from tests.emulator.appliance.quiet_box import quiet_box
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
from toolkit.emulator.appliance.api.access import ApiRoute
from toolkit.emulator.appliance.api.application import application
from toolkit.emulator.appliance.pages import PARTS

PARTS_OF_THE_API = (accounts, certificates, content, network, support_sessions, system, updates, users)
CALLS = [
    (method, route.path)
    for part in PARTS_OF_THE_API
    for route in part.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
FOR_ANYBODY = {
    ("GET", "/check_health"),
    ("GET", "/api/v1/reset"),
    # what opens these stands in the body
    ("POST", "/api/v1/setup/password"),
    ("POST", "/oauth2/token"),
    ("POST", "/oauth2/revoke"),
}
FORMS = [
    (f"{prefix}{route.path}")
    for prefix, router in PARTS
    for route in router.routes
    if isinstance(route, APIRoute) and "POST" in (route.methods or ()) and not route.path.endswith("/log-in")
]
BODIES: dict[str, dict[str, Any]] = {
    "no JSON": {"content": b"{not json", "headers": {"Content-Type": "application/json"}},
    "another type": {"content": b"hello", "headers": {"Content-Type": "text/plain"}},
    "unknown fields": {"json": {"no": "such field"}},
    "too large": {"content": b'"' + b"a" * (2 << 20) + b'"', "headers": {"Content-Type": "application/json"}},
    "a broken form": {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
    "none": {},
}
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the application itself; no server, no network."""
    with quiet_box(tmp_path_factory.mktemp("box") / "disk", in_use_order()) as box:
        transport = httpx.ASGITransport(app=application(box))

        async def send(method: str, path: str, **named: Any) -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="https://box.example.net") as client:
                return await client.request(method, path, **named)

        yield lambda method, path, **named: asyncio.run(send(method, path, **named))


def _filled(path: str, value: str = "no-such-thing") -> str:
    return re.sub(r"\{[^}]*\}", value, path)


def test_every_route_of_the_api_is_one_that_asks_first() -> None:
    assert len(CALLS) > 40
    for part in PARTS_OF_THE_API:
        assert all(isinstance(route, ApiRoute) for route in part.router.routes)


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made() -> None:
    with pytest.raises(AssertionError, match="0 times who may call it"):
        ApiRoute("/api/v1/forgotten", lambda: None)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("method", "path"), [call for call in CALLS if call not in FOR_ANYBODY])
def test_nobody_without_an_account_is_told_what_is_wrong_with_a_call(
    ask: Ask, method: str, path: str, body: str
) -> None:
    answer = ask(method, _filled(path) + "?after=no-number&limit=0", **BODIES[body])
    assert answer.status_code == 401, answer.text
    assert answer.json()["error"] in ("access_denied", "invalid_credentials")
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/api/v1/no-such-call", "/api/", "/api/v2/status", "/api/v1/jobs/9")),
        *(("DELETE", path) for path in ("/api/v1/status", "/api/v1/reset", "/api/v1/no-such-call")),
    ],
)
def test_nobody_without_an_account_is_told_which_calls_there_are(ask: Ask, method: str, path: str) -> None:
    assert ask(method, path).status_code == 401


@pytest.mark.parametrize("body", ["a broken form", "too large", "none"])
@pytest.mark.parametrize("path", FORMS)
def test_a_form_of_nobody_who_is_logged_in_is_not_looked_at(ask: Ask, path: str, body: str) -> None:
    answer = ask("POST", _filled(path, "1"), **BODIES[body])
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].endswith("/log-in")


def test_a_body_is_not_read_for_somebody_without_an_account(tmp_path: Path) -> None:
    read = 0

    async def body() -> Any:
        nonlocal read
        for _ in range(10):
            read += 1
            yield b"a" * 65536

    with quiet_box(tmp_path / "disk", in_use_order()) as box:
        transport = httpx.ASGITransport(app=application(box))

        async def upload() -> int:
            async with httpx.AsyncClient(transport=transport, base_url="https://box.example.net") as client:
                headers = {"Content-Type": "multipart/form-data; boundary=y"}
                return (await client.post("/api/v1/restore", content=body(), headers=headers)).status_code

        assert asyncio.run(upload()) == 401
    assert read <= 1
