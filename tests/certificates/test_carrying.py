"""Carrying: a certificate goes from one real box to another by the command line, and is served there as exported."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.certificates.authority import PASSPHRASE, Authority, Identity, Order, openssl
from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, OWN, SHARED, SITE, BoxProcess, in_use_order
from toolkit.certificates.bundle import sha256
from toolkit.certificates.served import Endpoint, fetch

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
recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
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


# --- what must not get onto a box


def lasting(authority: Authority, *, days: int = 90) -> Identity:
    """A certificate of the site's with a key of its own, good for so many days from now."""
    now = datetime.now(UTC)
    return authority.issue(Order(SITE, names=(SITE,), start=now - timedelta(days=10), end=now + timedelta(days=days)))


def unusable(authority: Authority, kind: str) -> bytes:
    """A file that no box should be given."""
    good, middle = lasting(authority), authority.intermediate.pem
    match kind:
        case "without-its-key":
            return good.pem + middle
        case "with-the-key-of-another":
            return good.pem + middle + lasting(authority).key_pem
        case "with-an-encrypted-key":
            return good.pem + middle + openssl("ec", "-aes256", "-passout", "env:P", content=good.key_pem)
        case _:
            ended = lasting(authority, days=-1)
            return ended.pem + middle + ended.key_pem


def noted(box: BoxProcess) -> list[dict[str, Any]]:
    """Every change the box has noted."""
    entries: list[dict[str, Any]] = box.api().get("/api/v1/audit").json()
    assert len(entries) < 1000, "there is more than one page"
    return entries


@pytest.mark.parametrize(
    ("kind", "status", "error", "why", "next_move"),
    [
        ("without-its-key", 1, "certificate", "key-missing: its private key is not there", "--key"),
        ("with-the-key-of-another", 1, "certificate", "key-mismatch: the private key belongs to", "Give the key"),
        ("with-an-encrypted-key", 2, "passphrase-required", "no passphrase", "passphrase"),
        ("expired", 1, "certificate", "expired: it expired on", "Get a new certificate"),
    ],
)
def test_what_would_not_work_is_refused_in_words_and_the_box_stays_as_it_was(
    boxes: dict[str, BoxProcess],
    inventory: Path,
    authority: Authority,
    kind: str,
    status: int,
    error: str,
    why: str,
    next_move: str,
) -> None:
    file = inventory.parent / f"{kind}.pem"
    file.write_bytes(unusable(authority, kind))
    before, held = noted(boxes["new"]), boxes["new"].api().get("/api/v1/certificates").json()
    ended, document = rebox("import", file, "--inventory", inventory, "--box", "new", "--assign", SHARED)
    assert (ended, document["error"], document["where"]) == (status, error, str(file))
    assert why in document["what"] + document["why"]
    assert next_move in document["next_move"]
    assert noted(boxes["new"]) == before
    assert boxes["new"].api().get("/api/v1/certificates").json() == held


def test_a_chain_in_the_wrong_order_is_put_right_on_its_way_and_that_is_said(
    boxes: dict[str, BoxProcess], inventory: Path, authority: Authority
) -> None:
    identity = lasting(authority)
    file = inventory.parent / "wrong-order.pem"
    file.write_bytes(authority.root.pem + authority.intermediate.pem + identity.key_pem + identity.pem)
    before = noted(boxes["new"])
    status, document = rebox("import", file, "--inventory", inventory, "--box", "new", "--assign", SHARED)
    assert status == 0
    assert [finding["code"] for finding in document["findings"]] == ["chain-order"]
    since = [entry["action"] for entry in noted(boxes["new"])[len(before) :]]
    assert since == ["import-certificate", "export-certificate", "assign-certificate"]
    served = fetch(Endpoint(*boxes["new"].place(SHARED))).chain
    assert served == (identity.der, authority.intermediate.der, authority.root.der)
