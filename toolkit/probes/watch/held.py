"""A connection that is kept, as a support session keeps one: one request after the other on it, until it is cut."""

import socket
import ssl
import time

from toolkit.probes.observing import observing_context
from toolkit.probes.sockets import family_of, socket_address
from toolkit.probes.watch.worker import Worker

_INTERVAL_MS_MIN = 200.0
_LOOK_S = 0.2
_AGAIN_S = 0.1
_OPENED_MAX = 1000
_CLOSED_AT_ONCE_MAX = 3
_HEAD_BYTES_MAX = 64 * 1024
_BODY_BYTES_MAX = 2**20


class _CutError(Exception):
    """The connection has ended in the middle; its text says how."""


def hold_connection(worker: Worker) -> None:
    """Opens one, uses it until it ends, opens the next; every end is written down with how it came, until stopped.

    Where the server closes each connection after its first answer, or so many were cut that more would tell nothing
    new, that is written down, and none is opened any more.
    """
    context = observing_context()
    opened = closed_at_once = 0
    while not worker.stopping:
        if opened >= _OPENED_MAX or closed_at_once >= _CLOSED_AT_ONCE_MAX:
            time.sleep(_LOOK_S)
            continue
        try:
            connection = _open(worker, context)
        except (OSError, ValueError):
            # how long nobody gets in is what the other methods measure
            time.sleep(_AGAIN_S)
            continue
        opened += 1
        with connection:
            held = _Held(worker, connection)
            held.use()
        closed_at_once = closed_at_once + 1 if held.closed_at_once else 0


def _open(worker: Worker, context: ssl.SSLContext) -> ssl.SSLSocket:
    address = worker.target.address
    caller = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        caller.settimeout(worker.request.timeout_ms / 1000.0)
        caller.connect(socket_address(address, worker.request.https_port))
        connection = context.wrap_socket(caller, server_hostname=worker.request.https_name)
    except BaseException:
        caller.close()
        raise
    connection.settimeout(_LOOK_S)
    return connection


class _Held:
    """One connection, from when it stood to its end; a line says so at both."""

    def __init__(self, worker: Worker, connection: ssl.SSLSocket) -> None:
        self._worker = worker
        self._connection = connection
        self._opened_us = self._answered_us = worker.now_us()
        self._answers = 0
        self.closed_at_once = False

    def use(self) -> None:
        request = self._worker.request
        self._tell("open")
        ask = f"GET {request.https_path} HTTP/1.1\r\nHost: {request.https_name}\r\nConnection: keep-alive\r\n\r\n"
        pause_s = max(_INTERVAL_MS_MIN, request.https_interval_ms) / 1000.0
        try:
            while not self._worker.stopping:
                again = self._ask(ask.encode())
                self._answered_us = self._worker.now_us()
                self._answers += 1
                if not again:
                    self._tell("in order")
                    return
                time.sleep(pause_s)
        except _CutError as end:
            self._tell(str(end))
        except ConnectionResetError:
            self._tell("reset")
        except (OSError, ValueError) as error:
            self._tell(getattr(error, "strerror", None) or "broken")
        else:
            self._tell("kept")

    def _tell(self, how: str) -> None:
        self.closed_at_once = self._answers == 1 and how in {"closed", "in order", "reset"}
        if self.closed_at_once:
            how = "in order"  # a server that keeps no connections; a swing in just that moment is told by the others
        now_us = self._worker.now_us()
        self._worker.lines.add_line(
            {
                "opened_ms": self._opened_us / 1000.0,
                "answered_ms": self._answered_us / 1000.0,
                "ended_ms": now_us / 1000.0,
                "how": how,
            }
        )

    def _ask(self, ask: bytes) -> bool:
        """One request and its whole answer; False when the server wants to close now."""
        self._connection.sendall(ask)
        begun = time.monotonic()
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._more(begun)
            if len(head) > _HEAD_BYTES_MAX:
                raise ValueError("no HTTP")
        lines, _, body = head.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1) for line in lines.split(b"\r\n")[1:] if b":" in line)
        length = int(fields.get(b"content-length", b"-1"))
        if length < 0 or length > _BODY_BYTES_MAX:
            return False  # where this answer ends is not known: the next request needs a connection of its own
        while len(body) < length:
            body += self._more(begun)
        return fields.get(b"connection", b"").strip() != b"close"

    def _more(self, begun: float) -> bytes:
        while True:
            try:
                data = self._connection.recv(65536)
            except TimeoutError:
                waited_ms = (time.monotonic() - begun) * 1000.0
                if waited_ms > self._worker.request.patience_ms:
                    raise _CutError("no answer") from None
                if self._worker.stopping:
                    raise _CutError("kept" if waited_ms < self._worker.request.timeout_ms else "no answer") from None
            else:
                if not data:
                    raise _CutError("closed")
                return data
