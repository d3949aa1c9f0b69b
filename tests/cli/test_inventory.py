"""Boxes in quarantine, as people meet them: shown, refused everywhere, released by who types their serial number."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.test_main import GOOD, rebox
from toolkit.appliances.quarantine import Entry, Quarantine
from toolkit.wiring import load_inventory

OLD = load_inventory(GOOD).old.serial_number
WHY = "Whether the old box is a factory box cannot be told: it is silent."


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a machine whose run of yesterday could not verify a reset."""
    entry = Entry(
        step="reset-old",
        run_id="20260301-120000-abcd",
        run_directory=Path("/runs/20260301-120000-abcd"),
        since=datetime(2026, 3, 1, 12, tzinfo=UTC),
        ended="unknown",
        why=WHY,
        would_release=f'Have the step verified; or: rebox inventory release {OLD} --because "…"',
    )
    Quarantine(tmp_path).put(OLD, entry)
    return tmp_path


@pytest.mark.parametrize(
    "command", [("plan",), ("run", "--yes"), ("run", "--dry-run"), ("provision", "virtual"), ("provision", "metal")]
)
def test_nothing_is_begun_with_such_a_box(state: Path, command: tuple[str, ...]) -> None:
    verb, options = [word for word in command if not word.startswith("-")], [w for w in command if w.startswith("-")]
    done = rebox(*verb, str(GOOD), *options, REBOX_STATE=str(state))
    assert done.returncode == 3
    for words in (f"the old box, {OLD}, is in quarantine since 2026-03-01", WHY, f"rebox inventory release {OLD}"):
        assert words in done.stderr
    assert done.stdout == ""


def test_a_check_of_the_inventory_shows_it_and_says_that_it_would_be_refused(state: Path) -> None:
    done = rebox("inventory", "check", str(GOOD), REBOX_STATE=str(state))
    assert (done.returncode, WHY in done.stdout, "is a valid inventory" in done.stdout) == (3, True, True)
    told = rebox("inventory", "check", str(GOOD), "--json", REBOX_STATE=str(state))
    assert told.returncode == 3
    assert [entry["why"] for entry in json.loads(told.stdout)["quarantined"][OLD]] == [WHY]


def test_all_of_them_can_be_listed(state: Path) -> None:
    assert OLD in rebox("inventory", "quarantined", REBOX_STATE=str(state)).stdout
    assert [*json.loads(rebox("inventory", "quarantined", "--json", REBOX_STATE=str(state)).stdout)] == [OLD]
    nobody = rebox("inventory", "quarantined", REBOX_STATE=str(state / "other"))
    assert (nobody.returncode, nobody.stdout) == (0, "No box is in quarantine.\n")


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--because", "shredded"], 2, "nobody can be asked for the box's serial number"),
        (["--because", "shredded", "--confirm-serial", "RB-OTHER"], 2, "nothing was released"),
        (["--because", " ", "--confirm-serial", OLD], 2, "a release needs its reason"),
        (["--confirm-serial", OLD], 2, "Missing option '--because'"),
    ],
)
def test_a_slip_releases_nothing(state: Path, options: list[str], status: int, told: str) -> None:
    done = rebox("inventory", "release", OLD, *options, REBOX_STATE=str(state))
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr
    assert Quarantine(state).of(OLD)


def test_who_has_typed_the_serial_number_again_releases_the_box_and_the_reason_is_kept(state: Path) -> None:
    words = ("inventory", "release", OLD, "--because", "opened it: the disk is shredded", "--confirm-serial", OLD)
    done = rebox(*words, REBOX_STATE=str(state))
    assert (done.returncode, f"The box {OLD} is released" in done.stdout) == (0, True), done.stderr
    assert rebox("inventory", "check", str(GOOD), REBOX_STATE=str(state)).returncode == 0
    assert [entry.because for entry in Quarantine(state).history(OLD)] == ["opened it: the disk is shredded"]
    again = rebox(*words, REBOX_STATE=str(state))
    assert (again.returncode, "is not in quarantine" in again.stderr) == (2, True)
