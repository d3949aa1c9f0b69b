"""Sessions made on the new box while it served: collected on the way back, put back, counted and named."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import SmallBox, box_with_sessions, quiet
from tests.step_context import context_of, inventory, world_of
from toolkit.appliances.protocol import Appliance
from toolkit.backup.put_back import put_back_records
from toolkit.backup.records import extract_records, open_archive
from toolkit.backup.stranded import FROM_NEW, CollectFromNew
from toolkit.model.box import BoxStatus
from toolkit.model.errors import UnreachableError
from toolkit.model.execution import Outcome, Result
from toolkit.model.verdict import Verdict


@dataclass
class BusyBox(SmallBox):
    """A box on which sessions may still be going on."""

    active: int = 0

    def status(self) -> BoxStatus:
        return super().status().model_copy(update={"active_sessions": self.active})


@dataclass
class Pair:
    """Two boxes after a swing: the new one holds what the old one held, and has made sessions of its own."""

    folder: Path
    key: Key
    old: SmallBox
    new: BusyBox

    def collect(self) -> tuple[Result, Outcome]:
        world = world_of(self.folder, of=inventory("shared-ip.toml", backup={"recipients": (self.key.recipient,)}))
        world.old, world.new = cast(Appliance, self.old), cast(Appliance, self.new)
        world.once("backup identities", lambda: (self.key.identity,))
        context = context_of(self.folder, world)
        result = CollectFromNew().act(context)
        return result, CollectFromNew().verify(context, result)


@pytest.fixture
def pair(tmp_path: Path, key: Key) -> Pair:
    old, new = box_with_sessions(6), BusyBox(name="new", serial_number="BX-0002")
    archive = extract_records(old, tmp_path / "backup/records", [key.recipient], 0, quiet, now=NOW)
    put_back_records(archive, (key.identity,), new, quiet)
    old.changes.clear()
    return Pair(tmp_path, key, old, new)


def test_nothing_made_is_said_and_changes_nothing(pair: Pair) -> None:
    result, outcome = pair.collect()
    assert outcome.verdict is Verdict.PASSED
    assert outcome.summary == "No session was made on the new box since the swing."
    assert result["made"] == 0
    assert pair.old.changes == []
    assert not (pair.folder / FROM_NEW).exists()


def test_they_are_put_back_alone_with_their_recordings_and_named(pair: Pair) -> None:
    pair.new.add_session(5000, "since-1", b"a recording")
    pair.new.add_session(5001, "since-2", None)
    result, outcome = pair.collect()
    assert outcome.verdict is Verdict.PASSED
    assert pair.old.changes == ["session since-1", "session since-2", "recording since-1"]
    assert outcome.summary == (
        "2 sessions were made on the new box since the swing (since-1, since-2); all of them are on the old box now, "
        f"and they are kept in {FROM_NEW}."
    )
    rows = cast(list[dict[str, object]], result["compared"])
    assert [(row["kind"], row["before"], row["after"]) for row in rows] == [
        ("sessions made on the new box", 2, 2),
        ("recordings made on the new box", 1, 1),
    ]
    assert open_archive(pair.folder / FROM_NEW).counts.sessions == 2
    assert pair.new.changes.count("session since-1") == 0


def test_done_again_nothing_is_doubled_and_what_came_later_is_added(pair: Pair) -> None:
    pair.new.add_session(5000, "since-1", None)
    pair.collect()
    pair.new.add_session(5001, "since-2", None)
    result, outcome = pair.collect()
    assert outcome.verdict is Verdict.PASSED
    assert result["made"] == 2
    assert pair.old.changes == ["session since-1", "session since-2"]


def test_an_old_box_that_takes_none_leaves_them_in_the_archive_and_that_is_said(pair: Pair) -> None:
    pair.old = replace(pair.old, capabilities=frozenset())
    for number in range(7):
        pair.new.add_session(5000 + number, f"since-{number}", None)
    _, outcome = pair.collect()
    assert outcome.verdict is Verdict.PASSED
    assert "since-4 and 2 more" in outcome.summary
    assert "7 of them are not on the old box (the box takes no session records" in outcome.summary
    assert "they stay in the archive" in outcome.summary
    assert open_archive(pair.folder / FROM_NEW).counts.sessions == 7


def test_a_session_that_is_still_going_on_is_waited_for(pair: Pair) -> None:
    pair.new.active = 1
    _, outcome = pair.collect()
    assert outcome.verdict is Verdict.UNKNOWN
    assert "1 support session is still going on at the new box" in outcome.summary
    assert "rebox back run-1" in outcome.summary

    pair.new.active = 0
    pair.new.add_session(5000, "ended", None)
    _, outcome = pair.collect()
    assert outcome.verdict is Verdict.PASSED
    assert pair.old.changes == ["session ended"]


def test_cut_off_in_the_middle_it_goes_on(pair: Pair) -> None:
    pair.new.add_session(5000, "since-1", b"x" * 9000)

    def cut(lsid: str, offset: int) -> None:
        raise UnreachableError("the cable is out")

    pair.new.before_chunk = cut
    with pytest.raises(UnreachableError):
        pair.collect()
    assert pair.old.changes == []
    pair.new.before_chunk = lambda lsid, offset: None
    _, outcome = pair.collect()
    assert outcome.verdict is Verdict.PASSED
    assert pair.old.changes == ["session since-1", "recording since-1"]
