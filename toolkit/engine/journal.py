"""The run's journal: what the engine did and how to take it back, on disk before anything is touched."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from toolkit.engine.states import RunEvent
from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.lines import AppendOnlyLines, read_lines
from toolkit.model.errors import InputError, StorageError
from toolkit.model.plan import Plan

JOURNAL_FILE = "journal.jsonl"
RUN_FILE = "run.json"
PLAN_FILE = "plan.json"
FORMAT = 1
"""Of the run's folder; a newer one is refused rather than misread."""


class StepEvent(StrEnum):
    """What happened to a step. INTENT holds the way back; ACTING stands before the first touch of the world."""

    STARTED = "started"
    GATE = "gate"
    INTENT = "intent"
    ACTING = "acting"
    ENDED = "ended"
    STOPPED = "stopped"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


class JournalRecord(BaseModel):
    """One line of `journal.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    time: datetime
    event: RunEvent | StepEvent
    step: str | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict)


class RunRecord(BaseModel):
    """`run.json`: what a run was started with; never changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    run_id: str
    created: datetime
    toolkit_version: str
    acknowledged: tuple[str, ...] = ()


class Journal:
    """Appends to a run's journal; each record is on disk before the call returns."""

    def __init__(self, run_directory: Path, now: Callable[[], datetime], guard: SecretGuard) -> None:
        self._now = now
        self._guard = guard
        self._lines = AppendOnlyLines(run_directory / JOURNAL_FILE)
        try:
            self.records = parse_records(run_directory / JOURNAL_FILE, self._lines.existing)
        except BaseException:
            self._lines.close()
            raise

    @property
    def repaired_bytes(self) -> int:
        """How many bytes of a torn last line were cut off on opening."""
        return self._lines.repaired_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def write(
        self, event: RunEvent | StepEvent, step: str | None = None, data: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Adds one record; raises InternalError when it holds a secret, StorageError when the disk is full."""
        record = JournalRecord(
            number=len(self.records) + 1, time=self._now(), event=event, step=step, data=dict(data or {})
        )
        line = record.model_dump(mode="json", exclude_defaults=True)
        self._guard.check(line, f"the journal's record of {step or 'the run'}")
        self._lines.append(line)
        self.records.append(record)


def read_journal(run_directory: Path) -> list[JournalRecord]:
    """A run's journal without touching it, also while the run is at work."""
    path = run_directory / JOURNAL_FILE
    return parse_records(path, read_lines(path))


def parse_records(path: Path, lines: list[dict[str, Any]]) -> list[JournalRecord]:
    """The lines as records; raises StorageError naming the line that is not one."""
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(JournalRecord.model_validate(line))
        except ValidationError:
            raise StorageError(
                "the journal cannot be read",
                where=f"{path}:{number}",
                why="the line is not a record of this toolkit",
                next_move="Restore the file from a copy; nothing was changed.",
            ) from None
    return records


def read_run(run_directory: Path) -> tuple[RunRecord, Plan]:
    """What the run was started with; InputError for a newer toolkit's folder, StorageError for a damaged one."""
    path = run_directory / RUN_FILE
    try:
        text = path.read_text(encoding="utf-8")
        record = RunRecord.model_validate_json(text)
        if record.format <= FORMAT:
            path = run_directory / PLAN_FILE
            return record, Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise StorageError(
            "the run cannot be read",
            where=str(path),
            why=error.strerror or "it cannot be opened" if isinstance(error, OSError) else "its content is damaged",
            next_move="Restore the file from a copy; nothing was changed.",
        ) from None
    raise InputError(
        "the run was started by a newer toolkit",
        where=str(path),
        why=f"its format is {record.format}, this toolkit knows {FORMAT}",
        next_move="Use the newer toolkit to go on with it.",
    )
