"""A run as both documents tell it: the report, its plan and the evidence, worked out once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from toolkit.model.evidence import EvidenceRecord
from toolkit.model.plan import Plan
from toolkit.model.run_report import RunReport
from toolkit.report import quantities, sentences
from toolkit.report.boxes import FactTable, fact_table
from toolkit.report.course import Passage, course, step_started
from toolkit.report.evidence_index import EvidenceIndex, evidence_index
from toolkit.report.outage import Lane, Stretch, Watch, watch_of

MOST_GAPS = 100
"""Gaps listed; a watch with more is described by its longest ones."""


@dataclass(frozen=True)
class Reading:
    """A run as both documents tell it."""

    report: RunReport
    plan: Plan
    passages: tuple[Passage, ...]
    watch: Watch
    evidence: EvidenceIndex

    @property
    def names(self) -> dict[str, Any]:
        """What the templates know."""
        return {
            "reading": self,
            "run": self.report,
            "q": quantities,
            "say": sentences,
            "step_started": step_started,
        }

    @property
    def headline(self) -> sentences.Headline:
        """The verdict in words."""
        return sentences.headline(self.report, self.passages, self.watch)

    @property
    def lead(self) -> tuple[str, ...]:
        """The summary under it."""
        return sentences.lead(self.report, self.passages, self.watch)

    @property
    def outage(self) -> tuple[str, ...]:
        """The two figures of the outage, in sentences."""
        return sentences.outage_sentences(self.report, self.passages, self.watch)

    @property
    def attention(self) -> tuple[sentences.Attention, ...]:
        """What must not be overlooked."""
        return sentences.attention(self.report, self.passages, self.watch)

    @property
    def blind(self) -> tuple[str, ...]:
        """What the watch can say nothing about."""
        return sentences.blind_sentences(self.report, self.watch)

    @property
    def way_back(self) -> str:
        """Whether one can still go back."""
        return sentences.way_back_sentence(self.report, self.passages)

    @property
    def can_resume(self) -> bool:
        """`rebox resume` would go on."""
        return sentences.can_resume(self.report, self.passages)

    @property
    def notes(self) -> tuple[str, ...]:
        """The plan's and the run's notes, each once."""
        return tuple(dict.fromkeys((*self.plan.notes, *self.report.notes)))

    @property
    def facts(self) -> FactTable:
        """Both boxes side by side."""
        return fact_table(self.report.facts)

    @property
    def longest_gaps(self) -> tuple[tuple[Lane, Stretch], ...]:
        """The longest gaps of every method, in order of time."""
        gaps = [(lane, gap) for lane in self.watch.lanes for gap in lane.gaps]
        longest = sorted(gaps, key=lambda pair: pair[1].length_ms, reverse=True)[:MOST_GAPS]
        return tuple(sorted(longest, key=lambda pair: (pair[1].start_ms, pair[0].method)))

    @property
    def gaps_left_out(self) -> int:
        """How many shorter gaps are not listed."""
        not_kept = sum(outage.gaps_left_out for outage in self.report.outage.values())
        return max(sum(len(lane.gaps) for lane in self.watch.lanes) - MOST_GAPS, 0) + max(not_kept, 0)


def read_run(report: RunReport, evidence: Iterable[EvidenceRecord], plan: Plan) -> Reading:
    """Puts the report, its plan and the evidence (read once) together."""
    passages = course(report, plan)
    return Reading(report, plan, passages, watch_of(report), evidence_index(evidence, passages))
