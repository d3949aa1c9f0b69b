"""Serves one file, the installer's ISO, to one BMC for as long as a step lasts, and hears what the installer reports.

The URL cannot be guessed and ends with the step; the certificate is made for it. Nothing else is ever served.
"""

import json
import secrets
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from toolkit.model.errors import InputError, words_of
from toolkit.provision.metal.byte_range import UnsatisfiableRangeError, read_range
from toolkit.provision.metal.serving_certificate import ServingCertificate

_AT_ONCE, _IDLE_SECONDS = 8, 60.0
_FETCHES_MAX, _REPORTS_MAX, _REPORT_BYTES_MAX = 10_000, 10_000, 64 << 10
_PIECE = 256 << 10

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Fetch:
    """One answered request for the file: who asked, how, and how many bytes went out."""

    peer: str
    method: str
    status: int
    sent_bytes: int


class MediaServer:
    """What was asked of it so far. `media_url` is for the BMC, `report_url` and `report_token` for the installer."""

    def __init__(self, file: Path, address: str, report_address: str, certificate: ServingCertificate | None) -> None:
        self.file = file
        self.certificate = certificate
        self.report_token = secrets.token_urlsafe(32)
        self._name = f"{secrets.token_urlsafe(32)}.iso"
        self._address, self._report_address, self.port = address, report_address, 0
        self._lock = threading.Lock()
        self._fetches: list[Fetch] = []
        self._reports: list[Event] = []
        self._sent_bytes = 0
        self.places = threading.BoundedSemaphore(_AT_ONCE)

    @property
    def media_url(self) -> str:
        """Where the BMC finds the file."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{_host(self._address)}:{self.port}/{self._name}"

    @property
    def report_url(self) -> str:
        """Where the installer reports to."""
        return f"https://{_host(self._report_address)}:{self.port}/report"

    @property
    def size_bytes(self) -> int:
        """Of the file, which may be written while its URL is known already."""
        return self.file.stat().st_size

    @property
    def fetches(self) -> tuple[Fetch, ...]:
        """Who asked for the file."""
        with self._lock:
            return tuple(self._fetches)

    @property
    def sent_bytes(self) -> int:
        """How many bytes of the file have gone out, also in an answer that is still under way."""
        with self._lock:
            return self._sent_bytes

    @property
    def asked_for(self) -> bool:
        """Whether anybody who knows the URL has been here."""
        return self.sent_bytes > 0 or bool(self.fetches)

    def reports(self, after: int = 0) -> tuple[Event, ...]:
        """What the installer has reported, from that one on."""
        with self._lock:
            return tuple(self._reports[after:])

    def is_file(self, path: str) -> bool:
        """Whether that is the one path there is."""
        return compare_digest(path.encode(), f"/{self._name}".encode())

    def note_fetch(self, fetch: Fetch) -> None:
        """Written down, up to a limit."""
        with self._lock:
            if len(self._fetches) < _FETCHES_MAX:
                self._fetches.append(fetch)

    def note_sent(self, size_bytes: int) -> None:
        """Counted as they go."""
        with self._lock:
            self._sent_bytes += size_bytes

    def note_report(self, report: Event) -> bool:
        """Kept, up to a limit; False when there are too many."""
        with self._lock:
            if len(self._reports) >= _REPORTS_MAX:
                return False
            self._reports.append(report)
            return True


@contextmanager
def serve_media(
    file: Path, address: str, port: int = 0, *, report_address: str | None = None, plain_http: bool = False
) -> Iterator[MediaServer]:
    """Serves `file` on our `address` until the block ends; raises InputError when nothing can listen there.

    `plain_http` is for BMCs that cannot do better: the URL is a secret that passes in clear then, and nothing can be
    reported.
    """
    certificate = None if plain_http else ServingCertificate.make({address, report_address or address})
    media = MediaServer(file, address, report_address or address, certificate)
    try:
        server = _Server((address, port), media, socket.AF_INET6 if ":" in address else socket.AF_INET)
    except OSError as error:
        raise InputError(
            "the installer cannot be served",
            where=f"{_host(address)}:{port}",
            why=words_of(error),
            next_move="Give an address of this machine that the BMC reaches as media_address, and a free media_port.",
        ) from None
    media.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield media
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], media: MediaServer, family: socket.AddressFamily) -> None:
        self.address_family = family
        self.media = media
        self._context = media.certificate.context() if media.certificate else None
        super().__init__(place, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own: a peer that dawdles over its handshake keeps nobody waiting."""
        if not self.media.places.acquire(timeout=_IDLE_SECONDS):
            return
        try:
            request.settimeout(_IDLE_SECONDS)
            if self._context:
                request = self._context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except (OSError, ssl.SSLError):
            pass  # a stranger that speaks no TLS, or a peer that went away
        finally:
            self.media.places.release()
            if isinstance(request, ssl.SSLSocket):
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that breaks off is no fault of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rebox", ""
    server: _Server

    def do_HEAD(self) -> None:
        """How long the file is."""
        self._file(with_body=False)

    def do_GET(self) -> None:
        """The file, or the part asked for."""
        self._file(with_body=True)

    def do_POST(self) -> None:
        """What the installer has to say."""
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else 0
        # taken off the wire also when it is refused, else the answer may be lost with the connection
        body = self.rfile.read(min(size, 2 * _REPORT_BYTES_MAX))
        bearer = f"Bearer {self.server.media.report_token}"
        allowed = compare_digest(self.headers.get("Authorization", "").encode(), bearer.encode())
        if self.path != "/report" or not allowed or not self.server.media.certificate:
            self._end(404)
        elif size > _REPORT_BYTES_MAX:
            self._end(413)
        else:
            self._report(body)

    def _report(self, body: bytes) -> None:
        try:
            report = json.loads(body)
        except ValueError:
            report = None
        if not isinstance(report, dict):
            self._end(400)
        else:
            self._end(204 if self.server.media.note_report(report) else 429)

    def _file(self, *, with_body: bool) -> None:
        media = self.server.media
        if not media.is_file(self.path) or not media.file.is_file():
            self._end(404)
            return
        size = media.size_bytes
        try:
            part = read_range(self.headers.get("Range"), size)
        except UnsatisfiableRangeError:
            self._end(416, {"Content-Range": f"bytes */{size}"})
            return
        status = 200 if part is None else 206
        first, end = (0, size) if part is None else part
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - first))
        if part is not None:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
        self.end_headers()
        sent = 0
        try:
            sent = self._send(first, end) if with_body else 0
        finally:
            media.note_fetch(Fetch(self.client_address[0], self.command, status, sent))

    def _send(self, first: int, end: int) -> int:
        sent = 0
        with self.server.media.file.open("rb") as file:
            file.seek(first)
            while first + sent < end and (piece := file.read(min(_PIECE, end - first - sent))):
                self.wfile.write(piece)
                sent += len(piece)
                self.server.media.note_sent(len(piece))
        return sent

    def _end(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Not on stderr: the path is a secret. What was fetched is noted."""


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
