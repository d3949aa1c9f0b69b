"""Reading: everything openssl writes is read; everything else is refused in words, never with a traceback."""

import random
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.certificates.authority import PASSPHRASE, Authority, Identity, openssl
from toolkit.certificates.bundle import PrivateKey, public_bytes
from toolkit.certificates.chain import arrange
from toolkit.certificates.der import elements
from toolkit.certificates.errors import PassphraseError, PassphraseRequiredError
from toolkit.certificates.export import KeyHandling, export
from toolkit.certificates.parsing import OBJECTS_MAX, load_chain, parse
from toolkit.model.errors import CertificateError, InputError

KEYS: dict[str, PrivateKey] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ed448": ed448.Ed448PrivateKey.generate(),
}


def key_pem(name: str) -> bytes:
    return KEYS[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def assert_is(name: str, keys: tuple[PrivateKey, ...]) -> None:
    assert [public_bytes(key) for key in keys] == [public_bytes(KEYS[name])]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_plain_pkcs8_keys_of_every_kind(name: str, form: str) -> None:
    written = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", form, content=key_pem(name))
    assert_is(name, parse(written).keys)


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("cipher", [("-v2", "aes256"), ("-v2", "aes-128-cbc"), ("-v2", "des3"), ("-scrypt",)])
def test_encrypted_pkcs8_keys_of_every_kind(name: str, form: str, cipher: tuple[str, ...]) -> None:
    words = ("pkcs8", "-topk8", *cipher, "-passout", "env:P", "-outform", form)
    written = openssl(*words, content=key_pem(name))
    assert_is(name, parse(written, PASSPHRASE).keys)
    with pytest.raises(PassphraseRequiredError):
        parse(written)
    with pytest.raises(PassphraseError) as refusal:
        parse(written, "wrong", where="site.key")
    assert "passphrase is wrong" in str(refusal.value)
    assert "wrong key" not in str(refusal.value)


@pytest.mark.parametrize("cipher", ["PBE-SHA1-3DES", "PBE-MD5-DES", "PBE-SHA1-RC2-40", "PBE-SHA1-RC4-128"])
def test_old_pkcs8_ciphers(cipher: str) -> None:
    words = ("pkcs8", "-topk8", "-provider", "legacy", "-provider", "default", "-v1", cipher, "-passout", "env:P")
    assert_is("rsa", parse(openssl(*words, content=key_pem("rsa")), PASSPHRASE).keys)


@pytest.mark.parametrize(("tool", "name"), [("rsa", "rsa"), ("ec", "p256"), ("ec", "p384")])
@pytest.mark.parametrize("cipher", ["", "-aes256", "-aes128", "-des3"])
def test_traditional_keys_with_and_without_a_passphrase(tool: str, name: str, cipher: str) -> None:
    words = [tool, *(["-traditional"] if tool == "rsa" else []), *([cipher, "-passout", "env:P"] if cipher else [])]
    written = openssl(*words, content=key_pem(name))
    assert (b"Proc-Type: 4,ENCRYPTED" in written) is bool(cipher)
    # a passphrase that is not needed does no harm: it may be meant for another piece
    assert_is(name, parse(written, PASSPHRASE).keys)
    if cipher:
        with pytest.raises(PassphraseRequiredError):
            parse(written)
        with pytest.raises(PassphraseError):
            parse(written, "wrong")


@pytest.mark.parametrize(("tool", "name"), [("rsa", "rsa"), ("ec", "p256")])
def test_traditional_keys_in_der(tool: str, name: str) -> None:
    words = [tool, *(["-traditional"] if tool == "rsa" else []), "-outform", "DER"]
    assert_is(name, parse(openssl(*words, content=key_pem(name))).keys)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, authority: Authority, site: Identity) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "site.pem").write_bytes(site.pem)
    (folder / "site.key").write_bytes(site.key_pem)
    (folder / "chain.pem").write_bytes(authority.intermediate.pem + authority.root.pem)
    return folder


@pytest.mark.parametrize(
    "cipher",
    [(), ("-legacy",), ("-legacy", "-descert"), ("-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC"), ("-nomac",)],
)
def test_pkcs12_with_modern_and_old_ciphers(
    files: Path, site: Identity, authority: Authority, cipher: tuple[str, ...]
) -> None:
    inputs = ("-in", files / "site.pem", "-inkey", files / "site.key", "-certfile", files / "chain.pem")
    written = openssl("pkcs12", "-export", *cipher, *inputs, "-passout", "env:P")
    bundle = arrange(parse(written, PASSPHRASE))
    assert bundle.leaf == site.certificate
    assert bundle.intermediates == (authority.intermediate.certificate,)
    assert bundle.roots == (authority.root.certificate,)
    assert bundle.key_matches
    with pytest.raises(PassphraseRequiredError):
        parse(written)
    with pytest.raises(PassphraseError):
        parse(written, "wrong")


def test_pkcs12_without_protection_and_with_a_passphrase_beyond_ascii(files: Path) -> None:
    words = ("pkcs12", "-export", "-in", files / "site.pem", "-inkey", files / "site.key", "-passout", "env:P")
    assert arrange(parse(openssl(*words, passphrase=""))).key_matches
    assert arrange(parse(openssl(*words, passphrase="Schlüssel-ключ"), "Schlüssel-ключ")).key_matches


def test_pkcs12_made_from_a_chain_file_has_neither_server_nor_key(files: Path, authority: Authority) -> None:
    written = openssl("pkcs12", "-export", "-nokeys", "-in", files / "chain.pem", "-passout", "env:P")
    bundle = arrange(parse(written, PASSPHRASE))
    assert bundle.leaf == authority.intermediate.certificate
    assert bundle.key is None


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_pkcs7(files: Path, site: Identity, form: str) -> None:
    words = ("crl2pkcs7", "-nocrl", "-certfile", files / "chain.pem", "-certfile", files / "site.pem")
    found = parse(openssl(*words, "-outform", form))
    assert len(found.certificates) == 3
    assert not found.ordered
    assert arrange(found).leaf == site.certificate


def test_containers_of_unknown_length_as_nss_and_java_write_them(samples: dict[str, bytes], site: Identity) -> None:
    for kind in ("pkcs12", "pkcs7"):
        (outer,) = elements(samples[kind])
        found = parse(b"\x30\x80" + outer.content + b"\0\0", PASSPHRASE)
        assert found.certificates == parse(samples[kind], PASSPHRASE).certificates
    with pytest.raises(CertificateError):
        parse(b"\x30\x80" + site.der[4:] + b"\0\0")


def test_a_certificate_in_pem_der_and_with_openssls_trust(files: Path, site: Identity) -> None:
    for words in (("-outform", "PEM"), ("-outform", "DER"), ("-trustout", "-addtrust", "serverAuth"), ("-text",)):
        assert parse(openssl("x509", "-in", files / "site.pem", *words)).certificates == (site.certificate,)


def test_pieces_of_every_kind_in_one_file(files: Path, site: Identity, authority: Authority) -> None:
    pkcs7 = openssl("crl2pkcs7", "-nocrl", "-certfile", files / "chain.pem")
    key = openssl("ec", "-aes256", "-passout", "env:P", content=site.key_pem)
    parameters = openssl("ecparam", "-name", "prime256v1")
    text = b"\xef\xbb\xbfBag Attributes\r\n    friendlyName: caf\xe9\r\n"
    mixed = (text + parameters + key + site.pem + pkcs7 + site.key_pem).replace(b"\n", b"\r\n")
    found = parse(mixed, PASSPHRASE)
    assert found.certificates[0] == site.certificate
    assert set(found.certificates[1:]) == {authority.intermediate.certificate, authority.root.certificate}
    assert len(found.keys) == 1
    assert found.ignored == ("EC PARAMETERS",)


def test_der_objects_one_after_another(site: Identity, authority: Authority) -> None:
    key = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", content=site.key_pem)
    found = parse(site.der + authority.intermediate.der + key)
    assert found.certificates == (site.certificate, authority.intermediate.certificate)
    assert arrange(found).key_matches


def test_what_holds_neither_certificate_nor_key_is_refused(site: Identity) -> None:
    request = openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=x", content=site.key_pem)
    with pytest.raises(InputError, match="CERTIFICATE REQUEST") as refusal:
        parse(request, where="site.csr")
    assert refusal.value.where == "site.csr"
    for nothing in (b"", b"hello", b"\x30\x00", b"\xff" * 100):
        with pytest.raises(InputError):
            parse(nothing)


def test_keys_that_tls_does_not_use_are_refused() -> None:
    key = dsa.generate_private_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CertificateError, match="DSA"):
        parse(key)


def test_too_many_objects_are_refused(site: Identity) -> None:
    for content in (site.pem * (OBJECTS_MAX + 1), site.der * (OBJECTS_MAX + 1)):
        with pytest.raises(InputError, match="too many"):
            parse(content)


def test_a_serial_number_against_the_rules_is_read_without_a_warning(site: Identity) -> None:
    encoding = bytearray(site.der)
    position = encoding.index(site.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0"))
    encoding[position] |= 0x80
    assert len(parse(bytes(encoding)).certificates) == 1


def test_a_served_chain_keeps_its_order(site: Identity, authority: Authority) -> None:
    assert load_chain([site.der, authority.root.der]).certificates == (site.certificate, authority.root.certificate)
    with pytest.raises(InputError, match="no certificate was served"):
        load_chain([], where="192.0.2.1:443")


# --- bytes of strangers ---------------------------------------------------------------------------------------------


SAMPLES = ("pem", "der", "pkcs7", "pkcs12", "legacy")


@pytest.fixture(scope="session")
def samples(files: Path, authority: Authority, site: Identity) -> dict[str, bytes]:
    """A good file of each kind."""
    bundle = arrange(parse(site.pem + authority.intermediate.pem + authority.root.pem + site.key_pem))
    plain_key = site.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pkcs12 = ("pkcs12", "-export", "-iter", "1", "-in", files / "site.pem", "-inkey", files / "site.key")
    return {
        "pem": export(bundle, key=KeyHandling.UNENCRYPTED),
        "der": site.der + authority.intermediate.der + plain_key,
        "pkcs7": openssl("crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile", files / "chain.pem"),
        "pkcs12": openssl(*pkcs12, "-passout", "env:P"),
        "legacy": openssl("ec", "-aes256", "-passout", "env:P", content=site.key_pem),
    }


def read_or_refuse(content: bytes) -> None:
    """The property: a reading that can be put in order, or one of our errors."""
    refusal = ""
    try:
        arrange(parse(content, PASSPHRASE, where="sample"))
    except (CertificateError, InputError) as error:
        refusal = str(error)
    assert "PRIVATE KEY-----" not in refusal
    assert len(refusal) < 1000


@given(st.binary(max_size=300))
def test_random_bytes_never_crash(content: bytes) -> None:
    read_or_refuse(content)
    read_or_refuse(b"\x30" + content)
    read_or_refuse(b"\x30\x80" + content)
    read_or_refuse(b"\x30\x80\x02\x01\x03" + content)
    read_or_refuse(b"-----BEGIN CERTIFICATE-----\n" + content + b"-----END CERTIFICATE-----")


@pytest.mark.parametrize("kind", SAMPLES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_altered_files_never_crash(kind: str, samples: dict[str, bytes], data: st.DataObject) -> None:
    content = bytearray(samples[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    read_or_refuse(bytes(content))


@pytest.mark.parametrize("kind", SAMPLES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_files_cut_off_are_always_refused(kind: str, samples: dict[str, bytes], data: st.DataObject) -> None:
    sample = samples[kind].rstrip()
    end = data.draw(st.integers(0, len(sample) - 1))
    cut = sample[:end]
    whole = parse(samples[kind], PASSPHRASE)
    try:
        found = parse(cut, PASSPHRASE)
    except (CertificateError, InputError):
        return
    # cut exactly between two pieces: then it is simply a shorter file
    assert len(found.certificates) + len(found.keys) < len(whole.certificates) + len(whole.keys)


@given(st.randoms())
def test_shuffled_lines_never_crash(samples: dict[str, bytes], shuffle: random.Random) -> None:
    lines = samples["pem"].splitlines(keepends=True)
    shuffle.shuffle(lines)
    read_or_refuse(b"".join(lines))


def test_every_bit_flipped_in_a_certificate_is_read_or_refused(site: Identity) -> None:
    for position in range(0, len(site.der) * 8, 7):
        altered = bytearray(site.der)
        altered[position // 8] ^= 1 << (position % 8)
        read_or_refuse(bytes(altered))
        try:
            found = parse(bytes(altered)).certificates
        except (CertificateError, InputError):
            continue
        assert found != (site.certificate,)
        assert all(isinstance(certificate, x509.Certificate) for certificate in found)
