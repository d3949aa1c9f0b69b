"""`rebox abandon` as a person at the boxes uses it, on a small world of files in place of the wiring."""

import json
import shutil
from types import ModuleType
from typing import Any

import pytest

from tests.cli.test_runs import Command, rebox, wiring
from toolkit.engine.locks import BoxLocks
from toolkit.model.verdict import Verdict

__all__ = ["rebox", "wiring"]  # fixtures of this module, too

SERIALS = ("--serial", "OLD-1", "--serial", "NEW/2")


@pytest.fixture
def blocked(rebox: Command, wiring: Any) -> Command:
    """A run that stopped before its reset, and holds its boxes."""
    place = wiring.place
    vars(wiring).update(
        abandon=lambda run_id, runs, seen: place.engine().abandon(run_id, "anna", seen),
        box_locks=lambda: BoxLocks(place.folder / "state", place.engine().clock.now),
        look_around=lambda run_directory, plan: ("10.77.0.20 is at the new box, serving well.",),
    )
    place.set("gate-soaked", Verdict.FAILED)
    assert rebox("run", rebox.inventory, "--yes")[0] == 3
    return rebox


def claims(command: Command) -> int:
    return len(list((command.place.folder / "state" / "claims").iterdir()))


def test_it_says_what_stands_where_and_wants_every_serial_number(blocked: Command) -> None:
    status, _, err = blocked("abandon", "latest")
    assert status == 3
    assert "10.77.0.20 is at the new box, serving well." in err
    for left in ("swing: take swing out", "copy: take copy out", "prepare: take prepare out"):
        assert left in err
    assert "--serial S for each" in err
    for wrong in (("--serial", "OLD-1"), (*SERIALS, "--serial", "THIRD")):
        status, _, err = blocked("abandon", "latest", *wrong)
        assert status == 2
        assert "nothing was changed" in err
    assert claims(blocked) == 2


def test_it_gives_the_boxes_free_and_another_run_may_begin(blocked: Command) -> None:
    run_id = blocked.latest
    status, out, _ = blocked("abandon", "latest", *SERIALS)
    assert status == 0
    assert f"ABANDONED run {run_id}" in out
    assert "abandoned by anna" in out
    assert claims(blocked) == 0
    assert blocked("resume", run_id)[0] == 3
    status, _, err = blocked("abandon", run_id, *SERIALS)
    assert status == 3
    assert "it is abandoned" in err
    blocked.place.set("gate-soaked", Verdict.PASSED)
    assert blocked("run", blocked.inventory, "--yes")[0] == 0


def test_of_a_run_whose_folder_is_gone_it_gives_the_boxes_free_and_says_that_no_more_is_known(blocked: Command) -> None:
    run_id = blocked.latest
    shutil.rmtree(blocked.place.folder / "runs")
    status, _, err = blocked("abandon", run_id)
    assert status == 3
    assert "Nothing is known of run" in err
    assert claims(blocked) == 2
    status, out, _ = blocked("abandon", run_id, *SERIALS, "--json")
    assert status == 0
    assert json.loads(out)["released"] == ["NEW/2", "OLD-1"]
    assert claims(blocked) == 0


def test_a_run_whose_journal_is_damaged_holds_its_boxes_no_longer_than_somebody_wants(blocked: Command) -> None:
    run_id = blocked.latest
    journal = blocked.place.folder / "runs" / run_id / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert blocked("back", run_id, "--yes")[0] == 4
    status, out, _ = blocked("abandon", run_id, *SERIALS)
    assert status == 0
    assert f"ABANDONED run {run_id}" in out
    assert claims(blocked) == 0


def test_a_run_that_nobody_knows_is_a_mistake(blocked: Command, wiring: ModuleType) -> None:
    status, _, err = blocked("abandon", "20260101-nothing", *SERIALS)
    assert status == 2
    assert "there is no run" in err
