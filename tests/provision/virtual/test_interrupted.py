"""Killed anywhere, libvirt restarted in the middle, two at once: it goes on or is refused, and nothing is left over."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.provision.virtual.conftest import Bench
from tests.provision.virtual.small_image import CERTIFICATE
from toolkit.model.errors import RefusedError

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]

STAGES = ["checked", "uploading", "image", "defined", "system disk", "volumes", "made", "started"]


def silent(_fraction: float, _phase: str) -> None:
    """Nobody watches."""


def killed_at(stage: str, work: Callable[[Callable[[str], None]], object]) -> None:
    """Does the work in a process that is killed when it reaches the stage."""

    def kill(reached: str) -> None:
        if reached == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            work(kill)
        finally:
            os._exit(1)  # it was not killed
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it ended before it came to {stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_killed_while_it_is_made_and_done_again(bench: Bench, stage: str) -> None:
    def work(kill: Callable[[str], None]) -> None:
        def progress(fraction: float, phase: str) -> None:
            if phase.startswith("bringing") and fraction > 0.2:
                kill("uploading")

        bench.machine(checkpoint=kill).provide(progress)

    killed_at(stage, work)
    machine = bench.machine()
    machine.provide(silent)
    assert machine.announced_tls_sha256() == CERTIFICATE
    assert bench.hypervisor.domains() == ["new-box"]
    assert len(bench.own_volumes()) == 4
    assert len(bench.hypervisor.volumes()) == 4 + 3


@pytest.mark.parametrize("stage", ["defined", "volumes", "started"])
def test_killed_while_it_is_made_and_taken_back(bench: Bench, stage: str) -> None:
    killed_at(stage, lambda kill: bench.machine(checkpoint=kill).provide(silent))
    bench.machine().withdraw()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])


REMOVING = ["undefined", "off", "volumes removed"]


@pytest.mark.parametrize("stage", REMOVING)
def test_killed_while_it_is_removed_it_is_never_taken_for_complete(bench: Bench, stage: str) -> None:
    """Once its definition is gone only what was written down here says whose its volumes are."""
    bench.machine().provide(silent)
    killed_at(stage, lambda kill: bench.machine(checkpoint=kill).remove())
    assert bench.own_volumes() or stage == "volumes removed"
    assert not bench.machine().is_provided()
    assert bench.machine().remove(), "it says that it has removed something"
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])
    assert not bench.machine().remove()


def test_killed_while_it_is_removed_and_made_again(bench: Bench) -> None:
    bench.machine().provide(silent)
    before = bench.own_volumes()
    killed_at("off", lambda kill: bench.machine(checkpoint=kill).withdraw())
    assert bench.own_volumes() == before
    bench.machine().provide(silent)
    assert bench.hypervisor.domains() == ["new-box"]
    assert len(bench.own_volumes()) == 4
    assert not {*before} & {*bench.own_volumes()}


def test_killed_before_anything_is_removed_it_is_whole(bench: Bench) -> None:
    bench.machine().provide(silent)
    killed_at("written down", lambda kill: bench.machine(checkpoint=kill).remove())
    assert bench.machine().is_provided()
    bench.machine().provide(silent)
    assert len(bench.own_volumes()) == 4
    assert bench.machine().remove()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])


@pytest.mark.parametrize("stage", ["image", "system disk", "started"])
def test_libvirt_is_restarted_in_the_middle_and_it_goes_on(bench: Bench, stage: str) -> None:
    restarted: list[str] = []
    said: list[str] = []

    def restart(reached: str) -> None:
        if reached == stage and not restarted:
            restarted.append(reached)
            bench.hypervisor.kill()
            threading.Timer(1.0, bench.hypervisor.start).start()

    machine = bench.machine(checkpoint=restart)
    machine.provide(lambda _fraction, phase: said.append(phase))
    assert "waiting for libvirt to come back" in said
    assert machine.announced_tls_sha256() == CERTIFICATE
    assert bench.hypervisor.domains() == ["new-box"]
    assert len(bench.own_volumes()) == 4


def test_of_two_at_the_same_time_the_second_is_refused(bench: Bench) -> None:
    seen: list[str] = []

    def second(reached: str) -> None:
        if reached == "system disk":
            for call in (lambda: bench.machine().provide(silent), bench.machine().withdraw, bench.machine().remove):
                with pytest.raises(RefusedError, match=f"process {os.getpid()} is at work on it") as refused:
                    call()
                seen.append(refused.value.what)

    bench.machine(checkpoint=second).provide(silent)
    assert seen == ["the virtual machine new-box is being provisioned or removed already"] * 3


def test_one_that_is_made_from_another_machine_is_not_taken_over(bench: Bench, tmp_path: Path) -> None:
    def elsewhere(kill: Callable[[str], None]) -> None:
        bench.machine(checkpoint=kill, state=tmp_path / "elsewhere", maker="oncall-2:/runs/7/inventory.toml").provide(
            silent
        )

    killed_at("volumes", elsewhere)
    here = bench.machine()
    (found,) = [finding for finding in here.check() if not finding.passed]
    assert found.summary == "new-box is half made by oncall-2:/runs/7/inventory.toml"
    with pytest.raises(RefusedError, match=r"it is marked as the work of oncall-2:/runs/7/inventory\.toml"):
        here.provide(silent)
    assert not here.is_provided()
    assert len(bench.own_volumes()) == 4
    # a person who knows that the other one is gone may remove it
    assert here.remove()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])
