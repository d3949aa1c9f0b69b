"""The lab's certificate authority: a root, an intermediate, and the certificates they issue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEAR = timedelta(days=365)
_EARLIER = timedelta(hours=1)
"""How long before now a certificate begins: clocks differ."""


@dataclass(frozen=True)
class Issued:
    """A certificate, its key and what stands above it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def chain_pem(self) -> bytes:
        """Leaf first, then each issuer up to the root, which is left out."""
        return b"".join(_pem(certificate) for certificate in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """The key, unencrypted PKCS#8."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def sha256(self) -> str:
        """The certificate's fingerprint: lower-case hexadecimal digits."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


class Authority:
    """A root that signs one intermediate, which signs everything else."""

    def __init__(self, lab: str) -> None:
        self._root = _issue(f"rebox lab {lab} root", None, lifetime=10 * _YEAR, path_length=1)
        self._intermediate = _issue(f"rebox lab {lab} intermediate", self._root, lifetime=5 * _YEAR, path_length=0)

    @property
    def root_pem(self) -> bytes:
        """What users of the lab trust."""
        return _pem(self._root.certificate)

    def issue(self, names: Sequence[str]) -> Issued:
        """A server certificate for DNS names, valid for a year; its chain holds the intermediate."""
        return _issue(names[0], self._intermediate, lifetime=_YEAR, names=names)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _issue(
    common_name: str,
    issuer: Issued | None,
    *,
    lifetime: timedelta,
    path_length: int | None = None,
    names: Sequence[str] = (),
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issuer_key = issuer.key if issuer else key
    now = datetime.now(UTC)
    authority = not names
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(alternatives, critical=False).add_extension(purposes, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    # a server sends all above its own certificate but the root
    chain = (
        (issuer.certificate, *issuer.chain)
        if issuer and issuer.certificate.issuer != issuer.certificate.subject
        else ()
    )
    return Issued(certificate, key, chain)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
