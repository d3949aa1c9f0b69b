"""A real TLS server on loopback that sends just the chain it is given."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.certificates.authority import Identity


def _context(chain: Sequence[Identity], folder: Path) -> ssl.SSLContext:
    file = folder / "server.pem"
    file.write_bytes(chain[0].key_pem + b"".join(identity.pem for identity in chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        # a client that only looks may hang up at any moment
        with contextlib.suppress(OSError), plain:
            plain.settimeout(5)
            with context.wrap_socket(plain, server_side=True) as secured:
                secured.recv(1)


@contextlib.contextmanager
def tls_server(
    chain: Sequence[Identity], *, by_name: dict[str, Sequence[Identity]] | None = None, host: str = "127.0.0.1"
) -> Iterator[int]:
    """Serves `chain` (and others by SNI) and yields the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with TemporaryDirectory() as name, socket.create_server((host, 0), family=family) as listener:
        context = _context(chain, Path(name))
        others = {server_name: _context(other, Path(name)) for server_name, other in (by_name or {}).items()}

        def choose(secured: ssl.SSLObject, server_name: str | None, _original: ssl.SSLContext) -> None:
            secured.context = others.get(server_name or "", context)

        context.sni_callback = choose
        thread = threading.Thread(target=_serve, args=(listener, context), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # wakes the accept, which closing alone does not
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
