"""Whether what was started answers: asked over the lab's own wires, until a deadline."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from toolkit.lab.namespaces import network_of
from toolkit.model.errors import UnreachableError

_PAUSE_SECONDS = 0.02
_TAIL_BYTES = 600


WhyEnded = Callable[[], Awaitable[str | None]]
"""Why something will answer no more; None as long as it may."""


class Vantage:
    """A place in the lab to ask from; `network` is the descriptor of a machine's network."""

    def __init__(self, network: int) -> None:
        self._network = network

    async def wait(self, name: str, address: str, port: int, why_ended: WhyEnded, *, tls: bool) -> None:
        """Returns once the port answers (with `tls`: once it has answered an HTTPS request).

        Raises UnreachableError when `why_ended` has an answer: what runs there will answer no more. The caller sets
        the deadline.
        """
        while True:
            with contextlib.suppress(OSError):
                await self._ask(address, port, tls=tls)
                return
            if why := await why_ended():
                raise UnreachableError(f"{name} does not come up", where=f"{address} port {port}", why=why)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self, address: str, port: int, *, tls: bool) -> None:
        connection = await self._connect(address, port)
        context = _anybody() if tls else None
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=context, server_hostname=address if tls else None
        )
        try:
            if tls:
                # health would be too little: a box answers for that before it can do anything else
                writer.write(f"GET /api/v1/reset HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
                status = await reader.readline()
                if not status.startswith(b"HTTP/"):
                    raise ConnectionResetError("no HTTP answer")
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self, address: str, port: int) -> socket.socket:
        with network_of(self._network):
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
        except BaseException:
            connection.close()
            raise
        return connection


def _anybody() -> ssl.SSLContext:
    """Who answers does not matter here: only whether it has come up."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def last_words(log: Path) -> str:
    """The end of what was written there."""
    with contextlib.suppress(OSError):
        return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    return ""
