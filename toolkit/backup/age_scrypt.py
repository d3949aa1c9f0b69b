"""Files locked with a passphrase in the age format, with a work factor of our choosing (age-encryption.org/v1).

pyrage, which reads and writes everything else, measures the machine and takes the factor that keeps it busy for a
second: on a fast one that is a gigabyte of memory, and as much again for everybody who opens the file.
"""

import base64
import hashlib
import hmac
import os
import re

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

WORK_FACTOR = 16
"""log2 of scrypt's N: 64 MiB for each guess. age itself takes four times that: two bits of the passphrase."""

CONTENT_BYTES_MAX = 64 << 10
"""One chunk of the format; an identity file is far smaller."""

_VERSION = b"age-encryption.org/v1"
_LABEL = b"age-encryption.org/v1/scrypt"
_BLOCK_SIZE, _PARALLEL = 8, 1  # the format's own r and p
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_LINE = 64
_STANZA = re.compile(rb"age-encryption\.org/v1\n-> scrypt [A-Za-z0-9+/]+ ([1-9][0-9]?)\n")
_LAST_CHUNK = bytes(11) + b"\x01"
"""The nonce of the first chunk, number 0, that is the last one as well."""


def lock(content: bytes, passphrase: str, work_factor: int = WORK_FACTOR) -> bytes:
    """The content as an age file that the passphrase opens; raises ValueError when it is too large for one chunk."""
    if len(content) > CONTENT_BYTES_MAX:
        raise ValueError(f"it has {len(content)} bytes, more than one chunk holds")
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = Scrypt(_LABEL + salt, 32, 1 << work_factor, _BLOCK_SIZE, _PARALLEL).derive(passphrase.encode())
    body = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = b"\n".join((_VERSION, b"-> scrypt %s %d" % (_base64(salt), work_factor), _base64(body), b"---"))
    mac = hmac.digest(_derived(file_key, b"", b"header"), header, hashlib.sha256)
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(_LAST_CHUNK, content, None)
    return header + b" " + _base64(mac) + b"\n" + nonce + payload


def work_factor_of(locked: bytes) -> int | None:
    """log2 of the N that opening the file takes, armored or not; None when no passphrase opens it."""
    if locked.startswith(_ARMOR):
        try:
            locked = base64.b64decode(b"".join(locked.split(b"-----")[2].split()))
        except (ValueError, IndexError):
            return None
    stanza = _STANZA.match(locked)
    return int(stanza[1]) if stanza else None


def memory_bytes(work_factor: int) -> int:
    """What scrypt needs while it works: 128 bytes for each N and each of its blocks (RFC 7914, section 2)."""
    return 128 * _BLOCK_SIZE << work_factor


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _base64(content: bytes) -> bytes:
    return base64.b64encode(content).rstrip(b"=")
