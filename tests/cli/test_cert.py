"""`rebox cert` as people and programs use it: on files, on live servers, with every kind of bad input."""

import json
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.certificates.authority import (
    FAR_OFF,
    LONG_AGO,
    PASSPHRASE,
    SITE,
    Authority,
    Identity,
    Order,
    ec_key,
    openssl,
)
from tests.certificates.server import tls_server
from toolkit.appliances.protocol import CertificateEntry
from toolkit.certificates.bundle import label, sha256
from toolkit.certificates.chain import arrange
from toolkit.certificates.files import read_material
from toolkit.certificates.parsing import parse
from toolkit.cli.main import main
from toolkit.cli.output import out

Rebox = Callable[..., tuple[int, Any]]


@pytest.fixture
def rebox(capsys: pytest.CaptureFixture[str]) -> Rebox:
    """Runs `rebox cert …` and returns its status and, with --json, the document; people's words land in `said`."""

    def run(*words: object) -> tuple[int, Any]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["cert", *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert PASSPHRASE not in out + err
        assert isinstance(exit_.value.code, int)
        if "--json" in words:
            assert err == ""
            return exit_.value.code, json.loads(out)
        return exit_.value.code, " ".join((err + out).split())

    return run


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.new()


@pytest.fixture(scope="session")
def lasting(authority: Authority) -> Identity:
    """A site certificate that is good today, whenever that is."""
    return authority.issue(Order(names=(SITE, "localhost", "127.0.0.1"), start=LONG_AGO, end=FAR_OFF))


@pytest.fixture
def folder(tmp_path: Path, authority: Authority, lasting: Identity, monkeypatch: pytest.MonkeyPatch) -> Path:
    """site.pem (leaf, chain, key), root.pem, and the passphrase in the environment."""
    monkeypatch.setenv("CERT_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(out, "width", 120)
    (tmp_path / "site.pem").write_bytes(lasting.pem + authority.intermediate.pem + lasting.key_pem)
    (tmp_path / "root.pem").write_bytes(authority.root.pem)
    return tmp_path


def codes(document: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in document["findings"]}


# --- inspect


def test_inspect_shows_chain_key_and_findings(rebox: Rebox, folder: Path, lasting: Identity) -> None:
    status, said = rebox("inspect", folder / "site.pem")
    assert status == 0
    for word in (SITE, "Test Issuing CA", "leaf", "intermediate", "belongs to the leaf", "Nothing is wrong"):
        assert word in said
    status, document = rebox("inspect", folder / "site.pem", "--name", "other.example.com", "--json")
    assert status == 0
    assert [one["role"] for one in document["certificates"]] == ["leaf", "intermediate"]
    assert document["certificates"][0]["sha256"] == sha256(lasting.certificate)
    assert document["key"] == {"kind": "EC secp256r1", "matches": True}
    assert codes(document) == {"name-mismatch"}


def test_inspect_looks_at_live_servers(rebox: Rebox, authority: Authority, lasting: Identity) -> None:
    with tls_server([lasting, authority.intermediate]) as port:
        status, document = rebox("inspect", f"127.0.0.1:{port}", "--json")
        assert (status, document["findings"]) == (0, [])
        assert len(document["certificates"]) == 2
        _, document = rebox("inspect", f"localhost:{port}", "--name", "stranger.example", "--json")
        assert codes(document) == {"name-mismatch"}
    with tls_server([lasting, authority.root, authority.intermediate], host="::1") as port:
        _, document = rebox("inspect", f"[::1]:{port}", "--name", SITE, "--json")
        assert codes(document) == {"chain-order"}


def test_strange_names_do_not_break_the_terminal(rebox: Rebox, tmp_path: Path, authority: Authority) -> None:
    evil = authority.issue(Order("[/red]\x1b[2J[bold", names=("[x].example.com",)))
    (tmp_path / "evil[.pem").write_bytes(evil.pem)
    status, said = rebox("inspect", tmp_path / "evil[.pem")
    assert status == 0
    assert "\x1b[2J" not in said
    assert "[/red]" in said


# --- verify


def test_verify_passes_what_is_good(rebox: Rebox, folder: Path) -> None:
    status, document = rebox("verify", folder / "site.pem", "--name", SITE, "--ca-file", folder / "root.pem", "--json")
    assert (status, document["verdict"]) == (0, "passed")
    assert [check["check"] for check in document["checks"]] == ["certificate", "name", "trust"]
    status, said = rebox("verify", folder / "site.pem", "--ca-file", folder / "root.pem")
    assert status == 0
    assert "no name was given" in said


def test_verify_fails_what_is_not(rebox: Rebox, folder: Path, tmp_path: Path) -> None:
    trusted = ("--ca-file", folder / "root.pem", "--json")
    for words, code in (
        (("--name", "other.example.com"), "name-mismatch"),
        (("--at", "3000-06-01"), "expired"),
        (("--at", "1999-06-01"), "not-yet-valid"),
    ):
        status, document = rebox("verify", folder / "site.pem", *words, *trusted)
        assert (status, document["verdict"]) == (1, "failed")
        assert code in codes(document)
    (tmp_path / "other.key").write_bytes(Order(key=ec_key()).signed_by(None).key_pem)
    (tmp_path / "leaf.pem").write_bytes(read_leaf(folder))
    status, document = rebox("verify", tmp_path / "leaf.pem", "--key", tmp_path / "other.key", *trusted)
    assert status == 1
    assert {"key-mismatch", "missing-intermediate"} <= codes(document)
    (tmp_path / "strange.pem").write_bytes(Authority.new(label="Other").root.pem)
    status, document = rebox("verify", folder / "site.pem", "--ca-file", tmp_path / "strange.pem", "--json")
    assert status == 1


def read_leaf(folder: Path) -> bytes:
    return (folder / "site.pem").read_bytes().partition(b"-----END CERTIFICATE-----\n")[
        0
    ] + b"-----END CERTIFICATE-----\n"


def test_verify_cannot_tell_without_authorities(rebox: Rebox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder / "none"))
    status, document = rebox("verify", folder / "site.pem", "--name", SITE, "--json")
    assert (status, document["verdict"]) == (4, "unknown")
    status, document = rebox("verify", folder / "site.pem", "--name", "other.example.com", "--json")
    assert (status, document["verdict"]) == (1, "failed")


def test_verify_proves_that_what_is_served_was_exported(
    rebox: Rebox, folder: Path, authority: Authority, lasting: Identity
) -> None:
    words = ("--ca-file", folder / "root.pem", "--name", SITE, "--against", folder / "site.pem", "--json")
    with tls_server([lasting, authority.intermediate]) as port:
        status, document = rebox("verify", f"127.0.0.1:{port}", *words)
    assert (status, document["verdict"]) == (0, "passed")
    assert document["checks"][-1] == {"check": "against", "verdict": "passed", "summary": "it is what was exported"}
    renewed = authority.issue(Order(start=LONG_AGO, end=FAR_OFF))
    for chain in ([renewed, authority.intermediate], [lasting]):
        with tls_server(chain) as port:
            status, document = rebox("verify", f"127.0.0.1:{port}", *words)
        assert status == 1
        assert "not-as-exported" in codes(document)


def test_where_nobody_answers_nothing_was_verified(rebox: Rebox) -> None:
    with tls_server([Order().signed_by(None)]) as port:
        pass
    status, document = rebox("verify", f"127.0.0.1:{port}", "--json")
    assert (status, document["error"]) == (4, "unknown")
    assert f"127.0.0.1:{port}" in document["where"]
    # to look there is another matter: it was wanted, and it failed
    status, document = rebox("inspect", f"127.0.0.1:{port}", "--json")
    assert (status, document["error"]) == (1, "unreachable")


def test_a_missing_intermediate_fails_the_trust_and_nothing_else(rebox: Rebox, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "leaf.pem").write_bytes(read_leaf(folder))
    _, document = rebox("verify", tmp_path / "leaf.pem", "--ca-file", folder / "root.pem", "--json")
    checks = {check["check"]: check for check in document["checks"]}
    assert checks["trust"]["verdict"] == "failed"
    assert (checks["certificate"]["verdict"], checks["certificate"]["summary"]) == ("passed", "key-missing")
    (finding,) = [one for one in document["findings"] if one["code"] == "missing-intermediate"]
    assert finding["severity"] == "error"


# --- export


def test_export_encrypts_the_key_and_openssl_opens_it(rebox: Rebox, folder: Path) -> None:
    for form, name in (("pem", "out.pem"), ("pkcs12", "out.p12")):
        target = folder / name
        words = ("--to", target, "--format", form, "--new-passphrase", "env:CERT_PASSPHRASE")
        status, document = rebox("export", folder / "site.pem", *words, "--json")
        assert (status, document["key"], document["written"]) == (0, "encrypted", str(target))
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert openssl("pkey", "-in", folder / "out.pem", "-passin", "env:P", "-noout") == b""
    assert b"PRIVATE KEY" in openssl("pkcs12", "-in", folder / "out.p12", "-passin", "env:P", "-nocerts", "-noenc")
    # and again from what was exported, with the passphrase it has
    opened = ("--passphrase", "env:CERT_PASSPHRASE")
    assert rebox("export", folder / "out.p12", *opened, "--to", folder / "again.pem")[0] == 0
    assert arrange(read_material(folder / "again.pem", PASSPHRASE)).key_matches


def test_export_puts_a_wrong_order_right(rebox: Rebox, folder: Path, authority: Authority, lasting: Identity) -> None:
    wrong = folder / "wrong.pem"
    wrong.write_bytes(authority.root.pem + authority.intermediate.pem + lasting.key_pem + lasting.pem)
    _, document = rebox("inspect", wrong, "--json")
    assert codes(document) == {"chain-order"}
    assert rebox("export", wrong, "--to", folder / "right.pem", "--without-key")[0] == 0
    _, document = rebox("inspect", folder / "right.pem", "--json")
    assert codes(document) == {"key-missing"}


def test_export_of_a_live_server_gives_the_chain_without_key(
    rebox: Rebox, folder: Path, authority: Authority, lasting: Identity
) -> None:
    with tls_server([lasting, authority.intermediate]) as port:
        status, said = rebox("export", f"127.0.0.1:{port}", "--to", folder / "live.pem")
        assert status == 2
        assert "--without-key" in said
        assert rebox("export", f"127.0.0.1:{port}", "--to", folder / "live.pem", "--without-key")[0] == 0
    expected = (lasting.certificate, authority.intermediate.certificate)
    assert read_material(folder / "live.pem").certificates == expected


def test_export_refuses_what_would_lose_or_show_a_key(rebox: Rebox, folder: Path) -> None:
    source, target = folder / "site.pem", folder / "out.pem"
    status, said = rebox("export", source, "--to", target)
    assert status == 3
    assert "not written without encryption" in said
    assert not target.exists()
    assert rebox("export", source, "--to", target, "--unencrypted-key", "--without-key")[0] == 2
    assert rebox("export", source)[0] == 2
    assert rebox("export", source, "--to", target, "--unencrypted-key")[0] == 0
    before = target.read_bytes()
    status, said = rebox("export", source, "--to", target, "--without-key")
    assert status == 3
    assert target.read_bytes() == before
    assert rebox("export", source, "--to", target, "--without-key", "--force")[0] == 0


def test_export_says_that_there_is_no_key_before_it_wants_a_passphrase(
    rebox: Rebox, folder: Path, authority: Authority, lasting: Identity
) -> None:
    (folder / "chain.pem").write_bytes(lasting.pem + authority.intermediate.pem)
    status, document = rebox("export", folder / "chain.pem", "--to", folder / "x", "--json")
    assert (status, document["what"]) == (2, "its private key is not there")
    status, document = rebox("export", folder / "site.pem", "--to", folder / "x", "--format", "der", "--json")
    assert (status, document["what"]) == (2, "der cannot hold a private key")
    assert not (folder / "x").exists()


# --- what is given is not what it must be


def test_a_file_that_is_no_certificate_is_wrong_input_and_no_failed_check(
    rebox: Rebox, folder: Path, lasting: Identity
) -> None:
    (folder / "broken.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB!\n-----END CERTIFICATE-----\n")
    (folder / "key.pem").write_bytes(lasting.key_pem)
    trusted = ("--ca-file", folder / "root.pem")
    for words in (
        ("inspect", folder / "broken.pem"),
        ("inspect", folder / "key.pem"),
        ("verify", folder / "broken.pem", *trusted),
        ("verify", folder / "key.pem", *trusted),
        ("verify", folder / "site.pem", "--ca-file", folder / "broken.pem"),
        ("verify", folder / "site.pem", "--ca-file", folder / "key.pem"),
        ("verify", folder / "site.pem", "--key", folder / "broken.pem", *trusted),
        ("import", folder / "key.pem", "--to", folder / "x", "--unencrypted-key"),
    ):
        status, document = rebox(*words, "--json")
        assert (status, document["error"]) == (2, "input"), words
        assert document["where"], words


def test_a_damaged_certificate_is_told_without_the_librarys_dumps(
    rebox: Rebox, folder: Path, lasting: Identity
) -> None:
    for position in range(0, len(lasting.der), 7):
        damaged = bytearray(lasting.der)
        damaged[position] ^= 0x3F
        (folder / "damaged.der").write_bytes(damaged)
        status, document = rebox("inspect", folder / "damaged.der", "--json")
        assert status in {0, 2}
        assert "ParseError" not in json.dumps(document)


# --- import


def test_import_writes_certificate_and_key_together(rebox: Rebox, folder: Path) -> None:
    store = folder / "store"
    store.mkdir()
    words = ("--to", store, "--unencrypted-key", "--name", SITE)
    assert rebox("import", folder / "site.pem", *words)[0] == 0
    (written,) = store.iterdir()
    assert written.name == f"{SITE}.pem"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    bundle = arrange(read_material(written))
    assert bundle.key_matches
    assert len(bundle.chain) == 2
    assert rebox("import", folder / "site.pem", *words)[0] == 3
    assert rebox("import", folder / "site.pem")[0] == 2


def bad_files(authority: Authority, lasting: Identity, folder: Path) -> dict[str, tuple[bytes, tuple[object, ...]]]:
    """Content and options that must be refused, by the word the refusal has to hold."""
    middle = authority.intermediate.pem
    expired = authority.issue()
    (folder / "other.key").write_bytes(Order(key=ec_key()).signed_by(None).key_pem)
    (folder / "chain.pem").write_bytes(middle + authority.root.pem)
    locked = openssl("ec", "-aes256", "-passout", "env:P", content=lasting.key_pem)
    chain_only = openssl("pkcs12", "-export", "-nokeys", "-in", folder / "chain.pem", "-passout", "env:P")
    whole = (folder / "site.pem").read_bytes()
    return {
        "key-missing": (lasting.pem + middle, ()),
        "key-mismatch": (lasting.pem + middle, ("--key", folder / "other.key")),
        "no passphrase": (lasting.pem + middle + locked, ()),
        "passphrase is wrong": (lasting.pem + middle + locked, ("--passphrase", "env:WRONG")),
        "expired": (expired.pem + middle + expired.key_pem, ("--at", "2049-01-01")),
        "name-mismatch": (whole, ("--name", "other.example.com")),
        "authority-as-leaf": (chain_only, ("--passphrase", "env:CERT_PASSPHRASE")),
        "cut off": (whole[:-40], ()),
        "neither PEM nor DER": (b"hello", ()),
        "no certificate": (lasting.key_pem, ()),
    }


def test_import_refuses_bad_input_in_words_and_writes_nothing(
    rebox: Rebox, folder: Path, authority: Authority, lasting: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "wrong passphrase")
    target = folder / "target.pem"
    for word, (content, options) in bad_files(authority, lasting, folder).items():
        (folder / "bad").write_bytes(content)
        status, said = rebox("import", folder / "bad", "--to", target, "--unencrypted-key", *options)
        assert status in {1, 2}, word
        assert word in said
        assert not target.exists()


def test_import_takes_a_chain_in_the_wrong_order_and_says_so(
    rebox: Rebox, folder: Path, authority: Authority, lasting: Identity
) -> None:
    (folder / "wrong.pem").write_bytes(authority.intermediate.pem + lasting.key_pem + lasting.pem)
    status, said = rebox("import", folder / "wrong.pem", "--to", folder / "out.pem", "--unencrypted-key")
    assert status == 0
    assert "chain-order" in said
    assert read_material(folder / "out.pem").certificates[0] == lasting.certificate


@pytest.mark.parametrize(
    "words",
    [
        ("inspect",),
        ("inspect", "missing.pem"),
        ("inspect", "a b"),
        ("inspect", "site.pem", "--box", "old"),
        ("inspect", "--box", "old"),
        ("verify", "host:0"),
        ("export", "--no-such-option"),
    ],
)
def test_wrong_use_ends_with_2(
    rebox: Rebox, tmp_path: Path, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rebox(*words)[0] == 2


# --- boxes


class BoxInMemory:
    """What a box does with certificates, as the protocol says; `damage` makes it keep something else."""

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.assigned: dict[int, tuple[str, ...]] = {}
        self.warnings: tuple[str, ...] = ()
        self.damage: Callable[[bytes], bytes] = lambda content: content

    def certificates(self) -> tuple[CertificateEntry, ...]:
        return tuple(self._entry(number) for number in self.held)

    def export_certificate(self, certificate_id: int, passphrase: str) -> bytes:
        return self.damage(self.held[certificate_id])

    def import_certificate(self, content: bytes, passphrase: str | None) -> CertificateEntry:
        found = parse(content, passphrase)
        assert found.keys
        assert b"BEGIN PRIVATE KEY" not in content
        key = openssl("pkey", "-passin", "env:P", content=content, passphrase=passphrase or "")
        self.held[1] = b"".join(Identity(one, found.keys[0]).pem for one in found.certificates) + key
        return self._entry(1)

    def assign_certificate(self, certificate_id: int, addresses: Sequence[str]) -> CertificateEntry:
        self.assigned[certificate_id] = tuple(addresses)
        return self._entry(certificate_id)

    def delete_certificate(self, certificate_id: int) -> None:
        del self.held[certificate_id]

    def _entry(self, number: int) -> CertificateEntry:
        found = parse(self.held[number])
        leaf = arrange(found).leaf
        return CertificateEntry(
            id=number,
            name=label(leaf.subject),
            issued_to=label(leaf.subject),
            issued_by=label(leaf.issuer),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            sha256=sha256(leaf),
            has_key=bool(found.keys),
            chain_length=len(found.certificates),
            warnings=self.warnings,
            addresses=self.assigned.get(number, ()),
        )


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> BoxInMemory:
    made = BoxInMemory()
    wiring = ModuleType("toolkit.wiring")
    wiring.look_at_box = lambda _inventory, _role: made  # type: ignore[attr-defined]
    wiring.hold_box = lambda _inventory, _role, _command: nullcontext((made, None))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toolkit.wiring", wiring)
    return made


def test_a_certificate_is_carried_from_a_file_to_a_box_and_back(rebox: Rebox, folder: Path, box: BoxInMemory) -> None:
    where = ("--inventory", folder / "inventory.toml", "--box", "new")
    status, document = rebox("import", folder / "site.pem", *where, "--assign", "192.0.2.10", "--json")
    assert (status, document["entry"]["addresses"]) == (0, ["192.0.2.10"])
    assert SITE in rebox("inspect", *where)[1]
    assert rebox("verify", folder / "site.pem", *where)[0] == 0
    words = ("--to", folder / "back.pem", "--new-passphrase", "env:CERT_PASSPHRASE")
    assert rebox("export", *where, *words)[0] == 0
    assert rebox("verify", folder / "back.pem", "--passphrase", "env:CERT_PASSPHRASE", *where)[0] == 0
    box.warnings = ("expires soon",)
    status, document = rebox("verify", folder / "site.pem", *where, "--json")
    assert (status, document["problems"]) == (1, ["expires soon"])
    assert rebox("export", *where, "--id", "7", *words)[0] == 2


def test_a_box_that_keeps_something_else_is_found_out(
    rebox: Rebox, folder: Path, box: BoxInMemory, lasting: Identity
) -> None:
    box.damage = lambda _content: lasting.pem + lasting.key_pem
    where = ("--inventory", folder / "inventory.toml", "--box", "new")
    status, document = rebox("import", folder / "site.pem", *where, "--assign", "192.0.2.10", "--json")
    assert (status, document["error"]) == (1, "verification")
    assert box.assigned == {}
