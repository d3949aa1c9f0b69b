"""Fetches the chain a TLS server sends, trusting nothing: judging it comes after."""

import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from toolkit.model.errors import InputError, UnreachableError

HTTPS_PORT = 443
TIMEOUT_SECONDS = 10.0

_ENCODING_DER = 2  # _ssl.ENCODING_DER
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>\d+))?")
_PLAIN = re.compile(r"(?P<host>[^:\[\]/\\\s]+)(?::(?P<port>\d+))?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?")


@dataclass(frozen=True)
class Endpoint:
    """Where a TLS server listens."""

    host: str
    port: int = HTTPS_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Served:
    """What a server sent: the chain, DER by DER, leaf first, as sent.

    `complete` is False when this Python shows only the leaf.
    """

    endpoint: Endpoint
    server_name: str | None
    chain: tuple[bytes, ...]
    complete: bool
    protocol: str


def parse_endpoint(text: str) -> Endpoint:
    """Reads `HOST`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address; raises InputError for anything else."""
    match = _BRACKETED.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is None and _ADDRESS.fullmatch(text):
        return Endpoint(text)
    port = int(match["port"] or HTTPS_PORT) if match is not None else 0
    if match is None or not 1 <= port <= 65535:
        raise InputError(
            f"{text!r} is neither a file nor an address",
            why="no such file is there, and an address is HOST, HOST:PORT or [V6]:PORT",
            next_move="Check the path, or give an address with a port from 1 to 65535.",
        )
    return Endpoint(match["host"], port)


def fetch(endpoint: Endpoint, *, server_name: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> Served:
    """Connects once and returns the chain sent for `server_name` (SNI; none is sent when it is None).

    Nothing is verified and old protocols are allowed: this only looks. Raises UnreachableError when nobody answers
    or what answers is no TLS server.
    """
    where = str(endpoint)
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout_seconds) as plain,
            _context().wrap_socket(plain, server_hostname=server_name) as secured,
        ):
            chain, complete = _sent(secured)
            return Served(endpoint, server_name, chain, complete, secured.version() or "")
    except ssl.SSLError as error:
        raise UnreachableError(
            "no TLS connection comes about",
            where=where,
            why=error.reason or str(error),
            next_move="Check that the port speaks TLS; some servers need a name: give --name.",
        ) from None
    except (OSError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise UnreachableError(
            "nobody answers", where=where, why=why, next_move="Check the address, the port and the way there."
        ) from None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _sent(secured: ssl.SSLSocket) -> tuple[tuple[bytes, ...], bool]:
    """The chain, and whether it is whole: public from Python 3.13, behind a private name from 3.10."""
    holder: Any = secured if hasattr(secured, "get_unverified_chain") else getattr(secured, "_sslobj", None)
    if hasattr(holder, "get_unverified_chain"):
        sent = holder.get_unverified_chain() or ()
        return tuple(one if isinstance(one, bytes) else one.public_bytes(_ENCODING_DER) for one in sent), True
    leaf = secured.getpeercert(binary_form=True)
    return ((leaf,) if leaf else ()), False
