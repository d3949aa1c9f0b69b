"""Putting back: all of it, some of it, none of it, twice, and counted on both sides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import DeadLineError, SmallBox, box_with_sessions, factory_box, quiet
from toolkit.backup.age import WrongIdentityError
from toolkit.backup.put_back import RecordsComparison, put_back_records
from toolkit.backup.records import RecordsArchive, extract_records
from toolkit.backup.segments import Limits
from toolkit.model.box import ImportResult
from toolkit.model.errors import BackupError, UnreachableError
from toolkit.model.verdict import Verdict

LIMITS = Limits(recording_bytes=60_000, sessions=7)
BOTH = ("import-sessions", "import-recordings")


@pytest.fixture
def old() -> SmallBox:
    return box_with_sessions()


@pytest.fixture
def archive(old: SmallBox, tmp_path: Path, key: Key) -> RecordsArchive:
    return extract_records(old, tmp_path / "r", [key.recipient], 0, quiet, now=NOW, limits=LIMITS)


def put_back(archive: RecordsArchive, key: Key, box: SmallBox) -> RecordsComparison:
    return put_back_records(archive, [key.identity], box, quiet)


def test_all_of_it_is_on_the_new_box_and_counted_on_both_sides(
    old: SmallBox, archive: RecordsArchive, key: Key
) -> None:
    new = factory_box(*BOTH)
    found = put_back(archive, key, new)
    assert new.contents == old.contents
    assert found.verdict is Verdict.PASSED
    sessions, recordings = found.compared()
    assert (sessions.before, sessions.after, sessions.different, sessions.note) == (30, 30, 0, "")
    assert (recordings.before, recordings.after, recordings.note) == (20, 20, "")
    assert (found.sessions_imported, found.recordings_imported) == (30, 20)


def test_put_back_again_nothing_is_sent(archive: RecordsArchive, key: Key) -> None:
    new = factory_box(*BOTH)
    put_back(archive, key, new)
    new.changes.clear()
    found = put_back(archive, key, new)
    assert new.changes == []
    assert (found.sessions_already, found.recordings_already) == (30, 20)
    assert found.verdict is Verdict.PASSED


def test_interrupted_it_goes_on_with_what_is_missing(archive: RecordsArchive, key: Key) -> None:
    class Breaking(SmallBox):
        def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult:
            if len(self.contents) == 9:
                raise DeadLineError
            return super().import_recording(lsid, chunks, size_bytes, sha256)

    breaking = Breaking(capabilities=frozenset(BOTH))
    with pytest.raises(UnreachableError):
        put_back(archive, key, breaking)
    new = factory_box(*BOTH)
    new.listed, new.contents, new.announced = breaking.listed, breaking.contents, breaking.announced
    found = put_back(archive, key, new)
    assert (found.recordings_already, found.recordings_imported) == (9, 11)
    assert found.verdict is Verdict.PASSED


def test_a_box_that_takes_no_recordings_gets_the_sessions_and_the_rest_is_explained(
    archive: RecordsArchive, key: Key
) -> None:
    new = factory_box("import-sessions")
    found = put_back(archive, key, new)
    assert (found.sessions_after, found.recordings_after, found.recordings_not_taken) == (30, 0, 20)
    assert (found.sessions_verdict, found.recordings_verdict) == (Verdict.PASSED, Verdict.SKIPPED)
    assert found.verdict is Verdict.PASSED
    assert found.compared()[1].note == ("the box takes no recordings with Bomgar-12.2.0; they stay in the archive")


def test_a_box_that_takes_nothing_is_no_pass(archive: RecordsArchive, key: Key) -> None:
    new = factory_box()
    found = put_back(archive, key, new)
    assert new.changes == []
    assert found.verdict is Verdict.UNKNOWN
    assert found.compared()[0].note == ("the box takes no session records with Bomgar-12.2.0; they stay in the archive")


def test_what_the_box_refuses_is_counted_with_its_reason(archive: RecordsArchive, key: Key) -> None:
    class Small(SmallBox):
        def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult:
            if len(self.contents) >= 15:
                return ImportResult(imported=0, already=0, refused=({"lsid": lsid, "reason": "the disk is full"},))
            return super().import_recording(lsid, chunks, size_bytes, sha256)

    found = put_back(archive, key, Small(capabilities=frozenset(BOTH)))
    assert found.reasons == ("5 recordings refused by the box: the disk is full",)
    assert (found.recordings_after, found.recordings_verdict) == (15, Verdict.SKIPPED)


def test_a_box_that_says_yes_and_keeps_nothing_is_caught(archive: RecordsArchive, key: Key) -> None:
    class Liar(SmallBox):
        def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult:
            return ImportResult(imported=1, already=0)

    found = put_back(archive, key, Liar(capabilities=frozenset(BOTH)))
    assert found.recordings_imported == 20
    assert found.recordings_after == 0
    assert found.verdict is Verdict.FAILED


def test_a_session_that_is_there_but_another_is_different(archive: RecordsArchive, key: Key) -> None:
    new = factory_box(*BOTH)
    put_back(archive, key, new)
    new.listed[3]["customer"] = "somebody else"
    found = put_back(archive, key, new)
    assert found.sessions_different == 1
    assert found.verdict is Verdict.FAILED


def test_sessions_of_the_new_box_itself_do_no_harm(archive: RecordsArchive, key: Key) -> None:
    new = factory_box(*BOTH)
    new.add_session(1, "its own", b"already serving")
    assert put_back(archive, key, new).verdict is Verdict.PASSED


def test_late_sessions_are_put_back_alone(old: SmallBox, archive: RecordsArchive, key: Key) -> None:
    new = factory_box(*BOTH)
    put_back(archive, key, new)
    new.changes.clear()
    old.add_session(900, "late", b"late recording")
    later = extract_records(old, archive.folder, [key.recipient], archive.last_seq, quiet, now=NOW, limits=LIMITS)
    assert put_back(later, key, new).verdict is Verdict.PASSED
    assert new.changes == ["session late", "recording late"]


def test_a_damaged_segment_never_reaches_the_box(archive: RecordsArchive, key: Key) -> None:
    path = archive.folder / "records-0001.tar.zst.age"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    new = factory_box(*BOTH)
    with pytest.raises(BackupError, match=r"records-0001\.tar\.zst\.age: it was altered"):
        put_back(archive, key, new)
    assert new.changes == []


def test_with_the_wrong_identity_nothing_reaches_the_box(archive: RecordsArchive, other_key: Key) -> None:
    new = factory_box(*BOTH)
    with pytest.raises(WrongIdentityError):
        put_back(archive, other_key, new)
    assert new.changes == []


def test_an_empty_archive_is_put_back(tmp_path: Path, key: Key) -> None:
    empty = extract_records(factory_box(), tmp_path / "r", [key.recipient], 0, quiet, now=NOW)
    assert put_back(empty, key, factory_box(*BOTH)).verdict is Verdict.PASSED
