"""What a TLS server serves: its chain, fingerprint, version, and whether given anchors and name accept it."""

import contextlib
import hashlib
import socket
import ssl
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from toolkit.model.errors import InputError, words_of
from toolkit.model.host_names import IPAddress, covered_by, normalise
from toolkit.model.verdict import Verdict
from toolkit.probes.observing import TlsVersion, observing_context
from toolkit.probes.results import ProbeResult, Seen
from toolkit.probes.sockets import family_of, parse_address, socket_address
from toolkit.probes.system_anchors import system_anchors


class ServedCertificate(Seen):
    """One certificate as it came over the wire; `pem` is public by nature."""

    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    sha256: str
    pem: str


class TlsResult(ProbeResult):
    """A handshake seen from outside.

    `verdict` is passed when the chain was accepted by the anchors for the name, failed when it was not or when there
    was no handshake, unknown when it was not to be verified. `problem` says what is wrong with the certificate or the
    handshake, in words; `sha256` is the fingerprint of the leaf's DER.
    """

    address: str
    port: int
    server_name: str | None
    handshake: bool
    version: str | None
    cipher: str | None
    sha256: str | None
    chain: tuple[ServedCertificate, ...]
    verified: bool | None
    problem: str
    handshake_ms: float | None


def observe(
    address: str,
    port: int = 443,
    *,
    server_name: str | None = None,
    anchors: Sequence[bytes] | None = None,
    verify: bool = True,
    expected_name: str | None = None,
    version: TlsVersion | None = None,
    timeout_s: float = 5.0,
) -> TlsResult:
    """Makes one handshake with any SNI (`server_name`; None sends none) and reports what is served.

    `anchors` are trusted certificates in PEM or DER (None: the system's); the name verified is `expected_name`, else
    `server_name`, else the address. A bad certificate never raises, it is reported. Raises InputError for what the
    caller wrote wrongly, nothing for what the network does. Needs no rights.
    """
    trusted = None if anchors is None else _certificates(anchors)
    name = expected_name or server_name or address.partition("%")[0]
    wanted = normalise(name) if verify else None
    started = time.monotonic()
    try:
        with handshake(address, port, server_name=server_name, version=version, timeout_s=timeout_s) as connection:
            took_ms = (time.monotonic() - started) * 1000.0
            der_chain = _served_chain(connection)
            spoken, cipher = connection.version(), connection.cipher()
    except OSError as error:
        return TlsResult(
            verdict=Verdict.FAILED,
            summary=f"no TLS handshake with {address} port {port}: {_reason(error)}",
            address=address,
            port=port,
            server_name=server_name,
            handshake=False,
            version=None,
            cipher=None,
            sha256=None,
            chain=(),
            verified=None,
            problem=_reason(error),
            handshake_ms=None,
        )
    chain, problem = _read_chain(der_chain)
    if wanted is not None and not problem:
        problem = _judge(chain, system_anchors() if trusted is None else trusted, wanted)
    verified = (problem == "") if verify else None
    fingerprint = hashlib.sha256(der_chain[0]).hexdigest() if der_chain else None
    verdict = Verdict.UNKNOWN if verified is None else (Verdict.PASSED if verified else Verdict.FAILED)
    words = {None: "not verified", True: f"valid for {name}", False: f"not accepted for {name}: {problem}"}[verified]
    return TlsResult(
        verdict=verdict,
        summary=f"{address} port {port} serves {fingerprint or 'no certificate'} ({spoken}), {words}",
        address=address,
        port=port,
        server_name=server_name,
        handshake=True,
        version=spoken,
        cipher=cipher[0] if cipher else None,
        sha256=fingerprint,
        chain=tuple(_describe(certificate) for certificate in chain),
        verified=verified,
        problem=problem,
        handshake_ms=took_ms,
    )


@contextlib.contextmanager
def handshake(
    address: str, port: int, *, server_name: str | None, version: TlsVersion | None = None, timeout_s: float = 5.0
) -> Iterator[ssl.SSLSocket]:
    """A TLS connection that accepts whatever is served, for looking only; raises OSError."""
    target = parse_address(address)
    with socket.socket(family_of(target), socket.SOCK_STREAM) as plain:
        plain.settimeout(timeout_s)
        plain.connect(socket_address(target, port))
        with observing_context(version).wrap_socket(plain, server_hostname=server_name) as connection:
            yield connection


def _served_chain(connection: ssl.SSLSocket) -> list[bytes]:
    # public only from Python 3.13 on; there since 3.10
    try:
        entries = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    except AttributeError:  # another Python may keep it elsewhere; the leaf is public everywhere
        leaf = connection.getpeercert(binary_form=True)
        return [leaf] if leaf else []
    return [ssl.PEM_cert_to_DER_cert(entry.public_bytes()) for entry in entries or ()]


def _read_chain(der_chain: Sequence[bytes]) -> tuple[list[x509.Certificate], str]:
    chain = []
    for position, der in enumerate(der_chain):
        try:
            chain.append(_load(der))
        except ValueError as error:
            why = str(error).partition(": ParseError {")[0]  # the library's parser prints itself behind that
            return chain, f"certificate {position + 1} of the chain cannot be read: {why}"
    return chain, "" if chain else "the server served no certificate"


def _load(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        # odd serial numbers and the like: what others made is looked at, whatever the library thinks of it
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def _certificates(texts: Sequence[bytes]) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for text in texts:
        try:
            if b"-----BEGIN" in text:
                found.extend(x509.load_pem_x509_certificates(text))
            else:
                found.append(_load(text))
        except ValueError as error:
            raise InputError(
                "a trust anchor cannot be read",
                why=str(error).partition(": ParseError {")[0],
                next_move="Give certificates in PEM or DER.",
            ) from error
    return found


def _judge(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], name: str | IPAddress) -> str:
    """What is wrong with the chain, "" when nothing is; the plainest reason first."""
    now = datetime.now(UTC)
    # the name is asked for here: the library's own rule takes "*.com" for one
    problem = _out_of_date(chain, now) or _misnamed(chain[0], name)
    if problem or chain[0] in anchors:
        return problem  # a trusted leaf is pinned, as a box's own self-signed certificate is
    if not anchors:
        return "no trust anchors were given"
    return _untrusted(chain, anchors, name, now)


def _out_of_date(chain: Sequence[x509.Certificate], now: datetime) -> str:
    for position, certificate in enumerate(chain):
        what = "the certificate" if position == 0 else f"certificate {position + 1} of the chain"
        if now > certificate.not_valid_after_utc:
            return f"{what} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        if now < certificate.not_valid_before_utc:
            return f"{what} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d}"
    return ""


def _misnamed(leaf: x509.Certificate, name: str | IPAddress) -> str:
    dns_names, addresses = _names(leaf)
    if covered_by(name, dns_names, addresses):
        return ""
    return f"it is for {', '.join([*dns_names, *map(str, addresses)]) or 'no name'}, not for {name}"


def _untrusted(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], name: str | IPAddress, now: datetime
) -> str:
    leaf = chain[0]
    subject = x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)
    try:
        PolicyBuilder().store(Store(list(anchors))).time(now).build_server_verifier(subject).verify(
            leaf, list(chain[1:])
        )
    except (VerificationError, ValueError) as error:
        if len(chain) == 1 and leaf.issuer == leaf.subject:
            return "it is self-signed and not among the trust anchors"
        return f"no chain to a trust anchor ({error})"
    return ""


def _names(certificate: x509.Certificate) -> tuple[list[str], list[IPAddress]]:
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return [], []
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return alternative.get_values_for_type(x509.DNSName), [a for a in addresses if isinstance(a, IPAddress)]


def _describe(certificate: x509.Certificate) -> ServedCertificate:
    dns_names, addresses = _names(certificate)
    der = certificate.public_bytes(Encoding.DER)
    return ServedCertificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial_number=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=(*dns_names, *map(str, addresses)),
        sha256=hashlib.sha256(der).hexdigest(),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came back in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return words_of(error)
