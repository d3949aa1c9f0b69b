"""Puts the pieces of a certificate file in order: which is the server's, what certifies it, what does not belong."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from toolkit.certificates.bundle import Bundle, Material, PrivateKey, der, is_authority, public_bytes
from toolkit.model.errors import CertificateError


def arrange(material: Material, *, where: str = "") -> Bundle:
    """The identity in `material`, whatever order its pieces came in.

    The leaf is the certificate of the key, else the first one that is no authority, else the authority that issued
    none of the others; when several fit the key, the one that is valid longest. Raises CertificateError when there is
    no certificate at all.
    """
    certificates = tuple({der(certificate): certificate for certificate in material.certificates}.values())
    if not certificates:
        raise CertificateError(
            "there is no certificate in it",
            where=where,
            why="it holds only a private key",
            next_move="Give the certificate and its key together, or the key by --key.",
        )
    by_subject = _by_subject(certificates)
    leaf, key = _leaf_and_key(certificates, material.keys, by_subject)
    above = _issuers_above(leaf, by_subject)
    known = {leaf, *above}
    rest = [certificate for certificate in certificates if certificate not in known]
    return Bundle(
        leaf=leaf,
        intermediates=tuple(certificate for certificate in above if not self_issued(certificate)),
        roots=tuple(certificate for certificate in above if self_issued(certificate)),
        key=key,
        strays=tuple(certificate for certificate in rest if is_authority(certificate)),
        other_leaves=tuple(certificate for certificate in rest if not is_authority(certificate)),
        found=material,
    )


def with_key(bundle: Bundle, material: Material) -> Bundle:
    """The bundle with the key of another file; its leaf stays what it is unless that key belongs to another one."""
    found = bundle.found
    joined = Material(found.certificates, (*material.keys, *found.keys), found.ordered, found.ignored)
    return arrange(joined)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` certifies `certificate`: by name and by signature.

    For signature algorithms the library refuses to check (MD5, SHA-1) the key identifiers decide; such certificates
    are found weak in any case.
    """
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return _key_identifiers_agree(certificate, issuer)
    return True


def self_issued(certificate: x509.Certificate) -> bool:
    """Whether a certificate certifies itself."""
    return issued(certificate, certificate)


def in_order(certificates: Sequence[x509.Certificate], leaf: x509.Certificate) -> bool:
    """Whether a chain can be sent as it stands: the leaf first, each further one certifying one before it."""
    if not certificates or certificates[0] != leaf:
        return False
    return all(
        any(issued(earlier, certificate) for earlier in certificates[:position])
        for position, certificate in enumerate(certificates)
        if position > 0
    )


def _key_identifiers_agree(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        wanted = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        offered = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        # nothing contradicts the names
        return True
    return wanted is None or wanted == offered


def _by_subject(certificates: Iterable[x509.Certificate]) -> Mapping[bytes, list[x509.Certificate]]:
    index: dict[bytes, list[x509.Certificate]] = defaultdict(list)
    for certificate in certificates:
        index[certificate.subject.public_bytes()].append(certificate)
    return index


def _issuers_of(
    certificate: x509.Certificate, by_subject: Mapping[bytes, list[x509.Certificate]]
) -> list[x509.Certificate]:
    candidates = by_subject.get(certificate.issuer.public_bytes(), [])
    return [candidate for candidate in candidates if candidate != certificate and issued(certificate, candidate)]


def _issuers_above(
    leaf: x509.Certificate, by_subject: Mapping[bytes, list[x509.Certificate]]
) -> tuple[x509.Certificate, ...]:
    """Everything that certifies the leaf, nearest first; cross-signed alternatives side by side."""
    above: dict[x509.Certificate, None] = {}
    waiting = deque([leaf])
    while waiting:
        for issuer in _issuers_of(waiting.popleft(), by_subject):
            if issuer != leaf and issuer not in above:
                above[issuer] = None
                waiting.append(issuer)
    return tuple(above)


def _leaf_and_key(
    certificates: Sequence[x509.Certificate],
    keys: Sequence[PrivateKey],
    by_subject: Mapping[bytes, list[x509.Certificate]],
) -> tuple[x509.Certificate, PrivateKey | None]:
    servers = [certificate for certificate in certificates if not is_authority(certificate)]
    candidates = servers or _issuing_nothing(certificates, by_subject) or list(certificates)
    for key in keys:
        owned = [certificate for certificate in candidates if public_bytes(certificate) == public_bytes(key)]
        if owned:
            return max(owned, key=lambda certificate: certificate.not_valid_after_utc), key
    return candidates[0], keys[0] if keys else None


def _issuing_nothing(
    certificates: Sequence[x509.Certificate], by_subject: Mapping[bytes, list[x509.Certificate]]
) -> list[x509.Certificate]:
    issuers = {issuer for certificate in certificates for issuer in _issuers_of(certificate, by_subject)}
    return [certificate for certificate in certificates if certificate not in issuers]
