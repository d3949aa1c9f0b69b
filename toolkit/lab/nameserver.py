"""What the two name servers are configured with: one owns the zone and takes signed updates, one caches."""

import base64
import re
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
    """Where a name server runs: its folder as it sees it, its addresses, and what it says its version is."""

    folder: str
    ipv4: str
    ipv6: str
    version: str
    """As `named -v` prints it, e.g. "BIND 9.18.33-1~deb12u2-Debian (Extended Support Version) <id:>"."""

    def options(self, own: str) -> str:
        """The options of `named.conf`, `own` among them.

        Up to BIND 9.18 all servers of a machine share one lock unless they are told not to; 9.20 has no lock, and
        refuses the word.
        """
        version = re.match(r"BIND (\d+)\.(\d+)", self.version)
        if version and (int(version[1]), int(version[2])) < (9, 20):
            own = f"lock-file none; {own}"
        return _COMMON.format(folder=self.folder, ipv4=self.ipv4, ipv6=self.ipv6, own=own)


def new_tsig_secret() -> str:
    """A fresh secret of 256 bits, base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def authoritative(place: Place, zone: str, tsig_secret: str) -> str:
    """named.conf of the server that owns the zone and takes RFC 2136 updates signed with the key (RFC 8945)."""
    return (
        place.options("recursion no;")
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
    return place.options(own)


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
