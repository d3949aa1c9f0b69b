"""Evidence is found by its id, in the order of the steps, and never drowns the page."""

from datetime import UTC, datetime

from pydantic import JsonValue

from tests.report.samples import a_plan, a_run
from toolkit.model.evidence import EvidenceRecord
from toolkit.model.verdict import Verdict
from toolkit.report.course import course
from toolkit.report.evidence_index import MOST_RECORDS, MOST_VALUE, EvidenceIndex, evidence_index


def record(
    id_: str, step: str, verdict: Verdict = Verdict.PASSED, data: dict[str, JsonValue] | None = None
) -> EvidenceRecord:
    return EvidenceRecord(
        id=id_,
        time=datetime(2025, 3, 1, tzinfo=UTC),
        step=step,
        probe="arp",
        vantage="client-1",
        subject="10.0.0.1",
        summary="Seen.",
        verdict=verdict,
        data=data or {},
    )


def index(*records: EvidenceRecord) -> EvidenceIndex:
    return evidence_index(iter(records), course(a_run(), a_plan("look", "swing", "reset")))


def test_records_stand_by_step_in_the_plans_order_and_strays_come_last() -> None:
    found = index(record("x/1", "elsewhere"), record("swing/1", "swing"), record("look/1", "look"))
    assert [(chapter.step, chapter.number) for chapter in found.chapters] == [
        ("look", 1),
        ("swing", 2),
        ("elsewhere", None),
    ]


def test_two_records_with_one_id_are_both_shown_and_the_first_is_linked() -> None:
    found = index(record("look/1", "look"), record("look/1", "look", Verdict.FAILED))
    assert len(found.chapters[0].exhibits) == 2
    assert found.anchors == {"look/1": found.chapters[0].exhibits[0].anchor}
    assert found.chapters[0].doubtful == 1


def test_too_many_records_are_counted_and_left_to_the_file() -> None:
    found = index(*(record(f"look/{n}", "look") for n in range(MOST_RECORDS + 7)))
    assert found.left_out == 7
    assert found.total == MOST_RECORDS + 7
    assert len(found.anchors) == MOST_RECORDS


def test_a_huge_value_is_cut_and_says_so() -> None:
    (exhibit,) = index(record("look/1", "look", data={"answer": "x" * 9000, "tags": ["a"]})).chapters[0].exhibits
    shown = dict(exhibit.values)
    assert shown["answer"].startswith("x" * MOST_VALUE)
    assert shown["answer"].endswith("(9,000 characters)")
    assert shown["tags"] == '["a"]'
