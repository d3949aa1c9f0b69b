"""Writes an identity as PEM or PKCS#12 bytes, its key encrypted unless that is waived outright (requirement H3)."""

import os
import textwrap
from base64 import b64encode
from collections.abc import Sequence
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from toolkit.certificates.bundle import Bundle, PrivateKey, label
from toolkit.certificates.der import NULL, integer, octets, oid, sequence
from toolkit.model.errors import CertificateError, RefusedError
from toolkit.model.secret import check_new_passphrase

KDF_ROUNDS = 600_000
"""PBKDF2-HMAC-SHA256 iterations for a key at rest (the OWASP figure; a quarter of a second)."""

_PBES2, _PBKDF2 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12"
_HMAC_SHA256, _AES256_CBC = "1.2.840.113549.2.9", "2.16.840.1.101.3.4.1.42"


class Format(StrEnum):
    """The containers written. DER holds the leaf alone, PKCS#7 the chain alone; neither can hold a key."""

    PEM = "pem"
    PKCS12 = "pkcs12"
    PKCS7 = "pkcs7"
    DER = "der"


class KeyHandling(StrEnum):
    """What becomes of the private key."""

    ENCRYPTED = "encrypted"
    LEFT_OUT = "left out"
    UNENCRYPTED = "unencrypted"


def export(
    bundle: Bundle,
    *,
    form: Format = Format.PEM,
    key: KeyHandling = KeyHandling.ENCRYPTED,
    passphrase: str | None = None,
    with_roots: bool = True,
) -> bytes:
    """The leaf, its chain in order and its key in one container; strays are left behind.

    PKCS#12 gets the same cipher and rounds as PEM, but its checksum has the library's 2048 rounds: PEM resists
    guessing better. Raises CertificateError when the key is wanted and is missing, is another certificate's or does
    not fit the container; RefusedError when it would have to be written without a passphrase; InputError when that
    is too short.
    """
    wanted = None if key is KeyHandling.LEFT_OUT else key_to_write(bundle, form)
    passphrase = _good_passphrase(passphrase) if key is KeyHandling.ENCRYPTED else None
    certificates = (*bundle.chain, *(bundle.roots if with_roots else ()))
    match form:
        case Format.PEM:
            chain = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
            return chain if wanted is None else chain + _pem_key(wanted, passphrase)
        case Format.PKCS12:
            return _pkcs12(certificates[0], certificates[1:], wanted, passphrase)
        case Format.PKCS7:
            return serialize_certificates(list(certificates), Encoding.PEM)
        case Format.DER:
            return bundle.leaf.public_bytes(Encoding.DER)


def encrypted_pkcs8(key: PrivateKey, passphrase: str) -> bytes:
    """The key as DER EncryptedPrivateKeyInfo: PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC (RFC 8018).

    Written here because the library's own writer fixes 2048 rounds, too few for a key that travels.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt, vector = os.urandom(16), os.urandom(16)
    derived = PBKDF2HMAC(hashes.SHA256(), 32, salt, KDF_ROUNDS).derive(passphrase.encode())
    padder = PKCS7(128).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = Cipher(algorithms.AES(derived), modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(padded) + encryptor.finalize()
    derivation = sequence(oid(_PBKDF2), sequence(octets(salt), integer(KDF_ROUNDS), sequence(oid(_HMAC_SHA256), NULL)))
    scheme = sequence(oid(_PBES2), sequence(derivation, sequence(oid(_AES256_CBC), octets(vector))))
    return sequence(scheme, octets(encrypted))


def key_to_write(bundle: Bundle, form: Format) -> PrivateKey:
    """The leaf's own key, when there is one and `form` can hold it; raises CertificateError as `export` does."""
    where = label(bundle.leaf.subject)
    if form in {Format.DER, Format.PKCS7}:
        raise CertificateError(
            f"{form.value} cannot hold a private key",
            where=where,
            why="the format is for certificates only",
            next_move="Use --format pem or pkcs12, or leave the key out by --without-key.",
        )
    if bundle.key is None:
        raise CertificateError(
            "its private key is not there",
            where=where,
            why="the source holds certificates only",
            next_move="Give the key by --key, or export the certificates alone by --without-key.",
        )
    if not bundle.key_matches:
        raise CertificateError(
            "the private key belongs to another certificate",
            where=where,
            why="its public half is not the certificate's",
            next_move="Give the key that the certificate was requested with.",
        )
    return bundle.key


def _good_passphrase(passphrase: str | None) -> str:
    if passphrase is None:
        raise RefusedError(
            "the private key is not written without encryption",
            why="no passphrase was given",
            next_move="Give --passphrase prompt (or env:NAME, file:PATH), or leave the key out by --without-key.",
        )
    return check_new_passphrase(passphrase)


def _pem_key(key: PrivateKey, passphrase: str | None) -> bytes:
    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    body = b64encode(encrypted_pkcs8(key, passphrase)).decode("ascii")
    lines = textwrap.wrap(body, 64)
    return "\n".join(
        ["-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, "-----END ENCRYPTED PRIVATE KEY-----", ""]
    ).encode("ascii")


def _pkcs12(
    leaf: x509.Certificate, above: Sequence[x509.Certificate], key: PrivateKey | None, passphrase: str | None
) -> bytes:
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(KDF_ROUNDS)
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
        encryption = builder.build(passphrase.encode())
    name = label(leaf.subject).encode()
    return pkcs12.serialize_key_and_certificates(name, key, leaf, list(above), encryption)
