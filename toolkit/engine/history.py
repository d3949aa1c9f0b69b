"""What a run's journal says: its state, how each step went, what can be taken back, and the report's steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from toolkit.engine.believed import Believed, examine
from toolkit.engine.journal import JournalRecord, RecordEvent, RunRecord, StepEvent
from toolkit.engine.liveness import is_alive
from toolkit.engine.states import TRANSITIONS, RunEvent, RunState, follow, replay
from toolkit.model.errors import DamagedRecordError
from toolkit.model.execution import Result
from toolkit.model.plan import Plan, Step
from toolkit.model.run_report import Abandoned, OldAppliance, RunReport, Served, StepReport, ToDo, WayBack
from toolkit.model.verdict import Verdict, combine


@dataclass
class StepHistory:
    """How one step went so far; `seconds` is the time of all attempts together, without the pauses between them.

    `refused`: a gate has kept it from acting, and it has not acted since.
    """

    attempts: int = 0
    begun: bool = False
    refused: bool = False
    verdict: Verdict = Verdict.SKIPPED
    ended: bool = False
    summary: str = ""
    result: Result | None = None
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0
    first_time: datetime | None = None
    undone: bool = False
    taken_back: Verdict | None = None
    to_do: ToDo | None = None
    last_time: datetime | None = None


@dataclass
class RunHistory:
    """A run as its journal tells it; with `damage` as far as the journal is believed."""

    record: RunRecord
    plan: Plan
    state: RunState
    steps: dict[str, StepHistory]
    started: datetime
    finished: datetime | None
    acknowledged: frozenset[str]
    stopped_at: str | None = None
    stopped_why: dict[str, JsonValue] = field(default_factory=dict)
    abandoned: Abandoned | None = None
    damage: DamagedRecordError | None = None

    def is_done(self, step: Step) -> bool:
        """Whether a run that is taken up now passes it by."""
        return self.steps[step.name].ended and not (step.renewed and self._next_has_yet_to_act(step))

    def _next_has_yet_to_act(self, step: Step) -> bool:
        """Whether the next step that is not renewed itself has never acted, or was refused by a gate after it had."""
        behind = self.plan.steps[self.plan.steps.index(step) + 1 :]
        following = next((self.steps[later.name] for later in behind if not later.renewed), None)
        return following is None or (not following.ended and (not following.begun or following.refused))

    @property
    def irreversible_begun(self) -> str | None:
        """The first irreversible step that has begun; from then on there is no way back."""
        for step in self.plan.steps:
            history = self.steps[step.name]
            if step.irreversible and (history.begun or history.ended):
                return step.name
        return None

    @property
    def to_undo(self) -> tuple[Step, ...]:
        """The steps that are still to be taken back, in that order."""
        return tuple(step for step in self.steps_with_way_back if not self.steps[step.name].undone)

    @property
    def steps_with_way_back(self) -> tuple[Step, ...]:
        """Every step that is taken back, those undone already too: what touched the world and has a way back.

        What interrupts the service comes first, so that users are served again before anything is tidied; each group
        last step first.
        """
        begun = [s for s in reversed(self.plan.steps) if s.way_back is not None and self.steps[s.name].begun]
        return tuple(sorted(begun, key=lambda step: not step.interrupts_service))

    @property
    def service_was_moved(self) -> bool:
        """Whether a step that interrupts the service has begun: users may have been where they were sent by it."""
        return any(step.interrupts_service and self.steps[step.name].begun for step in self.plan.steps)

    @property
    def to_do(self) -> tuple[ToDo, ...]:
        """What the way back has left for later, in the order in which it came upon it."""
        order = (*self.plan.on_way_back.once_served, *self.steps_with_way_back)
        return tuple(left for step in order if (left := self.steps[step.name].to_do) is not None)

    @property
    def left_by_hand(self) -> tuple[str, ...]:
        """What a person has to see to when the run is ended as it stands: each step that has begun, and its way back.

        What has begun and cannot be taken back is named, too.
        """
        saving = self.plan.on_way_back.once_served if self.service_was_moved else ()
        unsaved = [f"{step.name}: {step.title}" for step in saving if not self.steps[step.name].ended]
        final = [
            f"{step.name}: it has begun and cannot be taken back; see how far it is: {step.title}"
            for step in self.plan.steps
            if step.irreversible and self.steps[step.name].begun and not self.steps[step.name].ended
        ]
        return (*final, *unsaved, *(f"{step.name}: {step.way_back}" for step in self.to_undo))

    @property
    def served(self) -> Served | None:
        """What the way back's proof, if it was made, saw last."""
        for step in self.plan.on_way_back.last[:1]:
            proof = self.steps[step.name]
            if proof.last_time is not None:
                return Served(
                    verdict=proof.verdict, seen=proof.last_time, summary=proof.summary, evidence=proof.evidence
                )
        return None

    @property
    def way_back(self) -> WayBack:
        """Whether and until when going back is possible, and what it would undo; at work: as if it stopped now."""
        at_rest = TRANSITIONS[self.state].get(RunEvent.DIE, self.state)
        open_now = self.irreversible_begun is None and RunEvent.BACK in TRANSITIONS[at_rest]
        steps = self.to_undo if open_now else ()
        return WayBack(
            available_until=self.plan.last_step_with_way_back,
            available_now=open_now,
            seconds_estimated=sum(step.back_seconds for step in steps),
            steps=tuple(step.name for step in steps),
        )

    @property
    def verdict(self) -> Verdict:
        """The run's verdict: what stopped it, or all its steps together; unfinished is unknown, taken back failed."""
        if self.state is RunState.PASSED:
            return combine(self.steps[step.name].verdict for step in self.plan.steps)
        if self.state in _FAILED:
            return Verdict.FAILED
        if self.state is RunState.BLOCKED and self.stopped_at is not None:
            return self.steps[self.stopped_at].verdict
        return Verdict.UNKNOWN


_FAILED = frozenset(
    {RunState.FAILED, RunState.GOING_BACK, RunState.WENT_BACK, RunState.BACK_FAILED, RunState.BACK_TO_DO}
)


def read_history(run_directory: Path) -> RunHistory:
    """A run as it stands now; one that says it is running while no process works on it was interrupted.

    Raises DamagedRecordError when its record is not to be believed, InputError or StorageError.
    """
    history = read_believed_history(run_directory)
    if history.damage is not None:
        raise history.damage
    return history


def read_believed_history(run_directory: Path) -> RunHistory:
    """As `read_history`, but of a damaged run what is believed of it; its state is DAMAGED.

    Raises DamagedRecordError when not even what the run was started with can be read.
    """
    history = _history_of(examine(run_directory))
    if history.state is RunState.RUNNING and not is_alive(run_directory):
        # read again: it may have ended between the two looks
        history = _history_of(examine(run_directory))
        if history.state is RunState.RUNNING:
            history.state = follow(history.state, RunEvent.DIE, history.record.run_id)
    return history


def _history_of(run: Believed) -> RunHistory:
    history = tell(run.record, run.plan, run.records)
    if run.damage is not None:
        history.state, history.damage = RunState.DAMAGED, run.damage
    elif run.torn_bytes and (name := step_of_torn_line(history)) is not None:
        history.steps[name].begun = True
    return history


def step_of_torn_line(history: RunHistory) -> str | None:
    """The step that a record may have been of, of which only a part was written; None when it can be of no step.

    It was the one next to be written: of the step at work or, when that one had ended, of the step after it.
    """
    if history.state is not RunState.RUNNING:
        return None  # then only the run as a whole is spoken of next, or a step's way back, which has begun anyway
    return next((step.name for step in history.plan.steps if not history.steps[step.name].ended), None)


def tell(record: RunRecord, plan: Plan, records: Sequence[JournalRecord]) -> RunHistory:
    """Makes the history of a journal's records; pure."""
    run_events = [entry for entry in records if isinstance(entry.event, RunEvent)]
    acknowledged = set(record.acknowledged)
    for entry in run_events:
        acknowledged |= set(cast(list[str], entry.data.get("acknowledged", [])))
    state = replay((cast(RunEvent, entry.event) for entry in run_events), record.run_id)
    told = [entry for entry in records if not isinstance(entry.event, RecordEvent)]
    history = RunHistory(
        record=record,
        plan=plan,
        state=state,
        steps={step.name: StepHistory() for step in plan.every_step},
        started=told[0].time if told else record.created,
        finished=told[-1].time if told and state not in (RunState.RUNNING, RunState.GOING_BACK) else None,
        acknowledged=frozenset(acknowledged),
    )
    last_time: dict[str, datetime] = {}
    for entry in records:
        if entry.event is RunEvent.ABANDON:
            history.abandoned = Abandoned.model_validate({**entry.data, "time": entry.time})
        if entry.step in history.steps:
            _apply(history, entry.step, entry, last_time)
    return history


def _apply(history: RunHistory, name: str, entry: JournalRecord, last_time: dict[str, datetime]) -> None:
    step = history.steps[name]
    if isinstance(entry.event, RecordEvent):
        step.begun = True  # what is not known counts as having begun to act, and as not having ended
        step.ended = False
        return
    match entry.event:
        case StepEvent.STARTED:
            step.attempts += 1
            step.first_time = step.first_time or entry.time
        case StepEvent.GATE:
            step.refused = not entry.data.get("holds", False)
        case StepEvent.ACTING:
            step.begun, step.refused = True, False
        case StepEvent.ENDED | StepEvent.STOPPED:
            _apply_end(history, name, entry)
        case StepEvent.UNDONE:
            step.undone = True
            step.taken_back = Verdict.PASSED
            step.to_do = None
        case StepEvent.UNDO_FAILED:
            # journals of an older toolkit say no more than that it failed
            step.taken_back = Verdict.UNKNOWN if entry.data.get("verdict") == Verdict.UNKNOWN else Verdict.FAILED
            step.to_do = _to_do(history.plan.step(name), entry)
    taking_back = entry.event in (StepEvent.UNDOING, StepEvent.UNDONE, StepEvent.UNDO_FAILED)
    if entry.event is not StepEvent.STARTED and not taking_back and name in last_time:
        step.seconds += max((entry.time - last_time[name]).total_seconds(), 0.0)
    last_time[name] = entry.time


def _apply_end(history: RunHistory, name: str, entry: JournalRecord) -> None:
    step = history.steps[name]
    step.ended = entry.event is StepEvent.ENDED
    step.last_time = entry.time
    step.verdict = Verdict(str(entry.data.get("verdict", Verdict.UNKNOWN)))
    step.summary = str(entry.data.get("summary", ""))
    step.evidence = tuple(cast(list[str], entry.data.get("evidence", [])))
    result = entry.data.get("result")
    if isinstance(result, dict):
        step.result = result
    if history.plan.step(name) in history.plan.on_way_back.once_served:
        step.to_do = None if step.ended else _to_do(history.plan.step(name), entry)
    if history.plan.step(name) in history.plan.steps:
        history.stopped_at = None if step.ended else name
        history.stopped_why = {} if step.ended else entry.data


def _to_do(step: Step, entry: JournalRecord) -> ToDo:
    return ToDo(
        step=step.name,
        what=str(entry.data.get("to_do") or (f"Its way back: {step.way_back}" if step.way_back else step.title)),
        box=str(entry.data.get("box", "")),
        why=str(entry.data.get("summary", "")),
    )


def step_reports(history: RunHistory) -> tuple[StepReport, ...]:
    """Every step of the plan for the report; one that was not reached is skipped. Those of the way back if it began."""
    way_back = (*history.plan.on_way_back.once_served, *history.plan.on_way_back.last)
    went = tuple(step for step in way_back if history.steps[step.name].attempts)
    return tuple(_step_report(history, step) for step in (*history.plan.steps, *went))


def _step_report(history: RunHistory, step: Step) -> StepReport:
    went = history.steps[step.name]
    offset = (went.first_time - history.started).total_seconds() if went.first_time else 0.0
    return StepReport(
        name=step.name,
        title=step.title,
        why=step.why,
        mode=step.mode,
        requirements=step.requirements,
        verdict=went.verdict,
        seconds=went.seconds,
        offset_seconds=max(offset, 0.0),
        summary=went.summary,
        way_back=step.way_back,
        back_needs=step.back_needs,
        irreversible=step.irreversible,
        resumed=max(went.attempts - 1, 0),
        evidence=went.evidence,
        taken_back=went.taken_back,
    )


def build_report(run_directory: Path) -> RunReport:
    """The report as far as the engine knows it: steps, verdict, times, way back.

    What the steps measured (outage, certificate, data, the old box's state) is for the wiring to fill in. Of a damaged
    run it says what is believed, and in a note what is not known.
    """
    history = read_believed_history(run_directory)
    return RunReport(
        procedure=history.plan.procedure,
        run_id=history.record.run_id,
        site=history.plan.site,
        verdict=history.verdict,
        started=history.started,
        finished=history.finished,
        steps=step_reports(history),
        old_appliance=OldAppliance(serial_number=history.plan.boxes.get("old", ""), state="unknown"),
        way_back=history.way_back,
        notes=(*((str(history.damage),) if history.damage else ()), *history.plan.notes),
        went_back=history.state in (RunState.WENT_BACK, RunState.BACK_TO_DO),
        served=history.served,
        to_do=history.to_do,
        abandoned=history.abandoned,
    )
