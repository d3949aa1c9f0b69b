"""Serves a repository's public folder over HTTPS."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from toolkit.emulator.update_server.repository import Repository
from toolkit.emulator.web_server.limited_server import LimitedServer
from toolkit.emulator.web_server.limits import Limits
from toolkit.emulator.web_server.strict_protocol import HSTS
from toolkit.model.errors import StorageError, UnreachableError, words_of

_LIMITS = Limits()


def application(repository: Repository) -> Starlette:
    """The web application: files under `/metadata/` and `/targets/`, nothing else."""
    return Starlette(
        routes=[
            Mount("/metadata", StaticFiles(directory=repository.metadata)),
            Mount("/targets", StaticFiles(directory=repository.targets)),
        ]
    )


def _server(repository: Repository, certificate: Path, key: Path) -> uvicorn.Server:
    config = uvicorn.Config(
        application(repository),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        http="h11",
        lifespan="off",
        ws="none",
        log_level="warning",
        server_header=False,
        headers=[HSTS],
        timeout_keep_alive=_LIMITS.keep_alive_seconds,
    )
    return LimitedServer(config, _LIMITS)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UnreachableError(
            "the update server cannot listen here",
            where=f"{address} port {port}",
            why=str(error.strerror),
            next_move="Choose an address of this machine and a free port (under 1024 only with the right to bind it).",
        ) from error
    return listener


def serve(repository: Repository, address: str, port: int, certificate: Path, key: Path) -> None:
    """Serves until the process is told to end (SIGTERM, SIGINT).

    Raises StorageError when certificate or key cannot be read, UnreachableError when the address cannot be taken.
    """
    server = _prepared(repository, certificate, key)
    with _listen(address, port) as listener:
        server.run(sockets=[listener])


def _prepared(repository: Repository, certificate: Path, key: Path) -> uvicorn.Server:
    repository.read("timestamp")
    server = _server(repository, certificate, key)
    try:
        server.config.load()
    except OSError as error:  # ssl.SSLError is one
        raise StorageError(
            "the server's certificate and key cannot be used",
            where=f"{certificate}, {key}",
            why=words_of(error),
            next_move="Give a PEM certificate (leaf first, then its chain) and its unencrypted private key.",
        ) from error
    return server


@contextmanager
def serving(
    repository: Repository, certificate: Path, key: Path, *, address: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    """Serves in a thread of this process for as long as the `with` block lasts; yields the port."""
    server = _prepared(repository, certificate, key)
    with _listen(address, port) as listener:
        # the thread is a daemon only so that a failing test process can end; it is always joined here
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=10)
