"""The installer wipes NVMe, SATA and SCSI disks in one boot, each by what it offers; cut off, it begins again.

QEMU's NVMe disk does Format NVM, and neither it nor QEMU's other disks do Sanitize or ATA security: what they are told
is tested beside disks that stand for some (tests/disks/commands), and here that they are asked, and overwritten.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.images.installation import SERIAL, Installation, installer
from tests.images.machine import MAC
from toolkit.images.build import Image
from toolkit.images.installer_job import InstallerJob, write_job_iso
from toolkit.images.manifest import ISO

pytestmark = [pytest.mark.image, pytest.mark.endurance, pytest.mark.timeout(1800)]
MIB = 1 << 20
SIZES = {"NVME-1": 64, "SATA-1": 24, "SAS-1": 16}


def used_disk(folder: Path, serial: str) -> Path:
    """Every MiB of it holds something."""
    path = folder / f"{serial}.raw"
    path.write_bytes((b"a secret of the old box".ljust(4096, b"\xa5") * 256) * SIZES[serial])
    return path


def words(folder: Path) -> tuple[str, ...]:
    """QEMU's for the three disks."""
    drives = [
        f"file={folder / serial}.raw,if=none,id={serial},format=raw,cache=unsafe,discard=unmap" for serial in SIZES
    ]
    devices = (
        "nvme,drive=NVME-1,serial=NVME-1", "ahci,id=sata", "ide-hd,bus=sata.0,drive=SATA-1,serial=SATA-1",
        "virtio-scsi-pci,id=scsi", "scsi-hd,bus=scsi.0,drive=SAS-1,serial=SAS-1",
    )  # fmt: skip
    return (*(word for one in drives for word in ("-drive", one)), *(w for one in devices for w in ("-device", one)))


def test_a_machines_disks_are_wiped_in_one_boot_and_after_a_power_cut_anew(
    installer_image: Image, tmp_path: Path
) -> None:
    disks = {serial: used_disk(tmp_path, serial) for serial in SIZES}
    job = InstallerJob(action="wipe", machine_serial=SERIAL, macs=(MAC,), disk_serials=tuple(SIZES))
    iso = tmp_path / "job.iso"
    write_job_iso(installer_image.folder / ISO, job, iso)
    direct = (installer_image.folder, installer_image.manifest)

    def machine() -> AbstractContextManager[Installation]:
        return installer(iso, tmp_path, [], firmware=direct, stick=True, more=words(tmp_path))

    with machine() as first:
        assert first.wait_for("begin")["again"] is False
        first.machine.wait_for('"phase": "write", "fraction": 0.', 400)
        first.machine.process.kill()
    with machine() as second:
        *_, last = said = second.end()
    assert last["phase"] == "done", last
    assert [(one["disk_serial"], one["again"]) for one in said if one["phase"] == "begin"] == [
        ("NVME-1", True), ("SATA-1", False), ("SAS-1", False),
    ]  # fmt: skip
    told = {one["disk_serial"]: one for one in last["disks"]}
    assert told == {
        one["disk_serial"]: {name: one[name] for name in one if name not in ("phase", "number", "of")}
        for one in said
        if one["phase"] == "wiped"
    }
    for serial, size_mb in SIZES.items():
        one = told[serial]
        assert (one["result"], one["verified"], one["bytes_read"]) == ("passed", "full", size_mb * MIB), one
        assert not any(disks[serial].read_bytes()), serial
    nvme = told["NVME-1"]
    assert (nvme["technique"], nvme["category"]) == ("NVMe format, user data erase, then overwrite with zeros", "purge")
    assert (nvme["passes"], nvme["media_type"]) == (2, "solid-state disk (nvme)")
    assert {told[serial]["technique"] for serial in ("SATA-1", "SAS-1")} == {"overwrite with zeros"}
    assert ("QEMU" in told["SATA-1"]["model"], told["SAS-1"]["vendor"]) == (True, "QEMU")
    assert {told[serial]["media_type"].rpartition(" ")[2] for serial in SIZES} == {"(nvme)", "(sata)", "(scsi)"}
