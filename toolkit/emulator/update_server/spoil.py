"""Everything that can be wrong with a repository, made on purpose, so that a box can be seen to refuse it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # exported, not declared so

from toolkit.emulator.update_server.repository import Repository, write_file
from toolkit.model.errors import InputError


def expire(repository: Repository) -> None:
    """The server went on serving, but nobody signed anew: snapshot and timestamp have run out, a week ago."""
    repository.renew(now=datetime.now(UTC) - timedelta(days=14), lifetime=timedelta(days=7))


def roll_back(repository: Repository) -> None:
    """The server shows its first state again, validly signed: what an attacker does who hides a fix.

    Raises InputError while the repository has only that state; `Repository.renew` gives it another.
    """
    if repository.read("timestamp").signed.version < 2:
        raise InputError(
            "there is no older state to go back to",
            where=str(repository.folder),
            next_move="Renew the repository first, and let the box see the newer state.",
        )
    repository.publish_state((1, 1, 1))


def forge(repository: Repository) -> None:
    """A new timestamp, whole and fresh, but signed by a key that the root does not name."""
    timestamp = repository.read("timestamp").signed
    timestamp.version += 1
    repository.publish(timestamp, signer=CryptoSigner.generate_ed25519())


def tamper_metadata(repository: Repository) -> None:
    """The targets metadata offers one licence more than what was signed."""
    path = repository.path("targets")
    document = json.loads(path.read_bytes())
    site = next(
        info["custom"] for info in document["signed"]["targets"].values() if "licences" in info.get("custom", {})
    )
    site["licences"] += 1
    write_file(path, json.dumps(document).encode())


def truncate_metadata(repository: Repository) -> None:
    """The timestamp ends in the middle."""
    _truncate(repository.path("timestamp"))


def tamper_packages(repository: Repository) -> None:
    """One bit in the middle of every package is flipped; sizes stay."""
    for path in _packages(repository):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x10
        write_file(path, bytes(content))


def truncate_packages(repository: Repository) -> None:
    """Every package ends in the middle."""
    for path in _packages(repository):
        _truncate(path)


def _packages(repository: Repository) -> list[Path]:
    names = [name for name in repository.read("targets").signed.targets if name.startswith("packages/")]
    return [repository.target_path(name) for name in names]


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    write_file(path, content[: len(content) // 2])


WAYS: dict[str, Callable[[Repository], None]] = {
    "expired": expire,
    "rolled-back": roll_back,
    "forged": forge,
    "tampered-metadata": tamper_metadata,
    "truncated-metadata": truncate_metadata,
    "tampered-packages": tamper_packages,
    "truncated-packages": truncate_packages,
}
"""By name, for the command line and for parametrised tests."""
