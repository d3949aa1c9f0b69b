"""What is wrong with a server's certificate, key and chain: pure rules with stable codes; the time is handed in."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, SignatureAlgorithmOID

from toolkit.certificates.bundle import Bundle, der, is_authority, label, printable
from toolkit.certificates.chain import in_order, issued, self_issued
from toolkit.certificates.names import alternative_names, covered_by_common_name, covers
from toolkit.model.counting import counted
from toolkit.model.host_names import normalise
from toolkit.model.verdict import Verdict

EXPIRES_SOON_DAYS = 30
"""From how many days before its end a certificate is said to expire soon."""

RSA_BITS_MIN = 2048
EC_BITS_MIN = 256

_WEAK_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "MD5",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.DSA_WITH_SHA1: "SHA-1",
}


class Severity(StrEnum):
    """`error`: it will not do; `warn`: it works, and somebody should look; `info`: good to know."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Code(StrEnum):
    """The stable names of findings."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRES_SOON = "expires-soon"
    NAME_MISMATCH = "name-mismatch"
    COMMON_NAME_ONLY = "common-name-only"
    KEY_MISMATCH = "key-mismatch"
    KEY_MISSING = "key-missing"
    MISSING_INTERMEDIATE = "missing-intermediate"
    WRONG_INTERMEDIATE = "wrong-intermediate"
    WEAK_KEY = "weak-key"
    WEAK_SIGNATURE = "weak-signature"
    SELF_SIGNED = "self-signed"
    DUPLICATE = "duplicate"
    CHAIN_ORDER = "chain-order"
    NOT_A_SERVER_CERTIFICATE = "not-a-server-certificate"
    AUTHORITY_AS_LEAF = "authority-as-leaf"
    SEVERAL_LEAVES = "several-leaves"
    SEVERAL_KEYS = "several-keys"
    UNTRUSTED = "untrusted"
    NOT_AS_EXPORTED = "not-as-exported"


@dataclass(frozen=True)
class Finding:
    """One thing found: its code, how bad it is, which certificate it is about, a sentence, and the next move."""

    code: Code
    severity: Severity
    subject: str
    message: str
    next_move: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as one flat object."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "subject": self.subject,
            "message": self.message,
            "next_move": self.next_move,
        }


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """FAILED when any finding is an error; for what has been examined, so never UNKNOWN."""
    return Verdict.FAILED if any(finding.severity is Severity.ERROR for finding in findings) else Verdict.PASSED


def examine(
    bundle: Bundle,
    *,
    at: datetime,
    name: str | None = None,
    key_wanted: bool | None = False,
    expires_soon_days: int = EXPIRES_SOON_DAYS,
) -> tuple[Finding, ...]:
    """All findings that the bundle itself gives rise to; whether its root is trusted is `trust.judge`'s question.

    `at` is the time to judge by (aware); `name` the host name or address it is to serve, unchecked when None;
    `key_wanted` says whether a missing key is an error, only said (False), or as it should be (None). Raises
    InputError for a name that is none.
    """
    found: list[Finding] = []
    for certificate in (*bundle.chain, *bundle.roots):
        found += _validity(certificate, at, timedelta(days=expires_soon_days))
        found += _strength(certificate, is_root=certificate in bundle.roots)
    found += _name(bundle.leaf, name)
    found += _key(bundle, key_wanted)
    rules: tuple[Callable[[Bundle], Iterator[Finding]], ...] = (_usage, _authority, _completeness, _strays, _file)
    for rule in rules:
        found += rule(bundle)
    return tuple(found)


def missing_issuer(bundle: Bundle) -> x509.Certificate | None:
    """The certificate at which the chain stops for want of its issuer; None when it ends in a root."""
    if bundle.roots or self_issued(bundle.leaf):
        return None
    present = (*bundle.chain, *bundle.roots)
    unfinished = [
        certificate
        for certificate in bundle.chain
        if not any(certificate != other and issued(certificate, other) for other in present)
    ]
    return unfinished[-1] if unfinished else None


def missing_intermediate(top: x509.Certificate, severity: Severity) -> Finding:
    """That the chain stops at `top`; says where its issuer can be fetched when the certificate tells."""
    source = next(iter(_issuer_addresses(top)), None)
    fetch = f"It is offered at {source}." if source else f"Ask the authority {label(top.issuer)} for it."
    return Finding(
        Code.MISSING_INTERMEDIATE,
        severity,
        label(top.subject),
        f"its issuer {label(top.issuer)} is not in the chain",
        f"Add the issuer's certificate to the chain. {fetch}",
    )


def _validity(certificate: x509.Certificate, at: datetime, soon: timedelta) -> Iterator[Finding]:
    subject = label(certificate.subject)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if at > end:
        message = f"it expired on {end:%Y-%m-%d %H:%M} UTC"
        yield Finding(Code.EXPIRED, Severity.ERROR, subject, message, "Get a new certificate from its authority.")
    elif at < start:
        message = f"it is valid only from {start:%Y-%m-%d %H:%M} UTC"
        yield Finding(Code.NOT_YET_VALID, Severity.ERROR, subject, message, "Wait, or correct the clock.")
    elif end - at < soon:
        message = f"it expires on {end:%Y-%m-%d %H:%M} UTC, in {counted((end - at).days, 'day')}"
        yield Finding(Code.EXPIRES_SOON, Severity.WARN, subject, message, "Have it renewed.")


def _strength(certificate: x509.Certificate, *, is_root: bool) -> Iterator[Finding]:
    subject = label(certificate.subject)
    weakness = weak_key(certificate)
    if weakness:
        yield Finding(Code.WEAK_KEY, Severity.ERROR, subject, weakness, "Have it issued anew with a stronger key.")
    # a root is trusted by being known: nobody relies on its signature of itself
    weak_hash = None if is_root else _WEAK_SIGNATURES.get(certificate.signature_algorithm_oid)
    if weak_hash:
        message = f"it is signed with {weak_hash}, which clients refuse"
        yield Finding(Code.WEAK_SIGNATURE, Severity.ERROR, subject, message, "Have it issued anew.")


def weak_key(certificate: x509.Certificate) -> str | None:
    """Why the certificate's key is too weak or unfit for TLS, in words; None when it is good."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return (
            f"its RSA key has {key.key_size} bits, fewer than {RSA_BITS_MIN}" if key.key_size < RSA_BITS_MIN else None
        )
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.key_size
        return f"its curve {key.curve.name} has {bits} bits, fewer than {EC_BITS_MIN}" if bits < EC_BITS_MIN else None
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return None
    return "its key is of a kind that TLS clients do not take"


def _name(leaf: x509.Certificate, name: str | None) -> Iterator[Finding]:
    if name is None:
        if alternative_names(leaf) is None:
            yield _common_name_only(leaf)
        return
    wanted = normalise(name)
    if covers(leaf, wanted):
        return
    if covered_by_common_name(leaf, wanted):
        yield _common_name_only(leaf)
        return
    dns_names, addresses = alternative_names(leaf) or ((), ())
    names = ", ".join([*dns_names, *map(str, addresses)][:6]) or "no name"
    yield Finding(
        Code.NAME_MISMATCH,
        Severity.ERROR,
        label(leaf.subject),
        f"it is not valid for {wanted}, but for {printable(names)}",
        f"Use a certificate that names {wanted}.",
    )


def _common_name_only(leaf: x509.Certificate) -> Finding:
    return Finding(
        Code.COMMON_NAME_ONLY,
        Severity.WARN,
        label(leaf.subject),
        "it has a common name and no subjectAltName: current browsers refuse it",
        "Have it issued anew with a subjectAltName.",
    )


def _key(bundle: Bundle, wanted: bool | None) -> Iterator[Finding]:
    subject = label(bundle.leaf.subject)
    if bundle.key is None and wanted is not None:
        severity = Severity.ERROR if wanted else Severity.INFO
        yield Finding(Code.KEY_MISSING, severity, subject, "its private key is not there", "Give its key by --key.")
    elif bundle.key_matches is False:
        message = "the private key belongs to another certificate"
        yield Finding(Code.KEY_MISMATCH, Severity.ERROR, subject, message, "Give the key it was requested with.")
    if len(bundle.found.keys) > 1:
        message = f"{len(bundle.found.keys)} different private keys are in the file"
        yield Finding(Code.SEVERAL_KEYS, Severity.WARN, subject, message, "Keep only the key of this certificate.")


def _usage(bundle: Bundle) -> Iterator[Finding]:
    leaf, extensions = bundle.leaf, bundle.leaf.extensions
    reason = ""
    try:
        purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        if not purposes & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
            reason = "its extended key usage does not include TLS servers"
    except x509.ExtensionNotFound:
        pass
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        agrees = isinstance(leaf.public_key(), rsa.RSAPublicKey) and usage.key_encipherment
        if not usage.digital_signature and not agrees and not is_authority(leaf):
            reason = "its key usage does not allow TLS handshakes"
    except x509.ExtensionNotFound:
        pass
    if reason:
        move = "Use a certificate issued for TLS servers."
        yield Finding(Code.NOT_A_SERVER_CERTIFICATE, Severity.ERROR, label(leaf.subject), reason, move)


def _authority(bundle: Bundle) -> Iterator[Finding]:
    leaf, subject = bundle.leaf, label(bundle.leaf.subject)
    own = self_issued(leaf)
    if own:
        message = "it is self-signed: clients trust it only where they were told to"
        move = "Use a certificate of an authority the clients know."
        yield Finding(Code.SELF_SIGNED, Severity.WARN, subject, message, move)
    if is_authority(leaf):
        # tools make self-signed server certificates that call themselves authorities; others are a mistake
        severity = Severity.WARN if own and bundle.key_matches is not False else Severity.ERROR
        message = "it is an authority's certificate, not a server's"
        move = "Give the server's own certificate; a chain file alone does not hold it."
        yield Finding(Code.AUTHORITY_AS_LEAF, severity, subject, message, move)


def _completeness(bundle: Bundle) -> Iterator[Finding]:
    # behind an intermediate a root is rightly left out; straight behind the leaf that is rare
    top = missing_issuer(bundle)
    if top is not None and not bundle.intermediates:
        yield missing_intermediate(top, Severity.WARN)


def _strays(bundle: Bundle) -> Iterator[Finding]:
    top = missing_issuer(bundle)
    impostors = [stray for stray in bundle.strays if top is not None and stray.subject == top.issuer]
    for stray in impostors:
        yield Finding(
            Code.WRONG_INTERMEDIATE,
            Severity.ERROR,
            label(stray.subject),
            f"it has the name of the issuer of {label(top.subject) if top else ''}, but did not sign it",
            "Replace it by the issuer's certificate with the key that signed.",
        )
    others = [stray for stray in bundle.strays if stray not in impostors]
    if others:
        incomplete = top is not None and not bundle.intermediates
        names = ", ".join(label(stray.subject) for stray in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        yield Finding(
            Code.WRONG_INTERMEDIATE,
            Severity.ERROR if incomplete else Severity.WARN,
            label(bundle.leaf.subject),
            f"{names}{more} certified nothing in its chain",
            "Replace them by the chain that the authority gives for this certificate.",
        )


def _file(bundle: Bundle) -> Iterator[Finding]:
    """What the file is like, rather than what is in it."""
    found, subject = bundle.found, label(bundle.leaf.subject)
    encodings = {der(certificate) for certificate in found.certificates}
    if len(encodings) < len(found.certificates):
        count = len(found.certificates) - len(encodings)
        message = f"{count} certificates are there more than once" if count > 1 else "a certificate is there twice"
        yield Finding(Code.DUPLICATE, Severity.WARN, subject, message, "Each is kept once.")
    if bundle.other_leaves:
        names = ", ".join(label(certificate.subject) for certificate in bundle.other_leaves[:3])
        message = f"other server certificates are in the same file: {names}"
        yield Finding(Code.SEVERAL_LEAVES, Severity.WARN, subject, message, "Keep one identity in one file.")
    members = {*bundle.chain, *bundle.roots}
    sequence = tuple(certificate for certificate in dict.fromkeys(found.certificates) if certificate in members)
    if found.ordered and sequence and not in_order(sequence, bundle.leaf):
        message = "the chain was in the wrong order; it is put right"
        move = "Where it is served or stored in that order, replace it by an export of it."
        yield Finding(Code.CHAIN_ORDER, Severity.WARN, subject, message, move)


def _issuer_addresses(certificate: x509.Certificate) -> Iterator[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return
    for description in access:
        location = description.access_location
        is_issuer = description.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        if is_issuer and isinstance(location, x509.UniformResourceIdentifier):
            yield printable(location.value)
