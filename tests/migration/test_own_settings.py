"""What no backup holds, in a whole migration: refused while it would dangle, and never the end of a box."""

import json
from typing import Any

import pytest

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState

_BEGUN, _CONFIRMED, _REVERTED = "begin-network-change", "confirm-network-change", "revert-network-change"
_GOOD = '[[interface]]\nold = "eth0"\nnew = "eth0"\n'
_CUTS_OFF = 'leave = ["10.77.0.3"]\n' + _GOOD + 'addresses = ["10.77.0.22/32", "fd77::22/64"]\n'
_LEFT_BEHIND = '[[interface]]\nold = "eth0"\n'


@pytest.fixture
def inventory(rehearsal: Rehearsal) -> Any:
    """A new box from the factory; a table of interfaces; five seconds to find the new box again."""
    rehearsal.make_new_again()
    settings = {"interface_map": "interfaces.toml", "confirm_within_seconds": 5}
    return rehearsal.variant("own-settings", {"provision": {"driver": "existing"}, "box_settings": settings})


def write_table(rehearsal: Rehearsal, text: str) -> None:
    (rehearsal.lab.folder.operator / "interfaces.toml").write_text(text, encoding="utf-8")


def changes(rehearsal: Rehearsal) -> list[str]:
    return rehearsal.actions("new", _BEGUN, _CONFIRMED, _REVERTED)


def test_nothing_is_carried_or_restored_while_a_reference_would_dangle(rehearsal: Rehearsal, inventory: Any) -> None:
    write_table(rehearsal, _LEFT_BEHIND)
    run = rehearsal.start(inventory)
    stopped = rehearsal.carry("run", run)
    assert stopped.told["state"] == RunState.BLOCKED
    words = json.dumps(stopped.told)
    for thing in ("address 10.77.0.21", "shared address 10.77.0.20", "certificate support.example.net"):
        assert thing in words
    assert "interface_map" in stopped.told["next_move"]
    assert changes(rehearsal) == []
    assert rehearsal.actions("new", "restore-settings", "install-update") == []

    write_table(rehearsal, _GOOD)
    assert rehearsal.carry("resume", run, kill_at="carry-box-settings:recorded").killed_at
    assert changes(rehearsal) == [_BEGUN, _CONFIRMED]
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK
    assert changes(rehearsal) == [_BEGUN, _CONFIRMED] * 2


def test_a_table_that_cuts_the_new_box_off_does_so_for_seconds_and_is_mended(
    rehearsal: Rehearsal, inventory: Any
) -> None:
    write_table(rehearsal, _CUTS_OFF)
    run = rehearsal.start(inventory)
    failed = rehearsal.carry("run", run)
    assert failed.told["state"] == RunState.FAILED
    words = json.dumps(failed.told)
    assert "previous network settings again" in words
    assert "nobody confirmed it within 5 s" in words
    assert changes(rehearsal) == [_BEGUN, _REVERTED]

    write_table(rehearsal, _GOOD)
    assert rehearsal.carry("resume", run, kill_at="carry-box-settings:recorded").killed_at
    assert changes(rehearsal) == [_BEGUN, _REVERTED, _BEGUN, _CONFIRMED]
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK


def test_both_killed_while_the_change_waits_it_is_undone_and_made_again(rehearsal: Rehearsal, inventory: Any) -> None:
    write_table(rehearsal, _GOOD)
    run = rehearsal.start(inventory)
    assert rehearsal.carry("run", run, kill_at="carry-box-settings>PUT.*/changes/.*").killed_at
    rehearsal.lab.kill("new")
    rehearsal.switch_on_new()
    assert changes(rehearsal) == [_BEGUN, _REVERTED]
    assert rehearsal.carry("resume", run, kill_at="carry-box-settings:recorded").killed_at
    assert changes(rehearsal) == [_BEGUN, _REVERTED, _BEGUN, _CONFIRMED]
    rehearsal.lab.kill("new")
    rehearsal.switch_on_new()
    assert changes(rehearsal) == [_BEGUN, _REVERTED, _BEGUN, _CONFIRMED]
    (ntp,) = rehearsal.rows("new", "SELECT value FROM facts WHERE name = 'ntp_servers'")
    assert ntp["value"] == '["ntp.example.net"]'
    assert rehearsal.carry("back", run).told["state"] == RunState.WENT_BACK
