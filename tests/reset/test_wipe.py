"""The old machine's disks are wiped once, one after the other, and only what was read back counts."""

import json
from pathlib import Path

import pytest

from tests.step_context import GATE, OLD_SERIAL, context_of, world_of
from toolkit.appliances.provisioner import DiskEnded
from toolkit.model.errors import ApplianceError, RefusedError, StorageError
from toolkit.model.execution import Progress, Result
from toolkit.model.verdict import Verdict
from toolkit.reset.disks import WipeOld
from toolkit.reset.gates import old_was_reset, wipe_confirmed
from toolkit.reset.record import open_record
from toolkit.reset.record_files import RECORDS_FOLDER
from toolkit.signing import trusted_signers


def told(serial: str, result: str = "passed") -> Result:
    """As the installer tells of a disk."""
    passed = result == "passed"
    return {
        "disk_serial": serial, "vendor": "", "model": "SSD 870", "wwn": "", "firmware": "", "media_type": "disk",
        "size_bytes": 512, "sector_bytes": 512, "category": "clear", "technique": "overwrite with zeros",
        "passes": 1 if passed else 0, "discarded": False, "again": False, "verified": "full" if passed else "none",
        "bytes_written": 512, "bytes_read": 512 if passed else 0, "sample_seed": "", "result": result,
        "reason": "" if passed else "it does not write", "seconds": 2.0,
    }  # fmt: skip


class Disks:
    """A wiper that notes what it wipes; it may be another machine's, or fail at a disk."""

    disk_serials = ("DISK-1", "DISK-2")

    def __init__(self, *, another: bool = False, fails_at: str = "", off: bool = True) -> None:
        self.wiped: list[tuple[str, str]] = []
        self._another, self.fails_at, self._off = another, fails_at, off

    def check_machine(self) -> None:
        if self._another:
            raise RefusedError("another machine is behind this BMC")

    def wipe(self, disk_serials: tuple[str, ...], occasion: str, progress: Progress, ended: DiskEnded) -> None:
        for serial in disk_serials:
            result = "failed" if serial == self.fails_at else "passed"
            if result == "passed":
                self.wiped.append((serial, occasion))
            ended(told(serial, result))
        if self.fails_at in disk_serials:
            raise ApplianceError("the installer failed")

    def is_off(self) -> bool:
        return self._off


def test_every_disk_is_wiped_for_this_run_and_none_twice_after_a_failure(tmp_path: Path) -> None:
    disks = Disks(fails_at="DISK-2")
    context = context_of(tmp_path, world_of(tmp_path, old_disks=disks))
    assert WipeOld().look(context) is None
    with pytest.raises(ApplianceError):
        WipeOld().act(context)
    assert WipeOld().look(context) is None
    kept = json.loads((tmp_path / "wiped-disks.json").read_text())
    assert {serial: proof["result"] for serial, proof in kept.items()} == {"DISK-1": "passed", "DISK-2": "failed"}
    disks.fails_at = ""
    result = WipeOld().act(context)
    assert disks.wiped == [("DISK-1", "run-1"), ("DISK-2", "run-1")]
    assert WipeOld().look(context) == result
    assert WipeOld().verify(context, result).verdict is Verdict.PASSED


def test_every_wipe_that_ended_leaves_a_signed_record_well_or_not(tmp_path: Path) -> None:
    disks = Disks(fails_at="DISK-2")
    context = context_of(tmp_path, world_of(tmp_path, old_disks=disks, operator_name="ada"))
    with pytest.raises(ApplianceError):
        WipeOld().act(context)
    disks.fails_at = ""
    WipeOld().act(context)
    trusted = trusted_signers(tmp_path / "state")
    records = [open_record(path, trusted).record for path in sorted((tmp_path / RECORDS_FOLDER).glob("*.json"))]
    assert [(record.erasure.serial_number, record.verdict) for record in records] == [
        ("DISK-1", Verdict.PASSED),
        ("DISK-2", Verdict.FAILED),
        ("DISK-2", Verdict.PASSED),
    ]
    assert {(record.erasure.run_id, record.erasure.operator) for record in records} == {("run-1", "ada")}
    assert OLD_SERIAL in records[0].context.source


def test_what_is_heard_twice_is_recorded_once(tmp_path: Path) -> None:
    class Twice(Disks):
        def wipe(self, disk_serials: tuple[str, ...], occasion: str, progress: Progress, ended: DiskEnded) -> None:
            def twice(event: Result) -> None:
                ended(event)
                ended(dict(event))

            super().wipe(disk_serials, occasion, progress, twice)

    context = context_of(tmp_path, world_of(tmp_path, old_disks=Twice(fails_at="DISK-2")))
    with pytest.raises(ApplianceError):
        WipeOld().act(context)
    assert len([*(tmp_path / RECORDS_FOLDER).glob("*.json")]) == 2


def test_a_machine_that_is_on_or_a_disk_without_a_proof_is_no_success(tmp_path: Path) -> None:
    context = context_of(tmp_path, world_of(tmp_path, old_disks=Disks(off=False)))
    result = WipeOld().act(context)
    assert "still on" in WipeOld().verify(context, result).summary
    proofs = json.loads((tmp_path / "wiped-disks.json").read_text())
    (tmp_path / "wiped-disks.json").write_text(json.dumps({"DISK-1": proofs["DISK-1"]}))
    off = context_of(tmp_path, world_of(tmp_path, old_disks=Disks()))
    outcome = WipeOld().verify(off, result)
    assert (outcome.verdict, "Not wiped: DISK-2" in outcome.summary) == (Verdict.FAILED, True)


def test_a_damaged_record_of_what_is_wiped_is_named(tmp_path: Path) -> None:
    (tmp_path / "wiped-disks.json").write_text("{")
    with pytest.raises(StorageError, match="once more"):
        WipeOld().look(context_of(tmp_path, world_of(tmp_path, old_disks=Disks())))


def test_nothing_is_wiped_unless_the_serial_number_is_confirmed_and_the_bmc_has_that_machine(tmp_path: Path) -> None:
    def asked(disks: Disks | None, typed: str | None) -> Verdict:
        world = world_of(tmp_path, old_disks=disks, confirmed_serial_number=typed)
        return wipe_confirmed(context_of(tmp_path, world), GATE).verdict

    assert asked(Disks(), OLD_SERIAL) is Verdict.PASSED
    assert asked(Disks(), None) is Verdict.FAILED
    assert asked(Disks(), "RB-OTHER") is Verdict.FAILED
    assert asked(Disks(another=True), OLD_SERIAL) is Verdict.FAILED
    assert asked(None, OLD_SERIAL) is Verdict.FAILED


def test_nothing_is_wiped_that_this_run_has_not_reset(tmp_path: Path) -> None:
    world = world_of(tmp_path, old_disks=Disks())
    assert old_was_reset(context_of(tmp_path, world), GATE).verdict is Verdict.FAILED
    done = context_of(tmp_path, world, results={"reset-old": {"serial_number": OLD_SERIAL}})
    assert old_was_reset(done, GATE).verdict is Verdict.PASSED
