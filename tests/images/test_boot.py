"""A machine started from the image with a seed: from nothing to HTTPS, and on the same disks again."""

import json
from pathlib import Path

import httpx
import pytest
from pydantic import JsonValue

from tests.images.conftest import ONE_TIME_PASSWORD
from tests.images.machine import ADDRESS, machine
from toolkit.images.build import Image
from toolkit.images.manifest import DISK, record
from toolkit.images.programs import Workshop
from toolkit.images.seed import write_seed

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]
BOOT_SECONDS_MAX = 400.0  # software emulation on a machine that does much else; a hang, not a pace, is looked for


def test_a_new_box_makes_its_own_keys_shows_them_on_its_console_and_keeps_them(
    appliance: Image, tmp_path: Path, disks: list[Path], port: int
) -> None:
    untouched = record(appliance.folder / DISK)
    with machine(appliance.folder, appliance.manifest, tmp_path, disks, port=port) as box:
        tls = box.wait_for(f"on {ADDRESS}", BOOT_SECONDS_MAX).removeprefix("certificate sha256: ").split()[0]
        assert box.wait_for("serial number:", 1).endswith("serial number: VM-0001")
        status, body, served = box.get("/check_health")
        assert (status, body) == (200, b"OK")
        assert served == tls
        ssh = box.wait_for("ssh host key: SHA256:", BOOT_SECONDS_MAX)
        # the web application has loaded as well by now or soon: nobody is let in without an account
        status, body, _ = box.get("/api/v1/status")
        assert (status, json.loads(body)["error"]) == (401, "access_denied")
        assert ONE_TIME_PASSWORD not in box.console
    # the same disks in a machine that has no seed any more, and another system disk: it is the same box
    (tmp_path / "system.qcow2").unlink()
    with machine(appliance.folder, appliance.manifest, tmp_path, disks[:1], port=port) as box:
        assert box.wait_for(f"on {ADDRESS}", BOOT_SECONDS_MAX).split()[2] == tls
        assert box.get("/check_health")[2] == tls
        assert box.wait_for("ssh host key: SHA256:", BOOT_SECONDS_MAX) == ssh
    assert record(appliance.folder / DISK) == untouched


# by BIOS, a lab's metal starts from the same disk in every test of it
@pytest.mark.parametrize("start", ["uefi", pytest.param("bios", marks=pytest.mark.endurance)])
def test_the_disk_starts_by_itself(appliance: Image, tmp_path: Path, disks: list[Path], port: int, start: str) -> None:
    with machine(appliance.folder, appliance.manifest, tmp_path, disks, port=port, start=start) as box:  # type: ignore[arg-type]  # parametrized text
        tls = box.wait_for(f"on {ADDRESS}", BOOT_SECONDS_MAX).split()[2]
        assert box.get("/check_health") == (200, b"OK", tls)


def test_a_machine_never_takes_another_disk_for_its_data(
    appliance: Image, tmp_path: Path, disks: list[Path], port: int
) -> None:
    data, seed = disks
    with data.open("r+b") as file:
        file.write(b"somebody's partition table")
    before = record(data)
    with machine(appliance.folder, appliance.manifest, tmp_path, [data, seed], port=port) as box:
        line = box.wait_for("error:", BOOT_SECONDS_MAX)
    assert "the disk for the box's data is not blank" in line
    assert record(data) == before


@pytest.mark.endurance
def test_rebooted_and_shut_down_by_its_automation_api_the_machine_starts_again_and_goes_off(
    appliance: Image, tmp_path: Path, disks: list[Path], order: dict[str, JsonValue], port: int
) -> None:
    data, seed = disks
    seed.unlink()
    in_use = {name: value for name, value in order.items() if name != "admin_password_hash"}
    in_use |= {"profile": "in-use", "site": "support.example.net", "site_version": "Bomgar-12.1.6", "size_mb": 1}
    write_seed(Workshop(tmp_path, 1), {**in_use, "api_accounts": {"lab": "a secret"}}, seed)

    def press(button: str) -> None:
        # which certificate it serves, other tests look at
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, timeout=120) as client:  # noqa: S501
            form = {"grant_type": "client_credentials"}
            token = client.post("/oauth2/token", data=form, auth=("lab", "a secret")).json()["access_token"]
            answer = client.post(f"/api/v1/power/{button}", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 202

    with machine(appliance.folder, appliance.manifest, tmp_path, [data, seed], port=port) as box:
        box.wait_for("ssh host key:", BOOT_SECONDS_MAX)
        press("reboot")
        box.wait_for("ssh host key:", BOOT_SECONDS_MAX, times=2)
        assert box.console.count("serial number: VM-0001") == 2
        press("shut-down")
        assert box.process.wait(BOOT_SECONDS_MAX) == 0
