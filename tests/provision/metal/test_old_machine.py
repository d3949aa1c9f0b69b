"""The old machine's disks: wiped through its BMC, once on each occasion, and only what was read back counts."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.provision.metal.conftest import Metal
from tests.provision.metal.story import boot_of
from tests.provision.metal.tiny_iso import STARTED, lines, write_tiny_iso
from toolkit.images.installer_job import InstallerJob
from toolkit.model.errors import VerificationError
from toolkit.model.execution import Result
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.jobs import WipeOrder
from toolkit.provision.metal.media_server import MediaServer
from toolkit.provision.metal.old_machine import OldMachine

pytestmark = pytest.mark.vm


@dataclass(frozen=True)
class SaysIt(WipeOrder):
    """A wipe whose installer only says what it would say."""

    bytes_read: int = 4096

    def write_iso(self, media: MediaServer) -> None:
        disks = [
            {"disk_serial": serial, "result": "passed", "bytes_written": 4096, "bytes_read": self.bytes_read}
            for serial in self.disk_serials
        ]
        wiped = [json.dumps({"phase": "wiped", **disk}) for disk in disks]
        done = json.dumps({"phase": "done", "action": "wipe", "disks": disks})
        write_tiny_iso(media.file, lines(STARTED, *wiped, done))


def old_machine(metal: Metal, folder: Path, read_bytes: int = 4096) -> OldMachine:
    def order(meant: MachineIdentity, disk_serials: tuple[str, ...], occasion: str) -> SaysIt:
        return SaysIt(meant, disk_serials, occasion, bytes_read=read_bytes)

    return OldMachine(lambda: boot_of(metal, folder), ("DISK-1", "DISK-2"), order)


def wipe(machine: OldMachine, *serials: str, occasion: str = "run-1") -> list[Result]:
    """What was told of each disk, the last of each."""
    told: dict[str, Result] = {}
    machine.wipe(
        serials, occasion, lambda fraction, phase: None, lambda one: told.__setitem__(str(one["disk_serial"]), one)
    )
    return list(told.values())


def test_a_machine_that_runs_is_switched_off_and_wiped_once_on_each_occasion(metal: Metal, tmp_path: Path) -> None:
    metal.domain.create()
    machine = old_machine(metal, tmp_path)
    proofs = wipe(machine, "DISK-1", "DISK-2")
    assert proofs == [
        {"disk_serial": serial, "result": "passed", "bytes_written": 4096, "bytes_read": 4096}
        for serial in ("DISK-1", "DISK-2")
    ]
    assert (machine.is_off(), metal.has_cd) == (True, False)
    assert wipe(old_machine(metal, tmp_path), "DISK-1", "DISK-2") == proofs
    assert wipe(old_machine(metal, tmp_path), "DISK-2") == proofs[1:], "it was wiped together with the other"
    assert metal.said.count('"done"') == 1, "both in one boot"
    wipe(old_machine(metal, tmp_path), "DISK-1", "DISK-2", occasion="run-2")
    assert metal.said.count('"done"') == 2


def test_a_wipe_that_was_not_read_back_whole_is_none(metal: Metal, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="4096 bytes written and 512 read back"):
        wipe(old_machine(metal, tmp_path, read_bytes=512), "DISK-1")
    assert not metal.on


def test_the_installer_is_told_which_signatures_may_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[InstallerJob] = []
    monkeypatch.setattr("toolkit.provision.metal.jobs.write_job_iso", lambda _iso, job, _target: jobs.append(job))
    monkeypatch.setattr("toolkit.provision.metal.jobs.installer_iso", lambda: tmp_path / "installer.iso")
    meant = MachineIdentity("M1", None, ("52:54:00:00:00:01",))
    media = SimpleNamespace(certificate=None, file=tmp_path / "job.iso")
    for known in ((), ("linux_raid_member",)):
        WipeOrder(meant, ("S1",), "run-1", known).write_iso(media)  # type: ignore[arg-type]
    assert [job.signatures for job in jobs] == [(), ("linux_raid_member",)]
