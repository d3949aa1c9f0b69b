"""Carrying: a certificate goes from one real box to another by the command line, and is served there as exported."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.certificates.authority import PASSPHRASE, Authority, Identity, Order
from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, OWN, SHARED, SITE, BoxProcess, in_use_order
from toolkit.certificates.bundle import sha256

INVENTORY = """
[site]
name = "{site}"
addresses = ["10.77.0.10"]
{boxes}
[swing]
method = "shared-ip"
[package]
version = "Bomgar-12.2.0"
[certificate]
passphrase = "env:CERT_PASSPHRASE"
[backup]
recipients = ["age1example"]
identity_file = "identity.age"
identity_passphrase = "env:UNUSED"
passphrase = "env:UNUSED"
"""

BOX = """
[{role}]
address = "{host}"
port = {port}
serial_number = "{serial}"
tls_sha256 = "{fingerprint}"
client_id = "{client}"
client_secret = "env:BOX_SECRET"
admin_password = "env:UNUSED"
"""


@pytest.fixture(scope="module")
def site_identity(authority: Authority) -> Identity:
    now = datetime.now(UTC)
    return authority.issue(Order(SITE, names=(SITE,), start=now - timedelta(days=1), end=now + timedelta(days=90)))


@pytest.fixture(scope="module")
def boxes(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, site_identity: Identity
) -> Iterator[dict[str, BoxProcess]]:
    """The old box serves the site's certificate, the new one its own."""
    chain = site_identity.pem + authority.intermediate.pem
    orders = {
        "old": in_use_order(certificate=chain, key=site_identity.key_pem),
        "new": in_use_order(serial_number="NEW-0001", mac="02:00:00:00:00:13"),
    }
    made = {role: BoxProcess(tmp_path_factory.mktemp(role), order) for role, order in orders.items()}
    try:
        yield {role: box.power_on() for role, box in made.items()}
    finally:
        for box in made.values():
            box.remove()


@pytest.fixture
def inventory(boxes: dict[str, BoxProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERT_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("BOX_SECRET", CLIENT_SECRET)
    tables = []
    for role, box in boxes.items():
        host, port = box.place()
        fingerprint = box.console_fingerprint()
        serial = f"{role.upper()}-0001"
        tables.append(
            BOX.format(role=role, host=host, port=port, serial=serial, fingerprint=fingerprint, client=CLIENT_ID)
        )
    file = tmp_path / "inventory.toml"
    file.write_text(INVENTORY.format(site=SITE, boxes="".join(tables)))
    return file


def rebox(*words: object) -> tuple[int, Any]:
    """The command as a process of its own; its status and document."""
    command = [sys.executable, "-m", "toolkit.cli.main", "cert", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert PASSPHRASE not in done.stdout
    return done.returncode, json.loads(done.stdout)


def test_a_certificate_moves_from_the_old_box_to_the_new_one_and_is_served_there(
    boxes: dict[str, BoxProcess],
    inventory: Path,
    authority: Authority,
    site_identity: Identity,
) -> None:
    old, new = ("--inventory", inventory, "--box", "old"), ("--inventory", inventory, "--box", "new")
    exported, root = inventory.parent / "site.pem", inventory.parent / "root.pem"
    root.write_bytes(authority.root.pem)
    status, document = rebox("export", *old, "--to", exported, "--new-passphrase", "env:CERT_PASSPHRASE")
    assert (status, document["sha256"]) == (0, sha256(site_identity.certificate))
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in exported.read_bytes()
    opened = (exported, "--passphrase", "env:CERT_PASSPHRASE")

    status, document = rebox("verify", *opened, *new)
    assert (status, document["problems"]) == (1, ["the box does not have it"])
    for _ in range(2):  # doing it again changes nothing
        status, document = rebox("import", *opened, *new, "--name", SITE, "--assign", SHARED)
        assert (status, document["entry"]["addresses"]) == (0, [SHARED])
    status, document = rebox("inspect", *new)
    assert [entry["sha256"] for entry in document["certificates"]].count(sha256(site_identity.certificate)) == 1
    assert rebox("verify", *opened, *new)[0] == 0

    host, port = boxes["new"].place(SHARED)
    against = ("--against", exported, "--against-passphrase", "env:CERT_PASSPHRASE")
    status, document = rebox("verify", f"{host}:{port}", "--name", SITE, "--ca-file", root, *against)
    assert (status, document["verdict"], document["findings"]) == (0, "passed", [])
    # the box's own address still serves what it was made with, and that is told
    host, port = boxes["new"].place(OWN)
    status, document = rebox("verify", f"{host}:{port}", "--name", SITE, "--ca-file", root, *against)
    assert (status, document["verdict"]) == (1, "failed")
    assert "not-as-exported" in {finding["code"] for finding in document["findings"]}


def test_a_box_with_another_fingerprint_than_the_inventorys_gets_nothing(
    inventory: Path, boxes: dict[str, BoxProcess], site_identity: Identity
) -> None:
    text = inventory.read_text()
    inventory.write_text(text.replace(boxes["new"].console_fingerprint(), "0" * 64))
    (inventory.parent / "site.pem").write_bytes(site_identity.pem + site_identity.key_pem)
    words = (inventory.parent / "site.pem", "--inventory", inventory, "--box", "new")
    status, document = rebox("import", *words)
    assert (status, document["error"]) == (1, "authentication")
