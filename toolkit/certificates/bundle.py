"""What a certificate file holds: the pieces as found, and the same put in order."""

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
"""The private keys that TLS servers use."""

LABEL_LENGTH_MAX = 120
"""Longest label shown to people, in characters."""


@dataclass(frozen=True)
class Material:
    """The pieces in the order they were found, duplicates included.

    `ordered` is False for containers whose order means nothing (PKCS#7 is a set, PKCS#12 a bag). `ignored` names PEM
    blocks that are neither certificate nor private key.
    """

    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    ordered: bool = True
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """One server identity: its certificate, what certifies it, and its key.

    `intermediates` stand in the order to serve them; cross-signed alternatives are among them. `roots` are the
    self-signed issuers found. `strays` certify nothing here; `other_leaves` are further certificates that issue
    nothing. `key` belongs to `leaf` unless `key_matches` is False.
    """

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...] = ()
    roots: tuple[x509.Certificate, ...] = ()
    key: PrivateKey | None = field(default=None, repr=False)
    strays: tuple[x509.Certificate, ...] = ()
    other_leaves: tuple[x509.Certificate, ...] = ()
    found: Material = field(default_factory=Material)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What a server sends: the leaf and its intermediates, without roots."""
        return (self.leaf, *self.intermediates)

    @property
    def key_matches(self) -> bool | None:
        """Whether the key is the leaf's; None without a key."""
        if self.key is None:
            return None
        return public_bytes(self.key) == public_bytes(self.leaf)


def public_bytes(holder: x509.Certificate | PrivateKey) -> bytes:
    """The SubjectPublicKeyInfo in DER: equal for a certificate and its key, and for nothing else."""
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der(certificate: x509.Certificate) -> bytes:
    """The certificate's own encoding."""
    return certificate.public_bytes(Encoding.DER)


def sha256(certificate: x509.Certificate) -> str:
    """The SHA-256 fingerprint of the DER encoding, lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def label(name: x509.Name) -> str:
    """A short name for people: the common name, else the whole name; printable characters only."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[-1].value) if common else name.rfc4514_string()
    text = printable(text)
    if len(text) > LABEL_LENGTH_MAX:
        text = text[: LABEL_LENGTH_MAX - 1] + "…"
    return text or "(no name)"


def printable(text: str) -> str:
    """The text with every unprintable character replaced: names come from strangers and go to terminals."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate says it may issue others (basicConstraints CA; never for version 1)."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False
