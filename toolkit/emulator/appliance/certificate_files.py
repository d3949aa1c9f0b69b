"""Certificate files as the box reads and writes them: PEM and PKCS#12, leaf, chain and key together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12PrivateKeyTypes
from cryptography.x509.oid import NameOID

from toolkit.emulator.appliance.refusal import Refusal

_RSA_BITS_MIN = 2048


@dataclass(frozen=True)
class Bundle:
    """A leaf, the certificates above it in order, and the leaf's key."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PKCS12PrivateKeyTypes

    @classmethod
    def from_pem(cls, chain_pem: bytes, key_pem: bytes) -> "Bundle":
        """What `chain_pem` and `key_pem` of a bundle give back."""
        leaf, *chain = x509.load_pem_x509_certificates(chain_pem)
        return cls(leaf, tuple(chain), cast(PKCS12PrivateKeyTypes, load_pem_private_key(key_pem, None)))

    @property
    def chain_pem(self) -> bytes:
        """Leaf first, then upwards."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in (self.leaf, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """PKCS#8, not encrypted: for the box itself only."""
        return self._key_pem(NoEncryption())

    @property
    def sha256(self) -> str:
        """Of the leaf's DER, lower-case hex."""
        return sha256(self.leaf.public_bytes(Encoding.DER)).hexdigest()

    def as_pem(self, *, include_key: bool, passphrase: str | None) -> bytes:
        """Chain and, if asked for, key; encrypted when there is a passphrase."""
        return self.chain_pem + (self._key_pem(_encryption(passphrase)) if include_key else b"")

    def as_pkcs12(self, *, include_key: bool, passphrase: str | None) -> bytes:
        """The same as one PKCS#12 file."""
        key = self.key if include_key else None
        name = common_name(self.leaf.subject).encode()
        return pkcs12.serialize_key_and_certificates(name, key, self.leaf, self.chain, _encryption(passphrase))

    def _key_pem(self, encryption: KeySerializationEncryption) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def findings(self, now: datetime, site_hostname: str | None) -> tuple[str, ...]:
        """What the page warns of, each as a code, a colon and a sentence (requirement H4)."""
        found = []
        start, end = self.leaf.not_valid_before_utc, self.leaf.not_valid_after_utc
        if now > end:
            found.append(f"expired: By this box's clock it expired on {end:%Y-%m-%d %H:%M} UTC.")
        if now < start:
            found.append(f"not-yet-valid: By this box's clock it becomes valid on {start:%Y-%m-%d %H:%M} UTC.")
        if any(not above.not_valid_before_utc <= now <= above.not_valid_after_utc for above in self.chain):
            found.append("chain-expired: A certificate above it is outside its validity by this box's clock.")
        if _issued(self.leaf, self.leaf):
            found.append("self-signed: It is self-signed; clients cannot know whose it is.")
        elif not self.chain:
            found.append("incomplete-chain: The certificate of its issuer is missing; clients may not trust it.")
        if isinstance(self.key, rsa.RSAPrivateKey) and self.key.key_size < _RSA_BITS_MIN:
            found.append(f"weak-key: Its RSA key has {self.key.key_size} bits.")
        if site_hostname and not covers(self.leaf, site_hostname):
            found.append(f"name-mismatch: It was not issued to {site_hostname}.")
        return tuple(found)


def read_bundle(content: bytes, passphrase: str | None) -> Bundle:
    """Reads PEM or PKCS#12; Refusal 422 says which part is missing or wrong."""
    if b"-----BEGIN " in content:
        certificates, keys = _read_pem(content, passphrase)
    else:
        certificates, keys = _read_pkcs12(content, passphrase)
    if not certificates:
        raise _refuse("unreadable", "The file holds no certificate.")
    if not keys:
        raise _refuse("no_key", "The file holds no private key; export the certificate again, with its key.")
    if len(keys) > 1:
        raise _refuse("unreadable", "The file holds more than one private key; it must hold the leaf's alone.")
    leaf = next((one for one in certificates if _public(one) == _public(keys[0])), None)
    if leaf is None:
        raise _refuse("key_mismatch", "The private key belongs to none of the certificates in the file.")
    return Bundle(leaf, _ordered(leaf, certificates), keys[0])


def common_name(name: x509.Name) -> str:
    """The common name, or the whole name where there is none."""
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else name.rfc4514_string()


def covers(certificate: x509.Certificate, hostname: str) -> bool:
    """Whether the certificate was issued to the name; a wildcard stands for one label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    except x509.ExtensionNotFound:
        names = [common_name(certificate.subject)]
    wanted = hostname.lower()
    wildcard = f"*.{wanted.partition('.')[2]}"
    return any(name.lower() in (wanted, wildcard) for name in names)


def _read_pem(content: bytes, passphrase: str | None) -> tuple[list[x509.Certificate], list[PKCS12PrivateKeyTypes]]:
    try:
        certificates = x509.load_pem_x509_certificates(content) if b"BEGIN CERTIFICATE" in content else []
    except ValueError:
        raise _refuse("unreadable", "A certificate in the file is damaged.") from None
    return certificates, [_read_key(block, passphrase) for block in _key_blocks(content)]


def _key_blocks(content: bytes) -> list[bytes]:
    """Each private key block; its end line may be missing, which reading it will tell."""
    blocks = [b"-----BEGIN " + rest for rest in content.split(b"-----BEGIN ")[1:]]
    return [block for block in blocks if b"PRIVATE KEY-----" in block.splitlines()[0]]


def _read_key(block: bytes, passphrase: str | None) -> PKCS12PrivateKeyTypes:
    encrypted = b"ENCRYPTED" in block
    if encrypted and not passphrase:
        raise _refuse("passphrase_required", "The private key is encrypted: give its passphrase.")
    try:
        key = load_pem_private_key(block, passphrase.encode() if encrypted and passphrase else None)
    except (ValueError, UnsupportedAlgorithm):
        if encrypted:
            raise _refuse("wrong_passphrase", "The passphrase does not open the private key.") from None
        raise _refuse("unreadable", "The private key in the file is damaged.") from None
    return _usable(key)


def _read_pkcs12(content: bytes, passphrase: str | None) -> tuple[list[x509.Certificate], list[PKCS12PrivateKeyTypes]]:
    if not content.startswith(b"\x30"):
        raise _refuse("unreadable", "The file is neither PEM nor PKCS#12.")
    try:
        key, leaf, chain = pkcs12.load_key_and_certificates(content, passphrase.encode() if passphrase else None)
    except (ValueError, UnsupportedAlgorithm) as error:
        if "password" not in str(error).lower() and "decrypt" not in str(error).lower():
            raise _refuse("unreadable", "The file is neither PEM nor PKCS#12, or it is damaged.") from None
        if not passphrase:
            raise _refuse("passphrase_required", "The PKCS#12 file is encrypted: give its passphrase.") from None
        raise _refuse("wrong_passphrase", "The passphrase does not open the PKCS#12 file.") from None
    return [*([leaf] if leaf else []), *chain], [_usable(key)] if key else []


def _usable(key: object) -> PKCS12PrivateKeyTypes:
    if not isinstance(
        key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
    ):
        raise _refuse("unreadable", "The private key is of a kind that cannot serve TLS.")
    return key


def _ordered(leaf: x509.Certificate, certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The certificates above the leaf, from its issuer upwards; what does not belong to the chain is left out."""
    chain: list[x509.Certificate] = []
    lowest = leaf
    while not _issued(lowest, lowest):
        above = next((one for one in certificates if one not in chain and one != leaf and _issued(one, lowest)), None)
        if above is None:
            break
        chain.append(above)
        lowest = above
    return tuple(chain)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _public(owner: x509.Certificate | PKCS12PrivateKeyTypes) -> bytes:
    return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _encryption(passphrase: str | None) -> KeySerializationEncryption:
    return BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()


def _refuse(code: str, message: str) -> Refusal:
    return Refusal(422, code, message)
