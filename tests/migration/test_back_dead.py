"""The way back with a box that is dead or cut off: users are served first, the rest is named and done later."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState
from toolkit.model.verdict import Verdict

_LATER = {"collect-from-new", "swing-traffic", "import-certificate", "carry-box-settings", "provision-new"}
"""What a dead new box leaves to be done after a swing."""


def existing(rehearsal: Rehearsal) -> Path:
    """The inventory of two boxes that are there and on."""
    rehearsal.switch_on("old")
    rehearsal.switch_on_new()
    return rehearsal.variant("existing", {"provision": {"driver": "existing"}})


@contextmanager
def hanging(rehearsal: Rehearsal, box: str) -> Iterator[None]:
    """Its program does nothing any more, and its kernel still answers for its addresses."""
    process = rehearsal.lab.status().machines[box].process_id
    assert process
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_a_new_box_that_hangs_and_then_dies_keeps_nobody_without_the_site_and_no_session_is_lost(
    rehearsal: Rehearsal,
) -> None:
    run = rehearsal.start(existing(rehearsal))
    assert rehearsal.carry("run", run, kill_at="prove-site:recorded").killed_at
    user = rehearsal.ask("new", "GET", "/api/v1/settings/users")[1]["username"]
    help_of = {"username": user, "customer": "Ana Lima"}
    ended, cut = (rehearsal.ask("new", "POST", "/api/v1/active-sessions", help_of)["lsid"] for _ in range(2))
    rehearsal.ask("new", "DELETE", f"/api/v1/active-sessions/{ended}")
    serial = rehearsal.plan(rehearsal.lab.folder.operator / "existing.toml")["boxes"]["new"]
    mac_of_new = rehearsal.lab.description.machines["new"].mac

    # it hangs: its kernel still answers for the address, whatever anybody says of its plug
    with hanging(rehearsal, "new"):
        for said in (None, serial):
            refused = rehearsal.carry("back", run, new_is_off=said)
            assert (refused.told["state"], refused.told["exit_status"]) == (RunState.BACK_FAILED, 1)
            assert mac_of_new in refused.told["summary"]
            assert f"rebox back {run} --new-is-off {serial}" in refused.told["next_move"]
            assert not any("PATCH" in one for one in refused.sent)
    wrong = rehearsal.rebox("back", run, "--yes", "--runs", rehearsal.runs, "--new-is-off", "RB-OTHER")
    assert wrong.status == 2
    assert "this is not the new box" in wrong.words

    rehearsal.lab.kill("new")
    told = rehearsal.rebox("back", run, "--yes", "--runs", rehearsal.runs)

    assert told.status == 4, told.words
    assert "BACK-TO-DO" in told.words
    assert re.search(r"Users are served by the old box, seen at \d\d:\d\d:\d\d UTC\.", told.words)
    assert "keep it off the link" in told.words
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")
    assert {one.step for one in rehearsal.history(run).to_do} == _LATER

    rehearsal.switch_on_new()
    went = rehearsal.carry("back", run)

    assert (went.told["state"], went.told["verdict"]) == (RunState.WENT_BACK, Verdict.PASSED), went.told
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")
    assert not rehearsal.holds_site_certificate("new")
    on_old = {row["lsid"] for row in rehearsal.rows("old", "SELECT lsid FROM sessions")}
    assert {ended, cut} <= on_old
    collected = rehearsal.history(run).steps["collect-from-new"]
    assert (collected.result or {})["made"] == 2
    assert "2 sessions were made on the new box since the swing" in collected.summary
    assert ended in collected.summary
    assert "all of them are on the old box now" in collected.summary
    assert (rehearsal.runs / run / "backup" / "records-from-new" / "manifest.json").is_file()


def test_the_new_boxs_cable_out_in_mid_swing_the_old_box_serves_again(rehearsal: Rehearsal) -> None:
    run = rehearsal.start(existing(rehearsal))
    in_between = r"swing-traffic>PATCH 10\.77\.0\.21/api/v1/network/addresses/.*"
    # asked for what holds already, twice; the third change is the first that takes an address away
    seen: list[str] = []
    killed = rehearsal.carry("run", run, kill_at=in_between, seen=seen).killed_at
    assert killed
    rehearsal.lab.link("new", up=False)
    try:
        went = rehearsal.carry("back", run)
        assert went.told["state"] == RunState.BACK_TO_DO, went.told
        assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")
    finally:
        rehearsal.lab.link("new", up=True)
    went = rehearsal.carry("back", run)
    assert went.told["state"] == RunState.WENT_BACK, went.told
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")


def test_nothing_is_taken_from_a_new_box_that_serves_while_the_old_one_is_dead(rehearsal: Rehearsal) -> None:
    run = rehearsal.start(existing(rehearsal))
    assert rehearsal.carry("run", run, kill_at="soak:acted").killed_at
    rehearsal.lab.kill("old")

    stayed = rehearsal.carry("back", run)

    assert (stayed.told["state"], stayed.told["exit_status"]) == (RunState.BACK_FAILED, 1), stayed.told
    assert "The old box does not answer, so nothing was taken from the new one." in stayed.told["summary"]
    assert "Users are served by the new box" in stayed.told["summary"]
    assert f"rebox abandon {run}" in stayed.told["next_move"]
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("new")
    assert rehearsal.holds_site_certificate("new")

    rehearsal.switch_on("old")
    went = rehearsal.carry("back", run)
    assert (went.told["state"], went.told["exit_status"]) == (RunState.WENT_BACK, 0), went.told
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")


def test_a_way_back_before_any_swing_has_not_ended_well_while_nobody_serves(rehearsal: Rehearsal) -> None:
    run = rehearsal.start(existing(rehearsal))
    assert rehearsal.carry("run", run, kill_at="capture-box-settings:recorded").killed_at
    rehearsal.lab.kill("old")

    failed = rehearsal.carry("back", run)
    assert (failed.told["state"], failed.told["step"]) == (RunState.BACK_FAILED, "prove-served"), failed.told
    assert failed.told["exit_status"] == 1
    assert "nobody answers well at 10.77.0.20 and fd77::20" in failed.told["summary"]

    serials = [
        rehearsal.plan(rehearsal.lab.folder.operator / "existing.toml")["boxes"][role] for role in ("old", "new")
    ]
    unasked = rehearsal.rebox("abandon", run, "--runs", rehearsal.runs)
    assert unasked.status == 3
    assert "old box (10.77.0.21): the box does not answer" in unasked.words
    assert "site address 10.77.0.20: nobody has it" in unasked.words
    wrong = rehearsal.rebox("abandon", run, "--runs", rehearsal.runs, "--serial", serials[0])
    assert wrong.status == 2
    done = rehearsal.rebox("abandon", run, "--runs", rehearsal.runs, "--serial", serials[0], "--serial", serials[1])
    assert done.status == 0, done.words
    assert "ABANDONED" in done.words
    assert rehearsal.history(run).state is RunState.ABANDONED
    page = (rehearsal.runs / run / "report.html").read_text(encoding="utf-8")
    assert "Abandoned" in page
    rehearsal.switch_on("old")
