"""Evidence as it stands in the page: grouped by step, each record with an anchor that nothing in its id can break."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from toolkit.model.evidence import EvidenceRecord
from toolkit.model.verdict import Verdict
from toolkit.report.boxes import fact_text
from toolkit.report.course import Passage

MOST_RECORDS = 2000
"""A page with more could no longer be read; `evidence.jsonl` holds them all."""

MOST_VALUE = 2000
"""Characters of one value shown."""


@dataclass(frozen=True)
class Exhibit:
    """One record in the page."""

    anchor: str
    record: EvidenceRecord

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """The measured values as text, long ones cut."""
        return tuple((name, _value_text(name, value)) for name, value in self.record.data.items())


@dataclass(frozen=True)
class Chapter:
    """The records of one step."""

    step: str
    number: int | None
    exhibits: tuple[Exhibit, ...]

    @property
    def doubtful(self) -> int:
        """How many records failed or are unknown."""
        return sum(exhibit.record.verdict in {Verdict.FAILED, Verdict.UNKNOWN} for exhibit in self.exhibits)


@dataclass(frozen=True)
class EvidenceIndex:
    """All that is shown, in the order of the steps, and how many records were left out."""

    chapters: tuple[Chapter, ...]
    anchors: dict[str, str]
    left_out: int

    @property
    def total(self) -> int:
        """How many records there are, shown or not."""
        return self.left_out + sum(len(chapter.exhibits) for chapter in self.chapters)


def evidence_index(evidence: Iterable[EvidenceRecord], passages: Sequence[Passage]) -> EvidenceIndex:
    """Reads the evidence once; of records with the same id the first is the one that is linked to."""
    groups: dict[str, list[Exhibit]] = {passage.name: [] for passage in passages}
    anchors: dict[str, str] = {}
    total = 0
    for total, record in enumerate(evidence, start=1):
        if total > MOST_RECORDS:
            continue
        exhibit = Exhibit(f"evidence-{total}", record)
        groups.setdefault(record.step, []).append(exhibit)
        anchors.setdefault(record.id, exhibit.anchor)
    numbers = {passage.name: passage.number for passage in passages}
    chapters = tuple(Chapter(step, numbers.get(step), tuple(exhibits)) for step, exhibits in groups.items() if exhibits)
    return EvidenceIndex(chapters, anchors, max(total - MOST_RECORDS, 0))


def _value_text(name: str, value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else fact_text(name, value)
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}… ({len(text):,} characters)"
