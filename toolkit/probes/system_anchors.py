"""The authorities this machine trusts, from where OpenSSL looks: one file of them, and a folder with one per file."""

import re
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

_PEM_BLOCK = re.compile(rb"-----BEGIN (X509 )?CERTIFICATE-----.*?-----END (X509 )?CERTIFICATE-----", re.DOTALL)
# OpenSSL finds the files of the folder by names made of a hash: eight hex digits, a dot and a number
_HASHED_NAME = "[0-9a-f]" * 8 + ".[0-9]*"


def system_anchors() -> tuple[x509.Certificate, ...]:
    """Every trusted authority that can be read, once each; empty when this machine trusts nobody.

    `ssl.SSLContext.get_ca_certs` would show those of the file alone. SSL_CERT_FILE and SSL_CERT_DIR are followed, as
    OpenSSL does. One authority that cannot be read does not take the others with it.
    """
    return tuple(dict.fromkeys(anchor for path in _places() for anchor in _read(path)))


def system_anchors_source() -> str:
    """Where they are looked for, in words."""
    paths = ssl.get_default_verify_paths()
    return " and ".join(place for place in (paths.cafile, paths.capath) if place) or paths.openssl_capath


def _places() -> Iterator[Path]:
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        yield Path(paths.cafile)
    if paths.capath:
        yield from sorted(Path(paths.capath).glob(_HASHED_NAME))


def _read(path: Path) -> Iterator[x509.Certificate]:
    try:
        content = path.read_bytes()
    except OSError:
        return
    for block in _PEM_BLOCK.finditer(content):
        with warnings.catch_warnings():
            # odd serial numbers and the like: what the system trusts is trusted, whatever the library thinks of it
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            try:
                yield x509.load_pem_x509_certificate(block[0])
            except ValueError:
                continue
