"""Two real boxes on loopback in the middle of a migration: backed up, restored on the new one, before the swing."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.backup.small_box import quiet
from tests.emulator.appliance.box_process import ADMIN_PASSWORD, CLIENT_ID, CLIENT_SECRET, BoxProcess, in_use_order
from tests.step_context import GATE, Notebook, context_of, inventory, world_of
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.backup import age
from toolkit.backup.settings_backup import create_settings_backup
from toolkit.box_settings.captured import capture, write_captured
from toolkit.box_settings.guarded import change_network
from toolkit.drift.gates import changes_settled, old_unchanged, settings_compared
from toolkit.drift.steps import CarryChanges, CarryLateChanges
from toolkit.model.box import NetworkRoute, TlsSettings, WantedNetwork
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.verdict import Verdict
from toolkit.wiring import SystemClock

ADDRESSES = {"old": "10.77.0.21", "new": "10.77.0.22"}
PASSPHRASE = "of the box itself"
SITE_ADDRESS = "10.77.0.20"
AS_MADE = WantedNetwork(gateway="", routes=(), dns_servers=())
ROUTE = NetworkRoute(destination="10.200.0.0/16", gateway="10.77.0.9")


@dataclass
class Run:
    """A run between its backup and its swing; `results` are those of its steps so far."""

    folder: Path
    boxes: dict[str, BoxProcess]
    drivers: dict[str, EmulatedAppliance]
    identity: age.Identity
    recipient: str
    results: dict[str, Result] = field(default_factory=dict)
    backup: dict[str, Any] = field(default_factory=dict)

    def context(self) -> StepContext:
        keeping = {"recipients": (self.recipient,), **self.backup}
        of = inventory("shared-ip.toml", backup=keeping, box_settings={"confirm_within_seconds": 30.0})
        world = world_of(
            self.folder,
            of=of,
            resolve_secret=lambda *_: PASSPHRASE,
        )
        world.old, world.new = self.drivers["old"], self.drivers["new"]  # real boxes instead of stubs
        world.once("backup identities", lambda: (self.identity,))
        return replace(context_of(self.folder, world, results=self.results), clock=SystemClock())

    def carry(self, step: str = "carry-changes") -> Result:
        """The step as the engine does it; its verdict must be passed."""
        implementation = CarryChanges() if step == "carry-changes" else CarryLateChanges()
        context = self.context()
        result = implementation.act(context)
        json.dumps(result)
        outcome = implementation.verify(context, result)
        assert outcome.verdict is Verdict.PASSED, outcome.summary
        assert isinstance(context.evidence, Notebook)
        assert context.evidence.summaries == [outcome.summary]
        self.results[step] = result
        return result

    def gate(self, code: str) -> Outcome:
        gates = {
            "old-unchanged": old_unchanged,
            "changes-settled": changes_settled,
            "settings-compared": settings_compared,
        }
        return gates[code](self.context(), GATE)

    def call(self, role: str, method: str, path: str, **body: Any) -> Any:
        """Another program's call."""
        answer = self.boxes[role].api_at(ADDRESSES[role]).request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def add_user(self, role: str, username: str) -> str:
        fields = {"username": username, "display_name": username.title(), "password": "a first password"}
        return str(self.call(role, "POST", "/api/v1/users", **fields)["id"])

    def disable_user(self, role: str, user_id: str) -> None:
        self.call(role, "POST", f"/api/v1/users/{user_id}/disable")

    def make_api_account(self, role: str, name: str) -> None:
        caller = self.boxes[role].anonymous(ADDRESSES[role])
        account = {"client_secret": "a secret of at least 24 characters"}
        answer = caller.put(f"/api/v1/api-accounts/{name}", json=account, auth=("admin", ADMIN_PASSWORD))
        assert answer.status_code == 201

    def change_password(self, role: str, username: str, password: str, new_password: str) -> int:
        """The user does it; the status."""
        caller = self.boxes[role].anonymous(ADDRESSES[role])
        body = {"new_password": new_password}
        return caller.put("/api/v1/passwords/login", json=body, auth=(username, password)).status_code

    def user(self, role: str, user_id: str) -> dict[str, Any] | None:
        users = self.call(role, "GET", "/api/v1/settings/users")
        return next((user for user in users if user["id"] == user_id), None)

    def records(self, role: str, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call(role, "GET", f"/api/v1/settings/{kind}")
        return found

    def change_record(self, role: str, kind: str, key: str, **fields: Any) -> None:
        """As its page does it; the API has no call for that."""
        (record,) = [record for record in self.records(role, kind) if record["id"] == key]
        query = "UPDATE records SET record = ? WHERE kind = ? AND id = ?"
        self._change(role, query, (json.dumps({**record, **fields}), kind, key))

    def _change(self, role: str, statement: str, values: Sequence[object]) -> None:
        with closing(self.boxes[role].database()) as database:
            database.execute(statement, values)

    def set_network(self, role: str, wanted: WantedNetwork) -> None:
        change_network(self.drivers[role], wanted, 3600, SystemClock(), note=self.folder / f"changing-{role}")

    def restores(self, role: str) -> int:
        return len([line for line in self.call(role, "GET", "/api/v1/audit") if line["action"] == "restore-settings"])


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, BoxProcess]]:
    folder = tmp_path_factory.mktemp("pair")
    boxes = {}
    for number, role in enumerate(ADDRESSES):
        (folder / role).mkdir()
        order = in_use_order(
            serial_number=f"RB-{role.upper()}-000{number + 1}",
            mac=f"02:77:00:00:00:{21 + number}",
            addresses=[f"{ADDRESSES[role]}/24"],
            shared_addresses=[{"address": f"{SITE_ADDRESS}/24"}, {"address": "fd77::20/64"}],
            site="support.example.net",
        )
        boxes[role] = BoxProcess(folder / role, order)
    try:
        with ThreadPoolExecutor() as hands:
            list(hands.map(BoxProcess.power_on, boxes.values()))
        yield boxes
    finally:
        for box in boxes.values():
            box.remove()


@pytest.fixture(scope="package")
def pristine(pair: dict[str, BoxProcess], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old box's backup as it was made."""
    path = tmp_path_factory.mktemp("pristine") / "backup"
    driver = _driver("old", pair["old"])
    driver.download_backup(path, PASSPHRASE, quiet)
    driver.close()
    return path


def _driver(role: str, box: BoxProcess) -> EmulatedAppliance:
    host, port = box.place(ADDRESSES[role])
    pins = {box.console_fingerprint(ADDRESSES[role])}
    connection = BoxConnection(role, host, port, pins, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
    return EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)


@pytest.fixture
def run(pair: dict[str, BoxProcess], pristine: Path, tmp_path: Path) -> Iterator[Run]:
    """Nothing of what another test did is there."""
    secret, recipient = age.new_identity()
    drivers = {role: _driver(role, box) for role, box in pair.items()}
    made = Run(tmp_path, pair, drivers, age.identity(secret), recipient)
    for role, driver in drivers.items():
        driver.restore_backup(pristine, PASSPHRASE, quiet)
        made.set_network(role, AS_MADE)
        driver.set_tls_settings(TlsSettings(minimum_version="TLSv1.2"))
    now = SystemClock().now()
    noted = drivers["old"].password_changes(0).seq
    folder = tmp_path / "backup/settings"
    create_settings_backup(drivers["old"], folder, [recipient], PASSPHRASE, now, quiet, noted=noted)
    write_captured(tmp_path / "box-settings.json", capture(drivers["old"], now))
    (leaf,) = [one.sha256 for one in drivers["old"].certificates() if SITE_ADDRESS in one.addresses]
    made.results["export-certificate"] = {"leaf_sha256": leaf}
    made.results["inspect-old"] = {"served_before_sha256": leaf}
    yield made
    for driver in drivers.values():
        driver.close()
