"""The way back: the service first, then what would be lost, then the tidying as far as it goes, and last the proof.

Whatever interrupts the service is undone first. When that fails, nothing else is touched: what has not been taken away
may be what serves users. Once users are served again nothing may stop the way back any more; what cannot be tidied now,
because its box is dead or its undo fails, is written down as left to do, and the next `rebox back` tries it again.
What would be lost with a box is collected from it before anything takes that box away.
"""

from dataclasses import dataclass

from toolkit.engine.events import StepEnded, StepStarted, UndoEnded, UndoStarted
from toolkit.engine.journal import StepEvent
from toolkit.engine.stepping import Bench, StepEnd, leave, perform, undo
from toolkit.model.plan import Step
from toolkit.model.run_report import ToDo
from toolkit.model.verdict import Verdict, combine


@dataclass(frozen=True)
class BackEnd:
    """How the way back ended.

    `stopped_at` is the step whose undoing would have restored the service and did not, `stopped` how that ended.
    `proof` is the proof's verdict and words, None when the plan has none. `to_do` is what is left for later.
    """

    stopped_at: str | None
    stopped: StepEnd | None
    proof: tuple[Verdict, str] | None
    to_do: tuple[ToDo, ...]


def go_back(bench: Bench) -> BackEnd:
    """Takes the run back as far as it goes; passes by what the journal says is undone. Raises as `perform` does."""
    return _WayBack(bench).go()


class _WayBack:
    """One pass; what a box is asked for, it is asked once."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._answers: dict[str, bool] = {}

    def go(self) -> BackEnd:
        """Service, collecting, tidying, proof."""
        order = self._bench.history.steps_with_way_back
        at, end = self._restore([step for step in order if step.interrupts_service])
        if end is None:
            if self._bench.history.service_was_moved:
                for step in self._bench.plan.on_way_back.once_served:
                    self._collect(step)
            for step in order:
                if not step.interrupts_service:
                    self._tidy(step)
        proof = self._prove()
        return BackEnd(at, end, proof, self._bench.history.to_do)

    def _restore(self, steps: list[Step]) -> tuple[str | None, StepEnd | None]:
        """Undoes what interrupts the service; where that did not restore it, and how it ended."""
        for step in steps:
            if self._is_over(step):
                continue
            end = self._undo(step)
            if not end.done:
                return step.name, end
        return None, None

    def _collect(self, step: Step) -> None:
        if self._bench.history.steps[step.name].ended:
            self._bench.observer(StepStarted(step, 0, done_before=True))
        elif (silent := self._silent(step)) is not None:
            why = f"the {silent} box does not answer"
            self._bench.observer(StepStarted(step, self._bench.history.steps[step.name].attempts + 1))
            self._bench.journal.write(StepEvent.STARTED, step.name)
            kept = {"verdict": Verdict.UNKNOWN.value, "summary": why, "box": silent}
            self._bench.journal.write(StepEvent.STOPPED, step.name, kept)
            self._bench.observer(StepEnded(step, Verdict.UNKNOWN, f"left to do: {why}", 0.0))
        else:
            self._perform(step)

    def _tidy(self, step: Step) -> None:
        if self._is_over(step):
            return
        if (first := self._waits_for(step)) is not None:
            self._leave(step, f"{first} comes first: undoing this takes away what it needs")
        elif (silent := self._silent(step)) is not None:
            self._leave(step, f"the {silent} box does not answer", silent)
        elif gone := self._undo(step).gone:
            self._settle(gone)

    def _settle(self, role: str) -> None:
        """What was left to do on a box that is no more is done."""
        history = self._bench.history
        for step in history.to_undo:
            left = history.steps[step.name].to_do
            if role in step.back_needs or (left is not None and left.box == role):
                summary = f"gone with the {role} box"
                self._bench.journal.write(StepEvent.UNDONE, step.name, {"verdict": "passed", "summary": summary})
                self._bench.observer(UndoEnded(step, Verdict.PASSED, summary, 0.0))

    def _prove(self) -> tuple[Verdict, str] | None:
        ends = [self._perform(step) for step in self._bench.plan.on_way_back.last]
        if not ends:
            return None
        # what comes after the proof is told only when it did not go well
        told = [ends[0], *(end for end in ends[1:] if not end.done)]
        return combine(end.verdict for end in ends), " ".join(end.summary for end in told)

    def _is_over(self, step: Step) -> bool:
        undone = self._bench.history.steps[step.name].undone
        if undone:
            self._bench.observer(StepStarted(step, 0, done_before=True))
        return undone

    def _waits_for(self, step: Step) -> str | None:
        """What must be over before this step is undone, and is not."""
        history = self._bench.history
        collecting = [one.name for one in self._bench.plan.on_way_back.once_served] if history.service_was_moved else []
        begun = [one.name for one in history.to_undo]
        for name in step.back_after:
            if name in begun or (name in collecting and not history.steps[name].ended):
                return name
        return None

    def _silent(self, step: Step) -> str | None:
        """The first box this needs that does not answer."""
        for role in step.back_needs:
            if role not in self._answers:
                self._answers[role] = self._bench.world.answers(role)
            if not self._answers[role]:
                return role
        return None

    def _leave(self, step: Step, why: str, box: str = "") -> None:
        self._bench.observer(UndoStarted(step))
        leave(self._bench, step, Verdict.UNKNOWN, why, box=box)
        self._bench.observer(UndoEnded(step, Verdict.UNKNOWN, f"left to do: {why}", 0.0))

    def _undo(self, step: Step) -> StepEnd:
        end = undo(self._bench, step)
        self._bench.checkpoint(f"{step.name}:undone")
        return end

    def _perform(self, step: Step) -> StepEnd:
        end = perform(self._bench, step)
        if end.result is not None:
            self._bench.results[step.name] = end.result
        self._bench.checkpoint(f"{step.name}:recorded")
        return end
