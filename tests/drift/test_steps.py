"""Something changes on the old box after its backup, before the swing and after it; carried, or told, as is chosen."""

from collections.abc import Callable

import pytest

from tests.drift.conftest import ROUTE, Run
from tests.emulator.appliance.box_process import ADMIN_PASSWORD
from toolkit.drift.comparison import Standing
from toolkit.drift.looking import read_changes
from toolkit.model.box import NetworkRoute, TlsSettings, WantedNetwork
from toolkit.model.errors import RefusedError
from toolkit.model.verdict import Verdict

USER, TEAM, OPTION = "user-0007", "team-02", "session.idle_timeout_minutes"


def disabled(run: Run, role: str) -> None:
    run.disable_user(role, USER)


def added(run: Run, role: str) -> None:
    run.add_user(role, "carla.dias")


def team_changed(run: Run, role: str) -> None:
    run.change_record(role, "teams", TEAM, name="Night Shift")


def option_changed(run: Run, role: str) -> None:
    run.change_record(role, "options", OPTION, value=5)


def jump_client_changed(run: Run, role: str) -> None:
    run.change_record(role, "jump-clients", "jump-00003", comments="moved to the back office")


SETTINGS: tuple[Callable[[Run, str], None], ...] = (disabled, added, team_changed, option_changed, jump_client_changed)


def edit(run: Run, role: str, *edits: Callable[[Run, str], None]) -> None:
    """Somebody does all of it on one of the boxes; without `edits`, one of each kind."""
    for one in edits or SETTINGS:
        one(run, role)


def test_a_box_left_alone_shows_nothing_from_its_backup_to_its_reset(run: Run) -> None:
    run.carry()
    assert run.gate("old-unchanged").verdict is Verdict.PASSED
    run.carry("carry-late-changes")
    assert run.gate("changes-settled").verdict is run.gate("settings-compared").verdict is Verdict.PASSED
    assert run.results["carry-changes"]["changes"] == []
    assert read_changes(run.folder) == ()
    assert not (run.folder / "backup/settings-2").exists()


def test_before_the_swing_a_changed_setting_is_carried_by_a_fresh_backup_beside_the_first(run: Run) -> None:
    first = {path.name: path.read_bytes() for path in (run.folder / "backup/settings").iterdir() if path.is_file()}
    edit(run, "old")
    result = run.carry()
    kinds = ("users", "teams", "options", "jump-clients")
    assert [run.records("new", kind) for kind in kinds] == [run.records("old", kind) for kind in kinds]
    assert len(result["changes"]) == len(SETTINGS)  # type: ignore[arg-type]  # a list of keys
    assert {change.standing for change in read_changes(run.folder)} == {Standing.THERE}
    assert (run.folder / "backup/settings-2/manifest.json").exists()
    kept = {path.name: path.read_bytes() for path in (run.folder / "backup/settings").iterdir() if path.is_file()}
    assert kept == first
    assert run.gate("old-unchanged").verdict is Verdict.PASSED
    run.carry("carry-late-changes")
    assert run.gate("settings-compared").verdict is Verdict.PASSED


def test_a_user_disabled_on_the_old_box_is_disabled_on_the_new_one_and_the_password_is_forgotten(run: Run) -> None:
    disabled(run, "old")
    run.carry()
    user = run.user("new", USER)
    assert user is not None
    assert user["enabled"] is False


def test_where_it_is_to_block_the_run_stops_with_what_to_enter_by_hand_and_goes_on_once_it_is_there(
    run: Run,
) -> None:
    run.backup = {"changed_meanwhile": "block"}
    edit(run, "old")
    before = run.restores("new")
    with pytest.raises(RefusedError) as refused:
        run.carry()
    assert "5 changes of the old box are not on the new one" in str(refused.value)
    assert "leave_changes" in refused.value.next_move
    assert "rebox resume run-1" in refused.value.next_move
    edit(run, "new")
    run.carry()
    assert run.restores("new") == before
    assert run.gate("settings-compared").verdict is Verdict.PASSED


def test_what_is_changed_between_the_comparison_and_the_swing_is_not_passed_over(run: Run) -> None:
    run.carry()
    edit(run, "old", disabled)
    outcome = run.gate("old-unchanged")
    assert outcome.verdict is Verdict.FAILED
    assert "rebox resume run-1" in outcome.next_move
    run.carry()
    assert run.gate("old-unchanged").verdict is Verdict.PASSED


def test_after_the_swing_a_user_disabled_on_the_old_box_is_disabled_on_the_new_one_whose_own_changes_stay(
    run: Run,
) -> None:
    run.carry()
    made_on_new = run.add_user("new", "made.on.new")
    disabled(run, "old")
    assert run.gate("changes-settled").verdict is Verdict.FAILED
    restores = run.restores("new")
    run.carry("carry-late-changes")
    user = run.user("new", USER)
    assert user is not None
    assert user["enabled"] is False
    assert run.user("new", made_on_new)
    assert run.restores("new") == restores
    assert run.gate("changes-settled").verdict is run.gate("settings-compared").verdict is Verdict.PASSED


def test_after_the_swing_what_cannot_be_carried_blocks_the_reset_until_the_new_box_shows_it(
    run: Run,
) -> None:
    run.carry()
    run.add_user("new", "made.on.new")  # takes the number that the old box will give away too
    late = (added, team_changed, option_changed, jump_client_changed)
    edit(run, "old", *late)
    restores = run.restores("new")
    with pytest.raises(RefusedError, match="not on the new one"):
        run.carry("carry-late-changes")
    outcome = run.gate("changes-settled")
    assert outcome.verdict is Verdict.FAILED
    edit(run, "new", *late)
    run.carry("carry-late-changes")
    assert run.gate("changes-settled").verdict is run.gate("settings-compared").verdict is Verdict.PASSED
    assert run.restores("new") == restores


@pytest.mark.parametrize("step", ["carry-changes", "carry-late-changes"])
def test_the_same_record_changed_on_both_boxes_blocks_and_both_versions_are_named(run: Run, step: str) -> None:
    if step == "carry-late-changes":
        run.carry()
    run.change_record("old", "options", OPTION, value=5)
    run.change_record("new", "options", OPTION, value=90)
    restores = run.restores("new")
    with pytest.raises(RefusedError) as refused:
        run.carry(step)
    assert "old 5, new 90" in refused.value.why
    assert run.restores("new") == restores
    run.backup = {"leave_changes": (f"options/{OPTION}",)}
    run.carry(step)
    assert [(change.key, change.standing) for change in read_changes(run.folder)] == [
        (f"options/{OPTION}", Standing.LEFT)
    ]


def test_a_restore_that_would_undo_what_was_done_on_the_new_box_is_not_made(run: Run) -> None:
    run.change_record("new", "options", OPTION, value=90)
    team_changed(run, "old")
    restores = run.restores("new")
    with pytest.raises(RefusedError, match="restore would undo") as refused:
        run.carry()
    assert OPTION in refused.value.why
    assert "Night Shift" in refused.value.next_move
    assert run.restores("new") == restores


def test_a_route_added_changed_and_removed_on_the_old_box_is_carried_each_time(run: Run) -> None:
    first = (run.folder / "box-settings.json").read_bytes()
    steps = [(ROUTE,), (NetworkRoute(destination=ROUTE.destination, gateway="10.77.0.8"),), ()]
    for number, routes in enumerate(steps, start=2):
        run.set_network("old", WantedNetwork(routes=routes))
        run.carry()
        assert run.drivers["new"].network().routes == routes
        assert (run.folder / f"box-settings-{number}.json").exists()
    assert (run.folder / "box-settings.json").read_bytes() == first


def test_after_the_swing_nobody_touches_the_network_of_a_box_that_serves(run: Run) -> None:
    run.carry()
    run.set_network("old", WantedNetwork(routes=(ROUTE,)))
    with pytest.raises(RefusedError) as refused:
        run.carry("carry-late-changes")
    assert f"route {ROUTE.destination}" in refused.value.next_move
    assert ROUTE.gateway in refused.value.next_move
    assert run.drivers["new"].network().routes == ()
    run.set_network("new", WantedNetwork(routes=(ROUTE,)))
    run.carry("carry-late-changes")


def test_tls_made_stricter_on_the_old_box_is_carried(run: Run) -> None:
    strict = TlsSettings(minimum_version="TLSv1.3")
    run.drivers["old"].set_tls_settings(strict)
    run.carry()
    assert run.drivers["new"].tls_settings() == strict


def test_an_api_account_made_meanwhile_is_told_because_nobody_knows_its_secret(run: Run) -> None:
    run.make_api_account("old", "scanner")
    with pytest.raises(RefusedError) as refused:
        run.carry()
    assert "API account scanner" in refused.value.next_move
    run.make_api_account("new", "scanner")
    run.carry()


def test_a_password_that_was_only_changed_shows_on_no_page_and_is_carried_all_the_same(run: Run) -> None:
    username = str(run.records("old", "users")[9]["username"])
    new_password = "another horse battery"
    run.carry()
    assert run.change_password("old", username, ADMIN_PASSWORD, new_password) == 204
    assert run.gate("old-unchanged").verdict is Verdict.FAILED
    run.carry()
    assert [(change.key, change.outcome()) for change in read_changes(run.folder)] == [
        (f"passwords/{username}", "carried over")
    ]
    assert run.gate("old-unchanged").verdict is Verdict.PASSED
    assert run.change_password("new", username, ADMIN_PASSWORD, "yet another horse") == 401
    assert run.change_password("new", username, new_password, "yet another horse") == 204


def test_after_the_swing_a_changed_password_is_told_until_somebody_has_seen_to_it(run: Run) -> None:
    run.carry()
    user = run.records("old", "users")[9]
    run.disable_user("old", str(user["id"]))
    run.call("old", "POST", f"/api/v1/users/{user['id']}/enable", password="a first password")
    with pytest.raises(RefusedError) as refused:
        run.carry("carry-late-changes")
    assert f"ive user {user['username']} another first password" in refused.value.next_move
    run.backup = {"leave_changes": (f"passwords/{user['username']}",)}
    run.carry("carry-late-changes")
    assert run.gate("changes-settled").verdict is Verdict.PASSED
