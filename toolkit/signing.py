"""The toolkit's own Ed25519 key (RFC 8032), and JSON documents signed with it that carry everything but the trust.

A signed document is `{"document": …, "signature": {"algorithm", "public_key", "signature"}}`. What is signed is the
document as canonical JSON: keys sorted, no spaces, UTF-8. Whoever reads one says which public keys count.
"""

import base64
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toolkit.model.errors import InputError, VerificationError
from toolkit.storage.errors import AlreadyThereError
from toolkit.storage.given_file import read_given, read_given_text
from toolkit.storage.whole_file import write_whole

KEY, TRUSTED = "signing.key", "trusted-signers"
_PREFIX, _ALGORITHM = "ed25519:", "Ed25519"


@dataclass(frozen=True)
class SigningKey:
    """The private half; it leaves its file only as signatures."""

    _key: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """The public half as people hand it on: `ed25519:` and base64 of its 32 bytes."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return _PREFIX + base64.b64encode(raw).decode("ascii")

    def sign(self, document: Mapping[str, Any]) -> bytes:
        """The signed document as a file's bytes."""
        signature = base64.b64encode(self._key.sign(canonical(document))).decode("ascii")
        signed = {
            "document": document,
            "signature": {"algorithm": _ALGORITHM, "public_key": self.public, "signature": signature},
        }
        return (json.dumps(signed, indent=2, ensure_ascii=False) + "\n").encode()


def own_key(state: Path) -> SigningKey:
    """The key in the state folder, made there (mode 0600) when there is none; raises InputError, StorageError."""
    path = state / KEY
    if not path.exists():
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with suppress(AlreadyThereError):  # another process was quicker: its key is the key
            write_whole(path, made, replace=False)
    if path.stat().st_mode & 0o077:
        raise InputError("the signing key can be read by others", where=str(path), next_move=f"Run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(read_given(path), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            "this is no Ed25519 private key",
            where=str(path),
            next_move="Put the key back from your backup; with another one, hand its public half to who reads.",
        )
    return SigningKey(key)


def trusted_signers(state: Path) -> frozenset[str]:
    """Our own public key and those in the state folder's `trusted-signers`, one a line; raises InputError."""
    path = state / TRUSTED
    others: set[str] = set()
    if path.exists():
        for number, line in enumerate(read_given_text(path).splitlines(), start=1):
            words = line.partition("#")[0].strip()
            if words:
                check_public(words, f"{path}:{number}")
                others.add(words)
    return frozenset({own_key(state).public, *others})


def trust(state: Path, public: str, note: str = "") -> bool:
    """From now on that signer's documents are opened; whether that is new. Raises InputError, StorageError."""
    check_public(public, public)
    if public in trusted_signers(state):
        return False
    path = state / TRUSTED
    before = read_given_text(path) if path.exists() else ""
    words = " ".join(note.replace("#", " ").split())
    ended = "" if before.endswith("\n") or not before else "\n"
    line = f"{public}  # {words}" if words else public
    write_whole(path, f"{before}{ended}{line}\n".encode())
    return True


def check_public(text: str, where: str) -> Ed25519PublicKey:
    """The public key in `text`; raises InputError."""
    with suppress(ValueError):
        if text.startswith(_PREFIX):
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(text[len(_PREFIX) :], validate=True))
    raise InputError(
        "this is no public key of a signer",
        where=where,
        why=f"one begins with {_PREFIX} and goes on with 44 characters",
        next_move="Take the line that rebox signer show prints on the machine that signed.",
    )


def open_signed(content: bytes, trusted: Collection[str], where: str) -> tuple[dict[str, Any], str]:
    """The document and its signer; raises VerificationError when it was altered, cut, or signed by a stranger."""
    try:
        document, public = _proved(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidSignature, InputError):
        raise VerificationError(
            "the signature does not match what is there",
            where=where,
            why="it was cut or altered, or is no signed document",
            next_move="Take another copy; do not use this one.",
        ) from None
    if public not in trusted:
        raise VerificationError(
            "a stranger has signed this",
            where=where,
            why=f"its signer is {public}",
            next_move="Compare that with rebox signer show on the machine that made it; when it is the same, run: "
            "rebox signer trust KEY",
        )
    return document, public


def _proved(signed: Any) -> tuple[dict[str, Any], str]:
    document, signature = signed["document"], signed["signature"]
    public, value = signature["public_key"], signature["signature"]
    if not isinstance(document, dict) or signature["algorithm"] != _ALGORITHM:
        raise ValueError("another kind of document")
    check_public(public, "").verify(base64.b64decode(value, validate=True), canonical(document))
    return document, public


def canonical(document: Mapping[str, Any]) -> bytes:
    """What is signed: the same bytes for the same document, however it was laid out."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
