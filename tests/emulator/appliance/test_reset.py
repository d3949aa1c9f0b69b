"""The factory reset (requirement H8)."""

from collections.abc import Callable

import httpx

from tests.emulator.appliance.box_process import (
    ADMIN_PASSWORD,
    OWN,
    SHARED,
    BoxProcess,
    in_use_order,
    wait_until,
)
from tests.emulator.appliance.paperwork import Chain
from toolkit.emulator.appliance.factory import Factory

MakeBox = Callable[[Factory], BoxProcess]
FACTORY_ACCOUNT = ("admin", "password")
CHAIN = Chain.issue()


def _order(**changes: object) -> Factory:
    return in_use_order(
        shared_addresses=[{"address": f"{SHARED}/24", "enabled": True}],
        certificate=CHAIN.pem,
        key=CHAIN.leaf.key_pem(),
        **changes,
    )


def _reset_status(client: httpx.Client) -> dict[str, object]:
    status: dict[str, object] = client.get("/api/v1/reset").json()
    return status


def _wait_complete(client: httpx.Client) -> None:
    wait_until(lambda: _reset_status(client)["state"] == "complete", "the reset to be complete")


def test_a_reset_destroys_everything_and_the_box_shows_what_it_announced(make_box: MakeBox) -> None:
    box = make_box(_order())
    api = box.api()
    assert box.served() == CHAIN.leaf.sha256
    told_before = _reset_status(api)["next_tls_sha256"]
    answer = api.post("/api/v1/reset", json={"serial_number": "OLD-0001"})
    assert answer.status_code == 202
    assert answer.json()["next_tls_sha256"] == told_before, "so that nobody is locked out who missed this answer"
    _wait_complete(api)
    assert _reset_status(api)["serial_number"] == "OLD-0001"
    assert _reset_status(api)["progress"] == 1.0
    assert box.served() == answer.json()["next_tls_sha256"] != CHAIN.leaf.sha256
    assert list((box.disk / "recordings").iterdir()) == []
    assert api.get("/api/v1/status").status_code == 401, "the accounts are gone"
    assert "factory reset: complete" in box.console_lines()
    assert api.get("/check_health").status_code == 500

    assert not box.answers(SHARED)
    assert api.post("/api/v1/power/shut-down", auth=FACTORY_ACCOUNT).status_code == 202
    assert box.wait_off() == 0
    assert not box.answers()


def test_switched_on_again_it_is_a_first_boot_box(make_box: MakeBox) -> None:
    box = make_box(_order())
    next_certificate = box.api().post("/api/v1/reset", json={"serial_number": "OLD-0001"}).json()["next_tls_sha256"]
    client = box.anonymous()
    _wait_complete(client)
    client.post("/api/v1/power/shut-down", auth=FACTORY_ACCOUNT)
    box.wait_off()

    client = box.power_on().anonymous()
    assert "serial number: OLD-0001" in box.console_lines()
    assert box.served() == box.console_fingerprint() == next_certificate
    assert _reset_status(client)["state"] == "complete"
    api = box.take_into_use()
    status = api.get("/api/v1/status").json()
    assert (status["state"], status["site_version"], status["base_version"]) == ("running", None, "3.3.2")
    assert set(status["records"].values()) == {0}
    told = _reset_status(client)
    assert told.pop("next_tls_sha256") != next_certificate
    assert told == {"serial_number": "OLD-0001", "state": "none", "progress": 0.0, "finished": None}
    assert [entry["address"] for entry in api.get("/api/v1/network").json()["addresses"]] == [OWN]


def test_a_power_cut_in_the_middle_does_not_save_anything(make_box: MakeBox) -> None:
    box = make_box(_order(size_mb=50))
    box.plant("slow-disk")
    next_certificate = box.api().post("/api/v1/reset", json={"serial_number": "OLD-0001"}).json()["next_tls_sha256"]
    client = box.anonymous()
    for cut_at in (0.0, 0.3):
        _wait_beyond(client, cut_at)
        assert _reset_status(client)["state"] == "resetting"
        assert client.get("/api/v1/status").json()["error"] == "resetting"
        box.kill()
        client = box.power_on().anonymous()
        assert box.served() == box.console_fingerprint() == next_certificate
    box.plant()
    _wait_complete(client)
    assert list((box.disk / "recordings").iterdir()) == []


def _wait_beyond(client: httpx.Client, progress: float) -> None:
    wait_until(lambda: client.get("/api/v1/reset").json()["progress"] > progress, f"progress beyond {progress}")


def test_a_power_cut_after_the_end_leaves_it_complete(make_box: MakeBox) -> None:
    box = make_box(_order())
    box.api().post("/api/v1/reset", json={"serial_number": "OLD-0001"})
    client = box.anonymous()
    _wait_complete(client)
    told = _reset_status(client)
    box.kill()
    client = box.power_on().anonymous()
    assert _reset_status(client) == told
    assert client.get("/check_health").status_code == 500


def test_another_boxs_serial_number_does_nothing(box: BoxProcess, api: httpx.Client) -> None:
    before = api.get("/api/v1/status").json()["records"]
    answer = api.post("/api/v1/reset", json={"serial_number": "OLD-0002"})
    assert (answer.status_code, answer.json()["error"]) == (409, "serial_number")
    assert _reset_status(api)["state"] == "none"
    assert api.get("/api/v1/status").json()["records"] == before


def test_a_reset_that_never_completes_says_so(make_box: MakeBox) -> None:
    box = make_box(_order())
    box.plant("reset-never-completes")
    api = box.api()
    api.post("/api/v1/reset", json={"serial_number": "OLD-0001"})
    assert _reset_status(api)["state"] == "resetting"
    assert api.get("/check_health").text == "The box is not in service: resetting."
    assert api.post("/oauth2/token", data={"grant_type": "client_credentials"}).json()["error"] == "resetting"
    box.plant()
    _wait_complete(api)


def test_after_a_reset_the_admins_password_is_the_factorys(make_box: MakeBox) -> None:
    box = make_box(_order())
    box.api().post("/api/v1/reset", json={"serial_number": "OLD-0001"})
    client = box.anonymous()
    _wait_complete(client)
    assert client.post("/api/v1/power/shut-down", auth=("admin", ADMIN_PASSWORD)).status_code == 401
    assert client.post("/api/v1/power/reboot", auth=FACTORY_ACCOUNT).status_code == 401
    box.take_into_use()
