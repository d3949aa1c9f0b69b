"""The course of a run: the steps that were planned and the steps that went, as one list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from toolkit.model.plan import Mode, Plan, Step
from toolkit.model.run_report import RunReport, StepReport
from toolkit.model.verdict import Verdict
from toolkit.report.quantities import bounded, later


@dataclass(frozen=True)
class Passage:
    """One step on its way: what was planned of it, what went, or both; at least one is there."""

    number: int
    planned: Step | None
    went: StepReport | None

    @property
    def _any(self) -> Step | StepReport:
        source = self.went or self.planned
        if source is None:
            raise ValueError("a passage is of a planned step, of one that went, or of both")
        return source

    @property
    def name(self) -> str:
        """The step's name."""
        return self._any.name

    @property
    def title(self) -> str:
        """What is done, in the imperative."""
        return self._any.title

    @property
    def why(self) -> str:
        """Why it is done."""
        return self._any.why

    @property
    def requirements(self) -> tuple[str, ...]:
        """Numbers in the guide."""
        return self._any.requirements

    @property
    def way_back(self) -> str | None:
        """How it is undone, in words."""
        return self._any.way_back

    @property
    def back_needs(self) -> tuple[str, ...]:
        """The boxes that must answer for it to be undone."""
        return self._any.back_needs

    @property
    def irreversible(self) -> bool:
        """There is no way back from here on."""
        return self._any.irreversible

    @property
    def by_operator(self) -> bool:
        """A person does it."""
        return self._any.mode is Mode.OPERATOR

    @property
    def interrupts_service(self) -> bool:
        """Users may notice it."""
        return self.planned is not None and self.planned.interrupts_service

    @property
    def verdict(self) -> Verdict | None:
        """How it ended; None: it was not reached."""
        return self.went.verdict if self.went else None

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"step-{self.number}"


def course(report: RunReport, plan: Plan) -> tuple[Passage, ...]:
    """Every step in the plan's order, with what went of it; steps that went but stand in no plan come last."""
    went = {step.name: step for step in report.steps if _began(step)}
    planned = {step.name for step in plan.steps}
    pairs: list[tuple[Step | None, StepReport | None]] = [(step, went.get(step.name)) for step in plan.steps]
    pairs += [(None, step) for step in went.values() if step.name not in planned]
    return tuple(Passage(number, step, gone) for number, (step, gone) in enumerate(pairs, start=1))


def _began(step: StepReport) -> bool:
    """False for what stands in the report only to say that nothing came of it: skipped, in no time, with no word."""
    return step.verdict is not Verdict.SKIPPED or bool(step.seconds or step.summary or step.evidence)


def seconds_taken(report: RunReport) -> float:
    """How long the run has taken: to its end, or to the end of the last step that went when it has none."""
    ends = [bounded(step.offset_seconds) + max(bounded(step.seconds), 0.0) for step in report.steps]
    return max(ends, default=0.0)


def step_started(report: RunReport, step: StepReport) -> datetime:
    """When a step began."""
    return later(report.started, step.offset_seconds)


def with_verdict(passages: Sequence[Passage], *verdicts: Verdict) -> tuple[Passage, ...]:
    """The steps that went and ended in one of these verdicts."""
    return tuple(passage for passage in passages if passage.verdict in verdicts)
