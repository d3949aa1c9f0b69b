"""Whether what was started answers: asked over the lab's own wires, for so long and no longer."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.lab.namespaces import network_of
from toolkit.model.errors import UnreachableError, words_of

_PAUSE_SECONDS = 0.02
_ATTEMPT_SECONDS = 10.0
"""One question; a kernel that is not up yet drops it, and would be asked again after ever longer pauses."""
_TAIL_BYTES = 600
_HTTPS = 443


WhyEnded = Callable[[], Awaitable[str | None]]
"""Why something will answer no more; None as long as it may."""


@dataclass(frozen=True)
class Host:
    """What is to answer, and what is known of it while it does not."""

    name: str
    address: str
    port: int
    why_ended: WhyEnded
    last_words: Callable[[], str]
    """The end of what it has written to its log or console."""

    @property
    def question(self) -> str:
        """What it is asked."""
        return "an HTTPS request" if self.port == _HTTPS else "a connection"

    def does_not_come_up(self, why: str) -> UnreachableError:
        """The error that says so, with the reason and what it said last."""
        said = self.last_words()
        if said and said not in why:
            why += f"; the last it wrote: {said}"
        return UnreachableError(f"{self.name} does not come up", where=f"{self.address} port {self.port}", why=why)


class Vantage:
    """A place in the lab to ask from; `network` is the descriptor of a machine's network."""

    def __init__(self, network: int) -> None:
        self._network = network

    async def wait(self, host: Host, seconds: float) -> None:
        """Returns once the host's port answers (443: once it has answered an HTTPS request).

        Raises UnreachableError after `seconds`, or as soon as `why_ended` has an answer: what runs there will answer
        no more. Either way it says what was asked, what came of it and what the host wrote last.
        """
        problem = "it was not asked once"
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        await self._attempt(host)
                    except OSError as error:
                        problem = words_of(error)
                    else:
                        return
                    if why := await host.why_ended():
                        raise host.does_not_come_up(why)
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError:
            why = f"it did not answer {host.question} within {seconds:g} s, at last: {problem}"
            raise host.does_not_come_up(why) from None

    async def _attempt(self, host: Host) -> None:
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await self._ask(host.address, host.port, tls=host.port == _HTTPS)
        except TimeoutError:
            raise TimeoutError(f"no answer within {_ATTEMPT_SECONDS:g} s") from None

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
    """The last lines that were written there."""
    with contextlib.suppress(OSError):
        written = log.read_bytes()
        tail = written[-_TAIL_BYTES:]
        if len(written) > _TAIL_BYTES:
            tail = tail.partition(b"\n")[2] or tail  # the first line was cut
        return tail.decode(errors="replace").strip()
    return ""
