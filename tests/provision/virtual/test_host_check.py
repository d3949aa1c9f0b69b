"""Before anything is made the host is looked at, and all that is wrong is said at once; what goes wrong later, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provision.virtual.conftest import MAC, Bench
from tests.provision.virtual.private_libvirt import PrivateLibvirt
from toolkit.model.errors import InputError, RefusedError, StorageError, VerificationError
from toolkit.provision.virtual.machine import VirtualMachine

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]


def silent(_fraction: float, _phase: str) -> None:
    """Nobody watches."""


def wrong(machine: VirtualMachine) -> dict[str, str]:
    return {finding.subject: finding.summary for finding in machine.check() if not finding.passed}


@pytest.fixture
def small_pool(hypervisor: PrivateLibvirt) -> Iterator[Path]:
    """A pool of 80 MiB, on a file system of its own."""
    folder = hypervisor.folder / "pools" / "small"
    folder.mkdir(parents=True)
    hypervisor.run("mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", folder)
    hypervisor.make_pool("small")
    yield folder
    hypervisor.virsh("pool-destroy", "small")
    hypervisor.virsh("pool-undefine", "small")
    hypervisor.run("umount", folder)
    folder.rmdir()


def test_a_host_that_can_take_it_is_looked_at_and_left_as_it_is(bench: Bench) -> None:
    findings = bench.machine().check()
    assert all(finding.passed for finding in findings)
    assert {finding.subject for finding in findings} == {"memory", "pool", "network", "name", "MAC"}
    assert (bench.hypervisor.domains(), bench.hypervisor.volumes()) == ([], [])


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_made(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other.xml"
    other.write_text(
        f"<domain type='qemu'><name>other</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
        f"<interface type='bridge'><mac address='{MAC.upper()}'/><source bridge='br-x'/></interface></devices></domain>"
    )
    bench.hypervisor.virsh("define", str(other))
    machine = bench.machine(bridge="br-missing", memory_mb=1 << 24, data_disk_mb=1 << 30)
    with pytest.raises(RefusedError) as refused:
        machine.provide(silent)
    why = refused.value.why
    assert "16,777,216 are needed" in why
    assert "the storage pool default has" in why
    assert "nothing can be plugged into bridge br-missing" in why
    assert f"the MAC address {MAC} is in use by other" in why
    assert (bench.hypervisor.domains(), bench.hypervisor.volumes()) == (["other"], [])


def test_a_missing_network_or_pool_is_named(bench: Bench) -> None:
    found = wrong(bench.machine(network="nowhere", pool="nothing"))
    assert "Network not found" in found["network"]
    assert found["pool"] == "there is no storage pool nothing"


def test_a_network_that_is_not_active_and_one_that_is(bench: Bench, tmp_path: Path) -> None:
    network = tmp_path / "network.xml"
    network.write_text("<network><name>lan</name><forward mode='bridge'/><bridge name='br-test'/></network>")
    bench.hypervisor.virsh("net-define", str(network))
    try:
        assert "network 'lan' is not active" in wrong(bench.machine(network="lan"))["network"]
        bench.hypervisor.virsh("net-start", "lan")
        assert wrong(bench.machine(network="lan")) == {}
        bench.hypervisor.virsh("net-destroy", "lan")
    finally:
        bench.hypervisor.virsh("net-undefine", "lan")


def test_a_pool_that_is_not_active(bench: Bench, small_pool: Path) -> None:
    bench.hypervisor.virsh("pool-destroy", "small")
    assert "not active (virsh pool-start small)" in wrong(bench.machine(pool="small"))["pool"]
    bench.hypervisor.virsh("pool-start", "small")


def test_a_pool_too_small_for_what_the_disks_may_come_to(bench: Bench, small_pool: Path) -> None:
    assert wrong(bench.machine(pool="small", data_disk_mb=75)) == {
        "pool": "the storage pool small has 80 MiB free, 83 are needed"
    }


@pytest.mark.parametrize("stage", ["checked", "system disk"])
def test_a_pool_that_fills_up_while_the_machine_is_made(bench: Bench, small_pool: Path, stage: str) -> None:
    inside = small_pool / "ballast"

    def fill(reached: str) -> None:
        if reached == stage:
            # until nothing more goes in
            bench.hypervisor.run("sh", "-c", f"cat /dev/zero >{inside} 2>/dev/null || true")

    with pytest.raises(StorageError) as error:
        bench.machine(pool="small", data_disk_mb=70, checkpoint=fill).provide(silent)
    assert "No space left" in error.value.why
    assert "provision.pool" in error.value.next_move
    left = bench.hypervisor.run("ls", small_pool).split()
    assert [name for name in left if not name.startswith("rebox-")] == ["ballast"]
    assert bench.hypervisor.domains() == []
    bench.hypervisor.run("rm", inside)
    bench.hypervisor.virsh("pool-refresh", "small")
    again = bench.machine(pool="small", data_disk_mb=70)
    again.provide(silent)
    again.withdraw()


def test_an_image_that_is_not_what_its_manifest_says_does_not_reach_a_machine(bench: Bench) -> None:
    with (bench.image / "disk.raw").open("r+b") as disk:
        disk.seek(2 << 20)
        disk.write(b"S")
    with pytest.raises(VerificationError, match="the image is not what its manifest says"):
        bench.machine().provide(silent)
    assert not any("disk" in name for name in bench.hypervisor.volumes())
    assert bench.hypervisor.domains() == []


def test_an_image_that_was_damaged_in_the_pool_is_brought_anew_unless_a_machine_lies_over_it(bench: Bench) -> None:
    machine = bench.machine()
    machine.provide(silent)
    (volume,) = [name for name in bench.hypervisor.volumes() if name.startswith("rebox-disk")]
    file = bench.hypervisor.folder / "pools" / "default" / volume
    good = file.read_bytes()
    file.write_bytes(b"damaged" + good[7:])
    with pytest.raises(RefusedError, match="it is in use by new-box"):
        bench.machine(name="second-box", mac="52:54:00:79:00:13").provide(silent)
    assert bench.hypervisor.domains() == ["new-box"]
    machine.withdraw()
    bench.machine().provide(silent)
    assert file.read_bytes() == good


def test_an_image_that_is_not_there_is_wrong_input(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this folder holds no image"):
        bench.machine(image=tmp_path / "nowhere").provide(silent)
