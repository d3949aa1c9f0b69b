"""The old machine's disks: wiped through its BMC, once on each occasion, and only what was read back counts."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.provision.metal.conftest import Metal
from tests.provision.metal.story import boot_of
from tests.provision.metal.tiny_iso import STARTED, lines, write_tiny_iso
from toolkit.model.errors import VerificationError
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
        done = f'{{"phase": "done", "action": "wipe", "disk_serial": "{self.disk_serial}", '
        done += f'"bytes_written": 4096, "bytes_read": {self.bytes_read}}}'
        write_tiny_iso(media.file, lines(STARTED, done))


def old_machine(metal: Metal, folder: Path, read_bytes: int = 4096) -> OldMachine:
    def order(meant: MachineIdentity, disk_serial: str, occasion: str) -> SaysIt:
        return SaysIt(meant, disk_serial, occasion, read_bytes)

    return OldMachine(lambda: boot_of(metal, folder), ("DISK-1",), order)


def test_a_machine_that_runs_is_switched_off_and_wiped_once_on_each_occasion(metal: Metal, tmp_path: Path) -> None:
    metal.domain.create()
    machine = old_machine(metal, tmp_path)
    proof = machine.wipe("DISK-1", "run-1", lambda fraction, phase: None)
    assert proof == {"disk_serial": "DISK-1", "bytes_written": 4096, "bytes_read": 4096}
    assert (machine.is_off(), metal.has_cd) == (True, False)
    assert old_machine(metal, tmp_path).wipe("DISK-1", "run-1", lambda fraction, phase: None) == proof
    assert metal.said.count('"done"') == 1
    old_machine(metal, tmp_path).wipe("DISK-1", "run-2", lambda fraction, phase: None)
    assert metal.said.count('"done"') == 2


def test_a_wipe_that_was_not_read_back_whole_is_none(metal: Metal, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="4096 bytes written and 512 read back"):
        old_machine(metal, tmp_path, read_bytes=512).wipe("DISK-1", "run-1", lambda fraction, phase: None)
    assert not metal.on
