"""Moves a name by DNS: signed dynamic updates (RFC 2136, TSIG RFC 8945) and asking every resolver."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update

from toolkit.appliances.world import World
from toolkit.model.errors import AuthenticationError, InputError, RefusedError, UnreachableError, words_of
from toolkit.model.inventory import DnsSwing

_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class AddressRecords:
    """What a name points at: all its A and AAAA records, and their lowest TTL in seconds."""

    addresses: frozenset[str]
    ttl_seconds: int


def look_up(server: str, name: str, *, port: int = 53, recursion: bool = True) -> AddressRecords:
    """Asks one server for the name's addresses; raises UnreachableError when it does not answer with data."""
    addresses: set[str] = set()
    ttls: list[int] = []
    for kind in ("A", "AAAA"):
        query = dns.message.make_query(name, kind)
        if not recursion:
            query.flags &= ~dns.flags.RD
        try:
            answer, _ = dns.query.udp_with_fallback(query, server, port=port, timeout=_TIMEOUT_SECONDS)
        except (dns.exception.DNSException, OSError) as error:
            raise _unreachable(server, error) from None
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise UnreachableError(
                f"the DNS server cannot say where {name} is",
                where=server,
                why=dns.rcode.to_text(answer.rcode()),
                next_move="Check that this server works, then try again.",
            )
        for rrset in answer.answer:
            if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                addresses.update(str(ipaddress.ip_address(record.to_text())) for record in rrset)
                ttls.append(rrset.ttl)
    return AddressRecords(frozenset(addresses), min(ttls, default=0))


class Zone:
    """A zone whose primary server takes our signed updates."""

    def __init__(
        self,
        server: str,
        zone: str,
        *,
        key_name: str,
        key_secret: str,
        algorithm: str = "hmac-sha256",
        port: int = 53,
        settings_in: object = "the inventory",
    ) -> None:
        self.server = server
        self._settings_in = settings_in
        self.zone = dns.name.from_text(zone)
        self._port = port
        try:
            self._keyring = dns.tsigkeyring.from_text({key_name: key_secret})
        except ValueError:
            raise InputError(
                "the TSIG secret is not base64",
                where=f"key {key_name}",
                next_move="Copy the secret exactly as it stands in the server's key file.",
            ) from None
        self._algorithm = dns.name.from_text(algorithm)

    def look_up(self, name: str) -> AddressRecords:
        """What the primary server itself says about the name."""
        return look_up(self.server, name, port=self._port, recursion=False)

    def replace(self, name: str, before: Iterable[str], after: Sequence[str], ttl_seconds: int) -> None:
        """Points `name` at `after`, in one transaction, only if it points at `before` now.

        The condition is the update's own prerequisite, so that a change somebody else made meanwhile is never
        overwritten. Raises RefusedError when it does not hold, AuthenticationError when the key is wrong.
        """
        owner = dns.name.from_text(name).relativize(self.zone)
        update = dns.update.UpdateMessage(self.zone, keyring=self._keyring, keyalgorithm=self._algorithm)
        present = _by_kind(before)
        for kind in ("A", "AAAA"):
            if present[kind]:
                update.present(owner, kind, *present[kind])
            else:
                update.absent(owner, kind)
        for kind, addresses in _by_kind(after).items():
            update.delete(owner, kind)
            for address in addresses:
                update.add(owner, ttl_seconds, kind, address)
        self._send(update, name)

    def _send(self, update: dns.update.UpdateMessage, name: str) -> None:
        try:
            answer = dns.query.tcp(update, self.server, port=self._port, timeout=_TIMEOUT_SECONDS)
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadTime) as error:
            raise self._key_refused(error) from None
        except (dns.exception.DNSException, OSError) as error:
            raise _unreachable(self.server, error) from None
        code = answer.rcode()
        if code == dns.rcode.NOERROR:
            return
        if code in (dns.rcode.NOTAUTH, dns.rcode.REFUSED):
            raise self._key_refused(dns.rcode.to_text(code))
        if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN):
            raise RefusedError(
                f"{name} no longer points where it did",
                where=f"zone {self.zone} on {self.server}",
                why="somebody changed it since it was looked at; nothing was overwritten",
                next_move="Look at the zone; take the run back, and start a new one, which plans from what it holds.",
            )
        raise UnreachableError(
            f"the DNS server did not take the update of {name}",
            where=self.server,
            why=dns.rcode.to_text(code),
            next_move="Look at the server's log, then resume.",
        )

    def _key_refused(self, reason: object) -> AuthenticationError:
        return AuthenticationError(
            "the DNS server refuses our TSIG key",
            where=f"zone {self.zone} on {self.server}",
            why=str(reason) or type(reason).__name__,
            next_move="Check tsig_name, tsig_algorithm and tsig_secret in "
            f"{self._settings_in} against the server's key; nothing was changed.",
        )


def _by_kind(addresses: Iterable[str]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {"A": [], "AAAA": []}
    for address in sorted(addresses):
        kinds["A" if ipaddress.ip_address(address).version == 4 else "AAAA"].append(address)
    return kinds


def _unreachable(server: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        "the DNS server does not answer",
        where=server,
        why=words_of(error),
        next_move="Check its address and that port 53 (UDP and TCP) is open from here.",
    )


def zone_of(world: World, swing: DnsSwing) -> Zone:
    """The zone of a DNS swing, with its key."""
    return Zone(
        swing.server,
        swing.zone,
        port=swing.port,
        key_name=swing.tsig_name,
        key_secret=world.secret(swing.tsig_secret, "the zone's TSIG key"),
        algorithm=swing.tsig_algorithm,
        settings_in=world.inventory_file,
    )
