"""The run's evidence: what was seen, appended to `evidence.jsonl` and on disk before anybody relies on it."""

import platform
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import JsonValue, ValidationError

from toolkit.evidence.chain import BEFORE_FIRST, Break, Link, is_chained, read_chain, read_unchained
from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.lines import AppendOnlyLines, no_room
from toolkit.model.errors import DamagedRecordError
from toolkit.model.evidence import EvidenceRecord
from toolkit.model.verdict import Verdict
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import read_error, storage_error

FILE_NAME = "evidence.jsonl"
_DAMAGED = "evidence.damaged-{}.jsonl"
_ID = re.compile(rb'\{(?:"number":[0-9]+,)?"id":"([^"/]+)/([0-9]{1,9})"')


@dataclass(frozen=True)
class EvidenceReading:
    """A run's evidence as far as it is believed, in the order it was seen, and in `damage` what is not, if anything."""

    records: tuple[EvidenceRecord, ...]
    damage: str = ""


def examine_evidence(run_directory: Path, sealed: Link = BEFORE_FIRST) -> EvidenceReading:
    """The evidence of a run; `sealed` is where the journal says that it stood.

    Evidence that was found damaged earlier lies beside under another name; what of it is believed comes first. Raises
    StorageError when the disk does not give it.
    """
    files = _set_aside(run_directory)
    records: list[EvidenceRecord] = []
    damages = []
    for path in (*files, run_directory / FILE_NAME):
        found, broken = _believed(path, sealed if not files else BEFORE_FIRST)
        records += found
        if broken is not None:
            damages.append(f"{path}:{broken.line}: {broken.why}; {len(found)} records before it are believed")
    return EvidenceReading(tuple(records), "; ".join(damages))


def read_evidence(run_directory: Path) -> tuple[EvidenceRecord, ...]:
    """Every record of a run, in the order it was seen; raises DamagedRecordError when one is not believed."""
    reading = examine_evidence(run_directory)
    if reading.damage:
        raise DamagedRecordError(
            "the evidence is damaged",
            where=str(run_directory),
            why=reading.damage,
            next_move="Restore the file from a copy; nothing was changed.",
        )
    return reading.records


def evidence_of(run_directory: Path, step: str) -> tuple[EvidenceRecord, ...]:
    """The records of one step."""
    return tuple(record for record in read_evidence(run_directory) if record.step == step)


class EvidenceLog:
    """Writes `evidence.jsonl`; opening it again goes on with the numbers, so ids stay what they were.

    `now` gives UTC time; `vantage` is the host things are seen from (this one by default); `guard` refuses secrets.
    `sealed` is where the journal says that the evidence stood. A damaged file is put aside under another name, which
    `put_aside` then gives, and a new one is begun: no evidence is ever deleted, and none stands in the way back.
    """

    def __init__(
        self,
        run_directory: Path,
        now: Callable[[], datetime],
        guard: SecretGuard,
        vantage: str | None = None,
        *,
        sealed: Link = BEFORE_FIRST,
        make_room: Callable[[], bool] = no_room,
        then: str = "go on",
    ) -> None:
        self._now = now
        self._guard = guard
        self._vantage = vantage or platform.node()
        self._lock = threading.Lock()
        path = run_directory / FILE_NAME
        before = _set_aside(run_directory)
        self._count = Counter(_numbers_given((*before, path)))
        self.put_aside: Path | None = None
        if path.exists() and _believed(path, sealed if not before else BEFORE_FIRST)[1] is not None:
            self.put_aside = _put_aside(run_directory, path)
        self._lines = AppendOnlyLines(path, make_room=make_room, then=then)

    @property
    def last(self) -> Link:
        """Where the chain of the evidence stands."""
        return self._lines.last

    @property
    def repaired_bytes(self) -> int:
        """How many bytes of a torn last line there were on opening; the next record takes their place."""
        return self._lines.reading.torn_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def for_step(self, step: str) -> "StepEvidence":
        """What a step is given to record with."""
        return StepEvidence(self, step)

    def append(
        self,
        step: str,
        *,
        probe: str,
        subject: str,
        summary: str,
        verdict: Verdict,
        data: Mapping[str, JsonValue] | None,
    ) -> str:
        """Adds one record and returns its id; raises InternalError for a secret, StorageError for a full disk."""
        # numbering and writing belong together: a watch records from a thread of its own
        with self._lock:
            record = EvidenceRecord(
                id=f"{step}/{self._count[step] + 1}",
                time=self._now(),
                step=step,
                probe=probe,
                vantage=self._vantage,
                subject=subject,
                summary=summary,
                verdict=verdict,
                data=dict(data or {}),
            )
            line = record.model_dump(mode="json")
            self._guard.check(line, f"evidence of step {step}")
            self._lines.append(line)
            self._count[step] += 1
        return record.id


class StepEvidence:
    """The evidence log as one step sees it (`toolkit.model.execution.Evidence`)."""

    def __init__(self, log: EvidenceLog, step: str) -> None:
        self._log = log
        self._step = step

    def record(
        self,
        *,
        probe: str,
        subject: str,
        summary: str,
        verdict: Verdict,
        data: Mapping[str, JsonValue] | None = None,
    ) -> str:
        """Appends one record for this step, on disk before it returns, and returns its id."""
        return self._log.append(self._step, probe=probe, subject=subject, summary=summary, verdict=verdict, data=data)


def _believed(path: Path, sealed: Link) -> tuple[list[EvidenceRecord], Break | None]:
    """The records of one file up to the first that is not believed, and which that is."""
    content = _content(path)
    chained = is_chained(content) or sealed.number > 0
    reading = read_chain(content) if chained else read_unchained(content)
    records: list[EvidenceRecord] = []
    for number, line in enumerate(reading.records, 1):
        try:
            records.append(EvidenceRecord.model_validate(line))
        except ValidationError as error:
            return records, Break(number, f"{error.error_count()} of its fields are not as they should be")
    if reading.broken is None and sealed.number > 0:
        if len(reading.links) < sealed.number:
            return records, Break(len(records) + 1, f"the journal says that there were {sealed.number} records")
        if reading.links[sealed.number - 1] != sealed:
            return records[:0], Break(1, "it is not the evidence that the journal speaks of")
    return records, reading.broken


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise read_error(path, error, "the evidence cannot be read") from None


def _numbers_given(paths: Iterable[Path]) -> dict[str, int]:
    """The highest number of each step in what looks like records, believed or not: no id is to be given twice."""
    highest: dict[str, int] = {}
    for path in paths:
        for line in _content(path).split(b"\n")[:-1]:
            if found := _ID.match(line):
                step = found[1].decode(errors="replace")
                highest[step] = max(highest.get(step, 0), int(found[2]))
    return highest


def _set_aside(run_directory: Path) -> list[Path]:
    """Evidence files that were found damaged, oldest first."""
    return sorted(run_directory.glob(_DAMAGED.format("*")), key=lambda path: (len(path.name), path.name))


def _put_aside(run_directory: Path, path: Path) -> Path:
    target = run_directory / _DAMAGED.format(len(_set_aside(run_directory)) + 1)
    try:
        path.rename(target)
        sync_folder(run_directory)
    except OSError as error:
        raise storage_error(path, error) from None
    return target
