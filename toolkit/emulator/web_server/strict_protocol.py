"""uvicorn's HTTP/1.1 with the limits kept: strict heads, and every stage of a connection with its time."""

import json
import time
from asyncio import Transport
from http import HTTPStatus
from typing import Any

import h11
from h11._readers import ChunkedReader
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from toolkit.emulator.web_server.connections import Connection, Connections, Stage
from toolkit.emulator.web_server.heads import HeadError, absolute, check_chunk_line, check_head, check_trailers
from toolkit.emulator.web_server.limits import Limits

HSTS = ("Strict-Transport-Security", "max-age=31536000")
"""For every answer (RFC 6797): a year; browsers heed it for names only, and only over TLS that they trust."""


class StrictConnection(h11.Connection):
    """h11, with its input looked at first; `refused` is why the last was not taken."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=limits.header_bytes_max + 4)
        self._limits = limits
        self.refused: HeadError | None = None

    def next_event(self) -> Any:
        """As h11's; raises RemoteProtocolError for what RFC 9112 does not allow."""
        try:
            self._look()
        except HeadError as error:
            self.refused = error
            raise h11.RemoteProtocolError(error.reason, error.status) from None
        event = super().next_event()
        if isinstance(event, h11.Request) and (form := absolute(event.target)) is not None:
            others = [(name, value) for name, value in event.headers if name != b"host"]
            return h11.Request(
                method=event.method,
                target=form[1],
                headers=[(b"host", form[0]), *others],
                http_version=event.http_version,
            )
        return event

    def _look(self) -> None:
        received = self.trailing_data[0]
        if self.their_state is h11.IDLE:
            if received:
                check_head(received, self._limits)
        elif self.their_state is h11.SEND_BODY and isinstance(self._reader, ChunkedReader):
            self._look_at_chunks(self._reader, received)

    def _look_at_chunks(self, reader: ChunkedReader, received: bytes) -> None:
        # h11 has no other place where framing can be looked at before it is believed; its tests are this project's too
        if reader._bytes_in_chunk:
            return
        trailers: bytes | None = received
        if not reader._reading_trailer:
            trailers = check_chunk_line(received[len(reader._bytes_to_discard) :])
        if trailers is not None:
            check_trailers(trailers, self._limits)


class StrictProtocol(H11Protocol):
    """One connection of a server, from the end of its TLS handshake."""

    conn: StrictConnection

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        connections: Connections,
        connection: Connection,
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state)
        self._limits = connections.limits
        self._all = connections
        self._connection = connection
        self.conn = StrictConnection(self._limits)
        self._body_since = self._looked = 0.0
        self._body_bytes = 0
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """The handshake is done."""
        super().connection_made(transport)
        self._connection.close = transport.abort
        self._connection.overdue = self._overdue
        self._all.moved(self._connection, Stage.HEADER)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._all.left(self._connection)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or of a body."""
        self._body_bytes += len(data)
        super().data_received(data)
        self._restage()

    def handle_events(self) -> None:
        """A head that came behind another one is looked at when its turn comes."""
        super().handle_events()
        self._restage()

    def on_response_complete(self) -> None:
        """What comes next is another head."""
        super().on_response_complete()
        self._restage()

    def send_400_response(self, msg: str) -> None:
        """Says why, and hangs up; nothing is said where an answer was already begun."""
        refused = self.conn.refused or HeadError(400, msg.rstrip("."))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        message = f"{refused.reason[:1].upper()}{refused.reason[1:]}."
        body = json.dumps({"error": "bad_request", "message": message}).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        reason = HTTPStatus(refused.status).phrase.encode()
        for event in (
            h11.Response(status_code=refused.status, headers=headers, reason=reason),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _restage(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if self._connection.stage is not Stage.AT_WORK:
                self._body_since = self._looked = time.monotonic()
                self._body_bytes = self._unsent = 0
            self._all.moved(self._connection, Stage.AT_WORK)
        elif self.cycle is None or self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            # a head is under way, or a body that nobody wants any more
            self._all.moved(self._connection, Stage.HEADER)
        else:
            self._all.moved(self._connection, Stage.IDLE)

    def _overdue(self, now: float) -> bool:
        passed, self._looked = now - self._looked, now
        if self.cycle.more_body and self.flow.read_paused:
            self._body_since += passed  # it is we who do not read
        elif self.cycle.more_body:
            limits = self._limits
            allowed = limits.body_seconds + self._body_bytes / limits.body_bytes_per_second_min
            if now - self._body_since > allowed:
                return True
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return unsent > 0 and now - self._unsent_since > self._limits.send_seconds
