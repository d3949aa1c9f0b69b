"""While the web application loads, health is answered at once and everything else waits for it."""

import asyncio
import sys
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.appliance.box_process import factory_order
from tests.emulator.appliance.quiet_box import QuietBox, quiet_box
from toolkit.emulator.appliance.front_door import FrontDoor


@pytest.fixture
def box(tmp_path: Path) -> Iterator[QuietBox]:
    with quiet_box(tmp_path / "disk", factory_order()) as made:
        yield made


async def ask(door: FrontDoor, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    said: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 443), "scheme": "https", "http_version": "1.1",
    }  # fmt: skip
    await door(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in said)
    return said[0]["status"], dict(said[0]["headers"]), body


def test_health_is_answered_before_and_after_alike_and_the_rest_once_it_is_loaded(
    box: QuietBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load = threading.Event()
    door = FrontDoor(box)
    load = door._load
    monkeypatch.setattr(door, "_load", lambda: (may_load.wait(60), load())[1])

    async def story() -> None:
        loading = asyncio.ensure_future(door.load())
        early = await ask(door, "/check_health")
        status = asyncio.ensure_future(ask(door, "/api/v1/status"))
        await asyncio.sleep(0)
        assert not loading.done()
        assert not status.done()
        may_load.set()
        await loading
        assert (await status)[0] == 401
        assert early == await ask(door, "/check_health")
        assert early[0] == 200
        assert early[2] == b"OK"

    asyncio.run(story())


def test_a_box_can_be_powered_on_without_the_web_framework() -> None:
    """What starts a box must not load what takes longest; a process of its own, since tests have loaded it all."""
    code = "import sys, toolkit.emulator.appliance.server; sys.exit('fastapi' in sys.modules)"

    async def start() -> int:
        return await (await asyncio.create_subprocess_exec(sys.executable, "-c", code)).wait()

    assert asyncio.run(start()) == 0
