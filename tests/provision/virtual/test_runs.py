"""The step of a run with a real virtual machine behind it: what one run made another does not delete."""

from pathlib import Path

import pytest

from tests.provision.virtual.conftest import PASSWORD, Bench, inventory_of
from tests.provision.virtual.small_image import ADDRESS, CERTIFICATE
from tests.step_context import NEW_SERIAL, Notebook, StubBox, context_of
from toolkit.appliances.protocol import ResetStatus
from toolkit.model.execution import StepContext
from toolkit.model.verdict import Verdict
from toolkit.provision.steps import ProvisionNew
from toolkit.wiring import open_world

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]


def test_a_run_deletes_on_its_way_back_what_it_made_and_nothing_else(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ADMIN", PASSWORD)
    inventory = inventory_of(bench.hypervisor.uri, bench.image)
    inventory = inventory.model_copy(
        update={"new": inventory.new.model_copy(update={"admin_password": "env:ADMIN", "tls_sha256": None})}
    )

    def run(name: str) -> tuple[StepContext, StubBox]:
        world = open_world(inventory, tmp_path, inventory_file=tmp_path / "site.toml")
        box = StubBox("new", ADDRESS, reset_status=ResetStatus(serial_number=NEW_SERIAL, state="none"))
        world.new = box.appliance
        (tmp_path / name).mkdir(exist_ok=True)
        world.work_in(tmp_path / name)
        return context_of(tmp_path / name, world), box

    first, box = run("one")
    assert ProvisionNew().act(first) == {"made_here": True}
    assert box.trusted[-1] == CERTIFICATE
    assert isinstance(first.evidence, Notebook)
    assert "runs under software emulation (the host offers no KVM)" in first.evidence.summaries[0]
    bench.hypervisor.virsh("destroy", "new-box")
    second, _ = run("two")
    ProvisionNew().act(second)
    assert ProvisionNew().undo(second, None).verdict is Verdict.PASSED
    assert bench.hypervisor.domains() == ["new-box"]
    # the first run is taken back by another process, which finds its folder
    later, _ = run("one")
    assert ProvisionNew().undo(later, None).verdict is Verdict.PASSED
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])
