"""A box in the test's own process: all its services, no web server, no network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.emulator.appliance.box_process import OWN, SHARED
from toolkit.emulator.appliance.box import Box
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.factory import Factory, manufacture
from toolkit.emulator.appliance.listeners import Listeners, Loopback
from toolkit.emulator.appliance.wire import PaperWire


class Screen:
    """A console to be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class QuietBox(Box):
    """What the world outside would notice: the paper wire, the screen, and whether it was switched off."""

    def __init__(self, folder: Path) -> None:
        disk = Disk(folder)
        self.listeners = Listeners(443, Loopback("127.0.0.1", 0))
        self.wire = PaperWire("eth0", "02:00:00:00:00:12")
        self.screen = Screen()
        self.switched_off: list[bool] = []
        super().__init__(disk, {"eth0": self.wire}, self.listeners, self.screen, self.switched_off.append)

    def on_wire(self) -> set[str]:
        return {str(address.ip) for address in self.wire.present}


@contextmanager
def quiet_box(folder: Path, order: Factory) -> Iterator[QuietBox]:
    """Manufactured and powered on."""
    manufacture(folder, order)
    with powered(folder) as box:
        yield box


@contextmanager
def powered(folder: Path) -> Iterator[QuietBox]:
    """Powered on, from a disk that is there."""
    box = QuietBox(folder)
    box.power_on()
    try:
        yield box
    finally:
        for address in (OWN, SHARED, "10.77.0.99"):
            box.listeners.close(address)
        box.power_off()
