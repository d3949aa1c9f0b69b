"""Certificates and bundles as plain data: what tables and `--json` show; never the key itself."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from toolkit.certificates.bundle import Bundle, PrivateKey, der, label, printable, sha256
from toolkit.certificates.names import alternative_names


def describe(bundle: Bundle) -> list[dict[str, object]]:
    """One object per certificate, in the order served: leaf, intermediates, roots, then what does not belong."""
    return [{"role": role, **describe_certificate(certificate)} for role, certificate in _members(bundle)]


def describe_certificate(certificate: x509.Certificate) -> dict[str, object]:
    """Names, validity, key and fingerprint of one certificate."""
    dns_names, addresses = alternative_names(certificate) or ((), ())
    return {
        "issued_to": label(certificate.subject),
        "issued_by": label(certificate.issuer),
        "subject": printable(certificate.subject.rfc4514_string()),
        "issuer": printable(certificate.issuer.rfc4514_string()),
        "names": [*map(printable, dns_names), *map(str, addresses)],
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "key": describe_key(certificate),
        "signature": signature_name(certificate),
        "sha256": sha256(certificate),
        "size_bytes": len(der(certificate)),
    }


def describe_key(holder: x509.Certificate | PrivateKey) -> str:
    """The kind and size of a key in words: "RSA 2048", "EC secp256r1", "Ed25519"."""
    key = holder.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey")


def signature_name(certificate: x509.Certificate) -> str:
    """The signature algorithm's name, or its number when it has none."""
    oid = certificate.signature_algorithm_oid
    name = getattr(oid, "_name", "")
    return name if name and name != "Unknown OID" else oid.dotted_string


def _members(bundle: Bundle) -> Iterator[tuple[str, x509.Certificate]]:
    yield "leaf", bundle.leaf
    groups = {
        "intermediate": bundle.intermediates,
        "root": bundle.roots,
        "stray": bundle.strays,
        "other leaf": bundle.other_leaves,
    }
    for role, certificates in groups.items():
        for certificate in certificates:
            yield role, certificate
