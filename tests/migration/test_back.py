"""The way back, taken from every step up to the reset, killed on the way, and closed once the reset has begun."""

import re

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState
from toolkit.probes.watch import Watch

# each has more to take back than the one before it; from every step, and with a box cut off: test_back_matrix
_WHERE = ("inspect-old", "import-certificate", "start-watch", "swing-traffic", "carry-late-changes")


def test_the_old_box_serves_again_after_going_back(rehearsal: Rehearsal) -> None:
    # switched on beforehand: booting it anew for every step would take most of the time
    inventory = rehearsal.variant("existing", {"provision": {"driver": "existing"}})
    rehearsal.switch_on_new()

    for step in _WHERE:
        run = rehearsal.start(inventory)
        assert rehearsal.carry("run", run, kill_at=f"{step}:recorded").killed_at == f"{step}:recorded"
        assert rehearsal.history(run).state is RunState.INTERRUPTED

        went = rehearsal.carry("back", run)

        assert went.told["state"] == RunState.WENT_BACK, (step, went.told)
        assert_old_alone_serves(rehearsal, run)


def assert_old_alone_serves(rehearsal: Rehearsal, run: str) -> None:
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")
    assert not rehearsal.holds_site_certificate("new")
    watches = [folder for folder in (rehearsal.runs / run).glob("watch/*") if (folder / "started.json").exists()]
    assert not any(Watch.adopt(folder).running for folder in watches)
    assert rehearsal.history(run).to_undo == ()


def test_killed_again_and_again_on_the_way_back_it_goes_on(rehearsal: Rehearsal) -> None:
    inventory = rehearsal.variant("existing", {"provision": {"driver": "existing"}})
    rehearsal.switch_on_new()
    run = rehearsal.start(inventory)
    assert rehearsal.carry("run", run, kill_at="swing-traffic:verified").killed_at

    kills: list[str] = []
    while (went := rehearsal.carry("back", run, kill_at=".+:(undoing|undone)|.+>.+", seen=kills)).killed_at:
        kills.append(went.killed_at)
        assert rehearsal.history(run).state is RunState.GOING_BACK

    assert went.told["state"] == RunState.WENT_BACK, went.told
    assert {"swing-traffic:undoing", "swing-traffic:undone", "start-watch:undoing", "start-watch:undone"} <= {*kills}
    assert sum(">PATCH" in kill for kill in kills) == 4, "each change of each address"
    assert any(">DELETE" in kill and "/certificates/" in kill for kill in kills)
    assert_old_alone_serves(rehearsal, run)


def test_a_box_that_was_switched_on_for_the_run_is_switched_off_again_wherever_it_was_killed(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.lab.power_off("new")
    console = rehearsal.lab.folder.console("new")
    console.unlink(missing_ok=True)
    run = rehearsal.start(rehearsal.inventory)
    killed = rehearsal.carry("run", run, kill_at="provision-new~.+", when_there={"provision-new~boots": console})
    assert killed.killed_at == "provision-new~boots"
    assert rehearsal.lab.status().machines["new"].power == "on"

    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK

    assert rehearsal.lab.status().machines["new"].power == "off"


def test_the_estimate_is_said_in_advance_and_the_way_back_ends_with_the_reset(rehearsal: Rehearsal) -> None:
    rehearsal.switch_on_new()
    inventory = rehearsal.variant("existing", {"provision": {"driver": "existing"}})
    run = rehearsal.start(inventory)
    assert rehearsal.carry("run", run, kill_at="prove-site:recorded").killed_at
    told = rehearsal.rebox("back", run, "--yes", "--runs", rehearsal.runs)
    assert told.status == 0, told.words
    estimate = re.search(
        r"Going back takes about [1-9]\d* s: swing-traffic, (carry-changes, )?start-watch, ", told.words
    )
    assert estimate
    assert estimate.start() < told.words.index("WENT-BACK")

    run = rehearsal.start(inventory)
    assert rehearsal.carry("run", run, kill_at="reset-old:acting").killed_at
    changes = rehearsal.audit("old"), rehearsal.audit("new")
    refused = rehearsal.rebox("back", run, "--yes", "--runs", rehearsal.runs)
    assert refused.status == 3
    assert "there is no way back any more" in refused.words
    assert "the irreversible step reset-old has begun" in refused.words
    assert f"rebox resume {run}" in refused.words
    assert "Going back takes" not in refused.words
    assert (rehearsal.audit("old"), rehearsal.audit("new")) == changes

    assert rehearsal.carry("resume", run).told["state"] == RunState.PASSED
    refused = rehearsal.carry("back", run)
    assert refused.error
    assert "no way back" in refused.error["what"]
