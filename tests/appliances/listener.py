"""Somebody else's TLS server: shakes hands with anyone, keeps what it is told, answers nothing."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self


class Listener:
    """Takes one connection."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.place: tuple[str, int] = self._socket.getsockname()
        self.served_sha256 = sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
        self._heard = b""
        self._thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        caller, _ = self._socket.accept()
        with caller, contextlib.suppress(OSError):
            caller.settimeout(10)
            with self._context.wrap_socket(caller, server_side=True) as connection:
                self._heard = connection.recv(65536)

    def heard(self) -> bytes:
        """What it was told, once the caller has hung up or it has."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self._heard

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(20)
        self._socket.close()

    @staticmethod
    @contextlib.contextmanager
    def closed() -> Iterator[tuple[str, int]]:
        """A place where nobody listens: taken, so that nobody else can."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            yield taken.getsockname()
