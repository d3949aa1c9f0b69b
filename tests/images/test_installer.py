"""The installer on machines: it writes and wipes the disk that it was told of, and nothing on any other machine."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.images.installation import SERIAL, installer, installer_from_the_network
from tests.images.machine import ADDRESS, MAC, disk_words, network_words, running
from tests.installer.report_server import ReportServer
from toolkit.images.build import Image, build
from toolkit.images.cache import ImageCache
from toolkit.images.installer_job import CallHome, InstallerJob, Network, write_job_iso
from toolkit.images.iso9660 import find_file
from toolkit.images.iso_image import IMAGE_FILE
from toolkit.images.manifest import ISO, PACKAGES, read_packages, record
from toolkit.images.netboot import write_netboot
from toolkit.images.recipe import RecipeFolder

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]
MIB = 1 << 20
CANARY = b"a secret of the old box"
BOOT_SECONDS_MAX = 400.0


def used_disk(place: Path, size_mb: int) -> Path:
    """It holds something in every MiB."""
    with place.open("wb") as file:
        for number in range(size_mb):
            file.seek(number * MIB + 4096)
            file.write(CANARY)
        file.truncate(size_mb * MIB)
    return place


@pytest.fixture
def job_iso(installer_image: Image, tmp_path: Path) -> Callable[[InstallerJob], Path]:
    def make(job: InstallerJob) -> Path:
        write_job_iso(installer_image.folder / ISO, job, tmp_path / "job.iso")
        return tmp_path / "job.iso"

    return make


@pytest.mark.endurance
def test_the_same_package_list_gives_the_same_iso_bit_by_bit(installer_image: Image, tmp_path: Path) -> None:
    cache, known = ImageCache("installer", tmp_path), ImageCache("installer")
    # the packages, and the image that goes in, are those made before: what is tested is the building of the ISO
    cache.packages.symlink_to(known.packages)
    cache.folder.parent.mkdir()
    (cache.folder.parent / "appliance").symlink_to(known.folder.parent / "appliance")
    again = build(RecipeFolder("installer"), cache, packages=read_packages(installer_image.folder / PACKAGES))
    assert not again.was_there
    assert again.manifest.files == installer_image.manifest.files


@pytest.mark.endurance
def test_an_installation_cut_off_starts_again_and_the_disk_then_boots_as_the_box_that_the_seed_names(
    installer_image: Image,
    appliance: Image,
    tmp_path: Path,
    job_iso: Callable[[InstallerJob], Path],
    order: dict[str, JsonValue],
    port: int,
) -> None:
    disks = [used_disk(tmp_path / "OTHER.raw", 64), used_disk(tmp_path / "SYSTEM.raw", 1200)]
    job = InstallerJob(
        action="install", machine_serial=SERIAL, macs=(MAC,), disk_serial="SYSTEM",
        image_sha256=appliance.manifest.sha256, seed={**order, "data_disk_serial": "SYSTEM"},
    )  # fmt: skip
    untouched = record(disks[0])
    iso = job_iso(job)
    direct = (installer_image.folder, installer_image.manifest)
    with installer(iso, tmp_path, disks, firmware=direct) as first:
        assert first.wait_for("begin")["again"] is False
        first.machine.wait_for('"phase": "write", "fraction": 0.1', BOOT_SECONDS_MAX)
        first.machine.process.kill()
    with installer(iso, tmp_path, disks, firmware="uefi") as second:
        *_, last = said = second.end()
    assert [one["again"] for one in said if one["phase"] == "begin"] == [True]
    assert (last["phase"], last["disk_serial"], last["image_sha256"]) == ("done", "SYSTEM", appliance.manifest.sha256)
    assert last["bytes_read"] > last["bytes_written"] > 600 * MIB
    assert record(disks[0]) == untouched
    written = record(disks[1])
    with installer(iso, tmp_path, disks, firmware=direct) as third:
        *_, last = third.end()
    assert (last["phase"], last["already"], last["bytes_written"]) == ("done", True, 0)
    assert record(disks[1]) == written, "a job is done once: by now the box may hold something"
    words = [*disk_words([disks[1]]), *network_words(port)]
    with running(tmp_path, words, port=port) as box:
        tls = box.wait_for(f"on {ADDRESS}", BOOT_SECONDS_MAX).removeprefix("certificate sha256: ").split()[0]
        assert box.wait_for("serial number:", 1).endswith(f"serial number: {order['serial_number']}")
        assert box.get("/check_health") == (200, b"OK", tls)


@pytest.mark.endurance
def test_a_machine_without_a_drive_is_installed_over_the_network(
    appliance: Image, tmp_path: Path, job_iso: Callable[[InstallerJob], Path], order: dict[str, JsonValue]
) -> None:
    disk = used_disk(tmp_path / "SYSTEM.raw", 1200)
    job = InstallerJob(
        action="install", machine_serial=SERIAL, macs=(MAC,), disk_serial="SYSTEM",
        image_sha256=appliance.manifest.sha256, seed={**order, "data_disk_serial": "SYSTEM"},
    )  # fmt: skip
    write_netboot(job_iso(job), tmp_path / "boot")
    with installer_from_the_network(tmp_path / "boot", tmp_path, [disk]) as machine:
        *_, last = said = machine.end()
    assert [one["medium"] for one in said if one["phase"] == "inventory"] == ["network"]
    assert (last["phase"], last["image_sha256"]) == ("done", appliance.manifest.sha256)


@pytest.mark.endurance
def test_a_wipe_leaves_nothing_of_what_was_there_and_reports_home(
    tmp_path: Path, job_iso: Callable[[InstallerJob], Path]
) -> None:
    disks = [used_disk(tmp_path / "OTHER.raw", 16), used_disk(tmp_path / "OLD.raw", 96)]
    untouched = record(disks[0])
    with ReportServer(tmp_path) as server:
        report = CallHome(url=f"{server.url_from_a_guest}/job", token="t0ken", certificate_sha256=server.sha256)
        job = InstallerJob(
            action="wipe", machine_serial=SERIAL, macs=(MAC,), disk_serial="OLD",
            network=Network(mac=MAC), report=report,
        )  # fmt: skip
        with installer(job_iso(job), tmp_path, disks, stick=True, network="user,id=net") as running_installer:
            *_, last = said = running_installer.end()
    assert (last["phase"], last["bytes_read"], last["bytes_written"]) == ("done", 96 * MIB, 96 * MIB)
    assert not any(disks[1].read_bytes())
    assert record(disks[0]) == untouched
    assert server.told == [one for one in said if one["phase"] != "started"]
    assert server.tokens == {"Bearer t0ken"}
    assert "t0ken" not in running_installer.machine.console


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"machine_serial": "SRV-0002"}, f"serial number is {SERIAL}, not SRV-0002"),
        pytest.param(
            {"macs": (MAC, "52:54:00:77:00:99")}, "no port has the MAC 52:54:00:77:00:99", marks=pytest.mark.endurance
        ),
        pytest.param({"disk_serial": "ABSENT"}, "no disk has the serial number ABSENT", marks=pytest.mark.endurance),
        pytest.param({"disk_serial": "STICK"}, "the medium that the installer runs from", marks=pytest.mark.endurance),
    ],
)
def test_another_machine_is_left_as_it_is(
    installer_image: Image, tmp_path: Path, job_iso: Callable[[InstallerJob], Path], wrong: dict[str, object],
    reason: str,
) -> None:  # fmt: skip
    disk = used_disk(tmp_path / "OLD.raw", 16)
    before = disk.read_bytes()
    fields = {"action": "wipe", "machine_serial": SERIAL, "macs": (MAC,), "disk_serial": "OLD", "then": "reboot"}
    iso = job_iso(InstallerJob.model_validate(fields | wrong))
    direct = (installer_image.folder, installer_image.manifest)
    with installer(iso, tmp_path, [disk], firmware=direct, stick=True, more=("-no-reboot",)) as machine:
        *_, last = machine.end()
    assert last["phase"] == "refused"
    assert reason in last["reason"]
    assert disk.read_bytes() == before


@pytest.mark.endurance
def test_two_disks_with_the_serial_number_are_both_left_as_they_are_and_a_strange_server_is_told_nothing(
    installer_image: Image, tmp_path: Path, job_iso: Callable[[InstallerJob], Path]
) -> None:
    (tmp_path / "twin").mkdir()
    disks = [used_disk(tmp_path / "OLD.raw", 16), used_disk(tmp_path / "twin" / "OLD.raw", 16)]
    before = [record(disk) for disk in disks]
    with ReportServer(tmp_path) as server:
        report = CallHome(url=server.url_from_a_guest, token="t0ken", certificate_sha256="0" * 64)
        job = InstallerJob(
            action="wipe", machine_serial=SERIAL, macs=(MAC,), disk_serial="OLD",
            network=Network(mac=MAC, address="10.0.2.20/24"), report=report,
        )  # fmt: skip
        direct = (installer_image.folder, installer_image.manifest)
        with installer(job_iso(job), tmp_path, disks, firmware=direct, network="user,id=net") as machine:
            said = machine.end()
    (final,) = (one for one in said if one["phase"] == "refused")
    assert "2 disks have the serial number OLD" in final["reason"]
    assert [record(disk) for disk in disks] == before
    assert (server.told, server.tokens) == ([], set())
    assert any(one["phase"] == "report" and server.sha256 in one["reason"] for one in said)


@pytest.mark.endurance
def test_a_damaged_image_fails_and_leaves_a_disk_that_does_not_start(
    installer_image: Image, appliance: Image, tmp_path: Path, job_iso: Callable[[InstallerJob], Path]
) -> None:
    disk = used_disk(tmp_path / "SYSTEM.raw", 700)
    job = InstallerJob(
        action="install", machine_serial=SERIAL, macs=(MAC,), disk_serial="SYSTEM",
        image_sha256=appliance.manifest.sha256,
    )  # fmt: skip
    iso = job_iso(job)
    place = find_file(iso, IMAGE_FILE)
    with iso.open("r+b") as file:
        file.seek(place.offset + 10 * MIB)
        file.write(bytes(4096))
    direct = (installer_image.folder, installer_image.manifest)
    with installer(iso, tmp_path, [disk], firmware=direct) as machine:
        *_, last = machine.end()
    assert last["phase"] == "failed"
    assert "cannot be unpacked" in last["reason"]
    assert disk.read_bytes()[510:512] != b"\x55\xaa"


@pytest.mark.endurance
def test_without_a_job_it_takes_stock_and_then_offers_a_shell(installer_image: Image, tmp_path: Path) -> None:
    disk = used_disk(tmp_path / "OLD.raw", 16)
    before = record(disk)
    direct = (installer_image.folder, installer_image.manifest)
    with installer(installer_image.folder / ISO, tmp_path, [disk], firmware=direct) as machine:
        found = machine.wait_for("inventory")
        machine.machine.wait_for("a shell on the rescue system", BOOT_SECONDS_MAX)
        assert machine.machine.process.poll() is None
    assert (found["serial"], found["macs"]) == (SERIAL, [MAC])
    assert [(one["serial"], one["size_bytes"]) for one in found["disks"] if one["name"] == "vda"] == [("OLD", 16 * MIB)]
    assert record(disk) == before


def test_other_programs_read_the_iso(installer_image: Image, appliance: Image, tmp_path: Path) -> None:
    iso = installer_image.folder / ISO
    said = subprocess.run(
        ["xorriso", "-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain"],
        capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    assert "El Torito boot img :   1  BIOS" in said
    assert "El Torito boot img :   2  UEFI" in said
    assert "isohybrid" in said
    out = tmp_path / "image.json"
    subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/image.json", out], capture_output=True, check=True
    )
    assert json.loads(out.read_bytes())["sha256"] == appliance.manifest.sha256
