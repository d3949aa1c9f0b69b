"""The run's journal: what the engine did and how to take it back, on disk before anything is touched.

Its records are chained (`toolkit.evidence.chain`), and its head stands in a file of its own: a changed, missing or
doubled record is found, and so is a journal that was cut or emptied. The first record is written when the run is made
and seals the files that the run is resumed from. What of it can be believed, `toolkit.engine.believed` tells.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from toolkit.engine.states import RunEvent
from toolkit.evidence.chain import BEFORE_FIRST, add_link
from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.head import Head, new_head
from toolkit.evidence.lines import AppendOnlyLines, no_room

JOURNAL_FILE = "journal.jsonl"
HEAD_FILE = "journal.head"
RUN_FILE = "run.json"
PLAN_FILE = "plan.json"
COPIES_FOLDER = "sealed"
"""Copies of the files that the journal seals: what a damaged one is put back from."""
FORMAT = 2
"""Of the run's folder; a newer one is refused rather than misread. In the first one the journal was not chained."""


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


_FOLLOWED = frozenset({StepEvent.STARTED, StepEvent.GATE, StepEvent.INTENT})
"""Records that change nothing by themselves: until the next one that does, the head need not wait for the disk."""


class RecordEvent(StrEnum):
    """What happened to the record itself.

    MADE is the first record and seals the run's files. TORN stands in place of a line that was not written to its end:
    the step it may have belonged to counts as begun. FOUND is what the world said when a damaged run was recovered: the
    step counts as begun, and not as ended.
    """

    MADE = "made"
    TORN = "torn"
    FOUND = "found"


class JournalRecord(BaseModel):
    """One line of `journal.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    time: datetime
    event: RunEvent | StepEvent | RecordEvent
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


def seal(content: bytes) -> str:
    """What the journal says of a file it seals: its SHA-256, in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def new_journal(
    now: datetime, files: Mapping[str, bytes], data: Mapping[str, JsonValue] | None = None
) -> dict[str, bytes]:
    """Journal and head of a run that is being made of `files`, by file name."""
    seals: dict[str, JsonValue] = {name: seal(content) for name, content in files.items()}
    record = JournalRecord(number=1, time=now, event=RecordEvent.MADE, data={"files": seals, **(data or {})})
    line, link = add_link(BEFORE_FIRST, _content(record))
    return {JOURNAL_FILE: line, HEAD_FILE: new_head(link)}


def remade_journal(
    now: datetime,
    seals: Mapping[str, str],
    recovered: Mapping[str, JsonValue],
    entries: Sequence[JournalRecord],
) -> dict[str, bytes]:
    """Journal and head of a run that was recovered: `entries` follow the first record, numbered anew."""
    files: dict[str, JsonValue] = {**seals}
    made = JournalRecord(number=1, time=now, event=RecordEvent.MADE, data={"files": files, "recovered": {**recovered}})
    lines, last = [], BEFORE_FIRST
    for entry in (made, *entries):
        line, last = add_link(last, _content(entry))
        lines.append(line)
    return {JOURNAL_FILE: b"".join(lines), HEAD_FILE: new_head(last)}


class Journal:
    """Appends to a run's journal; each record is on disk before the call returns.

    `records` are those the journal holds, as they were examined. `make_room` and `then` are as for `AppendOnlyLines`.
    """

    def __init__(
        self,
        run_directory: Path,
        records: Sequence[JournalRecord],
        now: Callable[[], datetime],
        guard: SecretGuard,
        *,
        make_room: Callable[[], bool] = no_room,
        then: str = "go on",
    ) -> None:
        self._now = now
        self._guard = guard
        self.records = [*records]
        self._lines = AppendOnlyLines(run_directory / JOURNAL_FILE, make_room=make_room, then=then)
        try:
            self._head = Head(run_directory / HEAD_FILE)
        except BaseException:
            self._lines.close()
            raise
        # a process killed between the two writes has left it one record behind
        self._head.write(self._lines.last)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._head.close()

    def write(
        self,
        event: RunEvent | StepEvent | RecordEvent,
        step: str | None = None,
        data: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Adds one record; raises InternalError when it holds a secret, StorageError when the disk is full."""
        record = JournalRecord(
            number=len(self.records) + 1, time=self._now(), event=event, step=step, data=dict(data or {})
        )
        content = _content(record)
        self._guard.check(content, f"the journal's record of {step or 'the run'}")
        link = self._lines.append(content)
        self.records.append(record)
        self._head.write(link, on_disk=event not in _FOLLOWED)


def _content(record: JournalRecord) -> dict[str, JsonValue]:
    """A record without its number, which the chain gives it."""
    return record.model_dump(mode="json", exclude_defaults=True, exclude={"number"})
