"""Boxes for the tests of this room: some shared by a whole module, because they are only read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.emulator.appliance.box_process import BoxProcess, in_use_order
from toolkit.emulator.appliance.factory import Factory

MakeBox = Callable[[Factory], BoxProcess]


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[MakeBox]:
    """Makes boxes and powers them on; all are off after the test."""
    made: list[BoxProcess] = []

    def make(order: Factory) -> BoxProcess:
        folder = tmp_path / f"box{len(made)}"
        folder.mkdir()
        made.append(BoxProcess(folder, order))
        return made[-1].power_on()

    yield make
    for box in made:
        box.remove()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box in use, shared by a module's tests: each leaves it as it was."""
    box = BoxProcess(tmp_path_factory.mktemp("box"), in_use_order())
    yield box.power_on()
    box.remove()


@pytest.fixture(scope="module")
def api(box: BoxProcess) -> httpx.Client:
    """A program with a token on that box."""
    return box.api()
