"""What the report says has become of the old box: no more than verified steps show."""

from datetime import UTC, datetime

import pytest

from tests.engine.ledger import PROOF, step
from toolkit.engine.history import StepHistory, tell
from toolkit.engine.journal import RunRecord
from toolkit.model.plan import Plan
from toolkit.model.run_report import Abandoned
from toolkit.model.verdict import Verdict
from toolkit.report.compose import old_state, state_of_old

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = Plan(procedure="test", site="s", boxes={}, steps=(step("inspect-old"),), on_way_back=PROOF)
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


SERVES, DOES_NOT = (StepHistory(attempts=1, verdict=v, last_time=NOW) for v in (Verdict.PASSED, Verdict.FAILED))


@pytest.mark.parametrize(
    ("proof", "abandoned", "state"),
    [(SERVES, False, "serving"), (DOES_NOT, False, "unknown"), (None, False, "serving"), (None, True, "unknown")],
)
def test_after_going_back_or_giving_up_only_what_was_seen_then_counts(
    proof: StepHistory | None, abandoned: bool, state: str
) -> None:
    history = tell(RunRecord(run_id="r", created=NOW, toolkit_version="1"), PLAN, ())
    history.steps["inspect-old"] = PASSED
    history.steps["prove-served"] = proof or StepHistory()
    history.abandoned = Abandoned(by="anna", time=NOW) if abandoned else None
    assert state_of_old(history) == state
