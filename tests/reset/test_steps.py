"""The end of the old box: never another's, and its next certificate is known before it is asked."""

from pathlib import Path

import pytest

from tests.step_context import OLD_SERIAL, StubBox, context_of, world_of
from toolkit.appliances.protocol import ResetStatus
from toolkit.model.errors import UnreachableError, VerificationError
from toolkit.model.verdict import Verdict
from toolkit.probes.tls import TlsResult
from toolkit.reset.settings import ResetOld
from toolkit.reset.shut_down import ShutDownOld

NEXT = "3" * 64


def unasked(*arguments: object, **named: object) -> TlsResult:
    raise AssertionError("no certificate was to be looked at")


def status(serial_number: str = OLD_SERIAL, state: str = "none") -> ResetStatus:
    return ResetStatus.model_validate({"serial_number": serial_number, "state": state, "next_tls_sha256": NEXT})


def test_another_box_at_the_old_address_is_left_alone(tmp_path: Path) -> None:
    stranger = StubBox("old", "10.77.0.21", reset_status=status("RB-OTHER-1"))
    context = context_of(tmp_path, world_of(tmp_path, old=stranger))
    for call in (ResetOld(unasked).look, ResetOld(unasked).act, ShutDownOld().act):
        with pytest.raises(VerificationError, match="another box answers"):
            call(context)
    assert {*stranger.asked} == {"reset_status"}
    assert stranger.trusted == []


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
