"""What must hold before a package is installed."""

from pathlib import Path

import pytest

from tests.appliances.recorded import answered
from tests.step_context import GATE, StubBox, context_of, inventory, world_of
from toolkit.appliances.protocol import BoxStatus
from toolkit.model.verdict import Verdict
from toolkit.upgrade.gates import eula_accepted, package_new_enough

STATUS = BoxStatus.model_validate(answered("status"))


def test_a_licence_is_accepted_by_somebody_with_a_name(tmp_path: Path) -> None:
    outcome = eula_accepted(context_of(tmp_path, world_of(tmp_path)), GATE)
    assert (outcome.verdict, outcome.summary) == (
        Verdict.PASSED,
        "Ana Souza accepted the EULA of Bomgar-12.2.0.",
    )
    unread = world_of(tmp_path, of=inventory(package={"eula_accepted": False}))
    refused = eula_accepted(context_of(tmp_path, unread), GATE)
    assert refused.verdict is Verdict.FAILED
    assert "package.eula_accepted = true" in refused.next_move
    world = world_of(tmp_path, of=inventory(package={"eula_accepted": False}))
    world.work_in(tmp_path / "runs" / "a-run")
    refused = eula_accepted(context_of(tmp_path, world), GATE)
    assert f"in {tmp_path / 'runs' / 'a-run' / 'inventory.toml'}, then resume" in refused.next_move


@pytest.mark.parametrize(
    ("running", "verdict"),
    [
        ("Bomgar-12.1.6", Verdict.PASSED),
        ("Bomgar-12.2.0", Verdict.PASSED),
        ("Bomgar-12.10.0", Verdict.FAILED),
        (None, Verdict.UNKNOWN),
    ],
)
def test_the_new_box_is_at_least_as_new_as_the_backup(tmp_path: Path, running: str | None, verdict: Verdict) -> None:
    old = StubBox("old", "10.77.0.21", status=STATUS.model_copy(update={"site_version": running}))
    outcome = package_new_enough(context_of(tmp_path, world_of(tmp_path, old=old)), GATE)
    assert outcome.verdict is verdict
    assert verdict is not Verdict.FAILED or f"set package.version to {running} or newer" in outcome.next_move
