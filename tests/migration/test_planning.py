"""Planning and dry runs only look: what they send is recorded, on boxes in every state of a migration."""

from pathlib import Path

import pytest

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState

_STATES = ("take-into-use", "install-site-package", "put-back-records", "swing-traffic", "soak")


@pytest.fixture(scope="module")
def inventory(rehearsal: Rehearsal) -> Path:
    rehearsal.lab.power_on("new")
    return rehearsal.variant("existing", {"provision": {"driver": "existing"}})


def test_neither_a_plan_nor_a_dry_run_asks_for_a_change_in_any_state(rehearsal: Rehearsal, inventory: Path) -> None:
    assert_only_looks(rehearsal, inventory)
    run = rehearsal.start(inventory)
    for state in _STATES:
        assert rehearsal.carry("resume", run, kill_at=f"{state}:recorded").killed_at
        assert_only_looks(rehearsal, inventory)
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK
    assert_only_looks(rehearsal, inventory)


def test_planning_often_locks_nobody_out(rehearsal: Rehearsal) -> None:
    rehearsal.make_new_again()
    for _ in range(7):
        assert_only_looks(rehearsal, rehearsal.variant("often", {"provision": {"driver": "existing"}}))


def test_a_box_that_is_off_stays_off(rehearsal: Rehearsal) -> None:
    rehearsal.lab.power_off("new")
    assert_only_looks(rehearsal, rehearsal.inventory)
    assert rehearsal.lab.status().machines["new"].power == "off"


def assert_only_looks(rehearsal: Rehearsal, inventory: Path) -> None:
    before = everything(rehearsal)
    planned = rehearsal.operator("plan", inventory=inventory).told
    looked = rehearsal.operator("dry-run", inventory=inventory, runs=rehearsal.runs, plan=planned["plan"]).told
    for sent in (*planned["sent"], *looked["sent"]):
        method, _, place = sent.partition(" ")
        assert method in ("GET", "HEAD") or (method == "POST" and place.endswith("/oauth2/token")), sent
    assert len(planned["sent"]) >= 4, "it has looked"
    assert len(looked["sent"]) >= 4, "it has looked"
    assert everything(rehearsal) == before


def everything(rehearsal: Rehearsal) -> dict[str, object]:
    """What would show a change: audits, runs, and the site."""
    return {
        "old": rehearsal.audit("old"),
        "new": rehearsal.audit("new"),
        "runs": rehearsal.run_folders(),
        "site": rehearsal.site_as_users_see_it(),
    }
