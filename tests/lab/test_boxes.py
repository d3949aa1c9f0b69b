"""The whole world: an old box in service, a new one switched off, an update server, and the operator's inventory."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.lab import operator
from toolkit.lab.lab import Lab
from toolkit.lab.topology import read_topology
from toolkit.model.inventory import read_inventory
from toolkit.model.provision import LabProvision

SMALL = Path(__file__).parents[2] / "fixtures" / "labs" / "small.toml"

SERVED = """
import hashlib, socket, ssl, sys
address, name, authorities = sys.argv[1:]
context = ssl.create_default_context(cafile=authorities or None)
if not authorities:
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with socket.create_connection((address, 443), timeout=5) as plain:
    with context.wrap_socket(plain, server_hostname=name) as connection:
        print(hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest())
"""

ASK = """
import httpx, sys
address, secret_file, method, path = sys.argv[1:]
with httpx.Client(base_url=f"https://{address}", verify=False) as box:
    grant = {"grant_type": "client_credentials"}
    token = box.post("/oauth2/token", data=grant, auth=("rebox", open(secret_file).read().strip())).json()
    headers = {"Authorization": "Bearer " + token["access_token"]}
    answer = box.request(method, path, headers=headers)
    print(answer.status_code, answer.text)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    text = SMALL.read_text(encoding="utf-8").replace("[site]", "[site]\nactive_sessions = 3")
    topology = read_topology(text, str(SMALL))
    with Lab.up(topology, state=tmp_path_factory.mktemp("state")) as lab:
        yield lab


def served(lab: Lab, address: str, name: str = "support.example.net", *, trusted: bool = True) -> str:
    authorities = str(lab.folder.authorities) if trusted else ""
    ended = lab.run("client1", [sys.executable, "-c", SERVED, address, name, authorities])
    return ended.stdout.strip() or ended.stderr.strip().splitlines()[-1]


def wait_until_served(lab: Lab, address: str) -> str:
    deadline = time.monotonic() + 30
    while len(fingerprint := served(lab, address, trusted=False)) != 64:
        assert time.monotonic() < deadline, fingerprint
    return fingerprint


def ask_old(lab: Lab, method: str, path: str) -> tuple[str, str]:
    """Status and body of what the old box answers."""
    secret = str(lab.description.operator[operator.OLD_API_SECRET])
    said = lab.run("operator", [sys.executable, "-c", ASK, "10.77.0.21", secret, method, path])
    status, _, body = said.stdout.strip().partition(" ")
    assert status, said.stderr
    return status, body


def test_users_reach_the_site_by_name_with_a_certificate_they_trust(lab: Lab) -> None:
    assert lab.description.site
    expected = lab.description.site.certificate_sha256

    assert served(lab, "support.example.net") == expected
    for address in lab.description.site.addresses:
        assert served(lab, address) == expected


def test_the_old_box_comes_up_with_the_sessions_in_progress_that_its_topology_names(lab: Lab) -> None:
    sessions = json.loads(ask_old(lab, "GET", "/api/v1/active-sessions")[1])
    assert [session["address"] for session in sessions] == ["10.77.0.20"] * 3


def test_the_update_server_is_trusted_too(lab: Lab) -> None:
    assert len(served(lab, "updates.example.net", "updates.example.net")) == 64


def test_the_inventory_is_complete_and_its_secrets_are_private(lab: Lab) -> None:
    path = lab.description.operator["inventory.toml"]
    inventory = read_inventory(path.read_text(encoding="utf-8"), str(path))

    assert inventory.provision == LabProvision(driver="lab", folder=str(lab.folder.path), host="new")
    assert inventory.old.tls_sha256 == lab.description.machines["old"].tls_sha256
    references = [
        inventory.old.client_secret,
        inventory.new.client_secret,
        inventory.new.admin_password or "",
        inventory.certificate.passphrase,
        inventory.backup.passphrase,
        inventory.backup.identity_passphrase,
        f"file:{inventory.backup.identity_file}",
        f"file:{lab.description.operator[operator.TSIG_KEY]}",
    ]
    for reference in references:
        file = Path(reference.removeprefix("file:"))
        assert file.stat().st_mode & 0o777 == 0o600, file
        assert file.stat().st_size > 0, file


def test_what_is_described_holds_no_secret(lab: Lab) -> None:
    told = lab.folder.description.read_text(encoding="utf-8") + lab.description.operator["inventory.toml"].read_text()

    for name, file in lab.description.operator.items():
        if name.endswith((".secret", ".password", ".passphrase", ".key")):
            assert file.read_text(encoding="ascii").strip() not in told, name


def test_the_new_box_shows_at_power_on_the_fingerprint_the_inventory_names(lab: Lab) -> None:
    described = lab.description.machines["new"]
    assert described.console
    assert not described.console.exists()

    lab.power_on("new")

    assert wait_until_served(lab, "10.77.0.22") == described.tls_sha256
    console = described.console.read_text(encoding="utf-8")
    assert str(described.serial_number) in console
    assert str(described.tls_sha256) in console
    lab.power_off("new")
    assert lab.status().machines["new"].exit_status == 0


def test_a_crashed_box_is_off_and_serves_again_after_power_on(lab: Lab) -> None:
    lab.kill("old")
    assert lab.status().machines["old"].power == "off"
    assert lab.run("client1", ["ping", "-c", "1", "-W", "1", "10.77.0.20"]).returncode != 0

    lab.power_on("old")

    assert wait_until_served(lab, "10.77.0.20") == lab.description.machines["old"].tls_sha256


def test_a_box_that_shuts_itself_down_is_off(lab: Lab) -> None:
    assert ask_old(lab, "POST", "/api/v1/power/shut-down")[0] == "202"

    deadline = time.monotonic() + 20
    while lab.status().machines["old"].power == "on":
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert lab.status().machines["old"].exit_status == 0
    assert lab.run("client1", ["ping", "-c", "1", "-W", "1", "10.77.0.21"]).returncode != 0
    lab.power_on("old")
    wait_until_served(lab, "10.77.0.20")
