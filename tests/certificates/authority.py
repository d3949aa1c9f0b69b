"""A certificate authority in memory, and openssl beside it: what the tests have certificates from."""

import ipaddress
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from toolkit.certificates.bundle import Material, PrivateKey

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""The tests' time of day, so that nothing depends on today."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(3000, 1, 1, tzinfo=UTC)
"""For what is judged by the machine's own clock, whatever it says."""

SITE = "support.example.com"
PASSPHRASE = "correct horse battery"


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def subject_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Order:
    """What a certificate is to be like; the defaults are a good server certificate's."""

    common_name: str = SITE
    names: Sequence[str] = (SITE,)
    key: PrivateKey = field(default_factory=ec_key)
    start: datetime = NOW - timedelta(days=10)
    end: datetime = NOW + timedelta(days=200)
    authority: bool = False
    path_length: int | None = None
    purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,)
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = ()

    def signed_by(self, issuer: Identity | None) -> Identity:
        """The certificate, signed by the issuer or, without one, by itself."""
        signer = issuer.key if issuer else self.key
        issuer_name = issuer.certificate.subject if issuer else subject_name(self.common_name)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject_name(self.common_name))
            .issuer_name(issuer_name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.BasicConstraints(self.authority, self.path_length), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if self.names and not self.authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(_general_names(self.names)), critical=False)
        if self.purposes and not self.authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.purposes), critical=False)
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical=critical)
        edwards = isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        return Identity(builder.sign(signer, None if edwards else hashes.SHA256()), self.key)


@dataclass(frozen=True)
class Authority:
    """A root and an intermediate that issue server certificates."""

    root: Identity
    intermediate: Identity

    @classmethod
    def new(cls, make_key: Callable[[], PrivateKey] = ec_key, *, label: str = "Test") -> Self:
        root = Order(f"{label} Root", authority=True, key=make_key(), start=LONG_AGO, end=FAR_OFF).signed_by(None)
        middle = Order(
            f"{label} Issuing CA", authority=True, path_length=0, key=make_key(), start=LONG_AGO, end=FAR_OFF
        )
        return cls(root, middle.signed_by(root))

    def issue(self, order: Order | None = None) -> Identity:
        return (order or Order()).signed_by(self.intermediate)


def material(*parts: Identity, key: PrivateKey | None = None, ordered: bool = True) -> Material:
    return Material(tuple(part.certificate for part in parts), (key,) if key is not None else (), ordered)


def openssl(*words: str | Path, content: bytes | None = None, passphrase: str = PASSPHRASE) -> bytes:
    """Runs openssl and returns what it prints; `env:P` is the passphrase."""
    done = subprocess.run(
        ["openssl", *map(str, words)],
        input=content,
        capture_output=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "P": passphrase},
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return general
