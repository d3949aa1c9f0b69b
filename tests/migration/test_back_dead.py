"""The way back with a box that is dead or cut off: users are served first, the rest is named and done later."""

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState
from toolkit.model.verdict import Verdict


def test_the_old_box_serves_again_though_the_new_one_is_dead_and_the_rest_is_done_when_it_is_back(
    rehearsal: Rehearsal,
) -> None:
    inventory = rehearsal.variant("existing", {"provision": {"driver": "existing"}})
    rehearsal.switch_on_new()
    run = rehearsal.start(inventory)
    assert rehearsal.carry("run", run, kill_at="prove-site:recorded").killed_at
    rehearsal.lab.kill("new")

    went = rehearsal.carry("back", run)

    assert went.told["state"] == RunState.BACK_TO_DO, went.told
    assert went.told["exit_status"] == 4
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")
    print(went.told)
    print(rehearsal.history(run).to_do)

    rehearsal.switch_on_new()
    print(rehearsal.site_as_users_see_it())
    went = rehearsal.carry("back", run)
    print(went.told)
    assert went.told["state"] == RunState.WENT_BACK, went.told
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")
    assert not rehearsal.holds_site_certificate("new")
    assert went.told["verdict"] == Verdict.PASSED
    print(went.told)
