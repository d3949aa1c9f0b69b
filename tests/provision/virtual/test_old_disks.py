"""The volumes of an old virtual machine, on a real libvirt: wiped to the last byte, and never another's.

The machine is only defined: what is wiped is what its host keeps, and no guest is needed for that. Where one has to
run, a machine without a system does.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.provision.virtual.private_libvirt import POOL, PrivateLibvirt
from toolkit.disks.device import MARK
from toolkit.disks.pieces import PIECE
from toolkit.model.errors import RefusedError, VerificationError
from toolkit.provision.virtual import volume_streams
from toolkit.provision.virtual.connection import connect
from toolkit.provision.virtual.old_disks import OldVirtualDisks
from toolkit.provision.virtual.old_volumes import DomainDisk, disks_of, find_machine, find_volumes

pytestmark = pytest.mark.vm

UUID = "5f1d0f0c-8b5e-4f27-9d57-0d4d3c9b7a44"
SERIAL = "RB-OLD-0001"
CANARIES = (b"-----BEGIN PRIVATE KEY-----", b"canary in the middle", b"the last words")
DATA_BYTES = 6 << 20


def _domain(disks: str, name: str = "old-box", uuid: str = UUID, serial: str = SERIAL) -> str:
    return f"""
<domain type="qemu"><name>{name}</name><uuid>{uuid}</uuid><memory unit="MiB">32</memory><vcpu>1</vcpu>
<sysinfo type="smbios"><system><entry name="serial">{serial}</entry><entry name="uuid">{uuid}</entry></system></sysinfo>
<os><type arch="x86_64" machine="pc">hvm</type><smbios mode="sysinfo"/></os>
<devices>{disks}<controller type="usb" model="none"/><memballoon model="none"/></devices></domain>"""


def _disk(path: Path, device: str, serial: str = "", kind: str = "raw", more: str = "") -> str:
    told = f"<serial>{serial}</serial>" if serial else ""
    return (
        f'<disk type="file" device="disk"><driver name="qemu" type="{kind}"/><source file="{path}"/>'
        f'<target dev="{device}" bus="virtio"/>{told}{more}</disk>'
    )


@dataclass
class OldBox:
    """A machine that is off, with two disks full of canaries: a qcow2 laid over a base, and a sparse raw one."""

    hypervisor: PrivateLibvirt
    folder: Path
    told: list[Any] = field(default_factory=list)

    @property
    def system(self) -> Path:
        return self.folder / "system.qcow2"

    @property
    def data(self) -> Path:
        return self.folder / "data.raw"

    @property
    def base(self) -> Path:
        return self.folder / "base.raw"

    def lay(self) -> None:
        self.base.write_bytes(b"the image that others need".ljust(PIECE, b"."))
        _qemu_img("create", "-q", "-f", "qcow2", "-b", self.base, "-F", "raw", self.system, "8M")
        _qemu_io(self.system, "write -P 0x6b 2M 1M", "write -P 0x6b 7M 64k")
        with self.data.open("wb") as disk:
            disk.truncate(DATA_BYTES)
            for place, canary in zip((0, DATA_BYTES // 2 + 7, DATA_BYTES - len(CANARIES[2])), CANARIES, strict=True):
                disk.seek(place)
                disk.write(canary)
        self.define(_domain(self.usual()))

    def usual(self, more: str = "") -> str:
        return _disk(self.system, "vda", "OLD-0", "qcow2") + _disk(self.data, "vdb", "OLD-1", more=more)

    def define(self, xml: str) -> None:
        file = self.hypervisor.folder / "domain.xml"
        file.write_text(xml)
        self.hypervisor.virsh("define", str(file))

    def disks(self, *serials: str, **changed: Any) -> OldVirtualDisks:
        told: dict[str, Any] = {
            "uri": self.hypervisor.uri, "name": "old-box", "uuid": UUID, "serial_number": SERIAL,
            "disk_serials": serials or ("OLD-0", "OLD-1"), "state": self.hypervisor.folder / "state",
            "off_seconds_max": 1.0,
        }  # fmt: skip
        return OldVirtualDisks(**told | changed)

    def wipe(self, *serials: str, **changed: Any) -> None:
        disks = self.disks(*serials, **changed)
        disks.wipe(disks.disk_serials, "run-1", lambda _fraction, _phase: None, self.told.append)

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


def _qemu_img(*words: object) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def _qemu_io(disk: Path, *commands: str) -> None:
    words = [word for command in commands for word in ("-c", command)]
    subprocess.run(["qemu-io", "-f", "qcow2", *words, str(disk)], check=True, capture_output=True)


@pytest.fixture
def box(hypervisor: PrivateLibvirt) -> OldBox:
    made = OldBox(hypervisor, hypervisor.folder / "pools" / POOL)
    made.lay()
    return made


def test_every_byte_of_both_volumes_is_overwritten_and_read_back(box: OldBox) -> None:
    sizes = {path: path.stat().st_size for path in (box.system, box.data)}
    allocated = box.data.stat().st_blocks * 512
    base = box.base.read_bytes()
    box.wipe()
    for path, size in sizes.items():
        assert path.read_bytes() == bytes(size)
    # holes stay holes: at most the beginning, where the mark was, and what lies between near pieces is new
    assert box.data.stat().st_blocks * 512 <= allocated + PIECE + (64 << 10)
    assert box.base.read_bytes() == base
    system, data = box.told
    assert [(told["disk_serial"], told["result"], told["again"]) for told in box.told] == [
        ("OLD-0", "passed", False),
        ("OLD-1", "passed", False),
    ]
    assert (system["size_bytes"], system["bytes_read"], system["verified"]) == (sizes[box.system],) * 2 + ("full",)
    assert f"the image it is laid over, {box.base}, is not wiped" in system["technique"]
    assert data["technique"] == "overwrite with zeros"
    assert data["media_type"].startswith("virtual disk volume (raw) on ")
    assert data["model"] == "default/data.raw"
    assert box.disks().is_off()
    box.disks().check_machine()


def test_a_disk_without_a_serial_number_is_named_by_its_path(box: OldBox) -> None:
    box.define(_domain(_disk(box.data, "vda")))
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
    assert box.system.read_bytes().startswith(MARK)  # no system starts from it
    assert (box.told[0]["result"], box.told[0]["reason"]) == ("unknown", "it was cut off")
    box.wipe("OLD-0")
    assert (box.told[1]["result"], box.told[1]["again"]) == ("passed", True)
    assert not box.system.read_bytes().strip(b"\0")


def _leave_it(_host: object, _volume: object, _span: object, _said: object) -> None:
    """A host that takes zeros and does not keep them: no real one does so on demand."""


def test_what_is_not_overwritten_is_found_when_it_is_read_back(box: OldBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.provision.virtual.old_disks.write_zeros", _leave_it)
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
    box.define(_domain(_disk(box.data, "vda"), "other", UUID.replace("44", "45"), "RB-OTHER-1"))
    return {}


def a_volume_laid_over_it(box: OldBox) -> dict[str, Any]:
    _qemu_img("create", "-q", "-f", "qcow2", "-b", box.data, "-F", "raw", box.folder / "child.qcow2")
    return {}


def a_machine_laid_over_it_elsewhere(box: OldBox) -> dict[str, Any]:
    child = box.hypervisor.folder / "child.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", "-b", box.data, "-F", "raw", child)
    chain = f'<backingStore type="file"><format type="raw"/><source file="{box.data}"/><backingStore/></backingStore>'
    disk = _disk(child, "vda", kind="qcow2", more=chain)
    box.define(_domain(disk, "other", UUID.replace("44", "45"), "RB-OTHER-1"))
    return {}


def a_machine_that_may_be_laid_over_it(box: OldBox) -> dict[str, Any]:
    child = box.hypervisor.folder / "child.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", "-b", box.data, "-F", "raw", child)
    box.define(_domain(_disk(child, "vda", kind="qcow2"), "other", UUID.replace("44", "45"), "RB-OTHER-1"))
    return {}


def shared(box: OldBox) -> dict[str, Any]:
    box.define(_domain(box.usual(more="<shareable/>")))
    return {}


def read_only(box: OldBox) -> dict[str, Any]:
    box.define(_domain(box.usual(more="<readonly/>")))
    return {}


def in_no_pool(box: OldBox) -> dict[str, Any]:
    stray = box.hypervisor.folder / "stray.raw"
    stray.write_bytes(b"stray")
    box.define(_domain(_disk(box.system, "vda", "OLD-0", "qcow2") + _disk(stray, "vdb", "OLD-1")))
    return {}


def data_in_another_file(box: OldBox) -> dict[str, Any]:
    box.system.unlink()
    outside = box.folder / "outside.raw"
    _qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={outside},data_file_raw=on", box.system, "1M")
    return {}


def with_a_snapshot(box: OldBox) -> dict[str, Any]:
    box.define(_domain(_disk(box.system, "vda", "OLD-0", "qcow2")))
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
    a_machine_that_may_be_laid_over_it: "perhaps the virtual machine other: its disk",
    shared: "shared with other machines",
    read_only: "read only",
    in_no_pool: "lies in no storage pool",
    data_in_another_file: "keeps its data in another file",
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
    with box.data.open("wb") as disk:
        disk.truncate(size)
        disk.seek(15 << 30)
        disk.write(b"key")
    box.wipe("OLD-1", uri=box.hypervisor.remote_uri())
    told = box.told[0]
    assert (told["result"], told["bytes_read"], told["size_bytes"]) == ("passed", size, size)
    assert "from its memory to its disks is not known" in told["technique"]
    assert box.data.stat().st_blocks * 512 < 4 * PIECE
    descriptor = os.open(box.data, os.O_RDONLY)
    assert os.pread(descriptor, 4096, 15 << 30) == bytes(4096)
    os.close(descriptor)


def test_near_pieces_are_overwritten_in_one_go_and_distant_ones_apart(box: OldBox) -> None:
    with box.data.open("wb") as disk:
        disk.truncate(DATA_BYTES)
        for place in (0, 32 << 10, 3 << 20):
            disk.seek(place)
            disk.write(b"k" * 4096)
    with connect(box.hypervisor.uri) as host:
        (volume,) = find_volumes(host, find_machine(host, "old-box", UUID, SERIAL), ["OLD-1"])
        assert volume_streams.data_spans(host, volume.handle) == ([(0, 36 << 10), (3 << 20, 4096)], DATA_BYTES)


def test_what_a_domain_says_of_its_disks() -> None:
    xml = _domain(
        '<disk type="volume" device="disk"><driver type="qcow2"/><source pool="p" volume="v"/><serial>S</serial></disk>'
        '<disk type="block" device="lun"><source dev="/dev/sdx"/><shareable/></disk>'
        '<disk type="file" device="cdrom"><readonly/></disk>'
    )
    assert disks_of(xml) == [
        DomainDisk("S", pool="p", volume="v", kind="volume", format="qcow2"),
        DomainDisk("", path="/dev/sdx", kind="block", device="lun", shared=True),
        DomainDisk("", device="cdrom", read_only=True),
    ]
