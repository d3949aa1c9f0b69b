"""Boxes to visit: one that is shared by tests that only look, and new ones for tests that change something."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import BoxProcess, factory_order
from tests.emulator.appliance.pages.visitor import Visitor, in_use


@pytest.fixture(scope="module")
def shared_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box in use, for all tests of a module: leave it as it was."""
    box = in_use(tmp_path_factory.mktemp("shared"))
    yield box
    box.remove()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box in use."""
    box = in_use(tmp_path)
    yield box
    box.remove()


@pytest.fixture
def new_box(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box fresh from the factory."""
    box = BoxProcess(tmp_path, factory_order())
    yield box.power_on()
    box.remove()


@pytest.fixture
def visitor(shared_box: BoxProcess) -> Iterator[Visitor]:
    """Somebody at the shared box, not logged in."""
    with Visitor(shared_box) as visitor:
        yield visitor


@pytest.fixture
def operator(shared_box: BoxProcess) -> Iterator[Visitor]:
    """Somebody logged in on both interfaces of the shared box."""
    with Visitor(shared_box) as visitor:
        visitor.log_in("appliance")
        visitor.log_in("login")
        yield visitor


@pytest.fixture
def owner(box: BoxProcess) -> Iterator[Visitor]:
    """Somebody logged in on both interfaces of a box of their own, who may break it."""
    with Visitor(box) as visitor:
        visitor.log_in("appliance")
        visitor.log_in("login")
        yield visitor
