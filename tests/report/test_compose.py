"""What the report says has become of the old box: no more than verified steps show."""

import pytest

from toolkit.engine.history import StepHistory
from toolkit.model.verdict import Verdict
from toolkit.report.compose import old_state

PASSED = StepHistory(begun=True, ended=True, verdict=Verdict.PASSED)
CUT_OFF = StepHistory(begun=True)
NOT_BEGUN = StepHistory()


@pytest.mark.parametrize(
    ("passed", "cut_off", "state"),
    [
        ((), "inspect-old", "unknown"),
        (("inspect-old",), "", "serving"),
        (("inspect-old",), "swing-traffic", "unknown"),
        (("inspect-old", "swing-traffic"), "", "out-of-service"),
        (("inspect-old", "swing-traffic"), "reset-old", "unknown"),
        (("inspect-old", "swing-traffic", "reset-old"), "wipe-old", "reset"),
        (("inspect-old", "swing-traffic", "reset-old", "shut-down-old"), "", "reset-and-off"),
        (("inspect-old", "swing-traffic", "reset-old", "wipe-old", "shut-down-old"), "", "wiped-and-off"),
    ],
)
def test_the_old_box_is_what_its_last_verified_step_made_it(passed: tuple[str, ...], cut_off: str, state: str) -> None:
    names = ("inspect-old", "swing-traffic", "reset-old", "wipe-old", "shut-down-old")
    steps = {name: PASSED if name in passed else CUT_OFF if name == cut_off else NOT_BEGUN for name in names}
    assert old_state(steps) == state


def test_what_was_taken_back_does_not_count() -> None:
    undone = StepHistory(begun=True, ended=True, verdict=Verdict.PASSED, undone=True)
    assert old_state({"inspect-old": PASSED, "swing-traffic": undone}) == "serving"
