"""One HTTPS listener per address, ready before the address arrives, serving what is assigned to it at that moment."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolkit.emulator.appliance.facts import TlsSettings
from toolkit.emulator.appliance.tls import ServedCertificates
from toolkit.emulator.web_server import connections as server_connections
from toolkit.emulator.web_server.acceptor import Acceptor

_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
_BACKLOG = 1024
_RESTART_SECONDS = 0.2


class Connection(Protocol):
    """What is needed of a connection: where it came in, and a way to end it."""

    server: tuple[str, int] | None
    transport: asyncio.Transport | None


@dataclass(frozen=True)
class Loopback:
    """Where a box listens that changes no network: at `host`, its first address at `port` (0: any), others at any."""

    host: str
    port: int


class Listeners:
    """All listeners of a box. After `attach`, `open`, `close` and `drop` may be called from any thread."""

    def __init__(self, port: int, loopback: Loopback | None = None) -> None:
        self._port = port
        self._loopback = loopback
        self._served = ServedCertificates()
        self._sockets: dict[str, socket.socket] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._servers: dict[str, Acceptor] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._protocol: Callable[[server_connections.Connection], asyncio.Protocol] | None = None
        self._connections: set[Connection] = set()
        self._all: server_connections.Connections | None = None
        self._starting: set[asyncio.Future[None]] = set()

    @property
    def servers(self) -> list[Acceptor]:
        """What listens now."""
        return list(self._servers.values())

    def place(self, address: str) -> tuple[str, int]:
        """Host and port where an address of the box is reached."""
        return self._places[address]

    def open(self, address: str, context: ssl.SSLContext) -> None:
        """Listens when it returns, serving `context`; raises OSError."""
        with self._lock:
            self._sockets[address] = self._bind(address)
            self._contexts[address] = self._served.listener_context(address, context)
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._start_soon, address)

    def serve(self, address: str, context: ssl.SSLContext) -> None:
        """Another certificate from the next handshake on."""
        self._served.serve(address, context)

    def require(self, settings: TlsSettings) -> None:
        """Which TLS is taken on every address from the next handshake on."""
        self._served.require(settings)

    def close(self, address: str) -> None:
        """Listens no more; the address may come back later."""
        with self._lock:
            server, listener = self._servers.pop(address, None), self._sockets.pop(address, None)
            self._places.pop(address, None)
        if self._loop is not None and server is not None:
            self._loop.call_soon_threadsafe(server.close)
        elif listener is not None:
            listener.close()
        self.drop(address)

    def drop(self, address: str) -> None:
        """Ends the connections that came in there: its packets cannot reach them any more."""
        place = self._places.get(address)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._abort, lambda connection: connection.server == place)
            if (server := self._servers.get(address)) is not None:
                self._loop.call_soon_threadsafe(server.drop)

    def restart(self) -> None:
        """Every listener and connection is gone for a moment; from a thread other than the event loop's."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._restart(), self._loop).result()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Runs something on the event loop after so many seconds, if the box is still on."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, work)

    def attach(
        self,
        protocol: Callable[[server_connections.Connection], asyncio.Protocol],
        connections: set[Connection],
        everybody: server_connections.Connections,
    ) -> None:
        """The event loop runs: from now on what is opened answers."""
        self._protocol = protocol
        self._all = everybody
        self._connections = connections
        self._loop = asyncio.get_running_loop()

    async def settle(self) -> None:
        """Returns when everything opened before answers."""
        await asyncio.sleep(0)  # lets what `open` asked for begin
        await asyncio.gather(*self._starting)

    def _start_soon(self, address: str) -> None:
        task = asyncio.ensure_future(self._start(address))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start(self, address: str) -> None:
        if self._all is None or self._protocol is None:
            raise AssertionError("listeners start once the event loop runs")
        listener = self._sockets.get(address)
        if listener is not None:  # else it was closed again meanwhile
            self._servers[address] = Acceptor(listener, self._contexts[address], self._all, self._protocol)

    async def _restart(self) -> None:
        for server in self.servers:
            server.close()
        self._abort(lambda _: True)
        await asyncio.sleep(_RESTART_SECONDS)
        with self._lock:
            for address, (_, port) in self._places.items():
                self._sockets[address] = self._bind(address, port)
        for address in list(self._sockets):
            await self._start(address)

    def _abort(self, chosen: Callable[[Connection], bool]) -> None:
        for connection in list(self._connections):
            if chosen(connection) and connection.transport is not None:
                connection.transport.abort()

    def _bind(self, address: str, port: int | None = None) -> socket.socket:
        host, wanted = address, self._port
        if self._loopback is not None:
            host, wanted = self._loopback.host, self._loopback.port if not self._places else 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # the protocol is named so that asyncio sets TCP_NODELAY on what is accepted: else answers wait 40 ms for an ACK
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            listener.bind((host, wanted if port is None else port))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._places[address] = listener.getsockname()[:2]
        return listener
