"""Passwords and secrets as the box keeps them: salted scrypt, compared in constant time."""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode

_LOG2_N, _R, _P = 13, 8, 1  # about 20 ms and 8 MB: dear enough for a guesser, cheap enough for a log-in


def hash_password(password: str) -> str:
    """One line of text that `matches` can check."""
    salt = os.urandom(16)
    digest = _scrypt(password, salt, _LOG2_N, _R, _P)
    return f"scrypt${_LOG2_N}${_R}${_P}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password that was hashed; takes as long when nothing is stored, so that names stay unknown."""
    _, log2_n, r, p, salt, digest = (stored or _NOBODY).split("$")
    found = _scrypt(password, b64decode(salt), int(log2_n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(digest)) and stored is not None


def is_hash(text: str) -> bool:
    """Whether `matches` can check a password against it."""
    try:
        kind, log2_n, r, p, salt, digest = text.split("$")
        return (
            kind == "scrypt"
            and 10 <= int(log2_n) <= 15
            and (int(r), int(p)) == (_R, _P)
            and bool(b64decode(salt, validate=True) and len(b64decode(digest, validate=True)) == 32)
        )
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << log2_n, r=r, p=p, maxmem=1 << 26, dklen=32)


_NOBODY = f"scrypt${_LOG2_N}${_R}${_P}${b64encode(bytes(16)).decode()}${b64encode(bytes(32)).decode()}"
