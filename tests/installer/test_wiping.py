"""The installer's wipe of several disks: each is told as it ends, on loop devices that stand for a machine's disks."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.disks.block_devices import disk_of, loop, only_root
from toolkit.disks import facts
from toolkit.disks.facts import Disk
from toolkit.disks.refusal import Failed, Refused
from toolkit.installer import __main__ as installer
from toolkit.installer import medium, wiping
from toolkit.installer.console import WORD, Console
from toolkit.installer.job import Job, read_job
from toolkit.installer.machine import Inventory

MIB = 1 << 20
pytestmark = only_root


@pytest.fixture
def machine_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Disk]]:
    """Two used disks and a small one; loops are no disks for the installer otherwise."""
    with ExitStack() as attached:
        found = []
        for name, size in (("one", 3), ("two", 2), ("small", 1)):
            file = tmp_path / f"{name}.raw"
            file.write_bytes(os.urandom(size * MIB))
            found.append(disk_of(attached.enter_context(loop(file))))
        monkeypatch.setattr(wiping, "disks", lambda: facts.disks(loops=True))
        yield found


def job(*disks: Disk, **more: object) -> Job:
    fields = {"action": "wipe", "machine_serial": "M1", "macs": ["52:54:00:00:00:01"]}
    read = read_job(json.dumps({**fields, "disk_serials": [disk.identity for disk in disks], **more}).encode())
    assert read is not None
    return read


def run(
    folder: Path, job: Job, disks: list[Disk], medium: str = "sr0"
) -> tuple[dict[str, object], list[dict[str, object]]]:
    screen = folder / "screen"
    screen.touch()
    return wiping.wipe(Console((screen,)), job, disks, medium), said(folder)


def said(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line.removeprefix(WORD)) for line in (folder / "screen").read_text().splitlines()]


def test_disks_are_wiped_one_after_the_other_and_each_is_told(tmp_path: Path, machine_disks: list[Disk]) -> None:
    one, two, small = machine_disks
    before = Path(small.backing_file).read_bytes()
    done, events = run(tmp_path, job(one, two), [one, two])
    assert not any(Path(one.backing_file).read_bytes() + Path(two.backing_file).read_bytes())
    assert Path(small.backing_file).read_bytes() == before
    assert [event["phase"] for event in events if event["phase"] in ("begin", "wiped")] == ["begin", "wiped"] * 2
    wiped = [event for event in events if event["phase"] == "wiped"]
    assert [(event["disk_serial"], event["number"], event["of"]) for event in wiped] == [
        (one.identity, 1, 2), (two.identity, 2, 2),
    ]  # fmt: skip
    for event, disk in zip(wiped, (one, two), strict=True):
        assert (event["result"], event["verified"], event["bytes_read"]) == ("passed", "full", disk.size_bytes)
        assert (event["media_type"], event["technique"], event["passes"]) == ("loop device", "overwrite with zeros", 1)
    assert done["bytes_read"] == done["bytes_written"] == 5 * MIB
    progress = [event for event in events if event["phase"] in ("write", "read-back")]
    assert all(event["disk_serial"] in (one.identity, two.identity) for event in progress)


def test_nothing_is_written_when_any_disk_is_not_to_be_wiped(tmp_path: Path, machine_disks: list[Disk]) -> None:
    one, two, _ = machine_disks
    before = Path(one.backing_file).read_bytes()
    descriptor = os.open(two.path, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(Refused, match="itself alone"):
            run(tmp_path, job(one, two), [one, two])
    finally:
        os.close(descriptor)
    with pytest.raises(Refused, match="started from it"):
        run(tmp_path, job(one, two), [one, two], medium=two.name)
    assert Path(one.backing_file).read_bytes() == before


def test_a_member_of_an_array_wants_a_job_that_says_so(tmp_path: Path, machine_disks: list[Disk]) -> None:
    one, *_ = machine_disks
    one.path.write_bytes(b"LABELONE" + bytes(16) + b"LVM2 001")
    for signatures in ([], ["linux_raid_member"]):
        with pytest.raises(Refused, match=r"LVM.*name the signature: LVM2_member\)"):
            run(tmp_path, job(one, signatures=signatures), [one])
    done, _ = run(tmp_path, job(one, signatures=["LVM2_member"]), [one])
    assert done["bytes_read"] == one.size_bytes


def test_a_disk_that_cannot_be_wiped_any_more_fails_the_job_and_the_next_is_wiped(
    tmp_path: Path, machine_disks: list[Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second goes away while the first is wiped: the third is wiped all the same, and the job has failed."""
    one, two, small = machine_disks
    looked: list[int] = []

    def there() -> list[Disk]:
        looked.append(1)
        return [disk for disk in facts.disks(loops=True) if len(looked) == 1 or disk.name != two.name]

    monkeypatch.setattr(wiping, "disks", there)
    with pytest.raises(Failed, match=f"{two.identity}: no disk has the serial number"):
        run(tmp_path, job(one, two, small), [one, two, small])
    results = [(event["disk_serial"], event["result"]) for event in said(tmp_path) if event["phase"] == "wiped"]
    assert results == [(one.identity, "passed"), (two.identity, "failed"), (small.identity, "passed")]
    assert any(Path(two.backing_file).read_bytes())


def test_jobs_of_one_disk_are_read_as_before_and_what_makes_no_sense_is_refused() -> None:
    fields = {"action": "wipe", "machine_serial": "M1", "macs": ["52:54:00:00:00:01"]}
    old = read_job(json.dumps({**fields, "disk_serial": "S1"}).encode())
    assert old is not None
    assert (old.disk_serials, old.disk_serial, old.method, old.verify) == (("S1",), "S1", "auto", "full")
    wrongs: list[dict[str, object]] = [
        {"disk_serials": ["S1", "S1"]}, {"disk_serials": "S1"}, {"disk_serials": []},
        {"disk_serial": "S1", "verify": "hardly"}, {"action": "install", "disk_serials": ["S1", "S2"]},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(Refused):
            read_job(json.dumps({**fields, **wrong}).encode())


def test_an_image_is_not_written_over_a_member_of_a_pool_either(
    tmp_path: Path, machine_disks: list[Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else fits: the job, the machine, the image on the medium."""
    one, *_ = machine_disks
    disk = replace(one, serial="S1")
    disk.path.write_bytes(b"bluestore block device\n".ljust(512, b"\0"))
    before = Path(one.backing_file).read_bytes()
    monkeypatch.setattr(medium, "contained", lambda: SimpleNamespace(size_bytes=MIB, sha256="5f" * 32))
    monkeypatch.setattr(medium, "unpacked", lambda: pytest.fail("it was about to be written"))
    fields = {"action": "install", "machine_serial": "M1", "macs": ["52:54:00:00:00:01"], "disk_serials": ["S1"]}
    order = read_job(json.dumps({**fields, "image_sha256": "5f" * 32}).encode())
    assert order is not None
    machine = Inventory("M1", ("52:54:00:00:00:01",), (disk,), "uefi")
    screen = tmp_path / "screen"
    screen.touch()
    with pytest.raises(Refused, match=r"S1 is not overwritten: .*name the signature: ceph_bluestore\)"):
        installer._install(Console((screen,)), order, machine, disk, "sr0")
    assert Path(one.backing_file).read_bytes() == before
    assert "begin" not in screen.read_text()
