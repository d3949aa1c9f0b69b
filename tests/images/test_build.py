"""Building: the same bytes twice, nothing to do the second time, and what is recorded beside an image."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from toolkit.images.build import Image, build
from toolkit.images.cache import ImageCache
from toolkit.images.manifest import DISK, PACKAGES, SBOM, read_packages
from toolkit.images.recipe import RecipeFolder
from toolkit.images.verify import verify

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]


def test_the_same_package_list_gives_the_same_image_bit_by_bit(appliance: Image, tmp_path: Path) -> None:
    cache = ImageCache("appliance", tmp_path)
    # the packages are those fetched before: what is tested is the building
    cache.packages.parent.mkdir(exist_ok=True)
    cache.packages.symlink_to(ImageCache("appliance").packages)
    again = build(RecipeFolder("appliance"), cache, packages=read_packages(appliance.folder / PACKAGES))
    assert not again.was_there
    assert again.manifest.files == appliance.manifest.files


def test_a_rebuild_with_nothing_changed_finds_the_image_at_once(appliance: Image) -> None:
    again = build(RecipeFolder("appliance"), ImageCache("appliance"), progress=lambda *_: pytest.fail("it was built"))
    assert again.was_there
    assert again.folder == appliance.folder


def test_the_list_of_contents_names_every_package_and_the_disk(appliance: Image) -> None:
    packages = read_packages(appliance.folder / PACKAGES)
    text = (appliance.folder / SBOM).read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    document = json.loads(text)
    assert document["metadata"]["component"]["hashes"][0]["content"] == appliance.manifest.sha256
    references = [one["bom-ref"] for one in document["components"]]
    assert len(references) == len(set(references)) == len(packages.all())
    names = {one.name for one in packages.all()}
    assert {"libc6", "systemd", "openssh-server", "cryptography", "fastapi"} <= names
    assert any(one.name.startswith("linux-image-") and one.use == "unpacked" for one in packages.debian)


def test_no_key_and_no_trace_of_this_machine_lies_in_the_image(appliance: Image) -> None:
    offset = 64 << 20
    place = f"{appliance.folder / DISK}?offset={offset}"

    def names(folder: str) -> set[str]:
        said = subprocess.run(["/usr/sbin/debugfs", "-R", f"ls -p {folder}", place], capture_output=True, check=True)
        return {line.split("/")[5] for line in said.stdout.decode().splitlines() if line.startswith("/")}

    assert "passwd" in names("/etc")
    assert "sources.list" not in names("/etc/apt"), "apt was told of a folder on this machine"
    assert not [name for name in names("/etc/ssh") if name.startswith("ssh_host_")]
    assert not {"resolv.conf", "hostname"} & names("/etc")


def test_verifying_finds_a_single_bit(appliance: Image, tmp_path: Path) -> None:
    copy = tmp_path / "image"
    copy.mkdir()
    for name in appliance.manifest.files:
        subprocess.run(["cp", "--sparse=always", appliance.folder / name, copy], check=True)
    quiet = lambda *_: None  # noqa: E731
    assert verify(copy, appliance.manifest, quiet) == []
    with (copy / DISK).open("r+b") as file:
        file.seek(300 << 20)
        byte = file.read(1)
        file.seek(300 << 20)
        file.write(bytes([byte[0] ^ 1]))
    (found,) = verify(copy, appliance.manifest, quiet)
    assert found.file == DISK
    shutil.copy(appliance.folder / SBOM, copy / PACKAGES)
    assert {one.file for one in verify(copy, appliance.manifest, quiet)} == {DISK, PACKAGES}
