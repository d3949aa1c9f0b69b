"""The registry of boxes in quarantine: kept by serial number, closed with a reason, never silently forgotten."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.appliances.quarantine import Entry, Quarantine
from toolkit.model.errors import InputError, RefusedError, StorageError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERIAL = "RB/OLD 1"


def entry(step: str = "reset-old", **fields: object) -> Entry:
    given = {"run_id": "run-1", "run_directory": "/runs/run-1", "since": NOW, "ended": "unknown", "why": "it is silent"}
    return Entry.model_validate({**given, "step": step, "would_release": "Have it verified.", **fields})


def test_a_box_is_in_quarantine_by_its_serial_number_until_its_step_is_known(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    assert (quarantine.of(SERIAL), quarantine.boxes()) == ((), {})
    assert not list(tmp_path.iterdir()), "to look writes nothing"
    quarantine.put(SERIAL, entry())
    quarantine.put(SERIAL, entry("wipe-old"))
    assert [each.step for each in Quarantine(tmp_path).of(SERIAL)] == ["reset-old", "wipe-old"]
    assert [*quarantine.boxes()] == [SERIAL]
    quarantine.close(SERIAL, "reset-old", NOW, "verified")
    assert [each.step for each in quarantine.of(SERIAL)] == ["wipe-old"], "another step is another question"
    quarantine.close(SERIAL, "wipe-old", NOW, "verified")
    assert (quarantine.of(SERIAL), quarantine.boxes()) == ((), {})
    assert [each.because for each in quarantine.history(SERIAL)] == ["verified", "verified"]


def test_a_step_that_ends_again_says_how_it_ended_last_and_since_when_it_is_so(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.put(SERIAL, entry(ended="begun"))
    quarantine.put(SERIAL, entry(ended="failed", since=NOW + timedelta(hours=1)))
    assert [(each.ended, each.since) for each in quarantine.of(SERIAL)] == [("failed", NOW)]


def test_a_release_closes_all_of_it_and_keeps_who_said_why(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    for step in ("reset-old", "wipe-old"):
        quarantine.put(SERIAL, entry(step))
    assert len(quarantine.release(SERIAL, NOW, "shredded")) == 2
    assert quarantine.of(SERIAL) == ()
    assert {(each.because, each.released) for each in quarantine.history(SERIAL)} == {("shredded", NOW)}
    quarantine.put(SERIAL, entry())
    assert len(quarantine.history(SERIAL)) == 3, "what comes later is new"


def test_who_is_not_in_quarantine_cannot_be_released(tmp_path: Path) -> None:
    Quarantine(tmp_path).put(SERIAL, entry())
    with pytest.raises(InputError, match=f"in quarantine are: {SERIAL}"):
        Quarantine(tmp_path).release("RB-OTHER", NOW, "x")


def test_a_plan_is_refused_in_either_role_with_the_reason_and_the_way_out(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.refuse([("old", SERIAL), ("new", "RB-NEW")])
    quarantine.put(SERIAL, entry())
    for role in ("old", "new"):
        with pytest.raises(RefusedError, match=rf"the {role} box.*it is silent.*Have it verified"):
            quarantine.refuse([(role, SERIAL)])
    quarantine.refuse([("new", "RB-NEW")])


@pytest.mark.parametrize("content", ["", "{", '{"serial_number": 1}', "[]", '{"serial_number": "x", "new": 1}'])
def test_a_file_that_cannot_be_read_lets_nothing_through(tmp_path: Path, content: str) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.put(SERIAL, entry())
    (file,) = (tmp_path / "quarantine").glob("*.json")
    file.write_text(content)
    with pytest.raises(StorageError, match="cannot be read whether"):
        quarantine.refuse([("old", SERIAL)])
    with pytest.raises(StorageError, match="cannot be read whether"):
        quarantine.put(SERIAL, entry())
    assert file.read_text() == content


@given(serials=st.lists(st.text(min_size=1, max_size=20), unique=True, min_size=1, max_size=4))
def test_any_serial_number_has_a_file_of_its_own(tmp_path_factory: pytest.TempPathFactory, serials: list[str]) -> None:
    quarantine = Quarantine(tmp_path_factory.mktemp("state"))
    for serial in serials:
        quarantine.put(serial, entry(why=f"of {serial!r}"))
    assert {serial: kept[0].why for serial, kept in quarantine.boxes().items()} == {s: f"of {s!r}" for s in serials}
