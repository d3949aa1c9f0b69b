"""How a check ends: unknown is not a pass, and nothing checked is unknown."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """The end of a step, a check or a run."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """The command line's exit status for this verdict."""
        return {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.SKIPPED: 4, Verdict.UNKNOWN: 4}[self]


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of the whole: any failure fails it, any unknown makes it unknown, nothing passed is unknown."""
    seen = set(verdicts)
    for worst in (Verdict.FAILED, Verdict.UNKNOWN, Verdict.PASSED):
        if worst in seen:
            return worst
    return Verdict.UNKNOWN
