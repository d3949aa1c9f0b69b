"""Findings: each thing that can be wrong has its code, and a good certificate has none."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.certificates.authority import NOW, SITE, Authority, Identity, Order, ec_key, material, openssl
from toolkit.certificates.bundle import Bundle, Material
from toolkit.certificates.chain import arrange
from toolkit.certificates.findings import Code, Finding, Severity, examine, verdict_of
from toolkit.certificates.parsing import parse
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict


def found_in(bundle: Bundle, **asked: object) -> dict[Code, Severity]:
    findings = examine(bundle, at=NOW, name=SITE, key_wanted=True, **asked)  # type: ignore[arg-type]
    for finding in findings:
        assert finding.message
        assert set(finding.as_json()) == {"code", "severity", "subject", "message", "next_move"}
    return {finding.code: finding.severity for finding in findings}


def of_order(authority: Authority, order: Order) -> dict[Code, Severity]:
    """What is found when the order is issued by the test's authority, complete with chain and key."""
    identity = authority.issue(order)
    return found_in(arrange(material(identity, authority.intermediate, authority.root, key=identity.key)))


def usage(**allowed: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    more = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in (*names, *more)})


def test_a_good_certificate_gives_rise_to_nothing(authority: Authority) -> None:
    assert of_order(authority, Order()) == {}
    assert of_order(authority, Order(key=rsa.generate_private_key(65537, 2048))) == {}
    assert of_order(authority, Order(key=ed25519.Ed25519PrivateKey.generate())) == {}


ONE_THING_WRONG = [
    (Order(end=NOW - timedelta(seconds=1)), Code.EXPIRED, Severity.ERROR),
    (Order(start=NOW + timedelta(seconds=1)), Code.NOT_YET_VALID, Severity.ERROR),
    (Order(end=NOW + timedelta(days=29)), Code.EXPIRES_SOON, Severity.WARN),
    (Order(names=("other.example.com", "192.0.2.1")), Code.NAME_MISMATCH, Severity.ERROR),
    (Order(names=()), Code.COMMON_NAME_ONLY, Severity.WARN),
    (Order("other.example.com", names=()), Code.NAME_MISMATCH, Severity.ERROR),
    (Order(key=rsa.generate_private_key(65537, 1024)), Code.WEAK_KEY, Severity.ERROR),  # noqa: S505 - that is the point
    (Order(key=ec.generate_private_key(ec.SECP224R1())), Code.WEAK_KEY, Severity.ERROR),
    (Order(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)), Code.NOT_A_SERVER_CERTIFICATE, Severity.ERROR),
    (Order(extensions=((usage(key_agreement=True), True),)), Code.NOT_A_SERVER_CERTIFICATE, Severity.ERROR),
]


@pytest.mark.parametrize(("order", "code", "severity"), ONE_THING_WRONG)
def test_each_fault_has_its_code_and_no_other(
    authority: Authority, order: Order, code: Code, severity: Severity
) -> None:
    assert of_order(authority, order) == {code: severity}


@pytest.mark.parametrize(
    "order",
    [
        Order(start=NOW, end=NOW + timedelta(days=30)),
        Order(purposes=()),
        Order(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
        Order(extensions=((usage(digital_signature=True), True),)),
        Order(key=rsa.generate_private_key(65537, 2048), extensions=((usage(key_encipherment=True), True),)),
        Order(names=("*.example.com",)),
    ],
)
def test_the_edges_of_what_is_good(authority: Authority, order: Order) -> None:
    assert of_order(authority, order) == {}


def test_an_expired_intermediate_is_found_too(authority: Authority) -> None:
    late = Order("Test Issuing CA", authority=True, key=authority.intermediate.key, end=NOW - timedelta(days=1))
    intermediate = late.signed_by(authority.root)
    site = Order().signed_by(intermediate)
    assert found_in(arrange(material(site, intermediate, key=site.key))) == {Code.EXPIRED: Severity.ERROR}


def test_keys(authority: Authority, site: Identity) -> None:
    chain = (site, authority.intermediate)
    assert found_in(arrange(material(*chain))) == {Code.KEY_MISSING: Severity.ERROR}
    assert found_in(arrange(material(*chain, key=ec_key()))) == {Code.KEY_MISMATCH: Severity.ERROR}
    both = Material(tuple(one.certificate for one in chain), (ec_key(), site.key))
    assert found_in(arrange(both)) == {Code.SEVERAL_KEYS: Severity.WARN}
    codes = [(finding.code, finding.severity) for finding in examine(arrange(material(*chain)), at=NOW)]
    assert codes == [(Code.KEY_MISSING, Severity.INFO)]


def test_a_missing_intermediate_says_where_it_is_offered(authority: Authority) -> None:
    place = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/issuing.cer")
    )
    site = authority.issue(Order(extensions=((x509.AuthorityInformationAccess([place]), False),)))
    (finding,) = examine(arrange(material(site, key=site.key)), at=NOW, name=SITE)
    assert (finding.code, finding.severity) == (Code.MISSING_INTERMEDIATE, Severity.WARN)
    assert "http://ca.example/issuing.cer" in finding.next_move


def test_a_root_may_be_left_out_and_an_intermediate_may_not(authority: Authority, site: Identity) -> None:
    assert found_in(arrange(material(site, authority.intermediate, key=site.key))) == {}
    assert Code.MISSING_INTERMEDIATE in found_in(arrange(material(site, authority.root, key=site.key)))


def test_wrong_intermediates(authority: Authority, site: Identity) -> None:
    other = Authority.new(label="Other")
    unrelated = found_in(arrange(material(site, other.intermediate, key=site.key)))
    assert unrelated == {Code.MISSING_INTERMEDIATE: Severity.WARN, Code.WRONG_INTERMEDIATE: Severity.ERROR}
    renewed = Order("Test Issuing CA", authority=True).signed_by(authority.root)
    impostor = found_in(arrange(material(site, renewed, authority.root, key=site.key)))
    assert impostor[Code.WRONG_INTERMEDIATE] is Severity.ERROR
    superfluous = found_in(arrange(material(site, authority.intermediate, other.root, key=site.key)))
    assert superfluous == {Code.WRONG_INTERMEDIATE: Severity.WARN}


def test_wrong_order_duplicates_and_several_leaves_are_said(authority: Authority, site: Identity) -> None:
    wrong = (authority.root, authority.intermediate, site)
    assert found_in(arrange(material(*wrong, key=site.key))) == {Code.CHAIN_ORDER: Severity.WARN}
    # a PKCS#12 or PKCS#7 container has no order that could be wrong
    assert found_in(arrange(material(*wrong, key=site.key, ordered=False))) == {}
    twice = (site, authority.intermediate, authority.intermediate)
    assert found_in(arrange(material(*twice, key=site.key))) == {Code.DUPLICATE: Severity.WARN}
    second = authority.issue(Order("other.example.com", names=("other.example.com",)))
    several = (site, authority.intermediate, second)
    assert found_in(arrange(material(*several, key=site.key))) == {Code.SEVERAL_LEAVES: Severity.WARN}


def test_self_signed_and_authorities_as_servers(authority: Authority) -> None:
    own = Order().signed_by(None)
    assert found_in(arrange(material(own, key=own.key))) == {Code.SELF_SIGNED: Severity.WARN}
    as_openssl_makes_them = parse(
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", f"/CN={SITE}")
    )
    codes = {finding.code for finding in examine(arrange(as_openssl_makes_them), at=NOW)}
    assert {Code.SELF_SIGNED, Code.AUTHORITY_AS_LEAF, Code.COMMON_NAME_ONLY} <= codes
    chain_file = found_in(arrange(material(authority.intermediate, authority.root)))
    assert chain_file[Code.AUTHORITY_AS_LEAF] is Severity.ERROR


def test_signatures_that_clients_refuse_are_weak_except_on_roots() -> None:
    written = openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-sha1", "-nodes", "-keyout", "/dev/null", "-subj", f"/CN={SITE}"
    )
    root = parse(written).certificates[0]
    site = Order().signed_by(Authority.new().intermediate)
    findings = examine(arrange(Material((root,))), at=NOW)
    assert Code.WEAK_SIGNATURE in {finding.code for finding in findings}
    as_root = Bundle(site.certificate, roots=(root,), key=site.key, found=Material((site.certificate,)))
    assert Code.WEAK_SIGNATURE not in {finding.code for finding in examine(as_root, at=NOW)}


def test_a_name_that_is_none_is_wrong_input(site: Identity) -> None:
    with pytest.raises(InputError):
        examine(arrange(material(site)), at=NOW, name="not a name")


def test_names_of_strangers_cannot_speak_to_the_terminal(authority: Authority) -> None:
    evil = authority.issue(Order("evil\x1b[31m\nname", names=("evil.example.com",)))
    for finding in examine(arrange(material(evil)), at=NOW, name=SITE):
        assert finding.subject.isprintable()
        assert finding.message.isprintable()


def test_the_verdict_follows_the_worst_finding() -> None:
    def of(*severities: Severity) -> Verdict:
        return verdict_of([Finding(Code.DUPLICATE, severity, "x", "y") for severity in severities])

    assert of() is Verdict.PASSED
    assert of(Severity.INFO, Severity.WARN) is Verdict.PASSED
    assert of(Severity.WARN, Severity.ERROR) is Verdict.FAILED
