"""Real boxes on loopback, and the driver that reaches them as the toolkit does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, BoxProcess, in_use_order
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance

Reach = Callable[..., EmulatedAppliance]


@pytest.fixture(scope="module")
def shared_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box in use for all tests of a module: each leaves it as it was."""
    box = BoxProcess(tmp_path_factory.mktemp("box"), in_use_order())
    try:
        yield box.power_on()
    finally:
        box.remove()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box in use, for one test."""
    box = BoxProcess(tmp_path, in_use_order())
    try:
        yield box.power_on()
    finally:
        box.remove()


@pytest.fixture
def reach() -> Iterator[Reach]:
    """`reach(box, secret=…, pins=…, place=…)`: the driver, with the box's own fingerprint unless told otherwise."""
    drivers: list[EmulatedAppliance] = []

    def connect(
        box: BoxProcess | None = None,
        *,
        pins: set[str] | None = None,
        place: tuple[str, int] | None = None,
        secret: str = CLIENT_SECRET,
        **named: Any,
    ) -> EmulatedAppliance:
        host, port = place or box.place()  # type: ignore[union-attr]
        known = {box.console_fingerprint()} if pins is None and box is not None else pins or set()
        connection = BoxConnection("old", host, port, known, client_id=CLIENT_ID, client_secret=lambda: secret, **named)
        drivers.append(EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=lambda: secret))
        return drivers[-1]

    yield connect
    for driver in drivers:
        driver.close()
