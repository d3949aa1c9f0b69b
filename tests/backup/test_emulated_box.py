"""The whole way through the emulated box: backed up, extracted, restored and put back over real TLS."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import quiet
from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, BoxProcess, in_use_order
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.backup.put_back import put_back_records
from toolkit.backup.records import extract_records
from toolkit.backup.segments import Limits
from toolkit.backup.settings_backup import compare_settings, create_settings_backup, read_settings, restore_settings
from toolkit.backup.verification import verify
from toolkit.model.errors import ApplianceError, UnreachableError
from toolkit.model.verdict import Verdict

LIMITS = Limits(recording_bytes=500_000)
PowerOn = Callable[..., BoxProcess]
Driver = Callable[[str, BoxProcess], EmulatedAppliance]


@pytest.fixture
def power_on(tmp_path: Path) -> Iterator[PowerOn]:
    """Makes boxes and powers them on; all are off after the test."""
    boxes: list[BoxProcess] = []

    def make(name: str, **order: object) -> BoxProcess:
        (tmp_path / name).mkdir()
        boxes.append(BoxProcess(tmp_path / name, in_use_order(**order)))
        return boxes[-1].power_on()

    yield make
    for box in boxes:
        box.remove()


@pytest.fixture
def driver() -> Iterator[Driver]:
    """Reaches a box as the toolkit does; the connections are closed after the test."""
    connections: list[BoxConnection] = []

    def reach(name: str, box: BoxProcess) -> EmulatedAppliance:
        host, port = box.place()
        pins = {box.console_fingerprint()}
        connection = BoxConnection(name, host, port, pins, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
        connections.append(connection)
        return EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)

    yield reach
    for connection in connections:
        connection.close()


def test_settings_and_records_move_from_one_box_to_the_other(
    power_on: PowerOn, driver: Driver, tmp_path: Path, key: Key
) -> None:
    old = driver("old", power_on("old", size_mb=2))
    new = driver("new", power_on("new", serial_number="NEW-0001", size_mb=0, seed=2))
    before = read_settings(old)

    create_settings_backup(old, tmp_path / "settings", [key.recipient], "of the box", NOW, quiet)
    archive = extract_records(old, tmp_path / "records", [key.recipient], 0, quiet, now=NOW, limits=LIMITS)
    assert archive.counts.recording_bytes == old.status().records.recording_bytes == 2_000_000
    assert archive.missing(old.status().records).sessions == 0
    for folder in ("settings", "records"):
        assert verify(tmp_path / folder, [key.identity]).verdict is Verdict.PASSED

    restored = restore_settings(new, tmp_path / "settings", [key.identity], "of the box", quiet, scratch=tmp_path)
    assert restored.verdict is Verdict.PASSED
    assert all(kind.same for kind in compare_settings(before, read_settings(new)))

    found = put_back_records(archive, [key.identity], new, quiet)
    assert found.verdict is Verdict.PASSED
    assert found.recordings_after == found.recordings_before == old.status().records.recordings
    again = put_back_records(archive, [key.identity], new, quiet)
    assert (again.sessions_imported, again.recordings_imported) == (0, 0)


def test_a_box_one_version_older_takes_the_sessions_only(
    power_on: PowerOn, driver: Driver, tmp_path: Path, key: Key
) -> None:
    old = driver("old", power_on("old"))
    new = driver("new", power_on("new", serial_number="NEW-0001", site_version="Bomgar-12.1.6", size_mb=0, seed=2))
    archive = extract_records(old, tmp_path / "records", [key.recipient], 0, quiet, now=NOW)
    found = put_back_records(archive, [key.identity], new, quiet)
    assert (found.sessions_verdict, found.recordings_verdict) == (Verdict.PASSED, Verdict.SKIPPED)
    assert "takes no recordings with Bomgar-12.1.6" in found.compared()[1].note


def test_a_box_that_loses_power_is_gone_on_with(power_on: PowerOn, driver: Driver, tmp_path: Path, key: Key) -> None:
    process = power_on("old", size_mb=3)
    old = driver("old", process)

    def power_cut(fraction: float, phase: str) -> None:
        if fraction > 0.5 and process.process.poll() is None:
            process.kill()

    with pytest.raises(UnreachableError):
        extract_records(old, tmp_path / "records", [key.recipient], 0, power_cut, now=NOW, limits=LIMITS)
    process.power_on()
    old = driver("old", process)
    archive = extract_records(old, tmp_path / "records", [key.recipient], 0, quiet, now=NOW, limits=LIMITS)
    assert archive.missing(old.status().records).sessions == 0
    assert verify(tmp_path / "records", [key.identity]).verdict is Verdict.PASSED


def test_the_wrong_passphrase_of_the_box_changes_nothing(
    power_on: PowerOn, driver: Driver, tmp_path: Path, key: Key
) -> None:
    old = driver("old", power_on("old"))
    new = driver("new", power_on("new", serial_number="NEW-0001", size_mb=0, seed=2))
    before = read_settings(new)
    create_settings_backup(old, tmp_path / "settings", [key.recipient], "of the box", NOW, quiet)
    with pytest.raises(ApplianceError, match="passphrase"):
        restore_settings(new, tmp_path / "settings", [key.identity], "another", quiet, scratch=tmp_path)
    assert read_settings(new) == before
