"""A real appliance, emulated, for the steps that end an old box."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import (
    CLIENT_ID,
    CLIENT_SECRET,
    NEW_SERIAL_NUMBER,
    OLD_SERIAL_NUMBER,
    BoxProcess,
    in_use_order,
)
from tests.emulator.appliance.paperwork import Chain
from tests.step_context import context_of, inventory, world_of
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.model.execution import StepContext

Reached = Callable[[BoxProcess], StepContext]
CHAIN = Chain.issue()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxProcess]:
    folder = tmp_path / "box"
    folder.mkdir()
    box = BoxProcess(folder, in_use_order(certificate=CHAIN.pem, key=CHAIN.leaf.key_pem()))
    try:
        yield box.power_on()
    finally:
        box.remove()


@pytest.fixture
def reached(tmp_path: Path) -> Iterator[Reached]:
    """The box as a run reaches it: by the certificate it has now, and those the run has learnt."""
    drivers: list[EmulatedAppliance] = []

    def reach(box: BoxProcess) -> StepContext:
        host, port = box.place()
        pins = {box.console_fingerprint()}
        link = BoxConnection("old", host, port, pins, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
        drivers.append(EmulatedAppliance(link, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET))
        of = inventory("shared-ip.toml", old={"address": host, "port": port, "serial_number": OLD_SERIAL_NUMBER})
        world = world_of(tmp_path, of=of)
        world.old = drivers[-1]
        context = context_of(tmp_path, world)
        boxes = {"old": OLD_SERIAL_NUMBER, "new": NEW_SERIAL_NUMBER}
        return replace(context, plan=context.plan.model_copy(update={"boxes": boxes}))

    yield reach
    for driver in drivers:
        driver.close()
