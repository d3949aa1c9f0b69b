"""The factory reset: known beforehand, followed to its end, and believed only when the box answers as a factory box."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.appliance.box_process import BoxProcess
from tests.reset.conftest import Reached
from tests.step_context import OLD_SERIAL, Notebook, StubBox, context_of, inventory, world_of
from toolkit.appliances.protocol import ResetStatus
from toolkit.emulator.appliance.database import connect
from toolkit.emulator.appliance.disk import Disk
from toolkit.model.box import Exposure, Shown
from toolkit.model.errors import AuthenticationError, StorageError, UnreachableError, VerificationError
from toolkit.model.execution import StepContext
from toolkit.model.verdict import Verdict
from toolkit.probes.tls import TlsResult
from toolkit.reset.settings import ResetOld

BEFORE, NEXT = "2" * 64, "3" * 64


def status(serial_number: str = OLD_SERIAL, state: str = "none") -> ResetStatus:
    return ResetStatus.model_validate({"serial_number": serial_number, "state": state, "next_tls_sha256": NEXT})


def serves(*sha256: str | None) -> Any:
    """What a TLS client is shown, one handshake after the other; the last for ever."""
    left = list(sha256)

    def observed(address: str, port: int, *, verify: bool) -> TlsResult:
        assert (address, port, verify) == ("10.77.0.21", 443, False)
        served = left.pop(0) if len(left) > 1 else left[0]
        fields: dict[str, Any] = {"sha256": served}
        return TlsResult.model_construct(**fields)

    return observed


def nothing_given(**fields: Any) -> Exposure:
    refused = Shown(caller="nobody", call="GET /api/v1/status", kind="status", status=401, body={})
    return Exposure(
        **{"shown": (refused,), "old_account_known": False, "default_password": "must-be-replaced", **fields}
    )


def after_act(folder: Path, **answers: object) -> StepContext:
    """A run whose reset was asked for by this step, on a box that answers so afterwards."""
    asked = StubBox("old", "10.77.0.21", reset_status=status(), reset=lambda *_: status(state="complete"))
    ResetOld(serves(BEFORE)).act(context_of(folder, world_of(folder, old=asked)))
    done = StubBox("old", "10.77.0.21", **{"reset_status": status(state="complete"), **answers})
    return context_of(folder, world_of(folder, old=done))


def test_the_next_certificate_is_known_and_trusted_before_the_reset_is_asked_for(tmp_path: Path) -> None:
    known_at_reset: list[object] = []

    def reset(*_: object) -> ResetStatus:
        known_at_reset.extend((old.trusted.copy(), (tmp_path / "before-the-reset.json").exists()))
        return status(state="complete")

    old = StubBox("old", "10.77.0.21", reset_status=status(), reset=reset)
    context = context_of(tmp_path, world_of(tmp_path, old=old))
    step = ResetOld(serves(BEFORE))
    assert step.look(context) is None
    assert step.act(context) == {"serial_number": OLD_SERIAL, "announced_sha256": NEXT}
    assert known_at_reset == [[NEXT], True]


def test_what_was_announced_is_not_forgotten_by_a_resume_that_finds_the_box_at_its_reset(tmp_path: Path) -> None:
    after_act(tmp_path)
    later = ResetStatus.model_validate({**status(state="resetting").model_dump(), "next_tls_sha256": "4" * 64})
    old = StubBox("old", "10.77.0.21", reset_status=later, reset=lambda *_: status(state="complete"))
    result = ResetOld(serves(NEXT)).act(context_of(tmp_path, world_of(tmp_path, old=old), begun=True))
    assert result["announced_sha256"] == NEXT


def test_a_factory_box_passes_and_what_was_seen_is_evidence(tmp_path: Path) -> None:
    context = after_act(tmp_path, exposure=nothing_given())
    outcome = ResetOld(serves(BEFORE, None, NEXT)).verify(context, {})
    assert outcome.verdict is Verdict.PASSED
    assert "is a factory box" in outcome.summary
    assert isinstance(context.evidence, Notebook)
    assert context.evidence.summaries == [outcome.summary]


@pytest.mark.parametrize(
    ("served", "fields", "verdict", "told"),
    [
        (BEFORE, {}, Verdict.FAILED, "certificate of before its reset"),
        ("9" * 64, {}, Verdict.FAILED, "another certificate than it announced"),
        (None, {}, Verdict.UNKNOWN, "served no certificate"),
        (NEXT, {"old_account_known": True}, Verdict.FAILED, "still signs in"),
        (NEXT, {"default_password": "taken-again"}, Verdict.FAILED, "its own replacement"),
        (NEXT, {"default_password": "unknown"}, Verdict.UNKNOWN, "has to be replaced"),
        (NEXT, {"shown": ()}, Verdict.UNKNOWN, "asked nothing"),
    ],
)
def test_anything_else_is_no_factory_box(
    tmp_path: Path, served: str | None, fields: dict[str, Any], verdict: Verdict, told: str
) -> None:
    outcome = ResetOld(serves(served)).verify(after_act(tmp_path, exposure=nothing_given(**fields)), {})
    assert (outcome.verdict, told in outcome.summary) == (verdict, True)


def test_a_box_that_does_not_answer_is_neither_passed_nor_failed(tmp_path: Path) -> None:
    for silence in ({"reset_status": UnreachableError("off")}, {"exposure": UnreachableError("went off")}):
        outcome = ResetOld(serves(None)).verify(after_act(tmp_path, **silence), {})
        assert outcome.verdict is Verdict.UNKNOWN
        assert outcome.evidence


def test_the_announced_certificate_may_stand_in_the_inventory_by_then(tmp_path: Path) -> None:
    context = after_act(tmp_path, exposure=nothing_given())
    context.world.inventory = inventory(old={"tls_sha256": NEXT})
    assert ResetOld(serves(NEXT)).verify(context, {}).verdict is Verdict.PASSED


def test_a_box_that_was_reset_before_anybody_asked_it_what_it_would_serve_is_unknown(tmp_path: Path) -> None:
    done = StubBox("old", "10.77.0.21", reset_status=status(state="complete"), exposure=nothing_given())
    context = context_of(tmp_path, world_of(tmp_path, old=done))
    step = ResetOld(serves(NEXT))
    result = step.look(context)
    assert result == {"serial_number": OLD_SERIAL, "announced_sha256": None}
    outcome = step.verify(context, result)
    assert (outcome.verdict, "not announced to this run" in outcome.summary) == (Verdict.UNKNOWN, True)


def test_a_box_that_answers_under_its_old_certificate_has_failed_whatever_it_would_say(tmp_path: Path) -> None:
    context = after_act(tmp_path, reset_status=AuthenticationError("another certificate"))
    assert ResetOld(serves(BEFORE)).verify(context, {}).verdict is Verdict.FAILED


def test_a_box_that_says_it_was_not_reset_or_is_another_one_has_failed(tmp_path: Path) -> None:
    for said in (status(), status("RB-OTHER-1", "complete")):
        with pytest.raises(VerificationError):
            ResetOld(serves(NEXT)).verify(after_act(tmp_path, reset_status=said), {})


def test_a_record_that_cannot_be_read_is_named_and_nothing_is_guessed(tmp_path: Path) -> None:
    context = after_act(tmp_path)
    (tmp_path / "before-the-reset.json").write_text("{")
    with pytest.raises(StorageError, match=r"before-the-reset\.json"):
        ResetOld(serves(NEXT)).verify(context, {})


# a real appliance, emulated


def test_a_real_reset_leaves_a_factory_box_and_proving_it_does_not_change_it(box: BoxProcess, reached: Reached) -> None:
    context = reached(box)
    context.world.old.status()  # our token is among what must be forgotten
    step = ResetOld()
    assert step.look(context) is None
    step.act(context)
    done = step.look(context)
    assert done
    first, second = (step.verify(context, done) for _ in range(2))
    assert (first.verdict, second.verdict) == (Verdict.PASSED, Verdict.PASSED), first.summary
    assert box.take_into_use().get("/api/v1/audit").json()[0]["action"] == "change-password", "the first there is"


def test_a_reset_that_only_says_so_is_found_out(tmp_path: Path, box: BoxProcess, reached: Reached) -> None:
    """The box forgets nothing: what its database held is put back behind the record that says complete."""
    context = reached(box)
    shutil.copytree(box.disk, tmp_path / "copy")
    step = ResetOld()
    step.act(context)
    box.kill()
    before = Disk(tmp_path / "copy")
    with contextlib.closing(connect(before.database, before.keys)) as old, contextlib.closing(box.database()) as new:
        new.execute("PRAGMA foreign_keys = OFF")
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in old.execute(tables).fetchall():
            new.execute(f"DELETE FROM {table}")  # noqa: S608  names of the box's own tables
            for row in old.execute(f"SELECT * FROM {table}").fetchall():  # noqa: S608
                new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in row)})", tuple(row))  # noqa: S608
    kept = reached(box.power_on())
    result = step.look(kept)
    assert result, "it says complete"
    outcome = step.verify(kept, result)
    assert outcome.verdict is Verdict.FAILED
    for left in ("certificate of before its reset", "replaced already", "still signs in", "the state 'running'"):
        assert left in outcome.summary


def test_a_box_that_went_off_is_unknown_and_passes_once_it_is_back(box: BoxProcess, reached: Reached) -> None:
    context = reached(box)
    step = ResetOld()
    result = step.act(context)
    box.kill()
    assert step.verify(context, result).verdict is Verdict.UNKNOWN
    assert step.verify(reached(box.power_on()), result).verdict is Verdict.PASSED
