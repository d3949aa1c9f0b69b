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
    assert_only_looks(rehearsal, inventory)
    run = rehearsal.start(inventory)
    assert rehearsal.lab.description.site
    # from then on the new box shows the site's certificate on its own address, too
    later = {"new.tls_sha256": rehearsal.lab.description.site.certificate_sha256}
    in_the_middle = rehearsal.variant("middle", {"provision": {"driver": "existing"}, **later})
    for state in _BEFORE_CERTIFICATE:
        assert rehearsal.carry("resume", run, kill_at=f"{state}:recorded").killed_at
        assert_only_looks(rehearsal, inventory)
    for state in _AFTER_CERTIFICATE:
        assert rehearsal.carry("resume", run, kill_at=f"{state}:recorded").killed_at
        assert_only_looks(rehearsal, in_the_middle)
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK
    assert_only_looks(rehearsal, inventory)


def test_planning_often_locks_nobody_out(rehearsal: Rehearsal) -> None:
    rehearsal.make_new_again()
    inventory = rehearsal.variant("often", {"provision": {"driver": "existing"}})
    for _ in range(8):
        assert rehearsal.operator("plan", inventory=inventory).told["plan"]["boxes"]["new"] == "RB-NEW-0002"


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
    assert looked["seen"]["start-watch"] == looked["seen"]["soak"] == "would be done"
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
