"""Switched on, off, on again, and the power cut."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.emulator.appliance.box_process import OWN, SHARED, BoxProcess, factory_order, in_use_order, wait_until
from toolkit.emulator.appliance.factory import Factory

MakeBox = Callable[[Factory], BoxProcess]


def test_a_factory_box_says_on_its_console_who_it_is_and_serves_what_it_says(make_box: MakeBox) -> None:
    box = make_box(factory_order())
    assert "serial number: NEW-0001" in box.console_lines()
    assert f"address: {OWN}/24 on eth0" in box.console_lines()
    assert box.served() == box.console_fingerprint() == box.made_certificate()
    assert box.anonymous().get("/check_health").text == "OK"


def test_what_was_changed_survives_a_power_cut(make_box: MakeBox) -> None:
    box = make_box(in_use_order())
    api = box.api()
    first_boot_id = api.get("/api/v1/status").json()["boot_id"]
    assert api.put("/api/v1/network", json={"hostname": "renamed.example.net"}).status_code == 200
    assert api.patch("/api/v1/network/addresses/2", json={"enabled": True}).json()["enabled"] is True
    box.kill()
    assert not box.answers()

    api = box.power_on().api()
    assert api.get("/api/v1/status").json()["boot_id"] != first_boot_id
    assert api.get("/api/v1/network").json()["hostname"] == "renamed.example.net"
    assert api.get("/api/v1/network").json()["addresses"][1] == {
        **{"id": 2, "address": SHARED, "prefix": 24, "interface": "eth0"},
        **{"shared": True, "enabled": True},
    }
    actions = [entry["action"] for entry in api.get("/api/v1/audit").json()]
    assert actions == ["change-network", "enable-address"]


def test_shut_down_ends_the_process_in_good_order(make_box: MakeBox) -> None:
    box = make_box(in_use_order())
    assert box.api().post("/api/v1/power/shut-down").status_code == 202
    assert box.wait_off() == 0
    assert not box.answers()
    assert box.console_lines()[-1] == "off"


def test_the_power_button_shuts_down_too(make_box: MakeBox) -> None:
    box = make_box(factory_order())
    assert box.power_button() == 0
    assert not box.answers()


def test_a_reboot_is_the_same_process_with_another_boot_id(make_box: MakeBox) -> None:
    box = make_box(in_use_order())
    api = box.api()
    before = api.get("/api/v1/status").json()["boot_id"]
    assert api.post("/api/v1/power/reboot").status_code == 202
    wait_until(lambda: "ready" not in box.console_lines(), "the box to go down")
    box.wait_for_console("ready")
    assert box.process.poll() is None
    assert box.api().get("/api/v1/status").json()["boot_id"] != before


def test_one_disk_is_in_one_box(make_box: MakeBox) -> None:
    box = make_box(factory_order())
    command = [sys.executable, "-m", "toolkit.emulator.appliance", "run"]
    second = subprocess.run(
        [*command, "--disk", str(box.disk), "--console", str(box.folder / "other"), "--bind", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 3
    assert "switched on already" in second.stderr
    assert "Traceback" not in second.stderr
    assert box.answers()


def test_a_folder_without_a_box_is_told_apart(make_box: MakeBox) -> None:
    box = make_box(factory_order())
    (box.folder / "empty").mkdir()
    command = [sys.executable, "-m", "toolkit.emulator.appliance", "run"]
    nothing = subprocess.run(
        [*command, "--disk", str(box.folder / "empty"), "--console", str(box.folder / "other")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert nothing.returncode == 2
    assert "there is no box on this disk" in nothing.stderr


def test_a_clock_that_was_set_runs_on_and_outlives_a_power_cut(make_box: MakeBox) -> None:
    box = make_box(in_use_order())
    api = box.api()
    wrong = datetime(2019, 5, 17, 12, tzinfo=UTC)
    assert api.put("/api/v1/clock", json={"time": wrong.isoformat()}).status_code == 200
    box.kill()
    told = datetime.fromisoformat(box.power_on().api().get("/api/v1/status").json()["time"])
    assert wrong < told < wrong + timedelta(minutes=5)
