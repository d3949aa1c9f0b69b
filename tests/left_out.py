"""What a run of the tests leaves out, and why: told by each run of pytest, gathered by `make test`."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

FILE = "REBOX_TESTS_LEFT_OUT"
"""The environment's name for the file into which each run of pytest writes."""

ONLY_ROOT = "only root can do what it needs"
ENDURANCE = "takes many minutes: make test-endurance"


@dataclass(frozen=True)
class LeftOut:
    """One test, or one file of them, that was not run."""

    test: str
    reason: str


def of_reports(reports: Iterable[pytest.TestReport]) -> list[LeftOut]:
    """The skipped ones among pytest's reports."""
    return [LeftOut(report.nodeid, _reason(report.longrepr)) for report in reports]


def _reason(told: object) -> str:
    words = str(told[2] if isinstance(told, tuple) else told)
    return words.removeprefix("Skipped: ").strip()


def write(left_out: Iterable[LeftOut]) -> None:
    """Appends them to the file that the environment names, if it names one."""
    if FILE in os.environ:
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([each.test, each.reason]) + "\n" for each in left_out)


def read(file: Path) -> list[LeftOut]:
    """What the runs have written, each test once."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return list(dict.fromkeys(LeftOut(*json.loads(line)) for line in lines))


def in_words(left_out: Iterable[LeftOut]) -> str:
    """One line for the end: how many were not run and why."""
    counts = Counter(each.reason for each in left_out)
    if not counts:
        return "Everything was run."
    return f"Not run: {counts.total()} tests: " + "; ".join(f"{count} ({why})" for why, count in counts.most_common())
