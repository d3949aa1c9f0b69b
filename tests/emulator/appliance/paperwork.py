"""Certificates for the tests: an authority, an intermediate and a leaf, in every spelling people send."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from tests.emulator.appliance.box_process import SITE


def _issue(
    name: str,
    issuer: "Signed | None",
    *,
    days: tuple[int, int] = (-1, 90),
    is_authority: bool = False,
) -> "Signed":
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Signed(certificate, key)


@dataclass(frozen=True)
class Signed:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def key_pem(self, passphrase: str | None = None, style: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
        encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, style, encryption)


@dataclass(frozen=True)
class Chain:
    """Root, intermediate, leaf."""

    root: Signed
    middle: Signed
    leaf: Signed

    @classmethod
    def issue(cls, name: str = SITE, *, days: tuple[int, int] = (-1, 90)) -> "Chain":
        root = _issue("Test Root", None, is_authority=True)
        middle = _issue("Test Intermediate", root, is_authority=True)
        return cls(root, middle, _issue(name, middle, days=days))

    @property
    def pem(self) -> bytes:
        """Leaf, intermediate."""
        return self.leaf.pem + self.middle.pem

    def pkcs12(self, passphrase: str | None) -> bytes:
        encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return pkcs12.serialize_key_and_certificates(
            b"site", self.leaf.key, self.leaf.certificate, [self.middle.certificate], encryption
        )
