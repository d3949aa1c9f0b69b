"""What is never wiped: each reason by itself, on real loop devices where the kernel can show it."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.disks.block_devices import disk_of, loop, only_root
from toolkit.disks.erase import named
from toolkit.disks.facts import Disk, disks
from toolkit.disks.in_use import Objection, Reason, Rules, objections
from toolkit.disks.signatures import described, kinds, member
from toolkit.disks.stack import Stack, mounts

MIB = 1 << 20
SIZE = 8 * MIB

CASES: dict[str, list[tuple[str, list[tuple[int, bytes]]]]] = {
    "LVM2_member": [("", [(512, b"LABELONE" + bytes(16) + b"LVM2 001")])],
    "LVM1_member": [("", [(0, b"HM\1\0")])],
    "linux_raid_member": [
        ("version 1.2", [(4096, struct.pack("<I", 0xA92B4EFC))]),
        ("old metadata at the end", [(SIZE - 65536, struct.pack(">I", 0xA92B4EFC))]),
        ("version 1.0", [(SIZE - 8192, struct.pack("<I", 0xA92B4EFC))]),
    ],
    "zfs_member": [
        ("", [(256 * 1024 + 132 * 1024, struct.pack("<Q", 0x00BAB10C))]),
        ("last label, of the other byte order", [(SIZE - 128 * 1024 + 1024, struct.pack(">Q", 0x00BAB10C))]),
    ],
    "bcache": [("", [(4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"))])],
    "btrfs": [("", [(0x10040, b"_BHRfS_M"), (0x10088, struct.pack("<Q", 2))])],
    "bcachefs": [("", [(4096 + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")), (4096 + 0x7B, b"\2")])],
    "isw_raid_member": [("", [(SIZE - 1024, b"Intel Raid ISM Cfg Sig. ")])],
    "ddf_raid_member": [
        ("", [(SIZE - 512, struct.pack(">I", 0xDE11DE11))]),
        ("before a controller's own place", [(SIZE - 257 * 512, struct.pack(">I", 0xDE11DE11))]),
    ],
    "promise_fasttrack_raid_member": [("", [(SIZE - 63 * 512, b"Promise Technology, Inc.")])],
    "ceph_bluestore": [("", [(0, b"bluestore block device\n5f5f5f5f-0000-4000-8000-000000000000\n")])],
    "stratis": [("", [(9 * 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh")])],
    "VMFS_volume_member": [("", [(1 << 20, struct.pack("<I", 0xC001D00D))])],
    "VMFS": [("", [(2 << 20, struct.pack("<I", 0x2FABF15E))])],
    "ocfs2": [("", [(2048, b"OCFSV2")]), ("blocks of 4 KiB", [(8192, b"OCFSV2")])],
    "gfs2": [("", [(65536, struct.pack(">IIQIII", 0x01161970, 1, 0, 100, 0, 1801))]),
             ("its magic alone", [(65536, struct.pack(">II", 0x01161970, 1))])],
    "gfs": [("", [(65536, struct.pack(">IIQIII", 0x01161970, 1, 0, 100, 0, 1309))])],
    "oracleasm": [("", [(32, b"ORCLDISKDATA01")])],
    "vdo": [("", [(0, b"dmvdo001" + bytes(64))])],
    "drbd": [("", [(SIZE - 4096 + 60, struct.pack(">I", 0x8374026B))])],
}  # fmt: skip
KNOWN = [(name, written) for name, kinds in CASES.items() for _, written in kinds]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(SIZE))
    return path


@pytest.fixture
def device(file: Path) -> Iterator[Path]:
    with loop(file) as attached:
        yield attached


def reasons(
    disk: Disk, rules: Rules | None = None, others: tuple[Disk, ...] = (), *, is_open: bool = False
) -> dict[Reason, str]:
    """With what was found in words; the disk is in the plan unless `rules` say otherwise.

    Another test may be looking at all disks just now: where none `is_open`, it is waited until it has closed them.
    """
    there = [*disks(loops=True), *others]
    rules = rules or Rules(planned=[disk.identity])
    return {one.reason: one.why for one in objections(disk, there, rules, patience_seconds=0 if is_open else 20)}


@only_root
def test_a_disk_that_is_meant_and_used_by_nobody_may_be_wiped(device: Path) -> None:
    assert reasons(disk_of(device)) == {}


@only_root
def test_only_what_is_in_the_plan_is_wiped_and_no_medium_of_the_run(device: Path) -> None:
    disk = disk_of(device)
    assert set(reasons(disk, Rules(planned=["another"]))) == {Reason.NOT_IN_PLAN}
    assert set(reasons(disk, Rules(planned=[disk.identity], media=[disk.identity]))) == {Reason.MEDIUM}
    assert set(reasons(replace(disk, backing_file=""))) == {Reason.NO_SERIAL_NUMBER}


@only_root
def test_a_disk_mounted_where_only_another_process_sees_it_is_not_wiped(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "place with spaces"
    place.mkdir()
    with loop(file) as device:
        subprocess.run(["mkfs.ext4", "-q", str(device)], check=True)
        script = 'mount "$0" "$1" && echo mounted && exec sleep 60'
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, str(device), str(place)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout is not None
                assert other.stdout.readline() == b"mounted\n"
                assert not any(str(place) in mount.place for mount in mounts(Path("/proc/self/mountinfo")))
                told = reasons(disk_of(device), is_open=True)
            finally:
                other.send_signal(signal.SIGKILL)
    assert f"{device.name} on {place} (process {other.pid})" in told[Reason.MOUNTED]
    assert "itself alone" in told[Reason.OPEN], "the kernel says it too"


@only_root
def test_a_disk_that_the_system_swaps_to_is_not_wiped(device: Path) -> None:
    subprocess.run(["mkswap", "--quiet", str(device)], check=True)
    subprocess.run(["swapon", str(device)], check=True)
    try:
        told = reasons(disk_of(device), is_open=True)
    finally:
        subprocess.run(["swapoff", str(device)], check=True)
    assert told[Reason.SWAP] == f"the system swaps to {device}"


@only_root
def test_a_disk_that_another_program_has_open_is_not_wiped(device: Path) -> None:
    """As a virtual machine has its disk open: not for itself alone, so that the kernel would not mind."""
    script = "import sys; disk = open(sys.argv[1], 'rb+'); print('open', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", script, str(device)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        told = reasons(disk_of(device), is_open=True)
        other.communicate(b"")
    assert set(told) == {Reason.OPEN}
    assert str(other.pid) in told[Reason.OPEN]


@only_root
def test_a_program_that_only_looks_at_a_disk_is_waited_for(device: Path) -> None:
    """As udev does whenever somebody has written to one."""
    script = "import sys, time; disk = open(sys.argv[1], 'rb'); print('open', flush=True); time.sleep(0.3)"
    with subprocess.Popen([sys.executable, "-c", script, str(device)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        assert reasons(disk_of(device)) == {}


@only_root
def test_a_disk_that_somebody_holds_for_itself_alone_is_not_wiped(device: Path) -> None:
    descriptor = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        told = reasons(disk_of(device), is_open=True)
        rules = Rules(planned=[disk_of(device).identity], opened_here=True)
        assert reasons(disk_of(device), rules) == {}, "ourselves, once it is open"
    finally:
        os.close(descriptor)
    assert "itself alone" in told[Reason.OPEN]


@only_root
def test_a_disk_of_which_a_loop_was_made_is_held(device: Path) -> None:
    with loop(device) as upper:
        assert reasons(disk_of(device))[Reason.HELD] == f"something is made of it: {upper.name}"
        assert Reason.HELD not in reasons(disk_of(upper))


@only_root
def test_a_read_only_disk_is_told_as_that(file: Path) -> None:
    with loop(file, "--read-only") as device:
        assert set(reasons(disk_of(device))) == {Reason.READ_ONLY}


def write(file: Path, written: list[tuple[int, bytes]]) -> None:
    with file.open("r+b") as disk:
        for offset, content in written:
            disk.seek(offset)
            disk.write(content)


@only_root
@pytest.mark.parametrize(("name", "written"), KNOWN)
def test_a_member_of_a_pool_is_wiped_only_when_its_signature_is_named(
    file: Path, name: str, written: list[tuple[int, bytes]]
) -> None:
    write(file, written)
    with loop(file) as device:
        found = disk_of(device)
        (told,) = [one for one in all_of(found) if one.signature == name]
        assert told.reason is Reason.MEMBER
        assert f"{device.name} is a member of {described(name)} ({name}), which others may need" in told.why
        assert name in named([told])
        assert reasons(found, Rules(planned=[found.identity], signatures=["swap"]))
        assert reasons(found, Rules(planned=[found.identity], signatures=[name])) == {}


def all_of(disk: Disk, *signatures: str) -> list[Objection]:
    rules = Rules(planned=[disk.identity], signatures=signatures)
    return objections(disk, [*disks(loops=True)], rules, patience_seconds=20)


BLKID_ALONE = {
    # what the table here does not know, and blkid does (libblkid, superblocks/)
    "hpt37x_raid_member": [(9 * 512 + 32, struct.pack("<I", 0x5A7816F0))],
    "DM_snapshot_cow": [(0, b"SnAp" + struct.pack("<III", 1, 1, 8))],
}


@only_root
@pytest.mark.parametrize("name", BLKID_ALONE)
def test_what_blkid_alone_knows_counts_as_well(file: Path, name: str) -> None:
    write(file, BLKID_ALONE[name])
    with loop(file) as device:
        found = disk_of(device)
        assert [one.signature for one in all_of(found)] == [name]
        assert all_of(found, name) == []


@only_root
def test_a_signature_that_nobody_knows_here_blocks_until_it_is_named(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer blkid, which knows more than this release of ours: a program stands in for it."""
    program(tmp_path, monkeypatch, 'case "$*" in *splendidfs*) exit 2;; esac; echo TYPE=splendidfs; echo USAGE=other')
    found = disk_of(device)
    (told,) = all_of(found)
    assert (told.reason, told.signature) == (Reason.SIGNATURE, "splendidfs")
    assert "who needs it is not known here" in told.why
    assert all_of(found, "splendidfs") == []


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "bin").mkdir()
    (folder / "bin/blkid").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin/blkid").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")


@only_root
def test_signatures_that_blkid_does_not_tell_apart_block_as_well(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, "exit 8")
    (told,) = all_of(disk_of(device))
    assert (told.reason, told.signature) == (Reason.SIGNATURE, "ambivalent")
    assert all_of(disk_of(device), "ambivalent") == []


@only_root
@pytest.mark.parametrize("script", ["exit 4", "echo broken >&2; exit 1", None])
def test_a_blkid_that_fails_or_is_not_there_makes_it_unknown(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script is None:
        monkeypatch.setattr("toolkit.disks.programs._SYSTEM", ())
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        program(tmp_path, monkeypatch, script)
    (told,) = all_of(disk_of(device), "ambivalent", "")
    assert (told.reason, told.signature) == (Reason.UNREADABLE, "")
    assert "whether others need what is on it cannot be told" in told.why


@only_root
@pytest.mark.parametrize(
    "maker", [("mkfs.ext4", "-q", "-F"), ("mkfs.vfat",), ("mkfs.exfat",), ("mkswap", "-q")], ids=lambda one: str(one[0])
)
def test_an_ordinary_file_system_that_nobody_uses_is_what_is_to_be_wiped(file: Path, maker: tuple[str, ...]) -> None:
    subprocess.run([*maker, str(file)], check=True, capture_output=True)
    with loop(file) as device:
        assert all_of(disk_of(device)) == []


@only_root
def test_an_ordinary_file_system_hides_no_signature_beside_it(file: Path) -> None:
    """Made over a member whose mark it leaves: blkid alone tells of one of them, or that they are several."""
    subprocess.run(["mkfs.ext4", "-q", "-F", str(file)], check=True)
    write(file, [*CASES["LVM1_member"][0][1], *CASES["oracleasm"][0][1]])
    with loop(file) as device:
        assert {one.signature for one in all_of(disk_of(device))} == {"LVM1_member", "oracleasm"}
        assert {one.signature for one in all_of(disk_of(device), "oracleasm")} == {"LVM1_member"}


@only_root
def test_a_signature_on_a_partition_counts_and_is_told_by_its_name(file: Path) -> None:
    table = "label: dos\nstart=2048, size=8192, type=83\n"
    subprocess.run(["sfdisk", "-q", str(file)], input=table, text=True, check=True)
    write(file, [(2048 * 512 + offset, content) for offset, content in CASES["ceph_bluestore"][0][1]])
    with loop(file) as device:
        # also where the kernel itself reads no table; what is added by hand it keeps when the loop is detached
        subprocess.run(["partx", "--add", str(device)], check=True)
        try:
            (told,) = all_of(disk_of(device))
        finally:
            subprocess.run(["partx", "--delete", str(device)], check=True)
    assert told.why.startswith(f"{device.name}p1 is a member of a Ceph cluster (ceph_bluestore)")


@only_root
@pytest.mark.parametrize(
    ("done", "reason", "words"), [(None, "unreadable", "cannot be read"), (0.42, "erasing", "42%")]
)
def test_a_disk_that_does_not_read_is_not_wiped_and_one_that_erases_itself_says_so(
    device: Path, monkeypatch: pytest.MonkeyPatch, done: float | None, reason: str, words: str
) -> None:
    """No disk here erases itself: what it would say is given, and the system's own call fails as it would."""
    disk = disk_of(device)
    real, number = os.pread, device.stat().st_rdev

    def failing(descriptor: int, size: int, offset: int) -> bytes:
        if os.fstat(descriptor).st_rdev == number:
            raise OSError(5, "Input/output error")
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    monkeypatch.setattr("toolkit.disks.method.erasing", lambda *_: done)
    told = reasons(disk)
    assert {*told} == {Reason(reason)}
    assert words in told[Reason(reason)]


def test_every_kind_of_member_that_is_known_has_a_test_and_zeros_are_none() -> None:
    assert set(CASES) == set(kinds())
    assert all(described(name) for name in kinds())
    for size in (0, 512, 4096, 65536, SIZE):
        assert member(lambda offset, length, size=size: bytes(max(0, min(length, size - offset))), size) == []  # type: ignore[misc]


@only_root
def test_two_disks_with_one_serial_number_and_two_ways_to_one_disk_are_not_wiped(device: Path) -> None:
    disk = replace(disk_of(device), wwn="naa.5000000000000001")
    twin = replace(disk, name="sdz", wwn="")
    assert reasons(disk, others=(twin,)) == {Reason.SAME_SERIAL_NUMBER: "sdz has the same serial number"}
    other_way = replace(disk, name="sdy", backing_file="", serial="S2")
    assert "sdy has the same WWN" in reasons(disk, others=(other_way,))[Reason.SAME_WWN]


@only_root
def test_the_disks_under_this_system_and_the_toolkit_are_their_own(file: Path, tmp_path: Path) -> None:
    """Also where the file system lies on a loop, and the loop's file on a disk: both hold what is ours."""
    place = tmp_path / "state"
    place.mkdir()
    with loop(file) as device:
        subprocess.run(["mkfs.ext4", "-q", str(device)], check=True)
        subprocess.run(["mount", str(device), str(place)], check=True)
        try:
            told = reasons(disk_of(device), Rules(planned=[str(file)], own=[place]), is_open=True)
            under = Stack().disks_under(place)
        finally:
            subprocess.run(["umount", str(place)], check=True)
        assert str(place) in told[Reason.OWN]
        assert {device.name, *Stack().disks_under(tmp_path)} == under
        assert reasons(disk_of(device), Rules(planned=[str(file)], own=[tmp_path])) == {}, "its file's disk is another"
        started = Rules(planned=[str(file)], own_names=[device.name])
        assert reasons(disk_of(device), started)[Reason.OWN] == "this system was started from it"


def fake(system: Path, place: str, **files: str) -> Path:
    folder = system / place
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("__", "/")).write_text(content)
    return folder


def test_what_volumes_and_arrays_are_made_of_is_followed_through_all_of_them(tmp_path: Path) -> None:
    """A sysfs as the kernel lays it: device-mapper and MD are not in every kernel that runs these tests."""
    system, processes = tmp_path / "sys", tmp_path / "proc"
    block = "class/block"
    fake(system, f"{block}/sda", dev="8:0", size="16384")
    fake(system, f"{block}/sda/sda1", dev="8:1", partition="1", start="2048", size="8192")
    (system / block / "sda1").symlink_to("sda/sda1")
    fake(system, f"{block}/md0", dev="9:0", size="8192")
    fake(system, f"{block}/dm-0", dev="253:0", size="8192", dm__name="vg-root")
    for lower, upper in (("sda/sda1", "md0"), ("md0", "dm-0")):
        fake(system, f"{block}/{lower}/holders/{upper}")
        fake(system, f"{block}/{upper}/slaves/{Path(lower).name}")
    line = "30 1 253:0 / /srv rw shared:1 - ext4 /dev/mapper/vg-root rw\n"
    fake(processes, "7", mountinfo=line, comm="server\n")
    fake(processes, "self", mountinfo=line)
    fake(processes, ".", swaps="Filename Type Size Used Priority\n")
    disk = Disk("sda", "S1", "", 16384 * 512, read_only=False, removable=False)
    rules = Rules(planned=["S1"], system=system, processes=processes)
    told = {one.reason: one.why for one in objections(disk, [disk], rules)}
    assert told[Reason.HELD] == "something is made of it: md0, dm-0 (vg-root)"
    assert told[Reason.MOUNTED] == "mounted: dm-0 on /srv (process 7)"
    assert list(Stack(system, processes)._under("dm-0", set())) == ["dm-0", "md0", "sda"]


def test_overlays_are_followed_to_the_folders_they_are_made_of(tmp_path: Path) -> None:
    number = f"{os.major(tmp_path.stat().st_dev)}:{os.minor(tmp_path.stat().st_dev)}"
    layer = Path("/dev/shm")  # noqa: S108  (a file system without a device number of its own)
    shown = f"{os.major(layer.stat().st_dev)}:{os.minor(layer.stat().st_dev)}"
    system, processes = tmp_path / "sys", tmp_path / "proc"
    fake(system, "class/block/sda", dev=number)
    line = f"30 1 {shown} / /dev/shm rw - overlay overlay rw,lowerdir=/nowhere:{tmp_path},upperdir=/none\n"
    fake(processes, "self", mountinfo=line)
    assert Stack(system, processes).disks_under(layer) == {"sda"}


@only_root
def test_the_ioctl_that_tells_a_disks_number_in_a_row_is_the_kernels(device: Path) -> None:
    descriptor = os.open(device, os.O_RDONLY)
    try:
        told = bytearray(8)
        fcntl.ioctl(descriptor, 0x80081280, told)
    finally:
        os.close(descriptor)
    assert struct.unpack("Q", told)[0] == disk_of(device).diskseq > 0
