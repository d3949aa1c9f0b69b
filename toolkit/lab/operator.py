"""What the operator of a lab is given: secrets in files of mode 0600, and the identity that opens backups.

`python -m toolkit.lab.operator FOLDER` makes the identity: in a process of its own, for it keeps a processor busy.
"""

import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.backup import keys
from toolkit.lab.nameserver import new_tsig_secret

CLIENT_ID = "rebox"
TSIG_KEY = "tsig.key"
OLD_API_SECRET = "old-api.secret"  # noqa: S105  a file's name
NEW_API_SECRET = "new-api.secret"  # noqa: S105  a file's name
NEW_ADMIN_PASSWORD = "new-admin.password"  # noqa: S105  a file's name
OLD_ADMIN_PASSWORD = "old-admin.password"  # noqa: S105  a file's name
BACKUP_PASSPHRASE = "backup.passphrase"  # noqa: S105  a file's name
IDENTITY_PASSPHRASE = "identity.passphrase"  # noqa: S105  a file's name
BACKUP_RECIPIENT = "backup.recipient"
BACKUP_IDENTITY = "backup.identity"
STATION_KEY = "station.key"
STATION_PUBLIC_KEY = "station.key.pub"
BMC_PASSWORD = "bmc.password"  # noqa: S105  a file's name
CERTIFICATE_PASSPHRASE = "certificate.passphrase"  # noqa: S105  a file's name

_RANDOM = (
    OLD_API_SECRET,
    OLD_ADMIN_PASSWORD,
    NEW_API_SECRET,
    NEW_ADMIN_PASSWORD,
    BACKUP_PASSPHRASE,
    IDENTITY_PASSPHRASE,
    CERTIFICATE_PASSPHRASE,
    BMC_PASSWORD,
)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def make_secrets(folder: Path) -> None:
    """Makes every secret of a lab: random, one line per file; and the key by which machines let the operator in."""
    folder.mkdir(mode=0o700)
    for name in _RANDOM:
        write_private(folder / name, secrets.token_urlsafe(24).encode() + b"\n")
    write_private(folder / TSIG_KEY, new_tsig_secret().encode() + b"\n")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    write_private(folder / STATION_KEY, private)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / STATION_PUBLIC_KEY).write_bytes(public + b"\n")


def secret(folder: Path, name: str) -> str:
    """One of them."""
    return (folder / name).read_text(encoding="ascii").strip()


def make_identity(folder: Path) -> None:
    """Makes the age identity that opens the operator's backups, and its recipient; takes seconds (scrypt)."""
    recipient = keys.make_identity(folder / BACKUP_IDENTITY, secret(folder, IDENTITY_PASSPHRASE), datetime.now(UTC))
    (folder / BACKUP_RECIPIENT).write_text(recipient + "\n", encoding="ascii")


if __name__ == "__main__":
    make_identity(Path(sys.argv[1]))
