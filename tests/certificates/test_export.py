"""Export: openssl reads all of it, nobody reads the key without the passphrase, and what is read back is the same."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.certificates.authority import PASSPHRASE, Authority, Identity, Order, ec_key, material, openssl
from toolkit.certificates.bundle import Bundle, PrivateKey
from toolkit.certificates.chain import arrange
from toolkit.certificates.comparison import same_identity
from toolkit.certificates.errors import PassphraseError, PassphraseRequiredError
from toolkit.certificates.export import KDF_ROUNDS, Format, KeyHandling, export
from toolkit.certificates.parsing import parse
from toolkit.model.errors import CertificateError, InputError, RefusedError
from toolkit.model.verdict import Verdict

KEYS: dict[str, PrivateKey] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ec": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def bundle_of(authority: Authority, key: PrivateKey) -> Bundle:
    site = authority.issue(Order(key=key))
    return arrange(material(site, authority.intermediate, authority.root, key=key))


@pytest.mark.parametrize("kind", KEYS)
def test_openssl_reads_our_pem(authority: Authority, kind: str, tmp_path: Path) -> None:
    bundle = bundle_of(authority, KEYS[kind])
    file = tmp_path / "site.pem"
    file.write_bytes(export(bundle, passphrase=PASSPHRASE))
    text = file.read_text()
    assert "BEGIN ENCRYPTED PRIVATE KEY" in text
    assert "BEGIN PRIVATE KEY" not in text
    public = openssl("pkey", "-in", file, "-passin", "env:P", "-pubout")
    assert public == openssl("x509", "-in", file, "-noout", "-pubkey")
    assert openssl("pkcs8", "-in", file, "-passin", "env:P").startswith(b"-----BEGIN PRIVATE KEY")


def test_the_keys_encryption_is_what_it_says(authority: Authority) -> None:
    written = export(bundle_of(authority, KEYS["ec"]), passphrase=PASSPHRASE)
    key = written[written.index(b"-----BEGIN ENCRYPTED") :]
    structure = openssl("asn1parse", content=key).decode()
    for word in ("PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", f":{KDF_ROUNDS:06X}"):
        assert word in structure


@pytest.mark.parametrize("kind", KEYS)
def test_openssl_reads_our_pkcs12(authority: Authority, kind: str, tmp_path: Path) -> None:
    bundle = bundle_of(authority, KEYS[kind])
    file = tmp_path / "site.p12"
    file.write_bytes(export(bundle, form=Format.PKCS12, passphrase=PASSPHRASE))
    listing = openssl("pkcs12", "-in", file, "-passin", "env:P", "-passout", "env:P").decode()
    assert listing.count("BEGIN CERTIFICATE") == 3
    assert "ENCRYPTED PRIVATE KEY" in listing
    assert openssl("pkcs12", "-legacy", "-in", file, "-passin", "env:P", "-nokeys")
    key = openssl("pkcs12", "-in", file, "-passin", "env:P", "-nocerts", "-noenc")
    assert openssl("pkey", "-pubout", content=key)


def test_openssl_verifies_the_chain_we_write(authority: Authority, tmp_path: Path) -> None:
    bundle = bundle_of(authority, KEYS["ec"])
    (tmp_path / "chain.pem").write_bytes(export(bundle, key=KeyHandling.LEFT_OUT, with_roots=False))
    (tmp_path / "root.pem").write_bytes(authority.root.pem)
    moment = str(int(bundle.leaf.not_valid_before_utc.timestamp()) + 10)
    files = ("-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "chain.pem", tmp_path / "chain.pem")
    assert b": OK" in openssl("verify", "-attime", moment, *files)


@pytest.mark.parametrize("form", [Format.PEM, Format.PKCS12])
@pytest.mark.parametrize("kind", KEYS)
def test_what_is_read_back_is_the_same_identity(authority: Authority, kind: str, form: Format) -> None:
    bundle = bundle_of(authority, KEYS[kind])
    written = export(bundle, form=form, passphrase=PASSPHRASE)
    assert same_identity(bundle, arrange(parse(written, PASSPHRASE))).verdict is Verdict.PASSED
    with pytest.raises(PassphraseRequiredError):
        parse(written)
    with pytest.raises(PassphraseError):
        parse(written, PASSPHRASE + "!")


def test_without_the_key_any_format_goes(authority: Authority, tmp_path: Path) -> None:
    bundle = bundle_of(authority, KEYS["ec"])
    for form in Format:
        written = export(bundle, form=form, key=KeyHandling.LEFT_OUT)
        assert b"PRIVATE KEY" not in written
        found = parse(written)
        assert found.keys == ()
        assert bundle.leaf in found.certificates
    file = tmp_path / "chain.p7b"
    file.write_bytes(export(bundle, form=Format.PKCS7, key=KeyHandling.LEFT_OUT))
    assert openssl("pkcs7", "-in", file, "-print_certs").count(b"BEGIN CERTIFICATE") == 3


def test_an_unencrypted_key_is_written_only_when_asked_for(authority: Authority) -> None:
    bundle = bundle_of(authority, KEYS["ec"])
    with pytest.raises(RefusedError, match="not written without encryption"):
        export(bundle)
    with pytest.raises(InputError, match="too short"):
        export(bundle, passphrase="short")
    for form in (Format.PEM, Format.PKCS12):
        written = export(bundle, form=form, key=KeyHandling.UNENCRYPTED)
        assert same_identity(bundle, arrange(parse(written))).verdict is Verdict.PASSED


def test_a_key_that_is_missing_wrong_or_does_not_fit_is_refused(authority: Authority, site: Identity) -> None:
    with pytest.raises(CertificateError, match="not there"):
        export(arrange(material(site)), passphrase=PASSPHRASE)
    with pytest.raises(CertificateError, match="another certificate"):
        export(arrange(material(site, key=ec_key())), passphrase=PASSPHRASE)
    for form in (Format.DER, Format.PKCS7):
        with pytest.raises(CertificateError, match="cannot hold"):
            export(arrange(material(site, key=site.key)), form=form, passphrase=PASSPHRASE)


def test_strays_and_duplicates_are_left_behind(authority: Authority, site: Identity) -> None:
    other = Authority.new(label="Other").root
    messy = (other, authority.root, authority.intermediate, site, site)
    written = export(arrange(material(*messy, key=site.key)), passphrase=PASSPHRASE)
    expected = (site.certificate, authority.intermediate.certificate, authority.root.certificate)
    assert parse(written, PASSPHRASE).certificates == expected
