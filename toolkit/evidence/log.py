"""The run's evidence: what was seen, appended to `evidence.jsonl` and on disk before anybody relies on it."""

import platform
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import JsonValue, ValidationError

from toolkit.evidence.guard import SecretGuard
from toolkit.evidence.lines import AppendOnlyLines, read_lines
from toolkit.model.errors import StorageError
from toolkit.model.evidence import EvidenceRecord
from toolkit.model.verdict import Verdict

FILE_NAME = "evidence.jsonl"


def read_evidence(run_directory: Path) -> tuple[EvidenceRecord, ...]:
    """Every record of a run, in the order it was seen; raises StorageError when the file is damaged."""
    path = run_directory / FILE_NAME
    return tuple(_record(path, number, line) for number, line in enumerate(read_lines(path), 1))


def evidence_of(run_directory: Path, step: str) -> tuple[EvidenceRecord, ...]:
    """The records of one step."""
    return tuple(record for record in read_evidence(run_directory) if record.step == step)


class EvidenceLog:
    """Writes `evidence.jsonl`; opening it again goes on with the numbers, so ids stay what they were.

    `now` gives UTC time; `vantage` is the host things are seen from (this one by default); `guard` refuses secrets.
    """

    def __init__(
        self, run_directory: Path, now: Callable[[], datetime], guard: SecretGuard, vantage: str | None = None
    ) -> None:
        self._now = now
        self._guard = guard
        self._vantage = vantage or platform.node()
        self._lock = threading.Lock()
        self._lines = AppendOnlyLines(run_directory / FILE_NAME)
        self._count = Counter(str(line.get("step")) for line in self._lines.existing)

    @property
    def repaired_bytes(self) -> int:
        """How many bytes of a torn last line were cut off on opening."""
        return self._lines.repaired_bytes

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


def _record(path: Path, number: int, line: object) -> EvidenceRecord:
    try:
        return EvidenceRecord.model_validate(line)
    except ValidationError as error:
        raise StorageError(
            "the evidence cannot be read",
            where=f"{path}:{number}",
            why=f"{error.error_count()} of its fields are not as they should be",
            next_move="Restore the file from a copy; nothing was changed.",
        ) from None
