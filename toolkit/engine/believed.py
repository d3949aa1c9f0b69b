"""What of a run's folder can be believed: its files as they were sealed, and its journal as far as the chain holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

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
    StepEvent,
    seal,
)
from toolkit.engine.states import TRANSITIONS, RunEvent, RunState
from toolkit.evidence.chain import BEFORE_FIRST, Break, ChainReading, Link, is_chained, read_chain, read_unchained
from toolkit.evidence.head import read_head
from toolkit.model.errors import DamagedRecordError, InputError, ReboxError, RefusedError
from toolkit.model.plan import Plan
from toolkit.storage.errors import read_error


@dataclass(frozen=True)
class Believed:
    """A run as far as it can be believed.

    `records` are those the chain proves; `torn_bytes` of a last line follow that was not written to its end. `changed`
    names the files people may mend that are not as they were last sealed. With `damage` nothing may go on; `proven` is
    False for a run of the first format, whose journal proves nothing.
    """

    record: RunRecord
    plan: Plan
    records: tuple[JournalRecord, ...]
    torn_bytes: int = 0
    changed: tuple[str, ...] = ()
    damage: DamagedRecordError | None = None
    proven: bool = True


def examine(run_directory: Path) -> Believed:
    """Reads a run without touching it, also while a process works on it.

    Raises DamagedRecordError when not even what it was started with can be read, InputError for a newer toolkit's run,
    StorageError when the disk does not give it.
    """
    # the head first: what is written meanwhile makes the journal longer than it, never shorter
    head, head_there = _read_head(run_directory)
    content = _read(run_directory / JOURNAL_FILE)
    chained = head_there or is_chained(content or b"") or not _is_of_first_format(run_directory)
    reading = read_chain(content or b"") if chained else read_unchained(content or b"")
    records, broken = _parse(reading)
    if chained and broken is None:
        broken = _cut(reading, head, head_there=head_there, journal_there=content is not None)
    seals = seals_in(records)
    record, plan = _started_with(run_directory, records, seals)
    possible, impossible = _possible(records, plan)
    broken = impossible or broken
    damaged = [name for name in (RUN_FILE, PLAN_FILE) if name in seals and not _is_sealed(run_directory, name, seals)]
    damage = None
    if broken is not None:
        place = f"{run_directory / JOURNAL_FILE}:{broken.line}" if broken.line else str(run_directory / JOURNAL_FILE)
        damage = _damaged(run_directory, place, broken.why, possible, "What happened after that is not known.")
    elif damaged:
        why = "it is not what it was when the run was made"
        damage = _damaged(run_directory, str(run_directory / damaged[0]), why, possible, "")
    others = sorted({*seals} - {RUN_FILE, PLAN_FILE})
    return Believed(
        record=record,
        plan=plan,
        records=possible,
        torn_bytes=0 if damage else reading.torn_bytes,
        changed=tuple(name for name in others if not _is_sealed(run_directory, name, seals)),
        damage=damage,
        proven=chained,
    )


def read_journal(run_directory: Path) -> tuple[JournalRecord, ...]:
    """A run's journal, without touching it; raises DamagedRecordError when it is not to be believed."""
    run = examine(run_directory)
    if run.damage is not None:
        raise run.damage
    return run.records


def journaled(run_directory: Path) -> tuple[JournalRecord, ...]:
    """The records that the chain alone proves, whatever became of the run's other files."""
    return _parse(read_chain(_read(run_directory / JOURNAL_FILE) or b""))[0]


def seals_now(run_directory: Path, names: Iterable[str]) -> dict[str, str]:
    """The seals of files as they are now, of those that are there."""
    return {name: seal(content) for name in names if (content := _read(run_directory / name)) is not None}


def evidence_head(records: Sequence[JournalRecord]) -> Link:
    """Where the evidence stood when the journal last spoke of it."""
    for entry in reversed(records):
        if "evidence_chain" in entry.data:
            return Link(int(str(entry.data["evidence_number"])), str(entry.data["evidence_chain"]))
    return BEFORE_FIRST


def what_is_known(records: Sequence[JournalRecord]) -> str:
    """What believed records say, in a sentence."""
    if not records:
        return "None of its records is believed."
    ended = [entry.step for entry in records if entry.event is StepEvent.ENDED and entry.step]
    acted = [entry.step for entry in records if entry.event is StepEvent.ACTING and entry.step]
    undone = [entry.step for entry in records if entry.event is StepEvent.UNDONE and entry.step]
    parts = [f"{', '.join(ended)} had ended" if ended else "no step had ended"]
    if begun := [name for name in dict.fromkeys(acted) if name not in ended]:
        parts.append(f"{', '.join(begun)} had begun to act")
    if undone:
        parts.append(f"{', '.join(undone)} had been taken back")
    which = "Record 1 is" if len(records) == 1 else f"Records 1 to {len(records)} are"
    return f"{which} believed: {'; '.join(parts)}."


def _read_head(run_directory: Path) -> tuple[Link | None, bool]:
    """Where the journal stood at least (None: the head is damaged), and whether there is a head at all."""
    path = run_directory / HEAD_FILE
    return (read_head(path), True) if _read(path) is not None else (None, False)


def _read(path: Path) -> bytes | None:
    """A file's content, None when it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise read_error(path, error, "the run cannot be read") from None


def _parse(reading: ChainReading) -> tuple[tuple[JournalRecord, ...], Break | None]:
    records = []
    for number, line in enumerate(reading.records, 1):
        try:
            records.append(JournalRecord.model_validate({"number": number, **line}))
        except ValidationError:
            return tuple(records), Break(number, "it is not a record of this toolkit")
        if records[-1].number != number:  # of the first format, in which records number themselves
            return tuple(records[:-1]), Break(number, f"it says it is number {records[-1].number}")
    return tuple(records), reading.broken


def _cut(reading: ChainReading, head: Link | None, *, head_there: bool, journal_there: bool) -> Break | None:
    """Why the end of a journal whose chain holds is not believed."""
    held = len(reading.links)
    if not journal_there:
        return Break(0, "the journal is missing")
    if not head_there:
        return Break(0, f"its head, {HEAD_FILE}, is missing, so that it cannot be told whether its end is")
    if head is None:
        return Break(0, f"its head, {HEAD_FILE}, is damaged, so that it cannot be told whether its end is missing")
    if held < head.number:
        return Break(held + 1, f"{HEAD_FILE} says that there were {head.number} records, and {held} are there")
    if reading.links[head.number - 1].chain != head.chain:
        return Break(0, f"{HEAD_FILE} is the head of another journal")
    return None


def seals_in(records: Sequence[JournalRecord]) -> dict[str, str]:
    """The seal of each file, as it was last given."""
    seals: dict[str, str] = {}
    for entry in records:
        if entry.event in (RecordEvent.MADE, RunEvent.RUN, RunEvent.BACK):
            seals |= cast(Mapping[str, str], entry.data.get("files", {}))
    return seals


def _is_sealed(run_directory: Path, name: str, seals: Mapping[str, str]) -> bool:
    content = _read(run_directory / name)
    return content is not None and seal(content) == seals[name]


def _is_of_first_format(run_directory: Path) -> bool:
    try:
        return RunRecord.model_validate_json(_read(run_directory / RUN_FILE) or b"").format == 1
    except ValidationError:
        return False


def _started_with(
    run_directory: Path, records: Sequence[JournalRecord], seals: Mapping[str, str]
) -> tuple[RunRecord, Plan]:
    """`run.json` and `plan.json`; raises as `examine` does."""
    path = run_directory / RUN_FILE
    try:
        record = RunRecord.model_validate_json(_read(path) or b"")
        if record.format > FORMAT and (RUN_FILE not in seals or _is_sealed(run_directory, RUN_FILE, seals)):
            raise _newer(path, record.format)
        path = run_directory / PLAN_FILE
        plan = Plan.model_validate_json(_read(path) or b"")
    except ValidationError:
        why = "it is damaged" if path.exists() else "it is missing"
        raise _damaged(run_directory, str(path), why, records, "") from None
    return record, plan


def _possible(records: Sequence[JournalRecord], plan: Plan) -> tuple[tuple[JournalRecord, ...], Break | None]:
    """The records up to the first that cannot be: of a step the plan does not have, or of what cannot follow."""
    names = {step.name for step in plan.every_step}
    state = RunState.PLANNED
    for entry in records:
        if entry.step is not None and entry.step not in names:
            return _before(records, entry, f"the plan has no step {entry.step!r}")
        if isinstance(entry.event, StepEvent) and entry.step is None:
            return _before(records, entry, "it does not say of which step it is")
        if (entry.event is RecordEvent.MADE) != (entry.number == 1) and _is_of_chain(records):
            return _before(records, entry, "the first record alone says that the run was made")
        if isinstance(entry.event, RunEvent):
            after = TRANSITIONS[state].get(entry.event)
            if after is None:
                return _before(records, entry, f"{entry.event.value!r} cannot follow while the run is {state.value}")
            state = after
    return tuple(records), None


def _is_of_chain(records: Sequence[JournalRecord]) -> bool:
    return any(entry.event is RecordEvent.MADE for entry in records)


def _before(
    records: Sequence[JournalRecord], entry: JournalRecord, why: str
) -> tuple[tuple[JournalRecord, ...], Break]:
    return tuple(records[: entry.number - 1]), Break(entry.number, why)


def _damaged(
    run_directory: Path, where: str, why: str, records: Sequence[JournalRecord], unknown: str
) -> DamagedRecordError:
    known = " ".join(part for part in (what_is_known(records), unknown) if part)
    return DamagedRecordError(
        "the record of the run is damaged",
        where=where,
        why=f"{why}. {known.rstrip('.')}",
        next_move=f"Find out from the boxes what was done, with: rebox recover {run_directory.resolve().name}",
    )


def _newer(path: Path, its_format: int) -> ReboxError:
    return InputError(
        "the run was started by a newer toolkit",
        where=str(path),
        why=f"its format is {its_format}, this toolkit knows {FORMAT}",
        next_move="Use the newer toolkit to go on with it.",
    )


def changed_files(run_directory: Path) -> tuple[str, ...]:
    """A run's attachments that are not as they were when it was last worked on; raises as `examine`."""
    return examine(run_directory).changed


def to_go_on_with(run: Believed) -> Believed:
    """The run, when it may be gone on with; raises DamagedRecordError, and RefusedError for one of the first format."""
    if run.damage is not None:
        raise run.damage
    if not run.proven:
        raise RefusedError(
            "the run was made by an older toolkit",
            where=f"run {run.record.run_id}",
            why="nothing proves that its journal is as it was written",
            next_move="Go on with it with the toolkit that made it; or find out from the boxes what was done, with: "
            f"rebox recover {run.record.run_id}",
        )
    return run


def changed_since(run: Believed) -> RefusedError:
    """Why a run with changed attachments is not gone on with unasked."""
    return RefusedError(
        f"{' and '.join(run.changed)} of the run changed since it was last worked on",
        where=f"run {run.record.run_id}",
        why="nobody has said that the change is meant, and a damaged disk changes files, too",
        next_move=f"Compare it with {COPIES_FOLDER}/ in the run's folder, which holds what the run was made from; when "
        "the change is meant, add --changes-meant.",
    )
