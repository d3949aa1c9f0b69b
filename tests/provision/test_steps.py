"""The new box is had running, recognised, and switched off again only when it was switched on here."""

from pathlib import Path

import pytest

from tests.step_context import NEW_SERIAL, JumpingClock, Notebook, StubBox, context_of, world_of
from toolkit.appliances.protocol import ResetStatus
from toolkit.model.errors import UnreachableError
from toolkit.model.execution import Progress
from toolkit.model.verdict import Verdict
from toolkit.provision.steps import ProvisionNew


class Machine:
    """A provisioner that says what was done; `provide` may be cut off as soon as the machine is on."""

    def __init__(self, *, on: bool = False, cut_off: bool = False, says: str | None = None) -> None:
        self.on = on
        self.says = says
        self._cut_off = cut_off
        self.withdrawn = 0
        self.deletes = False

    def is_provided(self) -> bool:
        return self.on

    def provide(self, progress: Progress) -> None:
        progress(0.5, "switching on")
        self.on = True
        if self._cut_off:
            raise KeyboardInterrupt

    def announced_tls_sha256(self) -> str | None:
        return self.says

    def withdraw(self) -> bool:
        self.on = False
        self.withdrawn += 1
        return self.deletes


def new(serial_number: str = NEW_SERIAL) -> StubBox:
    return StubBox("new", "10.77.0.22", reset_status=ResetStatus(serial_number=serial_number, state="none"))


@pytest.mark.parametrize(("deletes", "gone"), [(True, "new"), (False, "")])
def test_a_box_that_was_deleted_is_told_from_one_that_is_only_off(tmp_path: Path, deletes: bool, gone: str) -> None:
    machine = Machine()
    machine.deletes = deletes
    (tmp_path / "new-box-is-ours").touch()
    outcome = ProvisionNew().undo(context_of(tmp_path, world_of(tmp_path, provisioner=machine)), None)
    assert (outcome.verdict, outcome.gone) == (Verdict.PASSED, gone)


def test_a_box_that_was_switched_on_here_is_switched_off_again_also_after_a_kill(tmp_path: Path) -> None:
    machine = Machine(cut_off=True)
    context = context_of(tmp_path, world_of(tmp_path, new=new(), provisioner=machine))
    with pytest.raises(KeyboardInterrupt):
        ProvisionNew().act(context)
    resumed = context_of(tmp_path, world_of(tmp_path, new=new(), provisioner=machine), begun=True)
    assert ProvisionNew().undo(resumed, None).verdict is Verdict.PASSED
    assert (machine.on, machine.withdrawn) == (False, 1)


def test_how_a_machine_is_run_is_kept_as_evidence(tmp_path: Path) -> None:
    class Emulated(Machine):
        def how(self) -> str:
            return "It runs under software emulation."

    context = context_of(tmp_path, world_of(tmp_path, new=new(), provisioner=Emulated()))
    ProvisionNew().act(context)
    assert isinstance(context.evidence, Notebook)
    assert context.evidence.summaries == ["It runs under software emulation."]


def test_a_box_that_was_running_before_is_left_as_it_is(tmp_path: Path) -> None:
    machine = Machine(on=True)
    context = context_of(tmp_path, world_of(tmp_path, new=new(), provisioner=machine))
    assert ProvisionNew().act(context) == {"made_here": False}
    assert ProvisionNew().undo(context, None).verdict is Verdict.PASSED
    assert (machine.on, machine.withdrawn) == (True, 0)


def test_another_box_with_the_right_certificate_is_not_the_one(tmp_path: Path) -> None:
    right = context_of(tmp_path, world_of(tmp_path, new=new()))
    assert ProvisionNew().verify(right, {}).verdict is Verdict.PASSED
    wrong = context_of(tmp_path, world_of(tmp_path, new=new("RB-OTHER-1")))
    outcome = ProvisionNew().verify(wrong, {})
    assert outcome.verdict is Verdict.FAILED
    assert "RB-OTHER-1 answers" in outcome.summary


def test_it_waits_for_a_box_that_boots_and_not_for_ever(tmp_path: Path) -> None:
    silent = StubBox("new", "10.77.0.22", reset_status=UnreachableError("off"))
    context = context_of(tmp_path, world_of(tmp_path, new=silent, provisioner=Machine()))
    with pytest.raises(UnreachableError):
        ProvisionNew().act(context)
    assert isinstance(context.clock, JumpingClock)
    assert 300 <= context.clock.slept < 310


def test_what_the_box_says_on_its_console_is_by_what_it_is_recognised(tmp_path: Path) -> None:
    box, said = new(), "ab" * 32
    context = context_of(tmp_path, world_of(tmp_path, new=box, provisioner=Machine(says=said)))
    ProvisionNew().act(context)
    assert box.trusted[-1] == said
    assert said in (tmp_path / "trusted-certificates.json").read_text()
