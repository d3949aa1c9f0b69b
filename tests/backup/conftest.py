"""What the stories of this room share: a key pair, and the same one on disk, locked."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from toolkit.backup import age
from toolkit.backup.keys import make_identity, read_identities

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSPHRASE = "correct horse battery"


@dataclass(frozen=True)
class Key:
    """An identity in memory and the recipient that belongs to it."""

    identity: age.Identity
    recipient: str


@pytest.fixture(scope="session")
def key() -> Key:
    secret, recipient = age.new_identity()
    return Key(age.identity(secret), recipient)


@pytest.fixture(scope="session")
def other_key() -> Key:
    secret, recipient = age.new_identity()
    return Key(age.identity(secret), recipient)


@dataclass(frozen=True)
class KeyFile:
    """An identity file locked with `PASSPHRASE`; made once, because scrypt takes its second."""

    path: Path
    recipient: str
    identities: tuple[age.Identity, ...]


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    path = tmp_path_factory.mktemp("keys") / "backup.identity"
    recipient = make_identity(path, PASSPHRASE, NOW)
    return KeyFile(path, recipient, read_identities(path, lambda: PASSPHRASE))
