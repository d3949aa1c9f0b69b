"""A small application behind the emulated machines' server, in a thread, reached by raw bytes over real TLS."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from toolkit.emulator.appliance.tls import self_signed
from toolkit.emulator.web_server.limited_server import LimitedServer
from toolkit.emulator.web_server.limits import Limits
from toolkit.emulator.web_server.strict_protocol import HSTS

GOOD = b"GET /good HTTP/1.1\r\nHost: box.example.net\r\n\r\n"


class Requests:
    """An ASGI application that answers with what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.seen.append(f"{scope['method']} {scope['path']}")
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            more = message["more_body"]
        host = dict(scope["headers"]).get(b"host", b"").decode()
        body = json.dumps({"host": host, "bytes": size}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Served:
    """Where it listens, and what its application was asked."""

    def __init__(self, port: int, requests: Requests) -> None:
        self.port = port
        self.requests = requests

    def silent(self) -> socket.socket:
        """A connection that says nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def tls(self) -> ssl.SSLSocket:
        """A connection that has said hello."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(self.silent())

    def ask(self, *pieces: bytes) -> bytes:
        """All that is answered to these bytes until the server hangs up, or a moment passes with nothing more."""
        with self.tls() as connection:
            for piece in pieces:
                connection.sendall(piece)
            connection.settimeout(1.5)
            answer = b""
            with contextlib.suppress(TimeoutError, OSError):
                while received := connection.recv(65536):
                    answer += received
            return answer


def status(answer: bytes) -> int:
    """The status of the first answer; 0 for none."""
    return int(answer.split(b" ")[1]) if answer else 0


@contextlib.contextmanager
def served(folder: Path, limits: Limits) -> Iterator[Served]:
    """Serves until the end of the block."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    for path, content in zip((certificate, key), self_signed("box", datetime.now(UTC)), strict=True):
        path.write_bytes(content)
    requests = Requests()
    config = uvicorn.Config(
        requests,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        http="h11",
        lifespan="off",
        ws="none",
        log_level="critical",
        server_header=False,
        headers=[HSTS],
        timeout_keep_alive=limits.keep_alive_seconds,
    )
    config.load()
    server = LimitedServer(config, limits)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield Served(listener.getsockname()[1], requests)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
