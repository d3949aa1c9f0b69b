"""Certificates imported, exported, assigned and served (requirements H3, H4)."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.appliance.box_process import OWN, SHARED, in_use_order
from tests.emulator.appliance.paperwork import Chain
from tests.emulator.appliance.quiet_box import QuietBox, powered, quiet_box
from toolkit.emulator.appliance.certificate_files import read_bundle
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.refusal import Refusal

CHAIN = Chain.issue()
OTHER = Chain.issue("other.example.net")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuietBox]:
    with quiet_box(tmp_path_factory.mktemp("box") / "disk", in_use_order()) as box:
        yield box


@pytest.fixture(autouse=True)
def _as_it_was(box: QuietBox) -> Iterator[None]:
    """Each test leaves the factory's certificate alone, in effect everywhere."""
    yield
    box.clock.set(datetime.now(UTC))
    for certificate in box.certificates.list()[1:]:
        box.certificates.assign("tidy", certificate.id, [])
        box.certificates.delete("tidy", certificate.id)


SPELLINGS = {
    "leaf, chain, key": (CHAIN.pem + CHAIN.leaf.key_pem(), None),
    "key first": (CHAIN.leaf.key_pem() + CHAIN.pem, None),
    "chain in the wrong order": (CHAIN.middle.pem + CHAIN.leaf.pem + CHAIN.leaf.key_pem(), None),
    "with a stranger's certificate": (OTHER.middle.pem + CHAIN.pem + CHAIN.leaf.key_pem(), None),
    "encrypted PKCS#8 key": (CHAIN.pem + CHAIN.leaf.key_pem("secret"), "secret"),
    "traditional key": (CHAIN.pem + CHAIN.leaf.key_pem(style=PrivateFormat.TraditionalOpenSSL), None),
    "traditional encrypted key": (CHAIN.pem + CHAIN.leaf.key_pem("x", PrivateFormat.TraditionalOpenSSL), "x"),
    "PKCS#12": (CHAIN.pkcs12("secret"), "secret"),
    "PKCS#12 without passphrase": (CHAIN.pkcs12(None), None),
    "a passphrase that is not needed": (CHAIN.pem + CHAIN.leaf.key_pem(), "needless"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_becomes_the_same_entry(box: QuietBox, spelling: str) -> None:
    content, passphrase = SPELLINGS[spelling]
    entry, is_new = box.certificates.import_file("me", content, passphrase)
    assert is_new
    assert entry.sha256 == CHAIN.leaf.sha256
    assert (entry.issued_to, entry.issued_by) == ("support.example.net", "Test Intermediate")
    assert (entry.chain_length, entry.has_key, entry.warnings, entry.addresses) == (2, True, (), ())


def test_the_same_certificate_again_is_the_same_entry(box: QuietBox) -> None:
    first, _ = box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    again, is_new = box.certificates.import_file("me", CHAIN.pkcs12("x"), "x")
    assert not is_new
    assert again == first


REFUSED = {
    "no key": (CHAIN.pem, None, "no_key"),
    "no key in PKCS#12 either": (CHAIN.pkcs12("x"), None, "passphrase_required"),
    "key of another certificate": (CHAIN.pem + OTHER.leaf.key_pem(), None, "key_mismatch"),
    "encrypted key without passphrase": (CHAIN.pem + CHAIN.leaf.key_pem("x"), None, "passphrase_required"),
    "encrypted key, wrong passphrase": (CHAIN.pem + CHAIN.leaf.key_pem("x"), "y", "wrong_passphrase"),
    "traditional key, wrong passphrase": (
        CHAIN.pem + CHAIN.leaf.key_pem("x", PrivateFormat.TraditionalOpenSSL),
        "y",
        "wrong_passphrase",
    ),
    "PKCS#12, wrong passphrase": (CHAIN.pkcs12("x"), "y", "wrong_passphrase"),
    "two keys": (CHAIN.pem + CHAIN.leaf.key_pem() + OTHER.leaf.key_pem(), None, "unreadable"),
    "key only": (CHAIN.leaf.key_pem(), None, "unreadable"),
    "damaged certificate": (CHAIN.pem.replace(b"A", b"B") + CHAIN.leaf.key_pem(), None, "unreadable"),
    "damaged key": (CHAIN.pem + CHAIN.leaf.key_pem().replace(b"A", b"!"), None, "unreadable"),
    "cut key": (CHAIN.pem + CHAIN.leaf.key_pem()[:-40], None, "unreadable"),
    "cut PKCS#12": (CHAIN.pkcs12("x")[:-50], "x", "unreadable"),
    "nothing": (b"", None, "unreadable"),
    "a picture": (b"\x89PNG\r\n", None, "unreadable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_and_changes_nothing(box: QuietBox, case: str) -> None:
    content, passphrase, code = REFUSED[case]
    before = box.certificates.list()
    with pytest.raises(Refusal) as refused:
        box.certificates.import_file("me", content, passphrase)
    assert (refused.value.status, refused.value.code) == (422, code)
    assert box.certificates.list() == before


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: b"-----BEGIN CERTIFICATE-----\n" + rest))
def test_any_other_file_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal):
        read_bundle(content, None)


@pytest.mark.parametrize("days", [-200, 200])
def test_a_wrong_clock_refuses_the_import_and_is_named(box: QuietBox, days: int) -> None:
    box.clock.set(datetime.now(UTC) + timedelta(days=days))
    with pytest.raises(Refusal) as refused:
        box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    assert refused.value.code == "clock"
    assert "This box's clock says" in refused.value.message


def test_warnings_go_by_the_boxs_clock(box: QuietBox) -> None:
    entry, _ = box.certificates.import_file("me", OTHER.leaf.pem + OTHER.leaf.key_pem(), None)
    assert [warning.partition(":")[0] for warning in entry.warnings] == ["incomplete-chain", "name-mismatch"]
    box.clock.set(datetime.now(UTC) + timedelta(days=200))
    assert box.certificates.get(entry.id).warnings[0].startswith("expired:")
    box.clock.set(datetime.now(UTC) - timedelta(days=200))
    assert box.certificates.get(entry.id).warnings[0].startswith("not-yet-valid:")


def test_openssl_reads_what_is_exported_and_it_can_be_imported_again(box: QuietBox, tmp_path: Path) -> None:
    entry, _ = box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    pem, name = box.certificates.export("me", entry.id, include_key=True, passphrase="x" * 20, file_format="pem")
    assert name.endswith(".pem")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in pem
    p12, _ = box.certificates.export("me", entry.id, include_key=True, passphrase="x" * 20, file_format="pkcs12")
    (tmp_path / "pem").write_bytes(pem)
    (tmp_path / "p12").write_bytes(p12)
    for command in (["pkey", "-noout", "-in", "pem"], ["pkcs12", "-info", "-nokeys", "-in", "p12"]):
        subprocess.run(
            ["openssl", *command, "-passin", "pass:" + "x" * 20], cwd=tmp_path, check=True, capture_output=True
        )
    for content in (pem, p12):
        bundle = read_bundle(content, "x" * 20)
        assert bundle.sha256 == CHAIN.leaf.sha256
        assert len(bundle.chain) == 1


def test_without_the_key_only_the_chain_is_exported(box: QuietBox) -> None:
    entry, _ = box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    content, _ = box.certificates.export("me", entry.id, include_key=False, passphrase=None, file_format="pem")
    assert content == CHAIN.pem
    p12, _ = box.certificates.export("me", entry.id, include_key=False, passphrase="x", file_format="pkcs12")
    with pytest.raises(Refusal) as refused:
        read_bundle(p12, "x")
    assert refused.value.code == "no_key"


def test_an_assigned_certificate_stays_and_gives_its_addresses_back(box: QuietBox) -> None:
    entry, _ = box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    assert box.certificates.assign("me", entry.id, [SHARED]).addresses == (SHARED,)
    assert box.certificates.list()[0].addresses == (OWN,)
    with pytest.raises(Refusal) as refused:
        box.certificates.delete("me", entry.id)
    assert (refused.value.status, refused.value.code) == (409, "assigned")
    assert box.certificates.assign("me", entry.id, []).addresses == ()
    assert box.certificates.list()[0].addresses == (OWN, SHARED)
    box.certificates.delete("me", entry.id)
    with pytest.raises(Refusal) as refused:
        box.certificates.get(entry.id)
    assert refused.value.status == 404


@pytest.mark.parametrize("address", ["10.77.0.99", "support.example.net"])
def test_it_cannot_be_assigned_to_what_is_no_address_of_the_box(box: QuietBox, address: str) -> None:
    entry, _ = box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    with pytest.raises(Refusal) as refused:
        box.certificates.assign("me", entry.id, [OWN, address])
    assert refused.value.code == "unknown_address"
    assert box.certificates.list()[0].addresses == (OWN, SHARED)


def test_a_deleted_key_is_nowhere_in_the_decrypted_database(box: QuietBox) -> None:
    """Encrypted it never was to be read; whoever holds the box and its data key finds nothing either."""
    keys = []
    for chain in (CHAIN, OTHER, Chain.issue("third.example.net")):
        entry, _ = box.certificates.import_file("me", chain.pem + chain.leaf.key_pem(), None)
        keys.append((entry.id, chain.leaf.key_pem()))
    box._database.forget()
    for certificate_id, key in keys:
        assert _is_in(_decrypted(box.disk), key)
        assert not _is_in(b"".join(path.read_bytes() for path in box.disk.root.glob("*") if path.is_file()), key)
        box.certificates.delete("me", certificate_id)
        assert not _is_in(_decrypted(box.disk), key)
        assert Path(f"{box.disk.database}-wal").stat().st_size == 0, "the changes of a while are forgotten"


def test_a_kill_between_deleting_and_forgetting_leaves_the_key_until_the_next_power_on_only(
    box: QuietBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, _ = box.certificates.import_file("me", CHAIN.pem + CHAIN.leaf.key_pem(), None)
    monkeypatch.setattr(box._database, "forget", lambda: None)
    box.certificates.delete("me", entry.id)
    shutil.copytree(box.disk.root, tmp_path / "killed")
    log = tmp_path / "killed" / f"{box.disk.database.name}-wal"
    assert log.stat().st_size > 0
    with powered(tmp_path / "killed"):
        assert log.stat().st_size == 0


def _decrypted(disk: Disk) -> bytes:
    """The database's pages as they are under the encryption, those that are free among them.

    Read without SQLCipher, by the format that it documents: AES-256-CBC, at a page's end its IV and 64 bytes of HMAC.
    """
    key, content, pages = disk.keys.current.derived("database"), disk.database.read_bytes(), []
    for start in range(0, len(content), 4096):
        page = content[start : start + 4096]
        opened = Cipher(algorithms.AES(key), modes.CBC(page[-80:-64])).decryptor()
        pages.append(opened.update(page[16 if start == 0 else 0 : -80]))
    return b"".join(pages)


def _is_in(content: bytes, key_pem: bytes) -> bool:
    """Whether any line of the key can be read there."""
    return any(line in content for line in key_pem.splitlines() if not line.startswith(b"-----"))


def test_the_factorys_certificate_cannot_be_deleted(box: QuietBox) -> None:
    with pytest.raises(Refusal) as refused:
        box.certificates.delete("me", 1)
    assert refused.value.code == "conflict"
