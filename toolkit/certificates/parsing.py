"""Reads certificates and keys from bytes: PEM, DER, PKCS#7 and PKCS#12, several in one file, encrypted or not."""

import binascii
import re
import warnings
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import get_args

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs7, pkcs12

from toolkit.certificates.bundle import Material, PrivateKey, public_bytes
from toolkit.certificates.der import Kind, elements, kind_of
from toolkit.certificates.errors import PassphraseError, PassphraseRequiredError
from toolkit.model.errors import CertificateError, InputError, ReboxError

OBJECTS_MAX = 1000
"""Certificates and keys in one file, at most: more is no identity, and comparing them all would take too long."""

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,64})-----(.*?)-----END \1-----", re.DOTALL)
_PEM_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,64})-----")
_PEM_CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"}
_PEM_PKCS7 = {"PKCS7", "PKCS #7 SIGNED DATA", "CMS"}
_PEM_KEYS = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"}

_ASN1_DUMP = "ParseError {"
"""How the library's parser begins to print itself."""

# what the library raises for malformed input
_LIBRARY_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def parse(content: bytes, passphrase: str | None = None, *, where: str = "") -> Material:
    """All certificates and keys in `content`, in order; `where` names the file or peer in errors.

    Raises PassphraseRequiredError or PassphraseError for what is encrypted, InputError when nothing usable is in it,
    CertificateError when a piece is damaged or of a kind that TLS servers do not use.
    """
    reading = _Reading(where, passphrase)
    try:
        if _PEM_BEGIN.search(content):
            reading.pem(content)
        elif content[:1] == b"\x30":
            reading.der(content)
    except RecursionError:  # pragma: no cover - nesting is not followed, but a stranger's bytes are
        raise reading.damaged("it is nested too deeply") from None
    except ReboxError as error:
        error.where = error.where or where
        raise
    material = reading.material()
    if not material.certificates and not material.keys:
        raise InputError(
            "there is no certificate and no private key in it",
            where=where,
            why=f"it holds only {', '.join(material.ignored)}" if material.ignored else "it is neither PEM nor DER",
            next_move="Give a PEM, DER, PKCS#7 (.p7b) or PKCS#12 (.p12, .pfx) file.",
        )
    return material


@dataclass
class _Reading:
    """One pass over a file: what has been found so far."""

    where: str
    passphrase: str | None
    certificates: list[x509.Certificate] = field(default_factory=list)
    keys: list[PrivateKey] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    ordered: bool = True

    @property
    def _password(self) -> bytes | None:
        return None if self.passphrase is None else self.passphrase.encode()

    def material(self) -> Material:
        return Material(
            certificates=tuple(self.certificates),
            keys=tuple(_without_repetition(self.keys)),
            ordered=self.ordered,
            ignored=tuple(self.ignored),
        )

    def pem(self, content: bytes) -> None:
        blocks = list(_PEM_BLOCK.finditer(content))
        if len(blocks) != len(_PEM_BEGIN.findall(content)):
            raise self.damaged("a PEM block has a beginning and no end: the file is cut off")
        self._limit(len(blocks))
        for block in blocks:
            kind = block[1].decode("ascii")
            if kind in _PEM_KEYS:
                self._key(block[0], pem=True)
            elif kind in _PEM_CERTIFICATES:
                self._pem_certificate(block[2])
            elif kind in _PEM_PKCS7:
                self._pkcs7(self._decode(block[2]))
            else:
                self.ignored.append(kind)

    def der(self, content: bytes) -> None:
        if content[1:2] == b"\x80":
            # BER of unknown length, as NSS and Java write it: it can only be one container
            is_pkcs12 = content[2:5] == b"\x02\x01\x03"
            return self._pkcs12(content) if is_pkcs12 else self._pkcs7(content)
        readers = {
            Kind.CERTIFICATE: self._certificate,
            Kind.PKCS7: self._pkcs7,
            Kind.PKCS12: self._pkcs12,
            Kind.KEY: self._key,
            Kind.ENCRYPTED_KEY: self._key,
        }
        for element in elements(content):
            kind = kind_of(element.encoding)
            if kind in readers:
                readers[kind](element.encoding)
            else:
                self.ignored.append("DER that is no certificate, key, PKCS#7 or PKCS#12")
            self._limit(len(self.certificates) + len(self.keys) + len(self.ignored))
        return None

    def damaged(self, why: str) -> CertificateError:
        return CertificateError(
            "a certificate or key in it cannot be read",
            where=self.where,
            why=why,
            next_move="Export it again from where it comes from.",
        )

    def _limit(self, count: int) -> None:
        if count > OBJECTS_MAX:
            raise InputError(
                "there are too many objects in it",
                where=self.where,
                why=f"{count} certificates and keys, at most {OBJECTS_MAX} are read",
                next_move="Give the file of one server's certificate and chain.",
            )

    def _decode(self, body: bytes) -> bytes:
        try:
            return b64decode(b"".join(body.split()), validate=True)
        except binascii.Error:
            raise self.damaged("a PEM block is not base64") from None

    def _pem_certificate(self, body: bytes) -> None:
        # a "trusted certificate" has OpenSSL's trust settings after it: only the first element counts
        first = next(elements(self._decode(body)), None)
        if first is None:
            raise self.damaged("a PEM block is empty")
        self._certificate(first.encoding)

    def _certificate(self, encoding: bytes) -> None:
        self.certificates.append(load_certificate(encoding, where=self.where))

    def _pkcs7(self, encoding: bytes) -> None:
        self.ordered = False
        try:
            with _quiet():
                found = pkcs7.load_der_pkcs7_certificates(encoding)
        except _LIBRARY_ERRORS as error:
            raise self.damaged(f"the PKCS#7 container is malformed ({_first_line(error)})") from None
        self._limit(len(found))
        for certificate in found:
            _touch(certificate, self.where)
        self.certificates.extend(found)

    def _pkcs12(self, encoding: bytes) -> None:
        self.ordered = False
        store = self._open_pkcs12(encoding)
        found = [entry.certificate for entry in (store.cert, *store.additional_certs) if entry is not None]
        self._limit(len(found))
        for certificate in found:
            _touch(certificate, self.where)
        self.certificates.extend(found)
        if store.key is not None:
            self.keys.append(self._usable(store.key))

    def _open_pkcs12(self, encoding: bytes) -> pkcs12.PKCS12KeyAndCertificates:
        try:
            with _quiet():
                return pkcs12.load_pkcs12(encoding, self._password)
        except UnsupportedAlgorithm as error:
            raise self.damaged(f"the PKCS#12 container uses an unsupported cipher ({_first_line(error)})") from None
        except _LIBRARY_ERRORS as error:
            if "password" not in str(error).lower():
                raise self.damaged(f"the PKCS#12 container is malformed ({_first_line(error)})") from None
        if self.passphrase is None:
            raise self._required()
        # the container's checksum covers both: nobody can tell a wrong passphrase from an altered file
        raise self._wrong("or the file was altered")

    def _key(self, encoding: bytes, *, pem: bool = False) -> None:
        load = load_pem_private_key if pem else load_der_private_key
        try:
            with _quiet():
                try:
                    key = load(encoding, self._password)
                except TypeError:
                    if self.passphrase is None:
                        raise self._required() from None
                    # a passphrase meant for another piece of the same file
                    key = load(encoding, None)
        except UnsupportedAlgorithm as error:
            raise self.damaged(f"the key uses an unsupported algorithm ({_first_line(error)})") from None
        except _LIBRARY_ERRORS as error:
            if self._encrypted(encoding, pem=pem):
                raise self._wrong("or the key was altered") from None
            raise self.damaged(f"the private key is malformed ({_first_line(error)})") from None
        self.keys.append(self._usable(key))

    @staticmethod
    def _encrypted(encoding: bytes, *, pem: bool) -> bool:
        if pem:
            return b"ENCRYPTED" in encoding
        return kind_of(encoding) is Kind.ENCRYPTED_KEY

    def _usable(self, key: object) -> PrivateKey:
        if isinstance(key, get_args(PrivateKey)):
            return key  # type: ignore[no-any-return]  # get_args hides the union from mypy
        kind = type(key).__name__.removesuffix("PrivateKey")
        raise CertificateError(
            f"its private key is a {kind} key",
            where=self.where,
            why="TLS servers use RSA, EC, Ed25519 or Ed448 keys",
            next_move="Give the key that belongs to the server's certificate.",
        )

    def _required(self) -> PassphraseRequiredError:
        return PassphraseRequiredError(
            "it is encrypted",
            where=self.where,
            why="no passphrase was given",
            next_move="Give its passphrase: --passphrase prompt, env:NAME or file:PATH.",
        )

    def _wrong(self, alternative: str) -> PassphraseError:
        return PassphraseError(
            "it cannot be decrypted",
            where=self.where,
            why=f"the passphrase is wrong {alternative}",
            next_move="Give the passphrase it was exported with.",
        )


def load_certificate(encoding: bytes, *, where: str = "") -> x509.Certificate:
    """One DER certificate, with every part that the rules look at proved readable; raises CertificateError."""
    try:
        with _quiet():
            certificate = x509.load_der_x509_certificate(encoding)
            _read_whole(certificate)
    except _LIBRARY_ERRORS as error:
        raise _unreadable(where, error) from None
    return certificate


def load_chain(encodings: Sequence[bytes], *, where: str = "") -> Material:
    """A chain as a server sends it, DER by DER; raises CertificateError, or InputError when it is empty."""
    if not encodings:
        raise InputError("no certificate was served", where=where, next_move="Check that a TLS server listens there.")
    return Material(certificates=tuple(load_certificate(encoding, where=where) for encoding in encodings))


def _touch(certificate: x509.Certificate, where: str) -> None:
    try:
        with _quiet():
            _read_whole(certificate)
    except _LIBRARY_ERRORS as error:
        raise _unreadable(where, error) from None


def _read_whole(certificate: x509.Certificate) -> None:
    """Reads what the library reads lazily, so that a malformed field is an error here and not in a rule."""
    # spelled out: each of these can raise
    _ = (certificate.subject, certificate.issuer, certificate.serial_number, certificate.version)
    _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    _ = (certificate.extensions, certificate.signature_algorithm_oid, certificate.signature)
    certificate.public_key()


def _unreadable(where: str, error: Exception) -> CertificateError:
    return CertificateError(
        "a certificate in it cannot be read",
        where=where,
        why=f"it is malformed or of an unknown kind ({_first_line(error)})",
        next_move="Export it again from where it comes from.",
    )


def _first_line(error: Exception) -> str:
    """The library's own words, without object dumps that could run to pages; the place of an ASN.1 error by name."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    if _ASN1_DUMP not in text:
        return text[:160]
    places = re.findall(r'"([\w:]+)"', text)
    return f"its ASN.1 is wrong at {places[-1].rpartition('::')[2]}" if places else "its ASN.1 is wrong"


def _without_repetition(keys: Sequence[PrivateKey]) -> Iterator[PrivateKey]:
    seen: set[bytes] = set()
    for key in keys:
        identity = public_bytes(key)
        if identity not in seen:
            seen.add(identity)
            yield key


@contextmanager
def _quiet() -> Iterator[None]:
    """What the library would grumble about on stderr is the findings' business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
