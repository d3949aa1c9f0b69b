"""Takes connections, and begins TLS only when somebody speaks: a silent connection costs a socket and nothing else."""

import asyncio
import contextlib
import errno
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable

from toolkit.emulator.web_server.connections import Connection, Connections, Stage

_AT_ONCE = 64
_PAUSE_SECONDS = 0.1
_GOODBYE_SECONDS = 0.2  # a client that does not answer the end of TLS must not keep the server from ending
_TLS_BUFFER_BYTES = 32 << 10

# asyncio keeps a buffer of 256 KiB for each TLS connection for as long as it lives; a record has 16 KiB at most
sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES


class Acceptor:
    """A listening socket and who comes in there. `protocol` makes what speaks once TLS does."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        connections: Connections,
        protocol: Callable[[Connection], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._context = context
        self._connections = connections
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Connection, socket.socket] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Takes no more, and ends those that have not begun TLS."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Ends those that have not begun TLS, or are at it."""
        for connection in list(self._waiting):
            self._connections.left(connection)
            connection.close()
        for task in self._handshakes:
            task.cancel()

    async def wait_closed(self) -> None:
        """Returns when no handshake is under way any more."""
        if self._handshakes:
            await asyncio.wait(self._handshakes)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause()
                return
            self._take(client, str(address[0]))

    def _pause(self) -> None:
        """No file descriptors are left: asked again at once, the kernel would say the same."""
        self._loop.remove_reader(self._listener.fileno())

        def go_on() -> None:
            if self._listener.fileno() >= 0:
                self._loop.add_reader(self._listener.fileno(), self._accept)

        self._loop.call_later(_PAUSE_SECONDS, go_on)

    def _take(self, client: socket.socket, peer: str) -> None:
        client.setblocking(False)
        connection = Connection(peer, lambda: self._drop(connection))
        if not self._connections.admit(connection):
            client.close()
            return
        self._waiting[connection] = client
        self._loop.add_reader(client.fileno(), self._speaks, connection)

    def _drop(self, connection: Connection) -> None:
        client = self._waiting.pop(connection, None)
        if client is not None:
            self._loop.remove_reader(client.fileno())
            client.close()

    def _speaks(self, connection: Connection) -> None:
        client = self._waiting.pop(connection)
        self._loop.remove_reader(client.fileno())
        try:
            is_there = bool(client.recv(1, socket.MSG_PEEK))
        except OSError:
            is_there = False
        if not is_there:
            client.close()
            self._connections.left(connection)
            return
        self._connections.moved(connection, Stage.HANDSHAKE)
        task = self._loop.create_task(self._handshake(connection, client))
        connection.close = lambda: _cancel(task)
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _handshake(self, connection: Connection, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(connection),
                client,
                ssl=self._context,
                ssl_handshake_timeout=self._connections.limits.handshake_seconds,
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )
        except BaseException as error:
            self._connections.left(connection)
            with contextlib.suppress(OSError):
                client.close()
            if not isinstance(error, (OSError, asyncio.CancelledError)):  # ssl.SSLError and TimeoutError are of OSError
                raise


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
