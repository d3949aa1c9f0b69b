"""The one-time password of a box that is made here: opens nothing but its own change at first contact.

It is derived from the password that replaces it, so that it is kept nowhere, and a resumed run knows it again. The
seed holds its scrypt hash only (docs/images.md).
"""

import hashlib
import hmac
import os
from base64 import b32encode, b64encode

_LOG2_N, _R, _P = 14, 8, 1
_DIGEST_BYTES = 32


def first_password(admin_password: str, serial_number: str) -> str:
    """The password a new box with that serial number is given until it is taken into use (HMAC-SHA-256, RFC 2104)."""
    digest = hmac.digest(admin_password.encode(), f"rebox first password {serial_number}".encode(), "sha256")
    return b32encode(digest[:20]).decode().lower()


def password_hash(password: str) -> str:
    """What a seed holds of it: scrypt (RFC 7914) with a random salt, `scrypt$LOG2_N$R$P$SALT$DIGEST` in Base64."""
    salt = os.urandom(16)
    digest = hashlib.scrypt(
        password.encode(), salt=salt, n=1 << _LOG2_N, r=_R, p=_P, maxmem=1 << 26, dklen=_DIGEST_BYTES
    )
    return f"scrypt${_LOG2_N}${_R}${_P}${b64encode(salt).decode()}${b64encode(digest).decode()}"
