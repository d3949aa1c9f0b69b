"""Names looked up as the box would: by the DNS servers of its own settings."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

import dns.exception
import dns.resolver

from toolkit.emulator.appliance.refusal import Refusal

_TIMEOUT_SECONDS = 3.0


def resolve(hostname: str, servers: Sequence[str]) -> tuple[str, ...]:
    """The IPv4 and IPv6 addresses of a name; an address is its own. Refusal 502 `update_server`."""
    try:
        return (str(ip_address(hostname)),)
    except ValueError:
        pass
    found = _by_servers(hostname, servers) if servers else _by_system(hostname)
    if not found:
        asked = ", ".join(servers) or "the system's resolver"
        raise Refusal(502, "update_server", f"The name {hostname} is not known to {asked}: check the DNS settings.")
    return found


def _by_servers(hostname: str, servers: Sequence[str]) -> tuple[str, ...]:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = list(servers)
    resolver.lifetime = _TIMEOUT_SECONDS
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            found += [entry.to_text() for entry in resolver.resolve(hostname, kind)]
        except dns.exception.DNSException:
            continue  # the other kind may be there; nothing at all is told below
    return tuple(found)


def _by_system(hostname: str) -> tuple[str, ...]:
    try:
        answers = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
