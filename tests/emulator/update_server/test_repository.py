"""A repository is made, renewed and made again without losing the trust of boxes made earlier."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from toolkit.emulator.update_server.repository import Offer, Repository, make_repository
from toolkit.model.errors import InputError


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(
        tmp_path / "updates",
        "https://updates.example.net/",
        offer=Offer("support.example.com", licences=10),
        package_bytes=12_000,
    )


def root_of(repository: Repository) -> Root:
    root = Metadata[Root].from_file(str(repository.root_file)).signed
    assert isinstance(root, Root)
    return root


def test_every_role_is_signed_by_its_own_key(repository: Repository) -> None:
    root = root_of(repository)
    for role in ("targets", "snapshot", "timestamp"):
        metadata = repository.read(role)
        root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        with pytest.raises(UnsignedMetadataError):
            root.verify_delegate("root", metadata.signed_bytes, metadata.signatures)


def test_packages_carry_what_a_box_must_know(repository: Repository) -> None:
    targets = repository.read("targets").signed.targets
    newest = targets["packages/Bomgar-12.2.0.tar"].custom
    assert newest["requires"] == {"base": "3.3.3", "site_when_present": "Bomgar-12.1.6"}
    assert (newest["hostname"], newest["licences"]) == ("support.example.com", 10)
    assert newest["eula"]["sha256"] == targets[newest["eula"]["target"]].hashes["sha256"]
    for name in targets:
        assert repository.target_path(name).stat().st_size == targets[name].length


def test_private_keys_are_readable_by_their_owner_only_and_are_not_served(repository: Repository) -> None:
    keys = list((repository.folder / "keys").iterdir())
    assert len(keys) == 4
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE((repository.folder / "keys").stat().st_mode) == 0o700
    assert not list(repository.public.rglob("*.pem"))


def test_manufacture_data_says_where_the_server_is(repository: Repository) -> None:
    assert repository.url == "https://updates.example.net"
    assert json.loads((repository.folder / "manufacture" / "update-server.json").read_text())["metadata"] == "metadata/"


def test_renewing_goes_one_version_up_and_says_when(repository: Repository) -> None:
    moment = datetime(2031, 5, 1, 12, 0, 0, tzinfo=UTC)
    assert repository.renew(now=moment, lifetime=timedelta(hours=1)) == 2
    timestamp = repository.read("timestamp").signed
    assert timestamp.version == 2
    assert timestamp.expires == moment + timedelta(hours=1)
    assert timestamp.unrecognized_fields["issued"] == "2031-05-01T12:00:00Z"


def test_making_it_again_keeps_the_trust_and_publishes_newer_versions(repository: Repository) -> None:
    root_before = repository.root_file.read_bytes()
    make_repository(repository.folder, repository.url, offer=Offer("support.example.com"), package_bytes=24_000)
    assert repository.root_file.read_bytes() == root_before
    assert [repository.read(role).signed.version for role in ("targets", "snapshot", "timestamp")] == [2, 2, 2]
    root_of(repository).verify_delegate(
        "targets", repository.read("targets").signed_bytes, repository.read("targets").signatures
    )


def test_a_folder_without_a_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no whole update repository") as error:
        Repository(tmp_path).renew()
    assert error.value.where == str(tmp_path)
