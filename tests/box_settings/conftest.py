"""Two real boxes on loopback, old and new, and what steps and gates are given there."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, BoxProcess, in_use_order
from tests.step_context import context_of, inventory, no_secret
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.appliances.quarantine import Quarantine
from toolkit.appliances.world import World
from toolkit.box_settings.guarded import change_network
from toolkit.model.box import NetworkRoute, TlsSettings, WantedNetwork
from toolkit.model.execution import StepContext
from toolkit.wiring import SystemClock

OLD, NEW = "10.77.0.21", "10.77.0.22"
AS_MADE = WantedNetwork(hostname="support.example.net", gateway="", routes=(), dns_servers=())
ROUTE = {"destination": "10.200.0.0/16", "gateway": "10.78.0.1"}


@dataclass
class Site:
    """Both boxes, and a run's folder. Nothing of what a test does to the new box is there for the next."""

    old: BoxProcess
    new: BoxProcess
    folder: Path
    seen: int = 0
    drivers: list[EmulatedAppliance] = field(default_factory=list)

    def driver(self, role: str) -> EmulatedAppliance:
        box, own = (self.old, OLD) if role == "old" else (self.new, NEW)
        host, port = box.place(own)
        pins = {box.console_fingerprint(own)}
        connection = BoxConnection(role, host, port, pins, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
        self.drivers.append(EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET))
        return self.drivers[-1]

    def context(self, new: Any = None, **box_settings: Any) -> StepContext:
        """As a run has it; `new` instead of the driver of the new box."""
        host, port = self.new.place(NEW)
        tables: Mapping[str, Any] = {
            "box_settings": {"confirm_within_seconds": 30.0, **box_settings},
            "new": {"address": host, "port": port},
        }
        world = World(
            inventory=inventory("shared-ip.toml", **tables),
            base=self.folder,
            old=self.driver("old"),
            new=new or self.driver("new"),
            resolve_secret=no_secret,
            quarantine=Quarantine(self.folder / "state"),
        )
        return replace(context_of(self.folder, world), clock=SystemClock())

    def network(self) -> Any:
        """What the new box says, by somebody else's call."""
        return self.new.api_at(NEW).get("/api/v1/network").json()

    def audit(self) -> list[str]:
        """What was done to the new box's network in this test."""
        lines = self.new.api_at(NEW).get(f"/api/v1/audit?after={self.seen}").json()
        return [line["action"] for line in lines if "network" in line["action"]]

    def renew(self, folder: Path) -> "Site":
        """For the next test: the new box as it was made, a folder of its own."""
        driver = self.driver("new")
        change_network(driver, AS_MADE, 3600, SystemClock(), note=folder / "renewing")
        driver.set_tls_settings(TlsSettings(minimum_version="TLSv1.2"))
        seen = self.new.api_at(NEW).get("/api/v1/audit").json()[-1]["seq"]
        return Site(self.old, self.new, folder, seen)

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()


@pytest.fixture(scope="package")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The old box has a route, a DNS server and strict TLS; the new one has them not."""
    folder = tmp_path_factory.mktemp("boxes")
    made = (_box(folder / "old", "RB-OLD-0001", 21, ["10.78.0.53"]), _box(folder / "new", "RB-NEW-0002", 22, []))
    site = Site(*made, folder)
    try:
        with ThreadPoolExecutor() as hands:
            list(hands.map(BoxProcess.power_on, made))
        old = site.driver("old")
        routes = WantedNetwork(routes=(NetworkRoute(destination="10.200.0.0/16", gateway="10.78.0.1"),))
        change_network(old, routes, 3600, SystemClock(), note=folder / "making")
        old.set_tls_settings(TlsSettings(minimum_version="TLSv1.3"))
        yield site
    finally:
        site.close()
        for box in made:
            box.remove()


def _box(folder: Path, serial_number: str, number: int, dns_servers: list[str]) -> BoxProcess:
    folder.mkdir()
    order = in_use_order(
        serial_number=serial_number,
        mac=f"02:77:00:00:00:{number}",
        addresses=[f"10.77.0.{number}/24"],
        shared_addresses=[],
        more_ports=[{"name": "eth1", "mac": f"02:78:00:00:00:{number}", "addresses": [f"10.78.0.{number}/24"]}],
        dns_servers=dns_servers,
    )
    return BoxProcess(folder, order)


@pytest.fixture
def site(boxes: Site, tmp_path: Path) -> Iterator[Site]:
    """Both, for one test."""
    site = boxes.renew(tmp_path)
    yield site
    site.close()
