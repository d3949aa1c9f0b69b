"""A lab whose boxes are machines of their own: the lab's libvirt, metal behind a BMC, moments to come back to."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.lab import operator
from toolkit.lab.handle import always
from toolkit.lab.lab import Lab
from toolkit.lab.topology import load_topology
from toolkit.model.errors import InputError, RefusedError, VerificationError

pytestmark = pytest.mark.vm
VM = Path(__file__).parents[2] / "fixtures" / "labs" / "migration-vm.toml"


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab, booted once."""
    with Lab.up(load_topology(VM), state=tmp_path_factory.mktemp("state")) as lab:
        lab.snapshot("booted")
        yield lab


@pytest.fixture
def lab(booted: Lab) -> Lab:
    """The lab as it was when it had booted."""
    booted.restore("booted")
    return booted


def ask(lab: Lab, address: str, path: str = "/check_health") -> str:
    """What a box answers to a client of the lab; empty when it does not."""
    url = f"https://{address}{path}"
    return lab.run("client1", ["curl", "--silent", "--insecure", "--max-time", "2", url]).stdout


def redfish(lab: Lab, path: str) -> dict[str, object]:
    """What the BMC answers its operator."""
    password = operator.secret(lab.folder.operator, operator.BMC_PASSWORD)
    assert lab.description.bmc
    url = f"https://{lab.description.bmc.address}{path}"
    settings = f'user = "{lab.description.bmc.username}:{password}"'
    answer = lab.run("operator", ["curl", "--silent", "--insecure", "--config", "-", url], standard_input=settings)
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def test_a_box_that_is_a_machine_is_known_by_what_its_console_says(lab: Lab) -> None:
    old = lab.machine("old")
    assert lab.description.machines["old"].tls_sha256
    assert f"certificate sha256: {lab.description.machines['old'].tls_sha256} on {old.address}" in old.console
    assert ask(lab, old.address) == "OK"


def test_a_box_that_is_to_be_made_is_not_there_and_the_inventory_says_how_it_is_made(lab: Lab) -> None:
    assert lab.machine("new").power == "off"
    inventory = (lab.folder.operator / "inventory.toml").read_text(encoding="utf-8")
    assert 'driver = "libvirt"' in inventory
    assert 'bridge = "switch"' in inventory


def test_the_metal_is_found_by_redfish_and_by_nobody_without_the_password(lab: Lab) -> None:
    assert lab.description.bmc
    system = redfish(lab, f"/redfish/v1/Systems/{lab.description.bmc.systems['old']}")
    assert system["PowerState"] == "On"
    url = f"https://{lab.description.bmc.address}/redfish/v1/Systems"
    refused = lab.run(
        "operator", ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", url]
    )
    assert refused.stdout == "401"


def test_a_crash_an_unplugged_cable_and_the_way_back(lab: Lab) -> None:
    old = lab.machine("old")
    old.unplug()
    assert ask(lab, old.address) == ""
    old.plug_in()
    old.wait_for(lambda: ask(lab, old.address) == "OK", seconds=30)
    old.crash()
    assert old.power == "off"
    started = time.monotonic()
    lab.restore("booted")
    old.wait_for(lambda: ask(lab, old.address) == "OK", seconds=30)
    assert old.power == "on"
    assert time.monotonic() - started < 30


def test_what_is_done_after_the_snapshot_is_undone_by_coming_back(lab: Lab) -> None:
    old = lab.machine("old")
    old.shut_down()
    old.wait_for(lambda: old.power == "off", seconds=20)
    data = lab.folder.host("old") / "data.raw"
    kept = data.read_bytes()
    with data.open("r+b") as disk:
        disk.write(b"\xff" * (1 << 20))
    lab.restore("booted")
    assert data.read_bytes()[: 1 << 20] != b"\xff" * (1 << 20)
    assert len(kept) == data.stat().st_size
    assert ask(lab, old.address) == "OK"


def test_the_machines_outlive_the_daemon_and_not_their_host(lab: Lab) -> None:
    old = lab.machine("old")
    with always("the box answers", lambda: ask(lab, old.address) == "OK"):
        lab.crash_hypervisor()
    assert old.power == "on"
    lab.crash_hypervisor(host=True)
    assert old.power == "off"


def test_an_invariant_that_is_broken_in_between_is_told(lab: Lab) -> None:
    old = lab.machine("old")

    def unplugged_for_a_while() -> None:
        with always("the box answers", lambda: ask(lab, old.address) == "OK"):
            old.unplug()
            old.wait_for(lambda: ask(lab, old.address) == "")

    with pytest.raises(VerificationError, match="the box answers did not hold"):
        unplugged_for_a_while()


def test_what_never_comes_is_told_with_the_console(lab: Lab) -> None:
    with pytest.raises(VerificationError, match=r"(?s)old: no such words did not come.*ready"):
        lab.machine("old").wait_for("no such words", seconds=0.2)


def test_a_snapshot_that_was_never_taken_is_told_with_those_that_are(lab: Lab) -> None:
    with pytest.raises(InputError, match="no snapshot 'later'") as told:
        lab.restore("later")
    assert "booted" in told.value.next_move


def test_a_virtual_machine_cannot_be_entered(lab: Lab) -> None:
    ended = lab.run("old", ["true"])
    assert ended.returncode == 2
    assert "it is a virtual machine" in ended.stderr


def test_a_lab_of_namespaces_keeps_no_moments(tmp_path: Path) -> None:
    plain = load_topology(VM.with_name("small.toml")).model_copy(update={"boxes": {}})
    with Lab.up(plain, state=tmp_path) as lab, pytest.raises(RefusedError, match="cannot do 'snapshot'"):
        lab.snapshot("now")
