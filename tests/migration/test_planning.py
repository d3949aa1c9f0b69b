"""Planning and dry runs only look: what they send is recorded, on boxes in every state of a migration."""

from pathlib import Path

import pytest

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState

_BEFORE_CERTIFICATE = ("take-into-use",)
_AFTER_CERTIFICATE = ("import-certificate", "swing-traffic")


@pytest.fixture(scope="module")
def inventory(rehearsal: Rehearsal) -> Path:
    rehearsal.switch_on_new()
    return rehearsal.variant("existing", {"provision": {"driver": "existing"}})


def test_neither_a_plan_nor_a_dry_run_asks_for_a_change_in_any_state(rehearsal: Rehearsal, inventory: Path) -> None:
    assert assert_only_looks(rehearsal, inventory) == []
    run = rehearsal.start(inventory)
    for state in _BEFORE_CERTIFICATE:
        assert rehearsal.carry("resume", run, kill_at=f"{state}:recorded").killed_at
        assert assert_only_looks(rehearsal, inventory) == []
    for state in _AFTER_CERTIFICATE:
        assert rehearsal.carry("resume", run, kill_at=f"{state}:recorded").killed_at
        (note,) = assert_only_looks(rehearsal, inventory)
        assert_says_why_the_new_box_is_known(rehearsal, note, run)
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK
    assert assert_only_looks(rehearsal, inventory) == []


def assert_says_why_the_new_box_is_known(rehearsal: Rehearsal, words: str, run: str) -> None:
    """The new box shows the site's certificate on its own address, because the run has put it there."""
    assert rehearsal.lab.description.site
    for word in ("new (10.77.0.22)", rehearsal.lab.description.site.certificate_sha256, run):
        assert word in words


def test_in_the_middle_of_a_run_people_are_shown_it_and_not_sent_to_change_the_inventory(
    rehearsal: Rehearsal, inventory: Path
) -> None:
    rehearsal.switch_on_new()
    run = rehearsal.start(inventory)
    assert rehearsal.carry("run", run, kill_at="import-certificate:recorded").killed_at
    for command in (("plan",), ("run", "--dry-run", "--runs", rehearsal.runs)):
        shown = rehearsal.rebox(*command, inventory)
        assert shown.status == 0, shown.words
        assert_says_why_the_new_box_is_known(rehearsal, shown.words, run)
    refused = rehearsal.rebox("run", inventory, "--yes", "--runs", rehearsal.runs)
    assert refused.status == 3, refused.words
    assert f"rebox resume {run}, or rebox back {run}" in refused.words
    assert "tls_sha256" not in refused.words
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK


def test_planning_often_locks_nobody_out(rehearsal: Rehearsal) -> None:
    rehearsal.make_new_again()
    inventory = rehearsal.variant("often", {"provision": {"driver": "existing"}})
    for _ in range(8):
        assert rehearsal.operator("plan", inventory=inventory).told["plan"]["boxes"]["new"] == "RB-NEW-0002"


def test_a_box_that_is_off_stays_off(rehearsal: Rehearsal) -> None:
    rehearsal.lab.power_off("new")
    assert_only_looks(rehearsal, rehearsal.inventory)
    assert rehearsal.lab.status().machines["new"].power == "off"


def assert_only_looks(rehearsal: Rehearsal, inventory: Path) -> list[str]:
    """A plan and a dry run change nothing; what the plan notes."""
    before = everything(rehearsal)
    planned = rehearsal.operator("plan", inventory=inventory).told
    looked = rehearsal.operator("dry-run", inventory=inventory, runs=rehearsal.runs, plan=planned["plan"]).told
    for sent in (*planned["sent"], *looked["sent"]):
        method, _, place = sent.partition(" ")
        assert method in ("GET", "HEAD") or (method == "POST" and place.endswith("/oauth2/token")), sent
    assert looked["seen"]["start-watch"] == looked["seen"]["soak"] == "would be done"
    assert len(planned["sent"]) >= 4, "it has looked"
    assert len(looked["sent"]) >= 4, "it has looked"
    assert everything(rehearsal) == before
    notes: list[str] = planned["plan"]["notes"]
    return notes


def everything(rehearsal: Rehearsal) -> dict[str, object]:
    """What would show a change: audits, runs, and the site."""
    return {
        "old": rehearsal.audit("old"),
        "new": rehearsal.audit("new"),
        "runs": rehearsal.run_folders(),
        "site": rehearsal.site_as_users_see_it(),
    }
