"""Small labs for tests: plain machines and a name server, up within half a second."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.lab.lab import Lab
from toolkit.lab.topology import Topology, read_topology

PLAIN = """
name = "plain"

[boxes]

[hosts]
a = { number = 11 }
b = { number = 12 }
dark = { number = 13, power = "off" }
"""


@pytest.fixture(scope="session")
def plain() -> Topology:
    return read_topology(PLAIN, "plain.toml")


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder of the test's own, which every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="rebox-lab-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def lab(plain: Topology, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A plain lab that the tests of a module share; they leave it as they found it."""
    with Lab.up(plain, state=tmp_path_factory.mktemp("state")) as lab:
        yield lab
