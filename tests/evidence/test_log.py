"""Evidence: stable ids, on disk at once, never a secret."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.log import FILE_NAME, EvidenceLog, evidence_of, examine_evidence, read_evidence
from toolkit.model.errors import DamagedRecordError, InternalError
from toolkit.model.verdict import Verdict

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def log(folder: Path, *secrets: str) -> EvidenceLog:
    return EvidenceLog(folder, lambda: NOON, SecretGuard(lambda: frozenset(secrets)), vantage="here")


def note(evidence: EvidenceLog, step: str, **data: str) -> str:
    return evidence.for_step(step).record(
        probe="tls", subject="192.0.2.1", summary="seen", verdict=Verdict.PASSED, data={**data}
    )


def test_ids_count_on_over_an_interruption(tmp_path: Path) -> None:
    with log(tmp_path) as first:
        assert [note(first, "swing"), note(first, "swing"), note(first, "prove")] == ["swing/1", "swing/2", "prove/1"]
        assert len(read_evidence(tmp_path)) == 3  # on disk before it was closed
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"id":"swing/3","ti')
    with log(tmp_path) as second:
        assert second.repaired_bytes == 19
        assert note(second, "swing") == "swing/3"
    assert [record.id for record in evidence_of(tmp_path, "swing")] == ["swing/1", "swing/2", "swing/3"]
    [record] = evidence_of(tmp_path, "prove")
    assert (record.time, record.vantage, record.verdict) == (NOON, "here", Verdict.PASSED)


def test_threads_record_side_by_side(tmp_path: Path) -> None:
    with log(tmp_path) as evidence:
        threads = [threading.Thread(target=lambda: [note(evidence, "watch") for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [record.id for record in read_evidence(tmp_path)] == [f"watch/{number}" for number in range(1, 41)]


@pytest.mark.parametrize(
    "text", ["it is s3cret/word", "s3cret%2Fword", "czNjcmV0L3dvcmQ="], ids=["plain", "in an address", "base64"]
)
def test_a_secret_is_refused_in_every_form_and_not_repeated(tmp_path: Path, text: str) -> None:
    with log(tmp_path, "s3cret/word", "abc", "") as evidence:
        with pytest.raises(InternalError, match="holds a secret") as refusal:
            note(evidence, "login", header=text)
        assert "s3cret" not in str(refusal.value)
        assert note(evidence, "login", header="abc") == "login/1"  # too short to protect anything
    assert b"s3cret" not in (tmp_path / FILE_NAME).read_bytes()


def test_a_message_from_elsewhere_is_kept_without_the_secret() -> None:
    guard = SecretGuard(lambda: frozenset({"s3cret", "s3cret-longer"}))
    assert guard.redact("401 for s3cret-longer and s3cret") == "401 for [secret] and [secret]"


def test_a_line_that_is_no_evidence_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"id":"a/1"}\n')
    with pytest.raises(DamagedRecordError, match=r"evidence\.jsonl:1"):
        read_evidence(tmp_path)


def flip(path: Path, before: bytes, after: bytes) -> None:
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, 1))


def test_damaged_evidence_is_believed_up_to_the_damage_kept_aside_and_begun_anew(tmp_path: Path) -> None:
    with log(tmp_path) as first:
        for _ in range(4):
            note(first, "swing")
    flip(tmp_path / FILE_NAME, b'"id":"swing/3"', b'"id":"swing/7"')  # one bit
    damaged = (tmp_path / FILE_NAME).read_bytes()
    reading = examine_evidence(tmp_path)
    assert [record.id for record in reading.records] == ["swing/1", "swing/2"]
    assert "evidence.jsonl:3" in reading.damage

    with log(tmp_path) as second:
        assert second.put_aside == tmp_path / "evidence.damaged-1.jsonl"
        assert note(second, "swing") == "swing/8"  # no id is given twice
    assert second.put_aside.read_bytes() == damaged
    with log(tmp_path) as third:
        assert third.put_aside is None
    reading = examine_evidence(tmp_path)
    assert [record.id for record in reading.records] == ["swing/1", "swing/2", "swing/8"]
    assert "evidence.damaged-1.jsonl:3" in reading.damage


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_evidence_that_is_missing_at_its_end_is_missed_where_the_journal_spoke_of_it(tmp_path: Path, kept: int) -> None:
    with log(tmp_path) as evidence:
        for _ in range(3):
            note(evidence, "swing")
        sealed = evidence.last
    path = tmp_path / FILE_NAME
    assert examine_evidence(tmp_path, sealed).damage == ""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:kept]))
    reading = examine_evidence(tmp_path, sealed)
    assert len(reading.records) == kept
    assert "the journal says that there were 3 records" in reading.damage
    with EvidenceLog(tmp_path, lambda: NOON, SecretGuard(frozenset), sealed=sealed) as again:
        assert again.put_aside is not None


def test_evidence_of_an_older_toolkit_is_read(tmp_path: Path) -> None:
    with log(tmp_path) as evidence:
        note(evidence, "swing")
    (tmp_path / FILE_NAME).write_text(read_evidence(tmp_path)[0].model_dump_json() + "\n")
    assert [record.id for record in read_evidence(tmp_path)] == ["swing/1"]
