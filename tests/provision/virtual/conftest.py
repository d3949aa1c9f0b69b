"""One libvirtd for all tests here, small machines made through it, and nothing left of them afterwards."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provision.virtual.old_box import OldBox
from tests.provision.virtual.private_libvirt import BRIDGE, POOL, PrivateLibvirt, private_libvirt
from tests.provision.virtual.small_image import ADDRESS, small_image
from tests.step_context import NEW_SERIAL, inventory
from toolkit.images.build import Image, build
from toolkit.images.cache import ImageCache
from toolkit.images.recipe import RecipeFolder
from toolkit.model.inventory import Inventory
from toolkit.model.provision import LibvirtProvision
from toolkit.provision.virtual.machine import VirtualMachine
from toolkit.provision.virtual.preparation import Preparation, prepare

MAC = "52:54:00:79:00:12"
PASSWORD = "what replaces the one-time password"


def inventory_of(uri: str, image: Path | str, **provision: Any) -> Inventory:
    """An inventory whose new box is a virtual machine; small unless said otherwise."""
    table: dict[str, Any] = {
        "driver": "libvirt", "uri": uri, "name": "new-box", "mac": MAC, "addresses": (f"{ADDRESS}/24",),
        "image": str(image), "firmware": "bios", "memory_mb": 256, "vcpus": 1, "data_disk_mb": 64,
        "boot_seconds_max": 60.0,
        **({} if "network" in provision else {"bridge": BRIDGE}),
    }  # fmt: skip
    made = LibvirtProvision.model_validate({**table, **provision})
    return inventory(new={"address": ADDRESS}).model_copy(update={"provision": made})


def prepared_for(of: Inventory, base: Path) -> Preparation:
    assert isinstance(of.provision, LibvirtProvision)
    return prepare(of, of.provision, lambda: PASSWORD, lambda name: base / name)


class Bench:
    """Makes `VirtualMachine`s of one operator: one state folder, one libvirt."""

    def __init__(self, hypervisor: PrivateLibvirt, folder: Path) -> None:
        self.hypervisor = hypervisor
        self.folder = folder
        self.image = small_image(folder / "image")

    def machine(
        self,
        *,
        image: Path | str | None = None,
        checkpoint: Callable[[str], None] = lambda _stage: None,
        maker: str = "a test",
        state: Path | None = None,
        **provision: Any,
    ) -> VirtualMachine:
        """The new box of an inventory with these settings."""
        table = {"uri": self.hypervisor.uri, "image": image or self.image, **provision}
        of = inventory_of(**table)
        assert isinstance(of.provision, LibvirtProvision)
        return VirtualMachine(
            of.provision.uri,
            of.provision.name,
            serial_number=NEW_SERIAL,
            address=ADDRESS,
            boot_seconds_max=of.provision.boot_seconds_max,
            prepare=lambda: prepared_for(of, self.folder),
            state=state or self.folder / "state",
            maker=lambda: maker,
            checkpoint=checkpoint,
        )

    def own_volumes(self) -> list[str]:
        """What was made for one machine; an image's volumes serve all."""
        return [name for name in self.hypervisor.volumes() if not name.startswith("rebox-")]


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with private_libvirt() as daemon:
        yield daemon


@pytest.fixture
def hypervisor(libvirtd: PrivateLibvirt) -> Iterator[PrivateLibvirt]:
    """The daemon, and an empty host afterwards whatever the test left."""
    yield libvirtd
    for name in libvirtd.domains():
        subprocess.run(["virsh", "-q", "-c", libvirtd.uri, "destroy", name], capture_output=True, check=False)
        kept = ("--nvram", "--snapshots-metadata", "--checkpoints-metadata", "--managed-save")
        if name in libvirtd.domains():  # one that was kept nowhere went when it was switched off
            libvirtd.virsh("undefine", name, *kept)
    for path in (libvirtd.folder / "pools" / "default").iterdir():
        path.unlink()
    libvirtd.virsh("pool-refresh", "default")


@pytest.fixture
def box(hypervisor: PrivateLibvirt, tmp_path: Path) -> OldBox:
    made = OldBox(hypervisor, hypervisor.folder / "pools" / POOL, tmp_path / "state")
    made.lay()
    return made


@pytest.fixture
def bench(hypervisor: PrivateLibvirt, tmp_path: Path) -> Bench:
    return Bench(hypervisor, tmp_path)


@pytest.fixture(scope="session")
def appliance() -> Image:
    """The appliance's image, built unless it is in the user's cache."""
    return build(RecipeFolder("appliance"), ImageCache("appliance"))
