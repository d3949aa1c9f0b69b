"""A virtual machine is made, adopted, refused and removed: real libvirt, real QEMU, a guest of one boot sector."""

from pathlib import Path

import pytest

from tests.provision.virtual.conftest import MAC, Bench
from tests.provision.virtual.small_image import CERTIFICATE, small_image
from toolkit.model.errors import InputError, RefusedError, UnreachableError

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]


def silent(_fraction: float, _phase: str) -> None:
    """Nobody watches."""


def test_a_machine_is_made_says_its_certificate_and_is_gone_when_it_is_withdrawn(bench: Bench) -> None:
    said: list[tuple[float, str]] = []
    machine = bench.machine()
    assert not machine.is_provided()
    machine.provide(lambda fraction, phase: said.append((fraction, phase)))
    assert machine.announced_tls_sha256() == CERTIFICATE
    assert machine.is_provided()
    assert any("software emulation: the host offers no KVM" in phase for _, phase in said)
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    xml = bench.hypervisor.virsh("dumpxml", "new-box")
    assert "<entry name='serial'>RB-NEW-0002</entry>" in xml
    assert MAC in xml
    assert bench.hypervisor.virsh("dominfo", "new-box").count("enable") == 1  # it starts with its host
    assert len(bench.own_volumes()) == 4
    machine.withdraw()
    assert bench.hypervisor.domains() == []
    assert bench.own_volumes() == []


def test_done_again_it_adopts_what_is_the_same_running_or_not(bench: Bench) -> None:
    bench.machine().provide(silent)
    volumes, uuid = bench.hypervisor.volumes(), bench.hypervisor.virsh("domuuid", "new-box")
    again = bench.machine()
    again.provide(silent)
    assert again.announced_tls_sha256() == CERTIFICATE
    bench.hypervisor.virsh("destroy", "new-box")
    assert not again.is_provided()
    once_more = bench.machine()
    once_more.provide(silent)
    assert once_more.is_provided()
    assert once_more.announced_tls_sha256() == CERTIFICATE
    assert (bench.hypervisor.volumes(), bench.hypervisor.virsh("domuuid", "new-box")) == (volumes, uuid)


def test_what_is_not_the_same_is_refused_and_every_difference_is_named(bench: Bench, tmp_path: Path) -> None:
    bench.machine().provide(silent)
    before = bench.hypervisor.virsh("dumpxml", "new-box")
    other = bench.machine(image=small_image(tmp_path / "other", "other words"), memory_mb=512, hostname="new-name")
    with pytest.raises(RefusedError) as refused:
        other.provide(silent)
    assert "memory_mb: is 256, wanted 512" in refused.value.why
    assert "image_sha256: is " in refused.value.why
    assert "told hostname: is nothing, wanted new-name" in refused.value.why
    assert bench.hypervisor.virsh("dumpxml", "new-box") == before


def test_a_machine_that_was_there_before_is_switched_off_by_going_back_and_not_deleted(bench: Bench) -> None:
    bench.machine(maker="an earlier run").provide(silent)
    bench.hypervisor.virsh("destroy", "new-box")
    run = bench.machine(maker="this run")
    run.provide(silent)
    run.withdraw()
    assert not run.is_provided()
    assert bench.hypervisor.domains() == ["new-box"]
    assert len(bench.own_volumes()) == 4
    assert run.remove()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])
    assert not run.remove()


def test_a_machine_of_somebody_else_is_neither_used_nor_touched(bench: Bench, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.xml"
    theirs.write_text(
        "<domain type='qemu'><name>new-box</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
    )
    bench.hypervisor.virsh("define", str(theirs))
    before = bench.hypervisor.virsh("dumpxml", "new-box")
    machine = bench.machine()
    with pytest.raises(RefusedError, match="another virtual machine has the name new-box"):
        machine.provide(silent)
    machine.withdraw()
    with pytest.raises(RefusedError, match="another virtual machine has the name new-box"):
        machine.remove()
    assert bench.hypervisor.virsh("dumpxml", "new-box") == before
    assert bench.hypervisor.volumes() == []


def test_a_clone_carries_the_mark_and_is_not_taken_for_ours(bench: Bench, tmp_path: Path) -> None:
    bench.machine().provide(silent)
    clone = tmp_path / "clone.xml"
    uuid = bench.hypervisor.virsh("domuuid", "new-box")
    clone.write_text(
        bench.hypervisor.virsh("dumpxml", "--inactive", "new-box")
        .replace(f"<uuid>{uuid}</uuid>", "")
        .replace("<name>new-box</name>", "<name>clone</name>")
    )
    bench.hypervisor.virsh("define", str(clone))
    with pytest.raises(RefusedError, match="another virtual machine has the name clone"):
        bench.machine(name="clone").remove()


def test_a_full_copy_stands_by_itself(bench: Bench) -> None:
    machine = bench.machine(system_disk="copy", system_disk_mb=64, guest_agent=False, autostart=False)
    machine.provide(silent)
    assert machine.announced_tls_sha256() == CERTIFICATE
    (system,) = [name for name in bench.own_volumes() if "system" in name]
    info = bench.hypervisor.virsh("vol-dumpxml", system, "default")
    assert "backingStore" not in info
    assert f"<capacity unit='bytes'>{64 << 20}</capacity>" in info
    assert "disable" in bench.hypervisor.virsh("dominfo", "new-box")


def test_a_box_that_never_comes_up_is_told_with_the_end_of_its_console(bench: Bench, tmp_path: Path) -> None:
    image = small_image(tmp_path / "broken", "Loading\r\n\x1b[1mKernel panic - not syncing: no root\x1b[0m\r\n")
    machine = bench.machine(image=image, boot_seconds_max=3)
    with pytest.raises(UnreachableError) as error:
        machine.provide(silent)
    assert "it ends with: Loading / Kernel panic - not syncing: no root" in error.value.why
    # it is there to be looked at, and goes when it is taken back
    assert bench.hypervisor.domains() == ["new-box"]
    machine.withdraw()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])


def test_uefi_is_found_on_the_host_and_its_variables_go_with_the_machine(bench: Bench) -> None:
    machine = bench.machine(firmware="uefi", boot_seconds_max=1)
    with pytest.raises(UnreachableError):  # a boot sector is nothing to UEFI
        machine.provide(silent)
    variables = bench.hypervisor.folder / "lib" / "qemu" / "nvram"
    assert len([*variables.iterdir()]) == 1
    machine.withdraw()
    assert [*variables.iterdir()] == []


def test_the_users_own_fragment_is_in_the_machine_and_another_one_is_a_difference(bench: Bench) -> None:
    (bench.folder / "mine.xml").write_text("<domain><description>rack 7</description></domain>")
    bench.machine(domain_file="mine.xml").provide(silent)
    assert bench.hypervisor.virsh("desc", "new-box") == "rack 7"
    with pytest.raises(RefusedError, match=r"domain_fragment: is sha256:[0-9a-f]+, wanted nothing"):
        bench.machine().provide(silent)


def test_a_fragment_that_libvirt_does_not_know_is_wrong_input_and_leaves_nothing(bench: Bench) -> None:
    (bench.folder / "mine.xml").write_text("<domain><devices><flux-capacitor/></devices></domain>")
    with pytest.raises(InputError, match="libvirt does not accept") as refused:
        bench.machine(domain_file="mine.xml").provide(silent)
    assert refused.value.where == str(bench.folder / "mine.xml")
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])


def test_how_it_is_run_is_told_when_it_is_made_and_when_it_is_adopted(bench: Bench) -> None:
    machine = bench.machine()
    assert machine.how() == ""
    machine.provide(silent)
    assert machine.how().endswith("runs under software emulation (the host offers no KVM).")
    again = bench.machine()
    again.provide(silent)
    assert again.how().endswith("runs under software emulation.")


def test_a_machine_is_made_on_another_host(bench: Bench) -> None:
    machine = bench.machine(uri=bench.hypervisor.remote_uri())
    machine.provide(silent)
    assert machine.announced_tls_sha256() == CERTIFICATE
    machine.withdraw()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])
