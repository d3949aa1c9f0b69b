"""The engine: starts, runs, resumes and takes back runs of a plan, each of them durable."""

import contextlib
import importlib.metadata
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from toolkit.engine.believed import changed_since, evidence_head, examine, seals_now, to_go_on_with
from toolkit.engine.dry_run import dry_run
from toolkit.engine.events import Observer, RecordDamaged, RecordRepaired, RunStarted, StepStarted, unobserved
from toolkit.engine.going_back import BackEnd, go_back
from toolkit.engine.history import (
    RunHistory,
    read_history,
    step_of_torn_line,
    tell,
)
from toolkit.engine.journal import (
    COPIES_FOLDER,
    JOURNAL_FILE,
    PLAN_FILE,
    RUN_FILE,
    Journal,
    RecordEvent,
    RunRecord,
    new_journal,
)
from toolkit.engine.listing import list_runs
from toolkit.engine.locks import BoxLocks
from toolkit.engine.log import engine_log
from toolkit.engine.operators import NobodyThere, Operator
from toolkit.engine.outcomes import DryStep, RunOutcome, RunSummary
from toolkit.engine.plan_check import check_acknowledged, check_kinds, check_plan
from toolkit.engine.recovering import HasBegun, Recovery, recovering
from toolkit.engine.room import RESERVE_FILE, Room, room_for_way_back
from toolkit.engine.states import TRANSITIONS, UNFINISHED, RunEvent, RunState, follow
from toolkit.engine.stepping import Bench, Checkpoint, StepEnd, perform
from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.log import FILE_NAME as EVIDENCE_FILE
from toolkit.evidence.log import EvidenceLog
from toolkit.evidence.run_directory import (
    create_run_directory,
    find_run_directory,
    make_run_id,
)
from toolkit.model.errors import RefusedError
from toolkit.model.execution import Clock, GateImplementation, StepImplementation
from toolkit.model.plan import Plan, Step
from toolkit.model.run_report import WayBack
from toolkit.model.verdict import Verdict, combine
from toolkit.storage.reserve import reserved

_NO_PROOF = "who serves users was not proven: the plan, of an older toolkit, has no such step"

INTERRUPTED_STATUS = 130
"""What a command ends with after Ctrl-C, as shells do."""


class World(Protocol):
    """What the engine asks of the wiring's world; the rest of it is between the wiring and the steps."""

    def secret_values(self) -> frozenset[str]:
        """Every secret known so far, so that none of them is ever written down."""
        ...

    def work_in(self, run_directory: Path) -> None:
        """Called before a run is worked on: where it keeps what it is resumed from."""
        ...

    def answers(self, role: str) -> bool:
        """Whether the box of that role answers now; told within seconds, changes nothing."""
        ...


@dataclass
class Engine:
    """Executes plans; one object serves many runs, one after the other.

    `state_directory` holds the locks and is shared by all runs of a machine; `runs_directory` holds what they leave.
    `checkpoint` is called at `<step>:journaled`, `:looked`, `:acting`, `:acted`, `:verified`, `:recorded` and, going
    back, `:undoing`, `:undone`. `token` gives the random end of ids, `poll_seconds` is how often an operator's step is
    looked at.
    """

    runs_directory: Path
    state_directory: Path
    implementations: Mapping[str, StepImplementation]
    gates: Mapping[str, GateImplementation]
    world: World
    clock: Clock
    observer: Observer = unobserved
    operator: Operator = field(default_factory=NobodyThere)
    checkpoint: Checkpoint = lambda _: None
    poll_seconds: float = 2.0
    token: Callable[[], str] = field(default_factory=lambda: partial(secrets.token_hex, 2))
    toolkit_version: str = field(default_factory=lambda: importlib.metadata.version("rebox"))

    def __post_init__(self) -> None:
        self.runs_directory = self.runs_directory.absolute()
        self._guard = SecretGuard(self.world.secret_values)
        self._locks = BoxLocks(self.state_directory.absolute(), self.clock.now)

    def start(
        self, plan: Plan, acknowledge: Collection[str] = (), attachments: Mapping[str, bytes] | None = None
    ) -> str:
        """Makes the run's folder and returns the run's id; touches no box.

        `attachments` are further files for the folder (the inventory, say): people may mend them, and say so when the
        run goes on. Raises InputError for a plan that cannot be executed, RefusedError when another unfinished run
        holds one of the boxes; nothing is written then.
        """
        check_plan(plan, self.implementations, self.gates)
        check_acknowledged(plan, acknowledge)
        self._guard.check(plan.model_dump(mode="json"), "the plan")
        now = self.clock.now()
        run_id = make_run_id(now, plan.site, self.token())
        self._locks.refuse_if_taken(list(plan.boxes.values()), run_id)
        record = RunRecord(
            run_id=run_id,
            created=now,
            toolkit_version=self.toolkit_version,
            acknowledged=tuple(sorted(acknowledge)),
        )
        files = {
            RUN_FILE: record.model_dump_json(indent=2).encode(),
            PLAN_FILE: plan.model_dump_json(indent=2).encode(),
        }
        files = {**(attachments or {}), **files}
        room = {RESERVE_FILE: reserved(room_for_way_back(plan))}
        copies = {f"{COPIES_FOLDER}/{name}": content for name, content in files.items()}
        create_run_directory(self.runs_directory, run_id, {**files, **copies, **new_journal(now, files), **room})
        return run_id

    def dry_run(self, plan: Plan) -> tuple[DryStep, ...]:
        """How the plan's gates and steps stand now; writes and changes nothing. Raises InputError as `start` does."""
        check_plan(plan, self.implementations, self.gates)
        return dry_run(plan, self.implementations, self.gates, self.world, self.clock)

    def run(self, run_id: str) -> RunOutcome:
        """Executes a run that was started and not run yet; blocks until it ends or stops.

        Ctrl-C ends it INTERRUPTED, at once and resumable. Raises RefusedError when it, or one of its boxes, is being
        worked on, or when it has run before; StorageError when the disk is full.
        """
        return self._forward(run_id, (), first=True, changes_meant=False)

    def resume(self, run_id: str, acknowledge: Collection[str] = (), *, changes_meant: bool = False) -> RunOutcome:
        """Goes on with a run that was interrupted, blocked or failed, or was never run; raises as `run` does.

        `changes_meant`: whoever asks for it has changed the run's attachments and means the change. Without it a
        changed one is refused (RefusedError). Raises DamagedRecordError when the run's record is not to be believed.
        """
        return self._forward(run_id, acknowledge, first=False, changes_meant=changes_meant)

    def back_estimate(self, run_id: str) -> WayBack:
        """Whether going back is possible now, which steps it would undo and how many seconds that should take."""
        return self.history(run_id).way_back

    def back(self, run_id: str, *, changes_meant: bool = False) -> RunOutcome:
        """Takes back what the run did, the service first, each undo verified; no gate can stop it.

        Killed or failed in the middle, or with something left to do, `back` goes on. Raises RefusedError once an
        irreversible step has begun, when the run has gone back already, or when it is being worked on; else as
        `resume`.
        """
        with self._at_work(run_id, changes_meant=changes_meant, going_back=True) as bench:
            history = bench.history
            follow(history.state, RunEvent.BACK, history.record.run_id)
            if (step := history.irreversible_begun) is not None:
                raise RefusedError(
                    "there is no way back any more",
                    where=f"run {history.record.run_id}",
                    why=f"the irreversible step {step} has begun",
                    next_move=""
                    if history.state is RunState.PASSED
                    else f"Go on with: rebox resume {history.record.run_id}",
                )
            check_kinds(history.plan, self.implementations)
            bench.journal.write(RunEvent.BACK, data=_seals_of(bench))
            way_back = history.plan.on_way_back
            names = (s.name for s in (*way_back.once_served, *history.to_undo, *way_back.last))
            record = history.record
            self.observer(RunStarted(record.run_id, history.plan, resumed=False, going_back=True, steps=tuple(names)))
            try:
                end = go_back(bench)
            except KeyboardInterrupt:
                return self._interrupted(bench)
            outcome = self._back_outcome(bench, end)
            bench.room.before_report()
            return outcome

    def abandon(
        self, run_id: str, by: str, seen: Sequence[str] = (), end_watch: Callable[[Path], None] = lambda _: None
    ) -> RunOutcome:
        """Ends a run by hand and gives its boxes free; touches none of them, and none is asked.

        `by` is who says so, `seen` what was seen of site and boxes beforehand, `end_watch` ends what works for the run
        in the background. Raises RefusedError when the run has ended, or is being worked on.
        """
        # whatever has become of the run's inventory: it is not gone on with
        with self._at_work(run_id, changes_meant=True, going_back=True) as bench:
            history = bench.history
            follow(history.state, RunEvent.ABANDON, history.record.run_id)
            end_watch(bench.run_directory)
            sentences = [bench.guard.redact(sentence) for sentence in seen]
            data: dict[str, JsonValue] = {"by": by, "seen": [*sentences], "left": [*history.left_by_hand]}
            bench.journal.write(RunEvent.ABANDON, data=data)
            words = f"abandoned by {by}; its boxes are free for other runs, and nothing on them was changed"
            return _outcome(bench, Verdict.UNKNOWN, words, 0)

    def recovering(self, run_id: str, has_begun: HasBegun) -> AbstractContextManager[Recovery]:
        """Finds out how a run with a damaged record stands (`toolkit.engine.recovering`)."""
        return recovering(
            self.directory(run_id),
            locks=self._locks,
            world=self.world,
            clock=self.clock,
            implementations=self.implementations,
            has_begun=has_begun,
        )

    def runs(self) -> list[RunSummary]:
        """Every run there is, oldest first; writes nothing."""
        return list_runs(self.runs_directory)

    def directory(self, run_id: str) -> Path:
        """The folder of a run, by its id, its beginning, or `latest`; raises InputError."""
        return find_run_directory(self.runs_directory, run_id)

    def history(self, run_id: str) -> RunHistory:
        """What a run's journal says, as it stands now; raises InputError or StorageError."""
        return read_history(self.directory(run_id))

    def _forward(self, run_id: str, acknowledge: Collection[str], *, first: bool, changes_meant: bool) -> RunOutcome:
        with self._at_work(run_id, changes_meant=changes_meant, going_back=False) as bench:
            history = bench.history
            run_id = history.record.run_id
            if first and history.state is not RunState.PLANNED:
                raise RefusedError(
                    "the run was run before",
                    where=f"run {run_id}",
                    why=f"it is {history.state.value}",
                    next_move=f"Use rebox resume {run_id}, or start a new one with rebox run FILE",
                )
            follow(history.state, RunEvent.RUN, run_id)
            check_plan(history.plan, self.implementations, self.gates)
            check_acknowledged(history.plan, acknowledge)
            bench.room.refill(f"go on with: rebox resume {run_id}")
            said: dict[str, JsonValue] = {
                "acknowledged": [*sorted(acknowledge)],
                "toolkit_version": self.toolkit_version,
            }
            bench.journal.write(RunEvent.RUN, data=said | _seals_of(bench))
            names = tuple(step.name for step in history.plan.steps)
            resumed = history.state is not RunState.PLANNED
            self.observer(RunStarted(run_id, history.plan, resumed=resumed, going_back=False, steps=names))
            waved_through = replace(bench, acknowledged=history.acknowledged | set(acknowledge))
            try:
                end = self._carry(history.plan.steps, history.is_done, waved_through, perform, "recorded")
            except KeyboardInterrupt:
                return self._interrupted(bench)
            return self._forward_outcome(bench, end)

    def _carry(
        self,
        steps: tuple[Step, ...],
        is_done: Callable[[Step], bool],
        bench: Bench,
        do: Callable[[Bench, Step], StepEnd],
        last_point: str,
    ) -> StepEnd | None:
        """Does the steps in order until one is not done, passing by those the journal says are done.

        Returns how the last one ended, None when there was none to do.
        """
        end: StepEnd | None = None
        for step in steps:
            if is_done(step):
                self.observer(StepStarted(step, 0, done_before=True))
                continue
            end = do(bench, step)
            if end.result is not None:
                bench.results[step.name] = end.result
            self.checkpoint(f"{step.name}:{last_point}")
            if not end.done:
                break
        return end

    def _forward_outcome(self, bench: Bench, end: StepEnd | None) -> RunOutcome:
        if end is None or end.done:
            bench.journal.write(RunEvent.PASS)
            verdict = bench.history.verdict
            return _outcome(bench, verdict, "every step was done and verified", verdict.exit_status)
        bench.journal.write(RunEvent.BLOCK if end.blocked else RunEvent.FAIL)
        step = bench.history.stopped_at
        return _outcome(bench, end.verdict, end.summary, end.exit_status, step=step, next_move=end.next_move)

    def _back_outcome(self, bench: Bench, end: BackEnd) -> RunOutcome:
        """Passed only when everything was taken back and the proof says that users are served by the old box."""
        run_id = bench.record.run_id
        verdict, words = end.proof or (Verdict.UNKNOWN, _NO_PROOF)
        if end.stopped is not None:
            bench.journal.write(RunEvent.BACK_FAIL)
            # a proof that passes cannot make good what was not undone
            worst = combine((end.stopped.verdict, verdict))
            summary = " ".join(filter(None, (end.stopped.summary, end.proof and words)))
            next_move = end.stopped.next_move or f"Put right what it names, then go on back with: rebox back {run_id}"
            return _outcome(bench, worst, summary, worst.exit_status, step=end.stopped_at, next_move=next_move)
        if end.proof is not None and verdict is not Verdict.PASSED:
            bench.journal.write(RunEvent.BACK_FAIL)
            next_move = f"Put right what it names, then have it proven again: rebox back {run_id}"
            last = bench.plan.on_way_back.last
            step = next(s.name for s in last if bench.history.steps[s.name].verdict is not Verdict.PASSED)
            return _outcome(bench, verdict, words, verdict.exit_status or 4, step=step, next_move=next_move)
        if end.to_do:
            bench.journal.write(RunEvent.BACK_LEAVE)
            left = f"{words} Left to do: {', '.join(one.step for one in end.to_do)}."
            next_move = f"Have the rest tried again with: rebox back {run_id}, or end the run: rebox abandon {run_id}"
            return _outcome(bench, Verdict.UNKNOWN, left, 4, next_move=next_move)
        bench.journal.write(RunEvent.BACK_DONE)
        if end.proof is None and not any(step.interrupts_service for step in bench.plan.steps):
            return _outcome(bench, Verdict.PASSED, "everything was taken back and verified", 0)
        if end.proof is None:
            return _outcome(bench, Verdict.UNKNOWN, f"everything was taken back; {words}", 4)
        return _outcome(bench, Verdict.PASSED, f"everything was taken back and verified. {words}", 0)

    def _interrupted(self, bench: Bench) -> RunOutcome:
        bench.journal.write(RunEvent.DIE)
        run_id = bench.record.run_id
        going_back = bench.history.state is RunState.GOING_BACK
        next_move = (
            f"Go on with: rebox back {run_id}"
            if going_back
            else f"Go on with: rebox resume {run_id}, or back with: rebox back {run_id}"
        )
        return _outcome(
            bench, Verdict.UNKNOWN, "interrupted; what was done is kept", INTERRUPTED_STATUS, next_move=next_move
        )

    @contextlib.contextmanager
    def _at_work(self, run_id: str, *, changes_meant: bool, going_back: bool) -> Iterator[Bench]:
        """Holds the locks and the open records of a run while it is worked on; notes that its last process died."""
        run_directory = self.directory(run_id)
        plan = to_go_on_with(examine(run_directory)).plan
        room = Room(run_directory, plan, going_back=going_back)
        self.world.work_in(run_directory)
        with contextlib.ExitStack() as stack:
            lease = stack.enter_context(
                self._locks.hold(
                    [*plan.boxes.values()],
                    run_directory.name,
                    run_directory,
                    secrets.token_hex(16),
                    make_room=room.make,
                    going_back=going_back,
                )
            )
            # again: until now another process may have been at work
            run = to_go_on_with(examine(run_directory))
            if run.changed and not changes_meant:
                raise changed_since(run)
            stack.enter_context(engine_log(run_directory, self._guard.redact))
            room.before_step()
            command = "back with: rebox back" if going_back else "on with: rebox resume"
            then = f"go {command} {run.record.run_id}"
            journal = stack.enter_context(
                Journal(run_directory, run.records, self.clock.now, self._guard, make_room=room.make, then=then)
            )
            evidence = stack.enter_context(
                EvidenceLog(
                    run_directory,
                    self.clock.now,
                    self._guard,
                    sealed=evidence_head(run.records),
                    make_room=room.make,
                    then=then,
                )
            )
            if evidence.put_aside is not None:
                self.observer(RecordDamaged(evidence.put_aside.name))
            for name, torn in ((JOURNAL_FILE, run.torn_bytes), (EVIDENCE_FILE, evidence.repaired_bytes)):
                if torn:
                    self.observer(RecordRepaired(name, torn))
            if run.torn_bytes:
                begun = step_of_torn_line(tell(run.record, run.plan, run.records))
                journal.write(RecordEvent.TORN, begun, {"bytes": run.torn_bytes})
            bench = Bench(
                record=run.record,
                plan=run.plan,
                changed=run.changed,
                run_directory=run_directory,
                world=self.world,
                clock=self.clock,
                implementations=self.implementations,
                gates=self.gates,
                acknowledged=frozenset(),
                journal=journal,
                evidence=evidence,
                guard=self._guard,
                lease=lease,
                operator=self.operator,
                poll_seconds=self.poll_seconds,
                observer=self.observer,
                checkpoint=self.checkpoint,
                results={},
                room=room,
            )
            history = bench.history
            if history.state in (RunState.RUNNING, RunState.GOING_BACK):
                journal.write(RunEvent.DIE)
            bench.results.update({name: step.result for name, step in history.steps.items() if step.result is not None})
            try:
                yield bench
            finally:
                ended = bench.history
                if ended.state not in UNFINISHED:
                    lease.release_boxes()
                    if RunEvent.BACK not in TRANSITIONS[ended.state] or ended.irreversible_begun is not None:
                        room.remove()


def _seals_of(bench: Bench) -> dict[str, JsonValue]:
    """The seals of attachments whose change is meant, for the journal."""
    return {"files": {**seals_now(bench.run_directory, bench.changed)}} if bench.changed else {}


def _outcome(
    bench: Bench, verdict: Verdict, summary: str, exit_status: int, *, step: str | None = None, next_move: str = ""
) -> RunOutcome:
    return RunOutcome(
        run_id=bench.record.run_id,
        run_directory=bench.run_directory,
        state=bench.history.state,
        verdict=verdict,
        summary=summary,
        exit_status=exit_status,
        step=step,
        next_move=next_move,
        to_do=bench.history.to_do,
    )
