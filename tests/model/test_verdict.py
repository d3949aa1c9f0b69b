"""Nothing checked is not a pass."""

import pytest

from toolkit.model.verdict import Verdict, combine

PASSED, FAILED, SKIPPED, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.SKIPPED, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], UNKNOWN),
        ([SKIPPED], UNKNOWN),
        ([PASSED, SKIPPED], PASSED),
        ([PASSED, UNKNOWN], UNKNOWN),
        ([PASSED, UNKNOWN, FAILED], FAILED),
    ],
)
def test_the_worst_one_counts(verdicts: list[Verdict], whole: Verdict) -> None:
    assert combine(verdicts) is whole


def test_exit_statuses_are_those_of_the_command_line() -> None:
    assert [verdict.exit_status for verdict in (PASSED, FAILED, UNKNOWN)] == [0, 1, 4]
