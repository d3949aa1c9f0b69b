"""Fetches the chain a TLS server sends, trusting nothing: judging it comes after."""

import re
import socket
from dataclasses import dataclass
from ssl import PEM_cert_to_DER_cert

from toolkit.model.errors import CertificateError, InputError, UnreachableError, words_of
from toolkit.probes.tls import observe

HTTPS_PORT = 443
TIMEOUT_SECONDS = 10.0

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
    """What a server sent: the chain, DER by DER, leaf first, as sent; `address` is the one that answered."""

    endpoint: Endpoint
    server_name: str | None
    address: str
    chain: tuple[bytes, ...]
    tls_version: str


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
    """Connects and returns the chain sent for `server_name` (SNI; none is sent when it is None), leaf first.

    A host name's addresses are tried in turn. Nothing is verified: this only looks. Raises UnreachableError when
    nobody answers or what answers is no TLS server, CertificateError when what it sends cannot be read.
    """
    problem = "the name has no address"
    for address in _addresses(endpoint):
        seen = observe(address, endpoint.port, server_name=server_name, verify=False, timeout_s=timeout_seconds)
        if not seen.handshake:
            problem = f"{seen.problem} ({address})"
            continue
        if seen.problem:
            raise CertificateError(
                "what it serves cannot be read",
                where=str(endpoint),
                why=seen.problem,
                next_move="Import it anew there.",
            )
        chain = tuple(PEM_cert_to_DER_cert(certificate.pem) for certificate in seen.chain)
        return Served(endpoint, server_name, address, chain, seen.version or "")
    raise UnreachableError(
        "no TLS connection comes about",
        where=str(endpoint),
        why=problem,
        next_move="Check the address, the port and the way there; some servers need a name: give --name.",
    )


def _addresses(endpoint: Endpoint) -> list[str]:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = words_of(error)
        raise UnreachableError(
            "the name cannot be resolved", where=str(endpoint), why=why, next_move="Check the name and the resolver."
        ) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
