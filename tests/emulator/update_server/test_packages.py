"""The packages: reproducible, whole, and asking for each other."""

import hashlib
import io
import json
import tarfile

import pytest

from toolkit.emulator.update_server.packages import CATALOGUE, Package, archive


@pytest.mark.parametrize("package", CATALOGUE, ids=lambda package: package.id)
def test_archive_begins_with_a_manifest_that_is_true_for_every_other_member(package: Package) -> None:
    content = archive(package, seed=1, size_bytes=120_000)

    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        first, *members = tar.getmembers()
        assert first.name == "manifest.json"
        manifest = json.load(tar.extractfile(first))  # type: ignore[arg-type]
        assert manifest["version"] == package.version
        assert [member.name for member in members] == list(manifest["files"])
        for member in members:
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            assert manifest["files"][member.name] == {
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    assert 120_000 <= len(content) < 140_000


def test_the_same_seed_gives_the_same_archive_and_another_seed_another() -> None:
    package = CATALOGUE[0]
    assert archive(package, seed=1, size_bytes=12_000) == archive(package, seed=1, size_bytes=12_000)
    assert archive(package, seed=1, size_bytes=12_000) != archive(package, seed=2, size_bytes=12_000)


def test_every_site_package_has_its_own_licence_agreement_and_base_has_none() -> None:
    texts = [package.eula for package in CATALOGUE if package.kind == "site"]
    assert None not in texts
    assert len(set(texts)) == len(texts)
    assert [package.eula for package in CATALOGUE if package.kind == "base"] == [None]
