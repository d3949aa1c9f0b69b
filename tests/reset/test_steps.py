"""The end of the old box: never another's, and its next certificate is known before it is asked."""

from pathlib import Path

import pytest

from tests.step_context import OLD_SERIAL, StubBox, context_of, world_of
from toolkit.appliances.protocol import ResetStatus
from toolkit.model.errors import UnreachableError, VerificationError
from toolkit.model.verdict import Verdict
from toolkit.reset.settings import ResetOld
from toolkit.reset.shut_down import ShutDownOld

NEXT = "3" * 64


def status(serial_number: str = OLD_SERIAL, state: str = "none") -> ResetStatus:
    return ResetStatus.model_validate({"serial_number": serial_number, "state": state, "next_tls_sha256": NEXT})


def test_another_box_at_the_old_address_is_left_alone(tmp_path: Path) -> None:
    stranger = StubBox("old", "10.77.0.21", reset_status=status("RB-OTHER-1"))
    context = context_of(tmp_path, world_of(tmp_path, old=stranger))
    for call in (ResetOld().look, ResetOld().act, ShutDownOld().act):
        with pytest.raises(VerificationError, match="another box answers"):
            call(context)
    assert {*stranger.asked} == {"reset_status"}
    assert stranger.trusted == []


def test_the_next_certificate_is_trusted_before_the_reset_is_asked_for(tmp_path: Path) -> None:
    trusted_at_reset: list[str] = []

    def reset(*_: object) -> ResetStatus:
        trusted_at_reset.extend(old.trusted)
        return status(state="complete")

    old = StubBox("old", "10.77.0.21", reset_status=status(), reset=reset)
    context = context_of(tmp_path, world_of(tmp_path, old=old))
    assert ResetOld().look(context) is None
    assert ResetOld().act(context) == {"serial_number": OLD_SERIAL}
    assert trusted_at_reset == [NEXT]


@pytest.mark.parametrize(
    ("state", "known", "verdict"),
    [
        ("complete", False, Verdict.PASSED),
        ("complete", True, Verdict.FAILED),
        ("resetting", False, Verdict.FAILED),
    ],
)
def test_reset_is_what_says_so_and_has_forgotten_us(tmp_path: Path, state: str, known: bool, verdict: Verdict) -> None:
    old = StubBox("old", "10.77.0.21", reset_status=status(state=state), can_sign_in=known)
    assert ResetOld().verify(context_of(tmp_path, world_of(tmp_path, old=old)), {}).verdict is verdict


def test_a_box_that_still_answers_is_not_off(tmp_path: Path) -> None:
    on = context_of(tmp_path, world_of(tmp_path, old=StubBox("old", "10.77.0.21", health=(True, "OK"))))
    assert ShutDownOld().look(on) is None
    assert ShutDownOld().verify(on, {}).verdict is Verdict.FAILED
    gone = StubBox("old", "10.77.0.21", health=UnreachableError("off"))
    off = context_of(tmp_path, world_of(tmp_path, old=gone))
    assert ShutDownOld().look(off) == {"found_off": True}
    assert ShutDownOld().verify(off, {}).verdict is Verdict.PASSED


def test_there_is_no_way_back_and_nothing_pretends_so(tmp_path: Path) -> None:
    context = context_of(tmp_path, world_of(tmp_path))
    for step in (ResetOld(), ShutDownOld()):
        assert step.undo(context, None).verdict is Verdict.FAILED
