"""Stands before the real Redfish service where that cannot misbehave on demand; what is not altered is its answer."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.provision.metal.hall import Hall, certificate

Alter = Callable[[str, str, "Answer"], "Answer"]


class Answer:
    """A status and a JSON body; asked of the real service the first time it is looked at."""

    def __init__(self, ask: Callable[[], httpx.Response]) -> None:
        self._ask = ask
        self._status, self._body = 0, b""

    def _fetch(self) -> None:
        if not self._status:
            response = self._ask()
            self._status, self._body = response.status_code, response.content

    @property
    def status(self) -> int:
        self._fetch()
        return self._status

    @property
    def content(self) -> bytes:
        self._fetch()
        return self._body

    def instead(self, status: int, **body: Any) -> "Answer":
        """Never asks the real service."""
        self._status, self._body = status, json.dumps(body).encode() if body else b""
        return self

    def with_fields(self, **fields: Any) -> "Answer":
        self._body = json.dumps({**json.loads(self.content), **fields}).encode()
        return self


class Hangs(Exception):  # noqa: N818
    """The request is never answered."""


@contextmanager
def bmc_proxy(hall: Hall, folder: Path, alter: Alter) -> Iterator[tuple[str, str]]:
    """Its URL and the fingerprint of its certificate."""
    folder.mkdir()
    fingerprint = certificate(folder, hall.here)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {
                name: value for name, value in self.headers.items() if name.lower() in ("authorization", "content-type")
            }

            def ask() -> httpx.Response:
                return httpx.request(
                    self.command,
                    f"{hall.url}{self.path}",
                    content=body,
                    headers=headers,
                    timeout=60,
                    verify=False,  # noqa: S501
                )

            try:
                given = alter(self.command, self.path, Answer(ask))
                status, content = given.status, given.content
            except Hangs:
                over.wait(120)
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer((hall.here, 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "bmc.pem", folder / "bmc.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://{hall.here}:{server.server_address[1]}", fingerprint
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def is_system(method: str, path: str) -> bool:
    return method == "GET" and path.startswith("/redfish/v1/Systems/") and path.count("/") == 4
