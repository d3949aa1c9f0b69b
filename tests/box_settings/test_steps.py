"""Capture, carry and way back, on two real boxes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.box_settings.conftest import ROUTE, Site
from tests.emulator.appliance.box_process import ADMIN_PASSWORD, CLIENT_SECRET
from tests.step_context import GATE
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.box_settings.captured import read_captured
from toolkit.box_settings.gates import no_dangling_references
from toolkit.box_settings.steps import CaptureBoxSettings, CarryBoxSettings
from toolkit.model.box import TlsSettings
from toolkit.model.errors import InputError
from toolkit.model.execution import Outcome, StepContext
from toolkit.model.verdict import Verdict


def captured(context: StepContext) -> None:
    step = CaptureBoxSettings()
    assert step.look(context) is None
    assert step.verify(context, step.act(context)).verdict is Verdict.PASSED


def carried(context: StepContext) -> Outcome:
    step = CarryBoxSettings()
    assert step.look(context) is None
    return step.verify(context, step.act(context))


def test_the_old_box_is_captured_as_data_without_a_secret(site: Site) -> None:
    captured(site.context())
    file = site.folder / "box-settings.json"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text(encoding="utf-8")
    assert ADMIN_PASSWORD not in text
    assert CLIENT_SECRET not in text
    assert "PRIVATE" not in text
    kept = read_captured(file)
    assert kept.serial_number == "RB-OLD-0001"
    assert abs(kept.clock_offset_seconds) < 5
    assert [(port.name, port.mac, port.link) for port in kept.network.interfaces] == [
        ("eth0", "02:77:00:00:00:21", True),
        ("eth1", "02:78:00:00:00:21", True),
    ]
    assert kept.tls.minimum_version == "TLSv1.3"
    assert kept.accounts.api_accounts == ("tests",)
    assert kept.certificates[0].addresses == ("10.77.0.21", "10.78.0.21")


def test_a_box_that_is_changed_meanwhile_is_noticed(site: Site) -> None:
    context, step = site.context(), CaptureBoxSettings()
    result = step.act(context)
    site.old.api_at("10.77.0.21").put("/api/v1/network", json={"hostname": "renamed"})
    assert step.verify(context, result).verdict is Verdict.FAILED


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}', "[]"])
def test_a_capture_that_is_damaged_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "box-settings.json"
    file.write_text(content)
    with pytest.raises(InputError, match="no captured settings, or they are damaged") as caught:
        read_captured(file)
    assert caught.value.where == str(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_captured(tmp_path / "nothing")


def test_the_new_box_gets_what_the_old_one_has_and_keeps_what_is_its_own(site: Site) -> None:
    context = site.context()
    captured(context)
    assert no_dangling_references(context, GATE).verdict is Verdict.PASSED
    own = site.network()["addresses"]
    outcome = carried(context)
    assert outcome.verdict is Verdict.PASSED, outcome.summary
    assert "It is reached anew at 127.0.0.1, and takes TLSv1.3." in outcome.summary
    after = site.network()
    assert after["routes"] == [ROUTE]
    assert after["dns_servers"] == ["10.78.0.53"]
    assert after["addresses"] == own
    assert site.driver("new").tls_settings().minimum_version == "TLSv1.3"
    assert site.audit() == ["begin-network-change", "confirm-network-change"]
    rows = {row["setting"]: row for row in json.loads((site.folder / "box-settings-comparison.json").read_text())}
    assert rows["routes"]["likeness"] == "same"
    assert rows["addresses"]["likeness"] == "differs as meant"
    assert (site.folder / "interface-map.toml").exists()

    # found there already, it is not done again
    assert CarryBoxSettings().look(context) == {"changed": []}
    CarryBoxSettings().act(context)
    assert site.audit() == ["begin-network-change", "confirm-network-change"]


class SaysSo:
    """A box that says its TLS settings are as they were asked for."""

    def __init__(self, driver: EmulatedAppliance) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def tls_settings(self) -> TlsSettings:
        return TlsSettings(minimum_version="TLSv1.3")

    def set_tls_settings(self, settings: TlsSettings) -> TlsSettings:
        return settings


def test_the_setter_is_not_believed(site: Site) -> None:
    context = site.context(SaysSo(site.driver("new")))
    captured(context)
    outcome = carried(context)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.summary == "It is reached anew at 127.0.0.1, and takes TLSv1.2 and TLSv1.3."


def test_the_way_back_gives_the_new_box_what_it_had(site: Site) -> None:
    context = site.context()
    captured(context)
    step, before = CarryBoxSettings(), site.network()
    assert step.undo(context, None).verdict is Verdict.PASSED
    assert site.audit() == []
    carried(context)
    assert site.network() != before
    for _ in range(2):
        assert step.undo(context, {"changed": []}).verdict is Verdict.PASSED
        assert site.network() == before
    assert site.driver("new").tls_settings().minimum_version == "TLSv1.2"
    assert site.audit() == ["begin-network-change", "confirm-network-change"] * 2


def test_what_would_dangle_stops_it_before_anything_is_changed(site: Site) -> None:
    context = site.context(interface_map="map.toml")
    captured(context)
    (site.folder / "map.toml").write_text('[[interface]]\nold = "eth0"\nnew = "eth0"\n[[interface]]\nold = "eth1"\n')
    outcome = no_dangling_references(context, GATE)
    assert outcome.verdict is Verdict.FAILED
    assert "2 references would dangle" in outcome.summary
    for told in ("address 10.78.0.21", "certificate Factory certificate"):
        assert told in outcome.summary
    (site.folder / "map.toml").write_text('[[interface]]\nold = "eth9"\nnew = "eth0"\n')
    with pytest.raises(InputError, match=r"map\.toml:2: the old box has no interface eth9"):
        no_dangling_references(context, GATE)
    (site.folder / "map.toml").unlink()
    with pytest.raises(InputError, match="the table of interfaces cannot be read"):
        no_dangling_references(context, GATE)
    assert site.audit() == []
