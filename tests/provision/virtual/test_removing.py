"""A machine is removed with all that libvirt keeps for it, or not at all: on a real libvirt."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.provision.virtual.conftest import Bench
from toolkit.model.errors import ReboxError, RefusedError
from toolkit.provision.virtual.connection import undefine

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]


def silent(_fraction: float, _phase: str) -> None:
    """Nobody watches."""


def volume(bench: Bench, kind: str) -> Path:
    (found,) = (bench.hypervisor.folder / "pools" / "default").glob(f"new-box-*-{kind}")
    return found


def with_a_checkpoint(bench: Bench) -> None:
    """As backup tools make them: libvirt refuses to forget a machine that has one."""
    bench.hypervisor.virsh("destroy", "new-box")
    file = bench.folder / "checkpoint.xml"
    file.write_text(
        "<domaincheckpoint><name>backup.0</name><creationTime>1700000000</creationTime>"
        '<disks><disk name="vdb" checkpoint="bitmap" bitmap="backup.0"/></disks>'
        f"{bench.hypervisor.virsh('dumpxml', 'new-box')}</domaincheckpoint>"
    )
    bench.hypervisor.virsh("checkpoint-create", "new-box", str(file), "--redefine")
    assert bench.hypervisor.virsh("checkpoint-list", "new-box", "--name") == "backup.0"


def with_a_snapshot(bench: Bench) -> None:
    bench.hypervisor.virsh("snapshot-create-as", "new-box", "before", "--disk-only", "--diskspec", "vda,snapshot=no",
                           "--diskspec", "vdb,snapshot=external", "--diskspec", "vdc,snapshot=no")  # fmt: skip
    assert len(bench.own_volumes()) == 5, "what is written from now on"


def with_a_snapshot_and_off(bench: Bench) -> None:
    with_a_snapshot(bench)
    bench.hypervisor.virsh("destroy", "new-box")


def with_its_memory_saved(bench: Bench) -> None:
    bench.hypervisor.virsh("managedsave", "new-box")
    assert [*(bench.hypervisor.folder / "lib" / "qemu" / "save").iterdir()]


@pytest.mark.parametrize(
    "case",
    [with_a_checkpoint, with_a_snapshot, with_a_snapshot_and_off, with_its_memory_saved],
    ids=lambda case: case.__name__,
)
def test_a_machine_is_removed_whatever_libvirt_keeps_for_it(bench: Bench, case: Callable[[Bench], None]) -> None:
    bench.machine().provide(silent)
    case(bench)
    assert bench.machine().remove()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])
    for kept in ("snapshot", "checkpoint", "save"):
        assert not [*(bench.hypervisor.folder / "lib" / "qemu" / kept).rglob("*new-box*/*")]
    bench.machine().provide(silent)
    assert bench.machine().is_provided(), "nothing of the old one is in the way"


def a_volume_that_another_is_laid_over(bench: Bench) -> str:
    over = bench.hypervisor.folder / "pools" / "default" / "theirs.qcow2"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]
    subprocess.run([*words, volume(bench, "data.qcow2"), over], check=True)
    return "in use by the volume theirs.qcow2, which is laid over it"


def a_volume_that_another_machine_has_by_another_name(bench: Bench) -> str:
    other = bench.folder / "other.qcow2"
    other.symlink_to(volume(bench, "data.qcow2"))
    xml = bench.folder / "other.xml"
    xml.write_text(
        "<domain type='qemu'><name>other</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file'><source file='{other}'/><target dev='vda'/></disk></devices></domain>"
    )
    bench.hypervisor.virsh("define", str(xml))
    return "in use by the virtual machine other"


def a_block_job(bench: Bench) -> str:
    copy = str(bench.folder / "copy.qcow2")
    bench.hypervisor.virsh("blockcopy", "new-box", "vdb", copy, "--transient-job")
    return "a block job on vdb is under way"


def a_snapshot_with_memory_elsewhere(bench: Bench) -> str:
    memory = bench.folder / "memory"
    bench.hypervisor.virsh("snapshot-create-as", "new-box", "before", "--memspec", str(memory), "--live",
                           "--diskspec", "vdc,snapshot=no")  # fmt: skip
    return f"its snapshot before keeps something in {memory}"


def a_pool_that_is_stopped(bench: Bench) -> str:
    bench.hypervisor.virsh("pool-destroy", "default")
    return "the storage pool default, which holds its disks, is gone"


@pytest.mark.parametrize(
    "case",
    [
        a_volume_that_another_is_laid_over,
        a_volume_that_another_machine_has_by_another_name,
        a_block_job,
        a_snapshot_with_memory_elsewhere,
        a_pool_that_is_stopped,
    ],
    ids=lambda case: case.__name__,
)
def test_what_speaks_against_it_is_told_before_anything_goes(bench: Bench, case: Callable[[Bench], str]) -> None:
    bench.machine().provide(silent)
    words = case(bench)
    before = bench.hypervisor.domains(), bench.hypervisor.volumes()
    try:
        with pytest.raises(RefusedError, match="the virtual machine new-box is not removed") as refused:
            bench.machine().remove()
        assert words in refused.value.why
        assert (bench.hypervisor.domains(), bench.hypervisor.volumes()) == before
        assert bench.machine().is_provided(), "it runs on"
    finally:
        if case is a_pool_that_is_stopped:
            bench.hypervisor.virsh("pool-start", "default")


def test_a_machine_that_libvirt_does_not_forget_stays_as_it_is_and_can_be_removed_later(bench: Bench) -> None:
    """Its volumes used to be gone by then, and the machine could neither start nor be removed."""
    bench.machine().provide(silent)
    before = bench.own_volumes()
    definitions = "/etc/libvirt/qemu"  # as the daemon sees it
    assert "new-box.xml" in bench.hypervisor.run("ls", definitions)
    bench.hypervisor.run("mount", "--bind", definitions, definitions)
    bench.hypervisor.run("mount", "-o", "remount,bind,ro", definitions)
    try:
        with pytest.raises(ReboxError, match="cannot be removed"):
            bench.machine().remove()
        assert bench.own_volumes() == before
        assert bench.machine().is_provided()
    finally:
        bench.hypervisor.run("umount", definitions)
    assert bench.machine().remove()
    assert (bench.hypervisor.domains(), bench.own_volumes()) == ([], [])


class _OlderDomain:
    """A domain of a libvirt that knows some of the flags only, and refuses the others as it does (virCheckFlags)."""

    def __init__(self, known: int, code: int = libvirt.VIR_ERR_INVALID_ARG) -> None:
        self.known = known
        self.code = code
        self.asked: list[int] = []

    def undefineFlags(self, flags: int) -> None:  # noqa: N802
        self.asked.append(flags)
        if flags & ~self.known:
            error: Any = libvirt.libvirtError("unsupported flags")
            error.err = (self.code, 10, "unsupported flags", 2, None, None, None, 0, 0)
            raise error


@pytest.mark.parametrize(("known", "asked"), [(63, [55]), (31, [55, 23]), (7, [55, 23, 7]), (3, [55, 23, 7, 3])])
def test_a_libvirt_that_does_not_know_a_flag_is_asked_without(known: int, asked: list[int]) -> None:
    domain = _OlderDomain(known)
    undefine(domain)
    assert domain.asked == asked


def test_a_refusal_that_is_about_something_else_is_told() -> None:
    domain = _OlderDomain(3, libvirt.VIR_ERR_OPERATION_INVALID)
    with pytest.raises(libvirt.libvirtError):
        undefine(domain)
    assert domain.asked == [55]
