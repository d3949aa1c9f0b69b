"""uvicorn's server on sockets that are handed to it, with the limits kept."""

import asyncio
import socket

import uvicorn

from toolkit.emulator.web_server.acceptor import Acceptor
from toolkit.emulator.web_server.connections import Connection, Connections
from toolkit.emulator.web_server.limits import Limits
from toolkit.emulator.web_server.strict_protocol import StrictProtocol


class LimitedServer(uvicorn.Server):
    """Serves an application that is configured with a certificate, on listening sockets."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._connections = Connections(limits)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens; raises AssertionError without sockets or a certificate."""
        if not sockets or self.config.ssl is None:
            raise AssertionError("this server takes listening sockets, and speaks TLS")
        await self.lifespan.startup()
        self.server_state.default_headers = list(self.config.encoded_headers)  # until the first tick adds the date
        for listener in sockets:
            listener.setblocking(False)
        self.servers = [
            Acceptor(listener, self.config.ssl, self._connections, self._protocol)  # type: ignore[misc]  # as uvicorn's
            for listener in sockets
        ]
        self.started = True

    def _protocol(self, connection: Connection) -> asyncio.Protocol:
        return StrictProtocol(self.config, self.server_state, dict(self.lifespan.state), self._connections, connection)
