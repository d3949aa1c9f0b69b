"""Support sessions in progress: begun, shown, ended by their users, by the box or by a power cut (requirement U7)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.emulator.appliance.box_process import OWN, SHARED, BoxProcess, factory_order, in_use_order, wait_until
from tests.emulator.appliance.pages.visitor import Visitor
from tests.emulator.appliance.quiet_box import QuietBox, powered, quiet_box
from toolkit.emulator.appliance.factory import Factory
from toolkit.emulator.appliance.facts import Session
from toolkit.emulator.appliance.refusal import Refusal

HELP = {"username": "joao.jansen", "customer": "Ana Lima"}
ACTIVE = "/api/v1/active-sessions"


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[QuietBox]:
    order = in_use_order(shared_addresses=[{"address": f"{SHARED}/24", "enabled": True}])
    with quiet_box(tmp_path / "disk", order) as box:
        yield box


def last_records(box: QuietBox, count: int) -> list[Session]:
    return list(box.content.sessions(0, 1000).sessions[-count:])


def test_a_session_is_counted_while_it_is_in_progress_and_a_record_afterwards(
    box: BoxProcess, api: httpx.Client
) -> None:
    before = api.get("/api/v1/status").json()
    assert before["active_sessions"] == 0
    team = api.get("/api/v1/settings/teams").json()[0]
    (lead,) = [user for user in api.get("/api/v1/settings/users").json() if user["id"] == team["lead"]]
    name = lead["display_name"]
    session = api.post(ACTIVE, json={"username": lead["username"], "customer": "Ana Lima"}).json()
    assert (session["representative"], session["customer"], session["address"]) == (name, "Ana Lima", OWN)
    assert session["team"] in [team["name"] for team in api.get("/api/v1/settings/teams").json()]
    assert api.get(ACTIVE).json() == [session]
    during = api.get("/api/v1/status").json()
    assert (during["active_sessions"], during["records"]) == (1, before["records"])

    with Visitor(box) as operator:
        operator.log_in("login")
        page = operator.look("/login/status/information").text
        assert "<dt>Sessions now</dt><dd>1</dd>" in page
        assert f'<th scope="row">{name}</th><td>Ana Lima</td><td>{session["team"]}</td>' in page
        assert api.delete(f"{ACTIVE}/{session['lsid']}").status_code == 204
        assert "Nobody is in a support session." in operator.look("/login/status/information").text

    assert api.get(ACTIVE).json() == []
    after = api.get("/api/v1/status").json()
    assert after["active_sessions"] == 0
    assert after["records"]["sessions"] == before["records"]["sessions"] + 1
    record = api.get("/api/v1/sessions?limit=1000").json()["sessions"][-1]
    assert {name: record[name] for name in ("lsid", "start_time", "representative", "customer", "team")} == {
        name: session[name] for name in ("lsid", "start_time", "representative", "customer", "team")
    }
    assert record["end_time"] >= record["start_time"]
    assert [(event["type"], event["by"]) for event in record["events"]] == [
        ("Session Start", "Ana Lima"),
        ("Representative Joined", name),
        ("Session End", name),
    ]
    again = api.delete(f"{ACTIVE}/{session['lsid']}")
    assert (again.status_code, again.json()["error"]) == (404, "not_found")
    assert [entry["action"] for entry in api.get("/api/v1/audit").json()][-2:] == ["begin-session", "end-session"]


def test_what_has_ended_can_be_put_back_on_another_box(quiet: QuietBox, tmp_path: Path) -> None:
    quiet.support_sessions.end("me", quiet.support_sessions.begin("me", **HELP).lsid)
    (record,) = last_records(quiet, 1)
    with quiet_box(tmp_path / "another", in_use_order(serial_number="NEW-0002")) as another:
        assert another.content.import_sessions("me", [record]).imported == 1
        assert another.content.import_sessions("me", [record]).already == 1


def test_only_a_user_who_is_there_and_enabled_helps_anybody(quiet: QuietBox) -> None:
    quiet.users.disable("me", "user-0003")
    disabled = quiet.content.settings("users")[2]["username"]
    for username in ("nobody", str(disabled)):
        with pytest.raises(Refusal) as refused:
            quiet.support_sessions.begin("me", username=username, customer="Ana Lima")
        assert (refused.value.status, refused.value.code) == (422, "invalid_request")
    assert quiet.support_sessions.list() == ()


def test_there_is_an_end_to_how_many_there_may_be(quiet: QuietBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.emulator.appliance.support_sessions.ACTIVE_SESSIONS_MAX", 1)
    quiet.support_sessions.begin("me", **HELP)
    with pytest.raises(Refusal) as refused:
        quiet.support_sessions.begin("me", **HELP)
    assert (refused.value.status, refused.value.code) == (409, "conflict")


# what the box ends


def ended_by(box: QuietBox, count: int) -> set[tuple[object, object]]:
    return {(one.events[-1]["by"], one.events[-1]["reason"]) for one in last_records(box, count)}


def test_an_installation_ends_every_session_and_lets_none_begin(quiet: QuietBox) -> None:
    for _ in range(2):
        quiet.support_sessions.begin("me", **HELP)
    with quiet.installing():
        assert quiet.status().active_sessions == 0
        with pytest.raises(Refusal) as refused:
            quiet.support_sessions.begin("me", **HELP)
        assert (refused.value.status, refused.value.code) == (503, "installing")
    assert ended_by(quiet, 2) == {("appliance", "an update is being installed")}
    assert quiet.audit(0)[-1].detail == {"count": 2, "reason": "an update is being installed"}


@pytest.mark.parametrize("deed", ["reboot", "shut-down"])
def test_switching_the_box_off_ends_every_session(quiet: QuietBox, deed: str) -> None:
    quiet.support_sessions.begin("me", **HELP)
    {"reboot": quiet.power.reboot, "shut-down": quiet.power.shut_down}[deed]("me")
    assert quiet.status().active_sessions == 0
    assert ended_by(quiet, 1) == {("appliance", f"{deed} of the appliance")}


def test_giving_up_the_shared_address_ends_the_sessions_that_run_over_it(quiet: QuietBox) -> None:
    assert quiet.support_sessions.begin("me", **HELP).address == SHARED
    quiet.network.set_enabled("me", 2, False)
    assert ended_by(quiet, 1) == {("appliance", f"the appliance gave up {SHARED}")}

    assert quiet.support_sessions.begin("me", **HELP).address == OWN
    quiet.network.set_enabled("me", 2, True)
    quiet.network.set_enabled("me", 2, False)
    assert quiet.status().active_sessions == 1


def test_a_reset_destroys_the_sessions_in_progress_too(make_box: Callable[[Factory], BoxProcess]) -> None:
    box = make_box(in_use_order(active_sessions=2))
    api = box.api()
    sessions = api.get(ACTIVE).json()
    assert len(sessions) == 2
    assert api.post("/api/v1/reset", json={"serial_number": "OLD-0001"}).status_code == 202
    anonymous = box.anonymous()
    wait_until(lambda: anonymous.get("/api/v1/reset").json()["state"] == "complete", "the reset's end")
    content = b"".join(path.read_bytes() for path in box.disk.rglob("*") if path.is_file())
    for session in sessions:
        assert session["lsid"].encode() not in content
    assert box.take_into_use().get("/api/v1/status").json()["active_sessions"] == 0


def test_after_a_power_cut_no_session_is_in_progress_and_each_is_on_record(
    make_box: Callable[[Factory], BoxProcess],
) -> None:
    box = make_box(in_use_order())
    lsid = box.api().post(ACTIVE, json=HELP).json()["lsid"]
    box.kill()
    api = box.power_on().api()
    assert api.get("/api/v1/status").json()["active_sessions"] == 0
    record = api.get("/api/v1/sessions?limit=1000").json()["sessions"][-1]
    assert (record["lsid"], record["events"][-1]["reason"]) == (lsid, "the appliance went off")


def test_a_clock_that_was_set_back_makes_no_session_end_before_it_began(quiet: QuietBox) -> None:
    session = quiet.support_sessions.begin("me", **HELP)
    quiet.set_clock("me", datetime(2020, 1, 1, tzinfo=UTC))
    quiet.support_sessions.end("me", session.lsid)
    (record,) = last_records(quiet, 1)
    assert record.end_time == record.start_time == session.start_time
    assert record.duration_seconds == 0


# ordered with the box


def test_what_was_ordered_begins_at_the_first_power_on_and_once(tmp_path: Path) -> None:
    with quiet_box(tmp_path / "disk", in_use_order(active_sessions=3, seed=5)) as box:
        sessions = box.support_sessions.list()
        assert box.status().active_sessions == len({session.lsid for session in sessions}) == 3
        names = {user["display_name"] for user in box.content.settings("users")}
        assert all(session.representative in names and session.address == OWN for session in sessions)
        assert box.content.counts().sessions == 24
    with powered(tmp_path / "disk") as box:
        assert box.status().active_sessions == 0
        assert {record.lsid for record in last_records(box, 3)} == {session.lsid for session in sessions}
    with quiet_box(tmp_path / "same", in_use_order(active_sessions=3, seed=5)) as box:
        assert [one.lsid for one in box.support_sessions.list()] == [one.lsid for one in sessions]


def test_a_box_without_a_site_has_none(tmp_path: Path) -> None:
    with quiet_box(tmp_path / "disk", factory_order()) as box, pytest.raises(Refusal) as refused:
        box.support_sessions.begin("me", **HELP)
    assert (refused.value.status, refused.value.code) == (409, "no_site_package")
