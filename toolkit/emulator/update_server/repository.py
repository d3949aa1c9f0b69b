"""The signed repository on disk: keys, targets and the metadata of The Update Framework (python-tuf)."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # exported, not declared so
from tuf.api.metadata import (  # type: ignore[attr-defined]  # exported, not declared so
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from toolkit.emulator.update_server.packages import CATALOGUE, Package, archive
from toolkit.model.errors import InputError, StorageError

ROLES = ("root", "targets", "snapshot", "timestamp")
LIFETIME = {
    "root": timedelta(days=3650),
    "targets": timedelta(days=365),
    "snapshot": timedelta(days=30),
    "timestamp": timedelta(days=30),
}
"""How long each role's metadata stays valid after it was signed."""

_Signed = Root | Targets | Snapshot | Timestamp


@dataclass(frozen=True)
class Offer:
    """What the packages are offered with: primary hostname, licence count and expiry (requirement A2)."""

    hostname: str
    licences: int = 25
    licence_expiry: date = date(2030, 12, 31)


class Repository:
    """One repository in a folder.

    `public/` is what is served, `keys/` what signs it (mode 0700), `manufacture/` what a box is given when it is
    made: `root.json`, the trust it starts with, and `update-server.json`, where the server is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = folder / "public"
        self.metadata = self.public / "metadata"
        self.targets = self.public / "targets"

    @property
    def root_file(self) -> Path:
        """The first root metadata: laid on a box's disk when it is made."""
        return self.folder / "manufacture" / "root.json"

    @property
    def url(self) -> str:
        """The address this repository was made for."""
        text = json.loads((self.folder / "manufacture" / "update-server.json").read_text("utf-8"))["url"]
        return str(text)

    def read(self, role: str) -> Metadata[Any]:
        """The newest metadata of a role as it is served; raises InputError when there is no repository."""
        path = self.path(role)
        try:
            return Metadata.from_file(str(path))
        except Exception as error:
            raise InputError(
                "there is no whole update repository here",
                where=str(self.folder),
                why=f"{path.name} cannot be read",
                next_move="Make one with `python -m toolkit.emulator.update_server make`.",
            ) from error

    def path(self, role: str) -> Path:
        """The file a client would be given for a role."""
        if role == "timestamp":
            return self.metadata / "timestamp.json"
        versions = sorted(self.metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))
        return versions[-1] if versions else self.metadata / f"1.{role}.json"

    def target_path(self, name: str) -> Path:
        """The file a client would be given for a target ("packages/Bomgar-12.2.0.tar")."""
        info = self.read("targets").signed.targets[name]
        folder, _, base = name.rpartition("/")
        return self.targets / folder / f"{info.hashes['sha256']}.{base}"

    def signer(self, role: str) -> CryptoSigner:
        """The role's private key."""
        key = load_pem_private_key((self.folder / "keys" / f"{role}.pem").read_bytes(), password=None)
        return CryptoSigner(key)

    def publish(self, signed: _Signed, *, signer: CryptoSigner | None = None) -> None:
        """Signs one role's metadata and puts it where clients look for it."""
        role = signed.type
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(signer or self.signer(role))
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        write_file(self.metadata / name, metadata.to_bytes(JSONSerializer(compact=False)))

    def renew(self, *, now: datetime | None = None, lifetime: timedelta | None = None) -> int:
        """Signs snapshot and timestamp anew, one version up, and returns the timestamp's version.

        `now` is when they say they were issued; `lifetime` (by default LIFETIME) counts from there.
        """
        snapshot, timestamp = self.read("snapshot").signed, self.read("timestamp").signed
        targets = self.read("targets").signed
        versions = (targets.version, snapshot.version + 1, timestamp.version + 1)
        self.publish_state(versions, now=now, lifetime=lifetime)
        return int(timestamp.version + 1)

    def publish_state(
        self, versions: tuple[int, int, int], *, now: datetime | None = None, lifetime: timedelta | None = None
    ) -> None:
        """Signs a snapshot and a timestamp that name these versions of targets, snapshot and timestamp."""
        targets_version, snapshot_version, timestamp_version = versions
        dates = _Dates(now, lifetime)
        meta = {"targets.json": MetaFile(targets_version)}
        self.publish(
            Snapshot(
                version=snapshot_version,
                expires=dates.expires("snapshot"),
                meta=meta,
                unrecognized_fields=dates.issued,
            )
        )
        self.publish(
            Timestamp(
                version=timestamp_version,
                expires=dates.expires("timestamp"),
                snapshot_meta=MetaFile(snapshot_version),
                unrecognized_fields=dates.issued,
            )
        )


class _Dates:
    """When metadata says it was issued, and until when it is valid; TUF wants whole seconds."""

    def __init__(self, now: datetime | None, lifetime: timedelta | None) -> None:
        self._now = (now or datetime.now(UTC)).replace(microsecond=0)
        self._lifetime = lifetime

    @property
    def issued(self) -> dict[str, Any]:
        return {"issued": self._now.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def expires(self, role: str) -> datetime:
        lifetime = LIFETIME[role] if self._lifetime is None else self._lifetime
        return self._now + lifetime


def make_repository(
    folder: Path,
    url: str,
    *,
    offer: Offer,
    packages: Iterable[Package] = CATALOGUE,
    seed: int = 1,
    package_bytes: int = 3_000_000,
    now: datetime | None = None,
) -> Repository:
    """Makes a signed repository in `folder`, or publishes new versions into the one that is there.

    Keys and root stay, so that boxes made earlier go on trusting it. `url` is where boxes will find the server;
    `package_bytes` the size of each package's content.
    """
    repository = Repository(folder)
    for part in ("keys", "manufacture", "public/metadata", "public/targets"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "keys").chmod(0o700)
    if not repository.root_file.exists():
        _found(repository, now)
    server = {"url": url.rstrip("/"), "metadata": "metadata/", "targets": "targets/"}
    write_file(folder / "manufacture" / "update-server.json", json.dumps(server, indent=1).encode())
    first = not (repository.metadata / "timestamp.json").exists()
    version = 1 if first else repository.read("targets").signed.version + 1
    dates = _Dates(now, None)
    targets = Targets(version=version, expires=dates.expires("targets"), unrecognized_fields=dates.issued)
    for package in packages:
        _add(repository, targets, package, offer, archive(package, seed=seed, size_bytes=package_bytes))
    repository.publish(targets)
    if first:
        repository.publish_state((1, 1, 1), now=now)
    else:
        repository.renew(now=now)
    return repository


def _found(repository: Repository, now: datetime | None) -> None:
    """Makes the keys, and the root metadata that names them."""
    dates = _Dates(now, None)
    root = Root(version=1, expires=dates.expires("root"), consistent_snapshot=True, unrecognized_fields=dates.issued)
    for role in ROLES:
        signer = CryptoSigner.generate_ed25519()
        write_file(repository.folder / "keys" / f"{role}.pem", signer.private_bytes, mode=0o600)
        root.add_key(signer.public_key, role)
    repository.publish(root)
    write_file(repository.root_file, (repository.metadata / "1.root.json").read_bytes())


def _add(repository: Repository, targets: Targets, package: Package, offer: Offer, content: bytes) -> None:
    custom: dict[str, Any] = {
        "id": package.id,
        "kind": package.kind,
        "version": package.version,
        "title": package.title,
        "requires": dict(package.requires),
    }
    if package.kind == "site":
        custom["hostname"] = offer.hostname
        custom["licences"] = offer.licences
        custom["licence_expiry"] = offer.licence_expiry.isoformat()
    if package.eula is not None:
        text = package.eula.encode()
        custom["eula"] = {"target": package.eula_path, "sha256": hashlib.sha256(text).hexdigest()}
        _add_target(repository, targets, package.eula_path, text, {})
    _add_target(repository, targets, package.archive_path, content, custom)


def _add_target(repository: Repository, targets: Targets, name: str, content: bytes, custom: dict[str, Any]) -> None:
    info = TargetFile.from_data(name, content, ["sha256"])
    if custom:
        info.unrecognized_fields["custom"] = custom
    targets.targets[name] = info
    folder, _, base = name.rpartition("/")
    write_file(repository.targets / folder / f"{info.hashes['sha256']}.{base}", content)


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Writes a file whole or not at all; raises StorageError when the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise StorageError(
                f"{path.name} was not written",
                where=str(path),
                why="the disk is full",
                next_move=f"Free at least {len(content)} bytes and make the repository again.",
            ) from error
        raise
