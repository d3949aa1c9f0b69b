"""Whether a chain leads from a certificate to an anchor one trusts (RFC 5280 section 6); the time is handed in."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from toolkit.certificates.bundle import Bundle, der, is_authority, label
from toolkit.certificates.findings import Code, Finding, Severity, missing_intermediate, missing_issuer
from toolkit.model.counting import counted
from toolkit.model.errors import CertificateError, UnknownStateError

CHAIN_DEPTH_MAX = 8
"""Intermediates between leaf and anchor, at most."""


class Anchors:
    """Authorities that are trusted, loaded once and used for any number of chains.

    Raises UnknownStateError when there are none: then nothing can be said about any chain.
    """

    def __init__(self, certificates: Iterable[x509.Certificate], *, source: str) -> None:
        self.certificates = tuple({der(certificate): certificate for certificate in certificates}.values())
        self.source = source
        if not self.certificates:
            raise UnknownStateError(
                "no trusted authority is known",
                where=source,
                why="without one no chain can be judged",
                next_move="Name the authority's certificate by --ca-file.",
            )
        self.subjects = frozenset(certificate.subject.public_bytes() for certificate in self.certificates)
        self._store = Store(list(self.certificates))

    def path(
        self, leaf: x509.Certificate, intermediates: Sequence[x509.Certificate], at: datetime
    ) -> tuple[x509.Certificate, ...]:
        """The path from `leaf` to an anchor that holds at that time; raises CertificateError when there is none.

        Signatures, validity, CA flags, path lengths, key usage of authorities, name constraints and unknown critical
        extensions are checked. The leaf's names and purposes are `findings.examine`'s business.
        """
        try:
            if _uses_eddsa((leaf, *intermediates)):
                return self._walk((leaf,), intermediates, at)
            builder = PolicyBuilder().store(self._store).time(at).max_chain_depth(CHAIN_DEPTH_MAX)
            verifier = builder.extension_policies(ca_policy=_CA_POLICY, ee_policy=_LEAF_POLICY).build_client_verifier()
            return tuple(verifier.verify(leaf, list(intermediates)).chain)
        except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
            raise CertificateError(
                "no trusted authority certifies it",
                where=label(leaf.subject),
                why=_reason(error),
                next_move="Trusted here: "
                f"{counted(len(self.certificates), 'authority', 'authorities')} of {self.source}.",
            ) from None

    def _walk(
        self, path: tuple[x509.Certificate, ...], intermediates: Sequence[x509.Certificate], at: datetime
    ) -> tuple[x509.Certificate, ...]:
        """The same for EdDSA signatures, which the library's profile (that of the browsers) does not know."""
        _check_last(path, at)
        if path[-1] in self.certificates:
            return path
        if len(path) > CHAIN_DEPTH_MAX + 1:
            raise VerificationError(f"the chain is longer than {CHAIN_DEPTH_MAX} intermediates")
        reason = f"no issuer of {label(path[-1].subject)} is known"
        for issuer in (*self.certificates, *intermediates):
            if issuer in path or not is_authority(issuer) or not _signed(path[-1], issuer):
                continue
            try:
                return self._walk((*path, issuer), intermediates, at)
            except VerificationError as error:
                reason = str(error)
        raise VerificationError(reason)


def judge(bundle: Bundle, anchors: Anchors, *, at: datetime) -> tuple[Finding, ...]:
    """Whether the chain, as it would be served, leads to an anchor at that time."""
    try:
        anchors.path(bundle.leaf, bundle.intermediates, at)
    except CertificateError as error:
        top = missing_issuer(bundle)
        if top is not None and top.issuer.public_bytes() not in anchors.subjects:
            return (missing_intermediate(top, Severity.ERROR),)
        message = f"{error.what}: {error.why}"
        return (Finding(Code.UNTRUSTED, Severity.ERROR, label(bundle.leaf.subject), message, error.next_move),)
    return ()


def _may_sign(_policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError(f"{label(certificate.subject)} may not sign certificates")


# The library's web profile wants extensions that private authorities often lack; what it means for trust is kept
_CA_POLICY = (
    ExtensionPolicy.webpki_defaults_ca()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
    .may_be_present(x509.SubjectKeyIdentifier, Criticality.AGNOSTIC, None)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
)
_LEAF_POLICY = ExtensionPolicy.permit_all()
_KNOWN_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)


_EDDSA = {
    SignatureAlgorithmOID.ED25519,
    SignatureAlgorithmOID.ED448,
    PublicKeyAlgorithmOID.ED25519,
    PublicKeyAlgorithmOID.ED448,
}


def _uses_eddsa(certificates: Iterable[x509.Certificate]) -> bool:
    return any(
        certificate.signature_algorithm_oid in _EDDSA or certificate.public_key_algorithm_oid in _EDDSA
        for certificate in certificates
    )


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_last(path: Sequence[x509.Certificate], at: datetime) -> None:
    """What can be said about the last certificate of a path without its issuer."""
    certificate = path[-1]
    name = label(certificate.subject)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise VerificationError(f"{name} is not valid at that time")
    for extension in certificate.extensions:
        known = isinstance(extension.value, _KNOWN_CRITICAL)
        if isinstance(extension.value, x509.NameConstraints) or (extension.critical and not known):
            raise VerificationError(f"{name} has a restriction that is not understood ({extension.oid.dotted_string})")
        if len(path) > 1 and isinstance(extension.value, x509.KeyUsage) and not extension.value.key_cert_sign:
            raise VerificationError(f"{name} may not sign certificates")
        if len(path) > 1 and isinstance(extension.value, x509.BasicConstraints):
            limit = extension.value.path_length
            if limit is not None and len(path) - 2 > limit:
                raise VerificationError(f"{name} allows only {limit} intermediates below it")


def _reason(error: Exception) -> str:
    text = str(error).partition(" (encountered processing")[0]
    text = text.removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
    if "no interior errors" in text:
        # the library's words for a search that found no candidate at all
        return "none of them issued the last certificate of its chain"
    return text.partition("\n")[0][:200] or type(error).__name__
