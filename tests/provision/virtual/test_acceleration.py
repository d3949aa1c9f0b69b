"""KVM is used only where a guest has really run under it; what a host said is remembered until something changes."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.provision.virtual.private_libvirt import PrivateLibvirt, private_libvirt
from toolkit.images.build import Image
from toolkit.images.manifest import INITRD, KERNEL
from toolkit.provision.virtual.acceleration import Answer, Memory, find_acceleration, run_to_its_end
from toolkit.provision.virtual.connection import HostFacts, connect
from toolkit.provision.virtual.domain import Acceleration, check_guest

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

HOST = HostFacts(uuid="a-host", hostname="host", qemu_version=7002022, libvirt_version=9000000, offers_kvm=True)
SECONDS_MAX = 60.0


def guest(image: Image, acceleration: Acceleration) -> str:
    return check_guest("rebox-check", str(image.folder / KERNEL), str(image.folder / INITRD), acceleration)


def test_the_guest_that_proves_it_runs_to_its_end_where_it_can(hypervisor: PrivateLibvirt, appliance: Image) -> None:
    with connect(hypervisor.uri) as host:
        assert run_to_its_end(host, guest(appliance, "qemu"), SECONDS_MAX) == ""
    assert hypervisor.domains() == []


def test_a_guest_that_hangs_is_taken_away_when_its_time_is_over(hypervisor: PrivateLibvirt, appliance: Image) -> None:
    hanging = guest(appliance, "qemu").replace("poweroff -f", "sleep 3600")
    with connect(hypervisor.uri) as host:
        assert run_to_its_end(host, hanging, 3.0) == "a guest hung: it did not end within 3 s"
    assert hypervisor.domains() == []


def test_a_guest_that_ends_too_early_proves_nothing(hypervisor: PrivateLibvirt, appliance: Image) -> None:
    # it panics, since there is no such program
    panicking = guest(appliance, "qemu").replace("rdinit=/bin/busybox", "rdinit=/bin/nothing root=/dev/nothing")
    with connect(hypervisor.uri) as host:
        assert run_to_its_end(host, panicking, SECONDS_MAX) == "a guest ended before it was done"


def test_a_host_without_kvm_is_not_tried(hypervisor: PrivateLibvirt, tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    with connect(hypervisor.uri) as host:
        answer = find_acceleration(host, memory, "/no/kernel", "/no/initrd")
        assert find_acceleration(host, memory, "/no/kernel", "/no/initrd") == answer  # it is remembered, with its time
    assert (answer.acceleration, answer.why) == ("qemu", "the host offers no KVM")


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="this machine has no /dev/kvm that could work or hang")
def test_what_is_said_of_this_machines_kvm_is_what_qemu_itself_shows(appliance: Image, tmp_path: Path) -> None:
    """With the processor our machines get, and with the simplest: some KVM refuse the one and hang with the other."""
    simple = guest(appliance, "kvm").replace('<cpu mode="maximum"/>', "")
    with private_libvirt(with_kvm=True) as daemon, connect(daemon.uri) as host:
        kernel, initrd = str(appliance.folder / KERNEL), str(appliance.folder / INITRD)
        answer = find_acceleration(host, Memory(tmp_path), kernel, initrd, seconds_max=8.0)
        assert (answer.acceleration == "kvm") == powers_off(appliance, "max"), answer.why
        # a guest that could not even be started says nothing that were worth remembering
        remembered = Memory(tmp_path).recall(host.facts(), answer.circumstances)
        assert remembered == (answer if answer.why.startswith("a guest") else None)
        why = run_to_its_end(host, simple, 8.0)
        assert (why == "") == powers_off(appliance, "qemu64"), why
        assert daemon.domains() == []


def powers_off(image: Image, processor: str) -> bool:
    """Whether QEMU, without libvirt, runs the same guest under KVM to its end."""
    command: list[str | Path] = [
        "qemu-system-x86_64", "-accel", "kvm", "-cpu", processor, "-m", "256", "-nodefaults", "-display", "none",
        "-serial", "stdio", "-no-reboot", "-kernel", image.folder / KERNEL, "-initrd", image.folder / INITRD,
        "-append", "quiet console=ttyS0 panic=-1 rdinit=/bin/busybox -- poweroff -f",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=8, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return False
    return b"Power down" in done.stdout


def test_an_answer_counts_for_a_day_and_under_the_same_circumstances(tmp_path: Path) -> None:
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    memory = Memory(tmp_path / "acceleration", now=lambda: now[0])
    assert memory.recall(HOST, "kernel 1") is None
    answer = Answer(circumstances="kernel 1", acceleration="kvm", why="it ran", tried=now[0])
    memory.keep(HOST, answer)
    assert memory.recall(HOST, "kernel 1") == answer
    assert memory.recall(HOST, "kernel 2") is None
    now[0] += timedelta(days=1)
    assert memory.recall(HOST, "kernel 1") is None
    now[0] -= timedelta(days=2)  # the clock was wrong when it was asked
    assert memory.recall(HOST, "kernel 1") is None


def test_an_answer_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    (tmp_path / "a-host.json").write_text("{")
    assert memory.recall(HOST, "kernel 1") is None
