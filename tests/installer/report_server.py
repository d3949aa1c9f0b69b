"""An HTTPS server that installers report to: it keeps what it was told, and by which token."""

import hashlib
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ReportServer:
    """Listens on 127.0.0.1 while it is entered; QEMU's own network leads there from 10.0.2.2."""

    def __init__(self, folder: Path) -> None:
        self.told: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        chain = folder / "server.pem"
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        files = ["-subj", "/CN=reports", "-days", "1", "-keyout", str(chain), "-out", str(folder / "certificate.pem")]
        subprocess.run([*words, *files], capture_output=True, check=True)
        certificate = (folder / "certificate.pem").read_text(encoding="ascii")
        chain.write_text(chain.read_text(encoding="ascii") + certificate, encoding="ascii")
        self.sha256 = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """As this machine reaches it."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def url_from_a_guest(self) -> str:
        """As a machine in QEMU's own network reaches it."""
        return f"https://10.0.2.2:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        told, tokens = self.told, self.tokens

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append(json.loads(body))
                tokens.add(self.headers["Authorization"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                pass

        return Handler
