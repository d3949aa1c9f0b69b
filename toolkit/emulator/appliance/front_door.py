"""What answers while the web application loads: health at once, everything else as soon as it can."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from toolkit.emulator.appliance.box import Box

_Messages = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Application = Callable[..., Awaitable[None]]


class FrontDoor:
    """An ASGI application. Loading the other takes most of a machine's start; nobody has to wait for it to ask why."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._loaded: asyncio.Future[_Application] | None = None

    async def load(self) -> None:
        """Returns when the web application answers; may be called again."""
        if self._loaded is None:
            self._loaded = asyncio.ensure_future(asyncio.to_thread(self._load))
        await asyncio.shield(self._loaded)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Callable[..., Any], send: _Messages) -> None:
        """One request."""
        loading = self._loaded is None or not self._loaded.done()
        if loading and scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/check_health"):
            await self._health(send)
            return
        await self.load()
        assert self._loaded is not None  # noqa: S101 (load has just set it)
        await self._loaded.result()(scope, receive, send)

    async def _health(self, send: _Messages) -> None:
        """As the web application answers it."""
        healthy, words = self._box.health()
        body = words.encode()
        headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200 if healthy else 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _load(self) -> _Application:
        # imported here: the web framework takes most of the start
        from toolkit.emulator.appliance.api.application import application  # noqa: PLC0415

        return application(self._box)
