"""`rebox recover`: finds out from the world how a run with a damaged record stands, and writes its journal anew.

Nothing is deleted: what was damaged stays beside under another name. Nothing on a box is changed. Killed anywhere in
the middle, the run is as damaged as before, and is recovered again.
"""

import contextlib
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from toolkit.engine.believed import Believed, examine, journaled, seals_in
from toolkit.engine.dry_run import NoEvidence
from toolkit.engine.history import RunHistory, tell
from toolkit.engine.journal import (
    COPIES_FOLDER,
    FORMAT,
    HEAD_FILE,
    JOURNAL_FILE,
    PLAN_FILE,
    RUN_FILE,
    JournalRecord,
    RecordEvent,
    RunRecord,
    remade_journal,
    seal,
)
from toolkit.engine.locks import BoxLocks
from toolkit.engine.recovery import Effect, Findings, Seen, find
from toolkit.engine.states import UNFINISHED, RunEvent, RunState
from toolkit.model.errors import DamagedRecordError, ReboxError, RefusedError
from toolkit.model.execution import Clock, ReadOnlyStep, StepContext, StepImplementation
from toolkit.model.plan import Plan
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

HasBegun = Callable[[StepContext], Seen]
"""Of an irreversible step: THERE when it has begun, MISSING when it is proven that it has not, else UNKNOWN."""


@dataclass
class Recovery:
    """A run that is being recovered; nothing else works on it meanwhile."""

    run_directory: Path
    run: Believed
    believed: RunHistory
    damage: str
    findings: Findings
    context: StepContext
    """What steps are handed, to look further with."""
    kept_as: list[str] = field(default_factory=list)

    def write(self, confirmed_by: str) -> None:
        """Writes the journal anew, as a person has confirmed it; raises StorageError."""
        now = self.context.clock.now()
        seals = seals_in(self.run.records) or _seals_of_copies(self.run_directory)
        record = self.run.record
        if record.format != FORMAT:
            self._keep(RUN_FILE)
            record = record.model_copy(update={"format": FORMAT})
            write_whole(self.run_directory / RUN_FILE, record.model_dump_json(indent=2).encode())
        for name in (RUN_FILE, PLAN_FILE):
            seals[name] = seal((self.run_directory / name).read_bytes())
        recovered: dict[str, JsonValue] = {"by": confirmed_by, "damage": self.damage}
        entries = [entry for entry in self.run.records if entry.event is not RecordEvent.MADE]
        entries += [JournalRecord(number=0, time=now, event=event) for event in self._to_a_stop()]
        for one in self.findings.to_note:
            said: dict[str, JsonValue] = {"effect": one.seen.effect.value, "seen": one.seen.words}
            entries.append(
                JournalRecord(number=0, time=now, event=RecordEvent.FOUND, step=one.step.name, data={**said})
            )
        files = remade_journal(now, seals, recovered, entries)
        for name in (JOURNAL_FILE, HEAD_FILE):
            self._keep(name)
        for name, content in files.items():
            write_whole(self.run_directory / name, content)

    def _to_a_stop(self) -> tuple[RunEvent, ...]:
        """What leads from the believed state to one in which nothing moves and the boxes are still the run's own."""
        match self.believed.state:
            case RunState.RUNNING | RunState.GOING_BACK:
                return (RunEvent.DIE,)
            case RunState.PLANNED:
                return (RunEvent.RUN, RunEvent.DIE)
            case RunState.PASSED if self.findings.to_note and not self.findings.irreversible_begun:
                return (RunEvent.BACK, RunEvent.DIE)
            case _:
                return ()

    def _keep(self, name: str) -> None:
        if (kept := _keep_beside(self.run_directory / name)) is not None:
            self.kept_as.append(kept.name)


@contextlib.contextmanager
def recovering(
    run_directory: Path,
    *,
    locks: BoxLocks,
    world: Any,
    clock: Clock,
    implementations: Mapping[str, StepImplementation],
    has_begun: HasBegun,
) -> Iterator[Recovery]:
    """Holds the run's boxes and looks at every step; changes nothing until `write`.

    Raises RefusedError when the record is whole or something works on the run, DamagedRecordError when not even the
    plan can be had.
    """
    plan = restore_files(run_directory)
    world.work_in(run_directory)
    with locks.hold([*plan.boxes.values()], run_directory.name, run_directory, secrets.token_hex(16)) as lease:
        run = examine(run_directory)
        if run.damage is None and run.proven:
            if tell(run.record, run.plan, run.records).state not in UNFINISHED:
                lease.release_boxes()
            raise RefusedError(
                "there is nothing to recover",
                where=f"run {run_directory.name}",
                why="its record is as it was written",
                next_move="See where it stands with: rebox runs",
            )
        believed = tell(run.record, run.plan, run.records)
        results = {name: went.result for name, went in believed.steps.items() if went.result is not None}
        context = StepContext(
            plan=run.plan,
            step=run.plan.steps[0],
            run_id=run.record.run_id,
            run_directory=run_directory,
            world=world,
            evidence=NoEvidence(),
            clock=clock,
            progress=lambda fraction, phase: None,
            results=results,
        )
        seen = {step.name: _see(replace(context, step=step), implementations, has_begun) for step in run.plan.steps}
        damage = str(run.damage.why) if run.damage else "it was made by an older toolkit, and nothing proves it"
        yield Recovery(run_directory, run, believed, damage, find(believed, seen), context)


def restore_files(run_directory: Path) -> Plan:
    """Puts `run.json` and `plan.json` back from their copies where a copy is what was sealed; returns the plan.

    Raises DamagedRecordError when neither is.
    """
    seals = _seals_or_none(run_directory)
    for name in (RUN_FILE, PLAN_FILE):
        path, copy = run_directory / name, run_directory / COPIES_FOLDER / name
        contents = [file.read_bytes() for file in (path, copy) if file.is_file()]
        wanted = seals.get(name)
        good = [content for content in contents if seal(content) == wanted] if wanted else _agreed(contents)
        if not good:
            raise DamagedRecordError(
                f"{name} of the run is damaged, and so is its copy",
                where=str(path),
                why="without it nothing can be told of the run" if wanted is None else f"its SHA-256 was {wanted}",
                next_move="Restore it from a backup of this machine, then recover the run again.",
            )
        if not path.is_file() or path.read_bytes() != good[0]:
            _keep_beside(path)
            write_whole(path, good[0])
    try:
        RunRecord.model_validate_json((run_directory / RUN_FILE).read_bytes())
        return Plan.model_validate_json((run_directory / PLAN_FILE).read_bytes())
    except ValidationError:
        raise DamagedRecordError(
            "the run's plan cannot be read",
            where=str(run_directory),
            why="its content is damaged",
            next_move="Restore it from a backup of this machine, then recover the run again.",
        ) from None


def _agreed(contents: list[bytes]) -> list[bytes]:
    """Without a seal: two copies that are the same, or a single one that an older toolkit left without a copy."""
    return contents if len({*contents}) == 1 else []


def _seals_or_none(run_directory: Path) -> dict[str, str]:
    """The seals, as far as the journal's first record is believed."""
    try:
        return seals_in(examine(run_directory).records)
    except ReboxError:
        return seals_in(journaled(run_directory))


def _seals_of_copies(run_directory: Path) -> dict[str, str]:
    folder = run_directory / COPIES_FOLDER
    return {path.name: seal(path.read_bytes()) for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def _see(context: StepContext, implementations: Mapping[str, StepImplementation], has_begun: HasBegun) -> Seen:
    """What the world says of one step; what cannot be looked at is unknown, with why."""
    step = context.step
    implementation = implementations.get(step.kind)
    if implementation is None:
        return Seen(Effect.UNKNOWN, f"this toolkit knows no step of the kind {step.kind}")
    try:
        if step.irreversible:
            return has_begun(context)
        if getattr(type(implementation), "look", None) is ReadOnlyStep.look:
            return Seen(Effect.NONE)
        return Seen(Effect.THERE if implementation.look(context) is not None else Effect.MISSING)
    except ReboxError as error:
        return Seen(Effect.UNKNOWN, f"{error.what}: {error.why}" if error.why else error.what)
    except (LookupError, AssertionError):
        return Seen(Effect.UNKNOWN, "what it would be compared with is not known")


def _keep_beside(path: Path) -> Path | None:
    """Copies a file under another name, if there is one; it stays what it is until another takes its place."""
    if not path.is_file():
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        shutil.copyfile(path, kept)
        kept.chmod(0o600)
    except OSError as error:
        raise storage_error(kept, error) from None
    return kept
