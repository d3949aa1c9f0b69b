"""The volumes of an old virtual machine, on a real libvirt: wiped to the last byte, and never another's.

The machine is only defined: what is wiped is what its host keeps, and no guest is needed for that. Where one has to
run, a machine without a system does.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.provision.virtual.old_box import DATA_BYTES, SERIAL, UUID, OldBox, disk, domain, qemu_img
from toolkit.disks.device import MARK
from toolkit.disks.pieces import PIECE
from toolkit.model.errors import RefusedError, VerificationError
from toolkit.provision.virtual import volume_streams
from toolkit.provision.virtual.connection import connect
from toolkit.provision.virtual.domain_disks import DomainDisk, disks_of
from toolkit.provision.virtual.old_volumes import Wanted, find_disks, find_machine

pytestmark = pytest.mark.vm


def test_every_byte_of_all_volumes_is_overwritten_and_read_back(box: OldBox) -> None:
    sizes = {path: path.stat().st_size for path in (box.system, box.data, box.base)}
    allocated = box.data.stat().st_blocks * 512
    box.wipe()
    for path, size in sizes.items():
        assert path.read_bytes() == bytes(size)
    # holes stay holes: at most the beginning, where the mark was, and what lies between near pieces is new
    assert box.data.stat().st_blocks * 512 <= allocated + PIECE + (64 << 10)
    system, data = box.told
    assert [(told["disk_serial"], told["result"], told["again"]) for told in box.told] == [
        ("OLD-0", "passed", False),
        ("OLD-1", "passed", False),
    ]
    both = sizes[box.system] + sizes[box.base]
    assert (system["size_bytes"], system["bytes_read"], system["verified"]) == (both, both, "full")
    assert [(layer["place"], layer["result"], layer["bytes_read"]) for layer in system["layers"]] == [
        (str(path), "passed", sizes[path]) for path in (box.system, box.base)
    ]
    assert data["technique"] == "overwrite with zeros"
    assert data["media_type"].startswith("virtual disk volume (raw) on ")
    assert data["model"] == "default/data.raw"
    assert box.disks().is_off()
    box.disks().check_machine()


def test_a_disk_without_a_serial_number_is_named_by_its_path(box: OldBox) -> None:
    box.define(domain(disk(box.data, "vda")))
    box.wipe(str(box.data))
    assert box.data.read_bytes() == bytes(DATA_BYTES)
    assert box.told[0]["backing_file"] == str(box.data)


class _Cut(BaseException):
    """The power fails."""


@pytest.mark.parametrize("stage", ["marked", "overwritten", "read back"])
def test_cut_off_it_begins_again_from_the_beginning_and_says_so(box: OldBox, stage: str) -> None:
    def cut(there: str) -> None:
        if there == stage:
            raise _Cut

    with pytest.raises(_Cut):
        box.wipe("OLD-0", checkpoint=cut)
    assert box.base.read_bytes().startswith(MARK), "the lowest image comes first"
    assert (box.told[0]["result"], box.told[0]["reason"]) == ("unknown", "it was cut off")
    box.wipe("OLD-0")
    assert (box.told[1]["result"], box.told[1]["again"]) == ("passed", True)
    assert not box.system.read_bytes().strip(b"\0")


def _leave_it(_host: object, _volume: object, _span: object, _said: object) -> None:
    """A host that takes zeros and does not keep them: no real one does so on demand."""


def test_what_is_not_overwritten_is_found_when_it_is_read_back(box: OldBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.provision.virtual.volume_wiping.write_zeros", _leave_it)
    with pytest.raises(VerificationError, match="is not wiped"):
        box.wipe("OLD-1")
    assert box.told[0]["result"] == "failed"
    assert f"at byte {DATA_BYTES // 2 + 7}" in box.told[0]["reason"]
    assert (box.told[0]["verified"], box.told[0]["passes"]) == ("none", 0)


def another_uuid(box: OldBox) -> dict[str, Any]:
    return {"uuid": UUID.replace("44", "45")}


def another_serial_number(box: OldBox) -> dict[str, Any]:
    return {"serial_number": "RB-OLD-0002"}


def no_such_machine(box: OldBox) -> dict[str, Any]:
    return {"name": "old-box-2"}


def no_such_disk(box: OldBox) -> dict[str, Any]:
    return {"disk_serials": ("OLD-0", "OLD-7")}


def a_second_machine_with_the_volume(box: OldBox) -> dict[str, Any]:
    box.define(domain(disk(box.data, "vda"), "other", UUID.replace("44", "45"), "RB-OTHER-1"))
    return {}


def a_volume_laid_over_it(box: OldBox) -> dict[str, Any]:
    qemu_img("create", "-q", "-f", "qcow2", "-b", box.data, "-F", "raw", box.folder / "child.qcow2")
    return {}


def a_machine_laid_over_it_elsewhere(box: OldBox) -> dict[str, Any]:
    child = box.hypervisor.folder / "child.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", box.data, "-F", "raw", child)
    chain = f'<backingStore type="file"><format type="raw"/><source file="{box.data}"/><backingStore/></backingStore>'
    theirs = disk(child, "vda", kind="qcow2", more=chain)
    box.define(domain(theirs, "other", UUID.replace("44", "45"), "RB-OTHER-1"))
    return {}


def a_machine_that_may_be_laid_over_it(box: OldBox) -> dict[str, Any]:
    child = box.hypervisor.folder / "child.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", box.data, "-F", "raw", child)
    box.define(domain(disk(child, "vda", kind="qcow2"), "other", UUID.replace("44", "45"), "RB-OTHER-1"))
    return {}


def shared(box: OldBox) -> dict[str, Any]:
    box.define(domain(box.usual(more="<shareable/>")))
    return {}


def read_only(box: OldBox) -> dict[str, Any]:
    box.define(domain(box.usual(more="<readonly/>")))
    return {}


def in_no_pool(box: OldBox) -> dict[str, Any]:
    stray = box.hypervisor.folder / "stray.raw"
    stray.write_bytes(b"stray")
    box.define(domain(disk(box.system, "vda", "OLD-0", "qcow2") + disk(stray, "vdb", "OLD-1")))
    return {}


def with_a_snapshot(box: OldBox) -> dict[str, Any]:
    box.define(domain(disk(box.system, "vda", "OLD-0", "qcow2")))
    box.hypervisor.virsh("snapshot-create-as", "old-box", "before")
    return {"disk_serials": ("OLD-0",)}


CASES: dict[Callable[[OldBox], dict[str, Any]], str] = {
    another_uuid: "its UUID is",
    another_serial_number: "its serial number is RB-OLD-0001, not RB-OLD-0002",
    no_such_machine: "there is no virtual machine",
    no_such_disk: "no disk is known by that; it has OLD-0",
    a_second_machine_with_the_volume: "in use by the virtual machine other",
    a_volume_laid_over_it: "the volume child.qcow2, which is laid over it",
    a_machine_laid_over_it_elsewhere: "in use by the virtual machine other",
    a_machine_that_may_be_laid_over_it: "in use by the virtual machine other",
    shared: "shared with other machines",
    read_only: "read only",
    in_no_pool: "lies in no storage pool",
    with_a_snapshot: "1 snapshots",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_may_not_be_wiped_keeps_every_disk_from_it(box: OldBox, case: Callable[[OldBox], dict[str, Any]]) -> None:
    changed = case(box)
    before = box.contents()
    with pytest.raises(RefusedError) as refused:
        box.disks(**changed).check_machine()
    assert CASES[case] in str(refused.value)
    with pytest.raises(RefusedError) as refused:
        box.wipe(**changed)
    assert CASES[case] in str(refused.value)
    assert box.contents() == before
    assert box.told == []


def test_a_machine_that_runs_is_waited_for_and_then_left_alone(box: OldBox) -> None:
    box.hypervisor.virsh("start", "old-box", "--paused")
    assert not box.disks().is_off()
    box.disks().check_machine()  # it is the one that is meant; it only runs
    before = box.data.read_bytes()
    with pytest.raises(RefusedError, match="is running"):
        box.wipe()
    assert box.data.read_bytes() == before
    looks = 0

    def until_off(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            box.hypervisor.virsh("destroy", "old-box")

    box.wipe(off_seconds_max=30.0, sleep=until_off)
    assert [told["result"] for told in box.told] == ["passed", "passed"]


def test_a_machine_that_is_started_meanwhile_makes_it_unknown(box: OldBox) -> None:
    def start(stage: str) -> None:
        if stage == "read back":
            box.hypervisor.virsh("start", "old-box", "--paused")

    with pytest.raises(VerificationError, match="was started while it was wiped"):
        box.wipe("OLD-1", checkpoint=start)
    assert box.told[0]["result"] == "unknown"


def test_on_a_host_behind_ssh_a_large_sparse_volume_is_neither_sent_nor_filled(box: OldBox) -> None:
    box.data.unlink()
    size = 20 << 30
    with box.data.open("wb") as file:
        file.truncate(size)
        file.seek(15 << 30)
        file.write(b"key")
    box.wipe("OLD-1", uri=box.hypervisor.remote_uri())
    told = box.told[0]
    assert (told["result"], told["bytes_read"], told["size_bytes"]) == ("passed", size, size)
    assert "from its memory to its disks is not known" in told["technique"]
    assert box.data.stat().st_blocks * 512 < 4 * PIECE
    descriptor = os.open(box.data, os.O_RDONLY)
    assert os.pread(descriptor, 4096, 15 << 30) == bytes(4096)
    os.close(descriptor)


def test_near_pieces_are_overwritten_in_one_go_and_distant_ones_apart(box: OldBox) -> None:
    with box.data.open("wb") as file:
        file.truncate(DATA_BYTES)
        for place in (0, 32 << 10, 3 << 20):
            file.seek(place)
            file.write(b"k" * 4096)
    with connect(box.hypervisor.uri) as host:
        wanted = Wanted(("OLD-1",), ("OLD-0",))
        (disk,) = find_disks(host, find_machine(host, "old-box", UUID, SERIAL), wanted, {})
        assert volume_streams.data_spans(host, disk.layers[0].handle) == ([(0, 36 << 10), (3 << 20, 4096)], DATA_BYTES)


def test_what_a_domain_says_of_its_disks() -> None:
    xml = domain(
        '<disk type="volume" device="disk"><driver type="qcow2"/><source pool="p" volume="v"/><serial>S</serial></disk>'
        '<disk type="block" device="lun"><source dev="/dev/sdx"/><shareable/></disk>'
        '<disk type="file" device="cdrom"><readonly/></disk>'
    )
    assert disks_of(xml) == [
        DomainDisk("S", pool="p", volume="v", kind="volume", format="qcow2"),
        DomainDisk("", path="/dev/sdx", kind="block", device="lun", shared=True),
        DomainDisk("", device="cdrom", read_only=True),
    ]
