"""What one given DNS server answers: records, time to live, and the zone's serial number."""

import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from toolkit.model.errors import InputError, words_of
from toolkit.model.verdict import Verdict
from toolkit.probes.results import ProbeResult
from toolkit.probes.sockets import parse_address


class DnsResult(ProbeResult):
    """One question to one server: passed with at least one record of the type asked for."""

    server: str
    name: str
    record_type: str
    rcode: str | None
    answers: tuple[str, ...]
    ttl: int | None
    serial: int | None
    authoritative: bool
    answer_ms: float | None


def ask(
    name: str,
    server: str,
    record_type: str = "A",
    *,
    port: int = 53,
    timeout_s: float = 2.0,
    recursive: bool = True,
) -> DnsResult:
    """Asks `server` (an address) and nobody else, over UDP and again over TCP when the answer was cut.

    `answers` are in presentation form, sorted; a CNAME on the way is followed as far as the server's answer does.
    `serial` is set when the record type is SOA. Raises InputError for a name, type or address that is none.
    """
    parse_address(server)
    try:
        wanted = dns.rdatatype.from_text(record_type)
        question = dns.message.make_query(dns.name.from_text(name), wanted)
    except dns.exception.DNSException as error:
        raise InputError(
            f"{name!r} {record_type!r} is no DNS question",
            why=words_of(error),
            next_move="Write it like example.net A.",
        ) from error
    if not recursive:
        question.flags &= ~dns.flags.RD
    started = time.monotonic()
    try:
        answer, _ = dns.query.udp_with_fallback(question, server, timeout=timeout_s, port=port)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        why = "nothing came back in time" if isinstance(error, dns.exception.Timeout) else words_of(error)
        return _failed(server, name, record_type, f"{server} does not answer: {why}")
    answer_ms = (time.monotonic() - started) * 1000.0
    found = [entry for entry in answer.answer if entry.rdtype == wanted]
    rcode = dns.rcode.to_text(answer.rcode())
    values = tuple(sorted(record.to_text() for entry in found for record in entry))
    told = ", ".join(values) if values else ("no such record" if rcode == "NOERROR" else rcode)
    return DnsResult(
        verdict=Verdict.PASSED if values else Verdict.FAILED,
        summary=f"{server} says {name} {record_type}: {told}",
        server=server,
        name=name,
        record_type=record_type,
        rcode=rcode,
        answers=values,
        ttl=min((entry.ttl for entry in found), default=None),
        serial=_serial(found),
        authoritative=bool(answer.flags & dns.flags.AA),
        answer_ms=answer_ms,
    )


def zone_serial(zone: str, server: str, *, port: int = 53, timeout_s: float = 2.0) -> int | None:
    """The serial number of a zone as one server has it; None when it does not answer or has no such zone."""
    return ask(zone, server, "SOA", port=port, timeout_s=timeout_s, recursive=False).serial


def _serial(found: list[dns.rrset.RRset]) -> int | None:
    for entry in found:
        if entry.rdtype == dns.rdatatype.SOA:
            return int(entry[0].serial)
    return None


def _failed(server: str, name: str, record_type: str, summary: str) -> DnsResult:
    return DnsResult(
        verdict=Verdict.FAILED,
        summary=summary,
        server=server,
        name=name,
        record_type=record_type,
        rcode=None,
        answers=(),
        ttl=None,
        serial=None,
        authoritative=False,
        answer_ms=None,
    )
