"""The whole of it with the appliance's image, as people call it: from an inventory to a box that answers by HTTPS."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.provision.virtual.conftest import MAC
from tests.provision.virtual.private_libvirt import BRIDGE, PrivateLibvirt
from tests.provision.virtual.small_image import ADDRESS
from toolkit.images.build import Image

pytestmark = [pytest.mark.vm, pytest.mark.endurance, pytest.mark.timeout(900)]

INVENTORY = Path(__file__).parents[3] / "fixtures" / "inventories" / "dns.toml"
PASSWORD = "what replaces the one-time password"


@pytest.fixture
def inventory(hypervisor: PrivateLibvirt, appliance: Image, tmp_path: Path) -> Path:
    """An inventory whose new box says itself what it is recognised by."""
    text = INVENTORY.read_text().replace('address = "10.77.0.22"', f'address = "{ADDRESS}"')
    lines = [line for line in text.splitlines() if not line.startswith('tls_sha256 = "22:')]
    table = f"""
[provision]
driver = "libvirt"
uri = "{hypervisor.uri}"
image = "{appliance.folder}"
name = "new-box"
bridge = "{BRIDGE}"
mac = "{MAC}"
addresses = ["{ADDRESS}/24"]
hostname = "new-box"
data_disk_mb = 512
"""
    file = tmp_path / "site.toml"
    file.write_text("\n".join(lines).replace('admin_password = "prompt"', 'admin_password = "env:ADMIN"') + table)
    return file


def rebox(tmp_path: Path, *words: str | Path) -> tuple[int, Any, str]:
    """Exit status, the one JSON document, and what was on stderr."""
    environment = {**os.environ, "REBOX_STATE": str(tmp_path / "state"), "ADMIN": PASSWORD}
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli.main", "provision", *words, "--json"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr


def test_from_an_inventory_to_a_box_that_serves_the_certificate_its_console_told(
    hypervisor: PrivateLibvirt, inventory: Path, tmp_path: Path
) -> None:
    status, said, _ = rebox(tmp_path, "check", inventory)
    assert (status, said["verdict"]) == (0, "passed")
    status, said, noise = rebox(tmp_path, "virtual", inventory)
    assert (status, noise) == (0, ""), said
    assert (said["name"], said["address"], said["serial_number"]) == ("new-box", ADDRESS, "RB-NEW-0002")
    assert said["acceleration"] == "software"
    served = hypervisor.run("sh", "-c", _FINGERPRINT)
    assert served.strip().replace(":", "").lower().endswith(said["tls_sha256"])
    _wait_for_agent(hypervisor)
    # done again it changes nothing, and hears the same from the log that the host kept
    uuid = hypervisor.virsh("domuuid", "new-box")
    assert rebox(tmp_path, "virtual", inventory)[:2] == (0, said)
    assert hypervisor.virsh("domuuid", "new-box") == uuid
    # nothing that libvirt keeps holds the password
    assert PASSWORD not in hypervisor.virsh("dumpxml", "new-box")
    assert rebox(tmp_path, "remove", inventory, "--yes")[:2] == (0, {"name": "new-box", "removed": True})
    assert hypervisor.domains() == []
    assert rebox(tmp_path, "remove", inventory, "--yes")[:2] == (0, {"name": "new-box", "removed": False})


_FINGERPRINT = (
    f"openssl s_client -connect {ADDRESS}:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
)


def _wait_for_agent(hypervisor: PrivateLibvirt) -> None:
    """The guest agent starts after the box, which comes first; AssertionError after four minutes."""
    deadline = time.monotonic() + 240
    order = ["virsh", "-q", "-c", hypervisor.uri, "qemu-agent-command", "new-box", '{"execute": "guest-ping"}']
    while subprocess.run(order, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "the guest agent does not answer"
        time.sleep(0.5)
