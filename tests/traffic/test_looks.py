"""What the steps that only look put down, in words that are read at night."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.appliances.recorded import answered
from tests.step_context import OLD_SERIAL, JumpingClock, StubBox, context_of, world_of
from toolkit.appliances.protocol import BoxStatus
from toolkit.model.verdict import Verdict
from toolkit.traffic import looks
from toolkit.traffic.looks import InspectOld


def status(*, seconds_ahead: float) -> BoxStatus:
    time = JumpingClock().now() + timedelta(seconds=seconds_ahead)
    read = BoxStatus.model_validate(answered("status"))
    return read.model_copy(update={"serial_number": OLD_SERIAL, "time": time})


@pytest.mark.parametrize(
    ("seconds_ahead", "verdict", "words"),
    [
        (-0.004, Verdict.PASSED, "its clock agrees with ours to the second."),
        (0.4, Verdict.PASSED, "its clock agrees with ours to the second."),
        (1, Verdict.PASSED, "its clock is 1 second ahead of ours."),
        (-7200, Verdict.FAILED, "its clock is 7,200 seconds behind ours."),
    ],
)
def test_how_a_clock_stands_is_said_without_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_ahead: float, verdict: Verdict, words: str
) -> None:
    monkeypatch.setattr(looks, "view_site", lambda _: ())
    old = StubBox("old", "10.77.0.21", status=status(seconds_ahead=seconds_ahead), health=(True, "OK"))
    context = context_of(tmp_path, world_of(tmp_path, old=old))
    outcome = InspectOld().verify(context, {})
    assert outcome.verdict is verdict
    assert outcome.summary.endswith(words)
