"""What must hold before the old box is reset; none of it can be forced."""

from pathlib import Path

import pytest

from tests.step_context import GATE, OLD_SERIAL, StubBox, context_of, inventory, world_of
from tests.traffic.watched import PretendWatch
from toolkit.appliances.protocol import ResetStatus
from toolkit.model.errors import UnreachableError
from toolkit.model.execution import Result
from toolkit.model.verdict import Verdict
from toolkit.reset.gates import serial_confirmed, soak_passed


def old(serial_number: str = OLD_SERIAL) -> StubBox:
    return StubBox("old", "10.77.0.21", reset_status=ResetStatus(serial_number=serial_number, state="none"))


def test_without_a_typed_serial_number_the_box_is_not_even_asked(tmp_path: Path) -> None:
    outcome = serial_confirmed(context_of(tmp_path, world_of(tmp_path)), GATE)
    assert outcome.verdict is Verdict.FAILED
    assert "rebox resume run-1 --confirm-serial SERIAL" in outcome.summary
    typed = world_of(tmp_path, confirmed_serial_number="RB-NEW-0002")
    assert serial_confirmed(context_of(tmp_path, typed), GATE).verdict is Verdict.FAILED


def test_typed_planned_and_said_by_the_box_must_be_the_same(tmp_path: Path) -> None:
    right = world_of(tmp_path, old=old(), confirmed_serial_number=OLD_SERIAL)
    assert serial_confirmed(context_of(tmp_path, right), GATE).verdict is Verdict.PASSED
    other = world_of(tmp_path, old=old("RB-OTHER-1"), confirmed_serial_number=OLD_SERIAL)
    outcome = serial_confirmed(context_of(tmp_path, other), GATE)
    assert outcome.verdict is Verdict.FAILED
    assert "RB-OTHER-1" in outcome.summary


def test_a_box_that_does_not_answer_confirms_nothing(tmp_path: Path) -> None:
    silent = StubBox("old", "10.77.0.21", reset_status=UnreachableError("off"))
    context = context_of(tmp_path, world_of(tmp_path, old=silent, confirmed_serial_number=OLD_SERIAL))
    with pytest.raises(UnreachableError):
        serial_confirmed(context, GATE)


@pytest.mark.parametrize(
    ("seconds", "wrong", "verdict"),
    [(60.0, 0, Verdict.PASSED), (59.9, 0, Verdict.FAILED), (60.0, 1, Verdict.FAILED)],
)
def test_the_soak_counts_when_it_was_long_enough_and_never_wrong(
    tmp_path: Path, seconds: float, wrong: int, verdict: Verdict
) -> None:
    world = world_of(tmp_path, of=inventory(reset={"soak_seconds": 60.0}))
    PretendWatch(tmp_path, seconds=1)
    soaked: Result = {"seconds": seconds, "wrong": wrong, "until": {"00": 500.0}}
    context = context_of(tmp_path, world, results={"soak": soaked})
    assert soak_passed(context, GATE).verdict is verdict


def test_a_soak_that_has_not_ended_is_unknown(tmp_path: Path) -> None:
    assert soak_passed(context_of(tmp_path, world_of(tmp_path)), GATE).verdict is Verdict.UNKNOWN
