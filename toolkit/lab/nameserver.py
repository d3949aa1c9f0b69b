"""What the two name servers are configured with: one owns the zone and takes signed updates, one caches."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TSIG_NAME = "rebox-lab"
TSIG_ALGORITHM = "hmac-sha256"

_COMMON = """options {{
    directory "{folder}";
    listen-on {{ {ipv4}; 127.0.0.1; }};
    listen-on-v6 {{ {ipv6}; ::1; }};
    pid-file none;
    lock-file none;
    session-keyfile none;
    managed-keys-directory "{folder}";
    dnssec-validation no;
    empty-zones-enable no;
    {own}
}};
controls {{ }};
"""


@dataclass(frozen=True)
class Place:
    """Where a name server runs: its folder as it sees it, and its addresses."""

    folder: str
    ipv4: str
    ipv6: str


def new_tsig_secret() -> str:
    """A fresh secret of 256 bits, base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def authoritative(place: Place, zone: str, tsig_secret: str) -> str:
    """named.conf of the server that owns the zone and takes RFC 2136 updates signed with the key (RFC 8945)."""
    return (
        _COMMON.format(folder=place.folder, ipv4=place.ipv4, ipv6=place.ipv6, own="recursion no;")
        + f"""key "{TSIG_NAME}" {{ algorithm {TSIG_ALGORITHM}; secret "{tsig_secret}"; }};
zone "{zone}" {{
    type primary;
    file "{zone}.zone";
    update-policy {{ grant {TSIG_NAME} zonesub ANY; }};
    allow-transfer {{ key "{TSIG_NAME}"; }};
}};
"""
    )


def caching(place: Place, authoritative_addresses: Sequence[str]) -> str:
    """named.conf of the resolver that the operator and the clients ask; it caches as long as each TTL says."""
    forwarders = " ".join(f"{address};" for address in authoritative_addresses)
    own = f"recursion yes; allow-recursion {{ any; }}; forward only; forwarders {{ {forwarders} }};"
    return _COMMON.format(folder=place.folder, ipv4=place.ipv4, ipv6=place.ipv6, own=own)


def zone_file(zone: str, ttl_seconds: int, server: str, names: Mapping[str, Sequence[str]]) -> str:
    """The zone; `names` are absolute, without the last dot, each with its IPv4 and IPv6 addresses."""
    lines = [
        f"$ORIGIN {zone}.",
        f"$TTL {ttl_seconds}",
        f"@ IN SOA {server}. hostmaster.{zone}. 1 3600 600 86400 {min(ttl_seconds, 60)}",
        f"@ IN NS {server}.",
    ]
    for name, addresses in names.items():
        lines += [f"{name}. IN {'AAAA' if ':' in address else 'A'} {address}" for address in addresses]
    return "\n".join(lines) + "\n"
