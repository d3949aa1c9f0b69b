"""The appliance's image, built once for all tests that boot it, and kept in the user's cache."""

import socket
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.images.machine import ADDRESS
from toolkit.emulator.appliance.passwords import hash_password
from toolkit.images.build import Image, build
from toolkit.images.cache import ImageCache
from toolkit.images.programs import Workshop
from toolkit.images.recipe import RecipeFolder
from toolkit.images.seed import write_seed

ONE_TIME_PASSWORD = "correct horse battery staple"
DATA_BYTES = 512 << 20


@pytest.fixture(scope="session")
def appliance() -> Image:
    """The image; `make test` has installed what builds and boots it."""
    return build(RecipeFolder("appliance"), ImageCache("appliance"))


@pytest.fixture(scope="session")
def installer_image(appliance: Image) -> Image:
    """The ISO with that image in it."""
    return build(RecipeFolder("installer"), ImageCache("installer"))


@pytest.fixture
def order() -> dict[str, JsonValue]:
    """What a seed tells a box."""
    return {
        "serial_number": "VM-0001",
        "hostname": "new-box",
        "addresses": [f"{ADDRESS}/24"],
        "gateway": "10.0.2.2",
        "admin_password_hash": hash_password(ONE_TIME_PASSWORD),
    }


@pytest.fixture
def disks(tmp_path: Path, order: dict[str, JsonValue]) -> list[Path]:
    """A blank data disk and a seed; their names are their serial numbers."""
    data, seed = tmp_path / "rebox-data.raw", tmp_path / "seed.raw"
    with data.open("wb") as file:
        file.truncate(DATA_BYTES)
    write_seed(Workshop(tmp_path, 1), order, seed)
    return [data, seed]


@pytest.fixture
def port() -> int:
    """A free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
