"""A change of the network settings is undone unless somebody who came after it says that it holds."""

import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulator.appliance.box_process import OWN, SHARED, SITE, BoxProcess, in_use_order, wait_until
from tests.emulator.appliance.conftest import MakeBox
from tests.emulator.appliance.paperwork import Chain
from tests.emulator.appliance.quiet_box import quiet_box
from toolkit.emulator.appliance.guarded_change import GuardedChange
from toolkit.emulator.appliance.refusal import Refusal

CHANGES = "/api/v1/network/changes"
NEW = {"address": "10.77.0.12", "prefix": 24, "interface": "eth0"}
HOME = {"address": OWN, "prefix": 24, "interface": "eth0"}


@pytest.fixture
def own_box(make_box: MakeBox) -> BoxProcess:
    """A box with two ports, for one test."""
    ports = [{"name": "eth1", "mac": "02:00:00:00:00:13", "addresses": ["10.78.0.11/24"]}]
    return make_box(in_use_order(gateway="10.77.0.1", dns_servers=["10.77.0.2"], more_ports=ports))


def begin(box: BoxProcess, seconds: float = 60, **wanted: Any) -> str:
    answer = box.api().put(
        f"{CHANGES}/{secrets.token_hex(8)}",
        json={"confirm_within_seconds": seconds, **(wanted or {"hostname": "renamed"})},
    )
    assert answer.status_code == 202, answer.text
    change = answer.json()
    assert change["state"] == "applying"
    assert 0 < change["seconds_left"] <= seconds
    wait_until(lambda: state(box, change["id"])["state"] != "applying", "the change to be applied")
    return str(change["id"])


def state(box: BoxProcess, change: str) -> Any:
    return box.api().get(f"{CHANGES}/{change}").json()


def network(box: BoxProcess) -> Any:
    return box.api().get("/api/v1/network").json()


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_new_connection_confirms_and_a_reboot_keeps_it(own_box: BoxProcess) -> None:
    wanted: dict[str, Any] = {
        "addresses": [HOME, NEW],
        "routes": [{"destination": "10.9.0.0/16", "gateway": "10.77.0.1"}],
    }
    change = begin(own_box, **wanted, hostname="renamed", dns_servers=[], ntp_servers=["ntp.example.org"])
    for _ in range(2):  # an answer may be lost, and asked for again
        answer = own_box.api().post(f"{CHANGES}/{change}/confirm")
        assert (answer.status_code, answer.json()["state"]) == (200, "confirmed")
    before = network(own_box)
    own_box.kill()
    own_box.power_on()
    assert own_box.answers("10.77.0.12")
    assert network(own_box) == before
    assert before["hostname"] == "renamed"
    assert before["dns_servers"] == []
    assert before["routes"] == wanted["routes"]
    assert {(one["address"], one["interface"]) for one in before["addresses"]} == {
        (OWN, "eth0"),
        ("10.77.0.12", "eth0"),
        (SHARED, "eth0"),
    }


def test_a_connection_that_was_there_before_proves_nothing(own_box: BoxProcess) -> None:
    early = own_box.api()
    change = begin(own_box)
    refused = early.post(f"{CHANGES}/{change}/confirm")
    assert error(refused) == (409, "same_connection")
    assert refused.headers["connection"] == "close"
    # the box has hung up, so that the same program now comes over a new one
    assert early.post(f"{CHANGES}/{change}/confirm").json()["state"] == "confirmed"


def test_what_nobody_confirms_is_undone_at_the_deadline(own_box: BoxProcess) -> None:
    before = network(own_box)
    change = begin(own_box, 1, hostname="renamed", addresses=[HOME, NEW], gateway="", dns_servers=[])
    assert {one["address"] for one in network(own_box)["addresses"]} == {OWN, SHARED, "10.77.0.12"}
    wait_until(lambda: state(own_box, change)["state"] == "reverted", "the deadline")
    assert network(own_box) == before
    assert state(own_box, change)["reason"] == "nobody confirmed it within 1 s"
    assert error(own_box.api().post(f"{CHANGES}/{change}/confirm")) == (409, "reverted")
    assert "network change reverted: nobody confirmed it within 1 s" in own_box.console_lines()
    actions = [line["action"] for line in own_box.api().get("/api/v1/audit").json()]
    assert actions == ["begin-network-change", "revert-network-change"]


def test_an_alarm_that_is_late_lets_nobody_confirm_after_the_deadline(tmp_path: Path) -> None:
    now = [100.0]
    with quiet_box(tmp_path / "disk", in_use_order()) as box:  # without an event loop no alarm ever rings
        guarded = GuardedChange(
            box._database,
            box._audit,
            box.clock,
            box.network,
            later=lambda seconds, work: None,
            say=box.screen.say,
            monotonic=lambda: now[0],
        )
        guarded.begin("me", "7", confirm_within_seconds=60, hostname="renamed")
        guarded.apply("7")
        now[0] = 159.9
        with pytest.raises(Refusal, match="opened before the change"):
            guarded.confirm("me", "7", 99.9)
        now[0] = 160.0
        with pytest.raises(Refusal, match="nobody confirmed it within 60 s"):
            guarded.confirm("me", "7", 159.9)
        assert box.network.settings().hostname == SITE
        guarded.begin("me", "8", confirm_within_seconds=60, hostname="renamed")
        guarded.apply("8")
        assert guarded.confirm("me", "8", 160.0).state == "confirmed"


def test_setting_the_clock_moves_no_deadline(own_box: BoxProcess) -> None:
    change = begin(own_box, 3600)
    own_box.api().put("/api/v1/clock", json={"time": "2036-01-01T00:00:00+00:00"})
    assert state(own_box, change)["state"] == "unconfirmed"
    assert 3590 < state(own_box, change)["seconds_left"] <= 3600
    assert own_box.api().post(f"{CHANGES}/{change}/confirm").status_code == 200


def test_a_power_cut_before_it_is_confirmed_undoes_it(own_box: BoxProcess) -> None:
    before = network(own_box)
    change = begin(own_box, 3600, hostname="renamed", addresses=[HOME, NEW])
    own_box.kill()
    own_box.power_on()
    assert network(own_box) == before
    assert state(own_box, change)["reason"] == "the box was switched on before the change was confirmed"
    assert own_box.api().put("/api/v1/network", json={"hostname": "free"}).status_code == 200


def test_so_does_a_reboot(own_box: BoxProcess) -> None:
    before = network(own_box)
    change = begin(own_box, 3600)
    assert own_box.api().post("/api/v1/power/reboot").status_code == 202
    wait_until(lambda: "network change reverted" in " ".join(own_box.console_lines()), "the box to start again")
    own_box.wait_for_console("ready")
    assert state(own_box, change)["reason"] == "the box was switched on before the change was confirmed"
    assert network(own_box) == before


def test_while_it_waits_nothing_else_is_changed(own_box: BoxProcess) -> None:
    change, api = begin(own_box), own_box.api()
    number = next(one["id"] for one in network(own_box)["addresses"] if one["shared"])
    more = {**NEW, "shared": False, "enabled": True}
    for answer in (
        api.put(f"{CHANGES}/{'0' * 16}", json={"confirm_within_seconds": 60, "hostname": "other"}),
        api.put("/api/v1/network", json={"hostname": "other"}),
        api.post("/api/v1/network/addresses", json=more),
        api.patch(f"/api/v1/network/addresses/{number}", json={"enabled": True}),
        api.delete(f"/api/v1/network/addresses/{number}"),
        api.post("/api/v1/reset", json={"serial_number": "OLD-0001"}),
    ):
        assert error(answer) == (409, "change_pending")
    assert network(own_box)["hostname"] == "renamed"
    assert own_box.api().post(f"{CHANGES}/{change}/confirm").status_code == 200
    assert api.put("/api/v1/network", json={"hostname": "other"}).status_code == 200


def test_it_can_be_taken_back_at_once_and_not_once_it_is_confirmed(own_box: BoxProcess) -> None:
    before, change = network(own_box), begin(own_box)
    for _ in range(2):
        assert own_box.api().post(f"{CHANGES}/{change}/revert").json()["state"] == "reverted"
    assert network(own_box) == before
    change = begin(own_box)
    own_box.api().post(f"{CHANGES}/{change}/confirm")
    assert error(own_box.api().post(f"{CHANGES}/{change}/revert")) == (409, "conflict")


def test_an_address_that_comes_back_serves_its_certificate_again(own_box: BoxProcess) -> None:
    chain, api = Chain.issue(), own_box.api()
    entry = api.post("/api/v1/certificates/import", files={"file": ("a.pem", chain.pem + chain.leaf.key_pem())}).json()
    there = f"/api/v1/certificates/{entry['id']}/addresses"
    assert api.put(there, json={"addresses": ["10.78.0.11"]}).json()["addresses"] == ["10.78.0.11"]
    change = begin(own_box, addresses=[HOME])
    assert own_box.api().get("/api/v1/certificates").json()[-1]["addresses"] == []
    own_box.api().post(f"{CHANGES}/{change}/revert")
    assert own_box.api().get("/api/v1/certificates").json()[-1]["addresses"] == ["10.78.0.11"]
    own_box.kill()
    own_box.power_on()
    assert own_box.served("10.78.0.11") == entry["sha256"]


def test_an_own_address_that_is_switched_off_stays_defined(own_box: BoxProcess) -> None:
    api = own_box.api()
    number = next(one["id"] for one in network(own_box)["addresses"] if one["address"] == "10.78.0.11")
    api.patch(f"/api/v1/network/addresses/{number}", json={"enabled": False}).raise_for_status()
    begin(own_box, addresses=[HOME, NEW])
    assert {(one["address"], one["enabled"]) for one in network(own_box)["addresses"] if not one["shared"]} == {
        (OWN, True),
        ("10.77.0.12", True),
        ("10.78.0.11", False),
    }


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"addresses": []}, (409, "last_address")),
        ({"addresses": [HOME, HOME]}, (409, "conflict")),
        ({"addresses": [{**HOME, "address": SHARED}]}, (409, "conflict")),
        ({"addresses": [{**HOME, "interface": "eth7"}]}, (422, "invalid_request")),
        ({"addresses": [{**HOME, "prefix": 33}]}, (422, "invalid_request")),
        ({"addresses": [{**NEW, "address": "10.99.0.1"}]}, (422, "invalid_request")),  # the gateway is left alone
        ({"gateway": "192.0.2.1"}, (422, "invalid_request")),
        ({"routes": [{"destination": "10.0.0.1/8", "gateway": "10.77.0.1"}]}, (422, "invalid_request")),
        ({"routes": [{"destination": "10.0.0.0/8", "gateway": "fd77::1"}]}, (422, "invalid_request")),
        ({"routes": [{"destination": "10.0.0.0/8", "gateway": "10.99.0.1"}]}, (422, "invalid_request")),
        ({"confirm_within_seconds": 0}, (422, "invalid_request")),
        ({"confirm_within_seconds": 3601}, (422, "invalid_request")),
        ({"adresses": []}, (422, "invalid_request")),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    api: httpx.Client, wanted: dict[str, Any], told: tuple[int, str]
) -> None:
    gateway = {"gateway": "10.77.0.1"} if "10.99.0.1" in str(wanted.get("addresses")) else {}
    before = api.get("/api/v1/network").json()
    assert error(api.put(f"{CHANGES}/{'0' * 16}", json={"confirm_within_seconds": 60, **gateway, **wanted})) == told
    assert api.get("/api/v1/network").json() == before


def test_a_change_that_never_was_is_not_found(api: httpx.Client) -> None:
    there = f"{CHANGES}/{'0' * 16}"
    for call in (api.get(there), api.post(f"{there}/confirm"), api.post(f"{there}/revert")):
        assert error(call) == (404, "not_found")
    assert error(api.put(f"{CHANGES}/7", json={"confirm_within_seconds": 60})) == (422, "invalid_request")


def test_who_did_not_hear_the_answer_asks_again_and_begins_nothing_new(own_box: BoxProcess) -> None:
    change = begin(own_box, hostname="renamed")
    again = {"confirm_within_seconds": 60, "hostname": "other"}
    answer = own_box.api().put(f"{CHANGES}/{change}", json=again)
    assert (answer.status_code, answer.json()["state"]) == (200, "unconfirmed")
    own_box.api().post(f"{CHANGES}/{change}/revert")
    answer = own_box.api().put(f"{CHANGES}/{change}", json=again)
    assert (answer.status_code, answer.json()["state"]) == (200, "reverted")
    assert network(own_box)["hostname"] != "other"
