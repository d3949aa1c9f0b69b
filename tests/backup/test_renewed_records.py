"""Sessions that change on the old box after they were extracted: found by digest, extracted again, counted once."""

import hashlib
from pathlib import Path

import pytest

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import SmallBox, box_with_sessions, factory_box, quiet
from toolkit.backup.put_back import RecordsComparison, put_back_records
from toolkit.backup.records import RecordsArchive, extract_records, outdated, sessions_of
from toolkit.backup.segments import Limits
from toolkit.backup.verification import verify
from toolkit.model.verdict import Verdict

BOTH = ("import-sessions", "import-recordings")


def extract(box: SmallBox, folder: Path, key: Key) -> RecordsArchive:
    limits = Limits(recording_bytes=100_000)
    return extract_records(box, folder / "r", [key.recipient], 0, quiet, now=NOW, limits=limits, renew=[key.identity])


def put_back(archive: RecordsArchive, key: Key, box: SmallBox) -> RecordsComparison:
    return put_back_records(archive, [key.identity], box, quiet)


def record_later(box: SmallBox, lsid: str, content: bytes) -> None:
    box.contents[lsid], box.announced[lsid] = content, (len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def box() -> SmallBox:
    return box_with_sessions(30)


def lsid_of(box: SmallBox, number: int, *, recorded: bool) -> str:
    return [str(one["lsid"]) for one in box.listed if (str(one["lsid"]) in box.announced) is recorded][number]


def record_of(box: SmallBox, lsid: str) -> dict[str, object]:
    (record,) = [one for one in box.listed if one["lsid"] == lsid]
    return record  # type: ignore[return-value]  # it is made of JSON


def test_a_box_left_alone_is_not_extracted_again(box: SmallBox, tmp_path: Path, key: Key) -> None:
    first = extract(box, tmp_path, key)
    box.fetched.clear()
    assert extract(box, tmp_path, key).manifest.files == first.manifest.files
    assert box.fetched == []
    assert outdated(first.latest([key.identity]), sessions_of(box, 0)).none


def test_the_numbers_are_the_same_and_yet_it_is_found(box: SmallBox, tmp_path: Path, key: Key) -> None:
    archive = extract(box, tmp_path, key)
    noted, recorded = lsid_of(box, 2, recorded=True), lsid_of(box, 1, recorded=False)
    record_of(box, noted)["note"] = "called back"
    record_later(box, recorded, b"a recording that came later")
    found = outdated(archive.latest([key.identity]), sessions_of(box, 0))
    assert (found.missing, found.changed, found.recordings) == ((), (noted,), (recorded,))
    assert noted in found.words()
    assert archive.missing(box.status().records).sessions == 0


def test_what_changed_is_extracted_again_and_only_that(box: SmallBox, tmp_path: Path, key: Key) -> None:
    counted = extract(box, tmp_path, key).counts
    noted, recorded = lsid_of(box, 2, recorded=True), lsid_of(box, 1, recorded=False)
    record_of(box, noted)["note"] = "called back"
    record_later(box, recorded, b"a recording that came later")
    box.fetched.clear()
    archive = extract(box, tmp_path, key)
    assert box.fetched == [(recorded, 0)], "a recording that has not changed is not fetched again"
    assert archive.counts.sessions == counted.sessions == 30
    assert archive.counts.recordings == counted.recordings + 1 == box.status().records.recordings
    assert outdated(archive.latest([key.identity]), sessions_of(box, 0)).none
    assert verify(tmp_path / "r", [key.identity]).verdict is Verdict.PASSED


def test_a_new_box_gets_each_session_once_as_it_was_last(box: SmallBox, tmp_path: Path, key: Key) -> None:
    extract(box, tmp_path, key)
    noted, recorded = lsid_of(box, 2, recorded=True), lsid_of(box, 1, recorded=False)
    for note in ("called back", "called back twice"):
        record_of(box, noted)["note"] = note
        extract(box, tmp_path, key)
    record_later(box, recorded, b"a recording that came later")
    archive = extract(box, tmp_path, key)
    new = factory_box(*BOTH)
    found = put_back(archive, key, new)
    assert found.verdict is Verdict.PASSED
    assert (found.sessions_imported, found.sessions_after) == (30, 30)
    assert record_of(new, noted)["note"] == "called back twice"
    assert new.contents == box.contents
    assert len([change for change in new.changes if change.startswith("session")]) == 30


def test_one_that_the_new_box_has_already_keeps_its_record_there_and_that_is_told(
    box: SmallBox, tmp_path: Path, key: Key
) -> None:
    new = factory_box(*BOTH)
    put_back(extract(box, tmp_path, key), key, new)
    noted, recorded = lsid_of(box, 2, recorded=True), lsid_of(box, 1, recorded=False)
    record_of(box, noted)["note"] = "called back"
    record_later(box, recorded, b"a recording that came later")
    found = put_back(extract(box, tmp_path, key), key, new)
    assert new.contents == box.contents, "the recording that came later is put back"
    assert (found.sessions_verdict, found.sessions_different) == (Verdict.SKIPPED, 1)
    assert "changed after the box had got it" in found.compared()[0].note


def test_a_session_that_appears_among_those_that_were_extracted_is_extracted(
    box: SmallBox, tmp_path: Path, key: Key
) -> None:
    gap = next(seq for seq in range(1, 100) if seq not in {one["seq"] for one in box.listed})
    extract(box, tmp_path, key)
    box.add_session(gap, "appeared-later", b"and its recording")
    box.listed.sort(key=lambda one: int(str(one["seq"])))
    archive = extract(box, tmp_path, key)
    assert archive.counts.sessions == 31
    assert "appeared-later" in archive.latest([key.identity])
