"""The whole way with the real installer and image: a bare machine behind a BMC becomes the new box, and is wiped.

Everything is real but the metal: BIOS, installer, its reports by HTTPS, Redfish, the box's own first words.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provision.metal.conftest import MAC, SERIAL, UUID, Metal
from tests.provision.metal.hall import PASSWORD, USER, Hall
from tests.provision.metal.story import boot, settings
from toolkit.images.build import build
from toolkit.images.cache import ImageCache
from toolkit.images.recipe import RecipeFolder
from toolkit.model.execution import Result
from toolkit.probes.tls import observe
from toolkit.provision.metal.following import Limits
from toolkit.provision.metal.old_machine import OldMachine

pytestmark = [pytest.mark.vm, pytest.mark.image, pytest.mark.endurance, pytest.mark.timeout(1800)]

_PROVISION = """
[provision]
driver = "redfish"
mac = "{mac}"
addresses = ["{address}/24"]
disk_serial = "DISK-1"
data_disk_serial = "DISK-1"

[provision.bmc]
url = "{url}"
username = "{user}"
password = "env:BMC_PASSWORD"
tls_sha256 = "{pin}"
machine_serial = "{serial}"
machine_uuid = "{uuid}"
media_address = "{here}"
console_file = "{console}"
"""


@pytest.fixture
def bare(metal_hall: Hall) -> Iterator[Metal]:
    """A machine with memory and disk as the box needs them."""
    for name in ("appliance", "installer"):
        build(RecipeFolder(name), ImageCache(name))
    machine = Metal(metal_hall)
    machine.as_delivered(memory_mb=1024, disk_mb=1536)
    yield machine
    if machine.on:
        machine.domain.destroy()


def rebox(folder: Path, *words: str) -> tuple[int, dict[str, object], str]:
    """Exit status, JSON and stderr of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli.main", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "BMC_PASSWORD": PASSWORD,
            "NEW_ADMIN": "a password nobody knows",
            "NEW_API_SECRET": "x",
            "XDG_STATE_HOME": str(folder / "state"),
        },
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_bare_machine_becomes_the_box_and_is_wiped_again(bare: Metal, tmp_path: Path) -> None:
    hall = bare.hall
    address = hall.here.rpartition(".")[0] + ".40"
    text = Path("fixtures/inventories/dns.toml").read_text(encoding="utf-8")
    text = text.replace('"10.77.0.22"', f'"{address}"').replace(
        'admin_password = "prompt"', 'admin_password = "env:NEW_ADMIN"'
    )
    text = "".join(line for line in text.splitlines(keepends=True) if "22:22:22" not in line)
    inventory = tmp_path / "site.toml"
    inventory.write_text(
        text
        + _PROVISION.format(
            mac=MAC,
            address=address,
            url=hall.url,
            user=USER,
            pin=hall.tls_sha256,
            serial=SERIAL,
            uuid=UUID,
            here=hall.here,
            console=bare.console,
        )
    )
    status, facts, problem = rebox(tmp_path, "provision", "bmc", str(inventory))
    assert (status, facts["macs"], facts["power"]) == (0, [MAC], "Off"), problem

    status, said, problem = rebox(tmp_path, "provision", "metal", str(inventory), "--yes")
    assert status == 0, (said, problem, bare.said[-2000:])
    assert said["was_there"] is False
    assert observe(address, 443, verify=False).sha256 == said["tls_sha256"]
    assert (bare.has_cd, bare.bmc().boot_override().target) == (False, "Hdd")

    status, again, _ = rebox(tmp_path, "provision", "metal", str(inventory), "--yes")
    assert (status, again["was_there"], again["tls_sha256"]) == (0, True, said["tls_sha256"])

    machine = OldMachine(
        lambda: boot(tmp_path / "wipe", settings(hall.url, hall.tls_sha256, hall.here, bare.console), limits=Limits()),
        ("DISK-1",),
    )
    proofs: list[Result] = []
    machine.wipe(("DISK-1",), "run-1", lambda fraction, phase: None, proofs.append)
    assert {(proof["disk_serial"], proof["bytes_read"], proof["result"]) for proof in proofs} == {
        ("DISK-1", 1536 << 20, "passed")
    }
    assert machine.is_off()
    with (hall.folder / "disk.raw").open("rb") as disk:
        assert all(not any(piece) for piece in iter(lambda: disk.read(1 << 20), b""))
