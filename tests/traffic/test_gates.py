"""Gates before the swing: who is at the new address, who has the site, and whether anybody is in a session."""

from pathlib import Path

import pytest

from tests.appliances.recorded import answered
from tests.step_context import GATE, NEW_SERIAL, StubBox, context_of, inventory, world_of
from toolkit.appliances.protocol import BoxStatus, NetworkAddress, NetworkSettings, ResetStatus
from toolkit.model.errors import UnreachableError
from toolkit.model.verdict import Verdict
from toolkit.traffic import gates
from toolkit.traffic.gates import new_address_free, no_active_sessions, old_idle, old_out_of_service

STATUS = BoxStatus.model_validate(answered("status"))
NETWORK = NetworkSettings.model_validate(answered("network"))
MACS = ["02:00:00:00:00:99"]


def new(serial_number: str | None) -> StubBox:
    """None: it does not answer."""
    answer = ResetStatus(serial_number=serial_number, state="none") if serial_number else UnreachableError("silent")
    return StubBox("new", "10.77.0.22", reset_status=answer)


@pytest.mark.parametrize(
    ("macs", "serial_number", "verdict", "words"),
    [
        (MACS, NEW_SERIAL, Verdict.PASSED, "The new box has"),
        (MACS, "RB-OTHER-1", Verdict.FAILED, "another appliance, RB-OTHER-1"),
        (MACS, None, Verdict.FAILED, "a stranger (02:00:00:00:00:99)"),
        (None, NEW_SERIAL, Verdict.PASSED, "The new box has"),
        (None, "RB-OTHER-1", Verdict.FAILED, "another appliance"),
        (None, None, Verdict.PASSED, "behind a gateway"),
    ],
)
def test_whoever_has_the_new_address_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    macs: list[str] | None,
    serial_number: str | None,
    verdict: Verdict,
    words: str,
) -> None:
    monkeypatch.setattr(gates, "_macs_at", lambda _: macs)
    outcome = new_address_free(context_of(tmp_path, world_of(tmp_path, new=new(serial_number))), GATE)
    assert outcome.verdict is verdict
    assert words in outcome.summary


def test_an_address_that_nobody_has_is_not_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "_macs_at", lambda _: [])
    refuses_every_call = StubBox("new", "10.77.0.22")
    outcome = new_address_free(context_of(tmp_path, world_of(tmp_path, new=refuses_every_call)), GATE)
    assert (outcome.verdict, outcome.summary) == (Verdict.PASSED, "Nobody has 10.77.0.22.")


@pytest.mark.parametrize(
    ("active", "verdict", "words"),
    [
        (0, Verdict.PASSED, "No session is active"),
        (1, Verdict.FAILED, "1 support session is active"),
        (2, Verdict.FAILED, "2 support sessions are active"),
    ],
)
def test_sessions_that_the_swing_would_end_are_counted(
    tmp_path: Path, active: int, verdict: Verdict, words: str
) -> None:
    old = StubBox("old", "10.77.0.21", status=STATUS.model_copy(update={"active_sessions": active}))
    outcome = no_active_sessions(context_of(tmp_path, world_of(tmp_path, old=old)), GATE)
    assert outcome.verdict is verdict
    assert outcome.summary.startswith(words)


@pytest.mark.parametrize(
    ("active", "verdict", "words"),
    [
        (0, Verdict.PASSED, "No session is going on"),
        (1, Verdict.FAILED, "until it has ended, or end it there"),
        (2, Verdict.FAILED, "until they have ended, or end them there"),
    ],
)
def test_a_session_left_on_the_old_box_keeps_it_from_being_reset(
    tmp_path: Path, active: int, verdict: Verdict, words: str
) -> None:
    old = StubBox("old", "10.77.0.21", status=STATUS.model_copy(update={"active_sessions": active}))
    outcome = old_idle(context_of(tmp_path, world_of(tmp_path, old=old)), GATE)
    assert outcome.verdict is verdict
    assert words in outcome.summary


@pytest.mark.parametrize(("enabled", "verdict"), [(False, Verdict.PASSED), (True, Verdict.FAILED)])
def test_an_old_box_that_has_one_of_the_sites_addresses_is_in_service(
    tmp_path: Path, enabled: bool, verdict: Verdict
) -> None:
    wanted = inventory("shared-ip.toml")
    shared = wanted.site.addresses[0]
    entry = NetworkAddress(id=2, address=shared, prefix=24, interface="eth0", shared=True, enabled=enabled)
    own = entry.model_copy(update={"id": 1, "address": "10.77.0.21", "shared": False, "enabled": True})
    old = StubBox("old", "10.77.0.21", network=NETWORK.model_copy(update={"addresses": (own, entry)}))
    outcome = old_out_of_service(context_of(tmp_path, world_of(tmp_path, old=old, of=wanted)), GATE)
    assert outcome.verdict is verdict
    assert (shared in outcome.summary) is enabled
