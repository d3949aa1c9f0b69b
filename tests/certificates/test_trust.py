"""Trust: chains that lead to an anchor hold, and nothing else does; openssl is asked the same and agrees."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.certificates.authority import NOW, Authority, Identity, Order, material, openssl
from toolkit.certificates.bundle import PrivateKey
from toolkit.certificates.chain import arrange
from toolkit.certificates.findings import Code
from toolkit.certificates.trust import Anchors, judge
from toolkit.model.errors import CertificateError, UnknownStateError


def p256() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa2048() -> PrivateKey:
    return rsa.generate_private_key(65537, 2048)


def edwards() -> PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def holds(
    leaf: Identity, intermediates: list[Identity], anchors: list[Identity], folder: Path, at: datetime = NOW
) -> bool:
    """Whether a chain holds; openssl has to think the same."""
    trusted = Anchors([anchor.certificate for anchor in anchors], source="test")
    try:
        path = trusted.path(leaf.certificate, [one.certificate for one in intermediates], at)
        ours = path[0] == leaf.certificate and path[-1] in trusted.certificates
    except CertificateError:
        ours = False
    (folder / "anchors.pem").write_bytes(b"".join(anchor.pem for anchor in anchors))
    (folder / "chain.pem").write_bytes(b"".join(one.pem for one in (intermediates or anchors)))
    (folder / "leaf.pem").write_bytes(leaf.pem)
    words = ("verify", "-attime", str(int(at.timestamp())), "-no-CApath", "-no-CAstore")
    files = ("-CAfile", folder / "anchors.pem", "-untrusted", folder / "chain.pem", folder / "leaf.pem")
    try:
        theirs = b": OK" in openssl(*words, *files)
    except AssertionError:
        theirs = False
    assert ours is theirs
    return ours


@pytest.mark.parametrize("make_key", [p256, rsa2048, edwards])
def test_a_chain_holds_with_keys_of_every_kind(make_key: Callable[[], PrivateKey], tmp_path: Path) -> None:
    authority = Authority.new(make_key)
    site = authority.issue(Order(key=make_key()))
    assert holds(site, [authority.intermediate], [authority.root], tmp_path)
    assert not holds(site, [], [authority.root], tmp_path)
    assert not holds(site, [authority.intermediate], [Authority.new(make_key).root], tmp_path)
    assert not holds(site, [authority.intermediate], [authority.root], tmp_path, at=NOW + timedelta(days=300))
    assert not holds(site, [authority.intermediate], [authority.root], tmp_path, at=NOW - timedelta(days=300))


def test_kinds_of_keys_may_change_along_the_chain(tmp_path: Path) -> None:
    authority = Authority.new(edwards)
    site = authority.issue(Order(key=p256()))
    assert holds(site, [authority.intermediate], [authority.root], tmp_path)


def test_an_issuer_that_may_not_issue_breaks_the_chain(tmp_path: Path) -> None:
    for make_key in (p256, edwards):
        authority = Authority.new(make_key)
        server_as_issuer = authority.issue(Order(key=make_key()))
        forged = Order("forged.example.com", key=make_key()).signed_by(server_as_issuer)
        assert not holds(forged, [server_as_issuer, authority.intermediate], [authority.root], tmp_path)
        too_deep = Order("Too Deep", authority=True, key=make_key()).signed_by(authority.intermediate)
        site = Order(key=make_key()).signed_by(too_deep)
        assert not holds(site, [too_deep, authority.intermediate], [authority.root], tmp_path)
        no_signing = x509.KeyUsage(True, False, False, False, False, False, True, False, False)
        barred = Order("Barred", authority=True, key=make_key(), extensions=((no_signing, True),))
        barred_identity = barred.signed_by(authority.root)
        assert not holds(
            Order(key=make_key()).signed_by(barred_identity), [barred_identity], [authority.root], tmp_path
        )


def test_a_signature_that_does_not_fit_breaks_the_chain(authority: Authority, tmp_path: Path) -> None:
    impostor = Order("Test Issuing CA", authority=True).signed_by(authority.root)
    assert not holds(authority.issue(), [impostor], [authority.root], tmp_path)


def test_name_constraints_bind(tmp_path: Path) -> None:
    for make_key in (p256, edwards):
        authority = Authority.new(make_key)
        only = x509.NameConstraints([x509.DNSName("allowed.example")], None)
        middle = Order("Bound", authority=True, key=make_key(), extensions=((only, True),)).signed_by(authority.root)
        outside = Order(key=make_key()).signed_by(middle)
        assert not holds(outside, [middle], [authority.root], tmp_path)


def test_a_critical_restriction_nobody_understands_is_no_pass(tmp_path: Path) -> None:
    riddle = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    for make_key in (p256, edwards):
        authority = Authority.new(make_key)
        site = authority.issue(Order(key=make_key(), extensions=((riddle, True),)))
        assert not holds(site, [authority.intermediate], [authority.root], tmp_path)


def test_a_self_signed_certificate_is_trusted_where_it_is_known(tmp_path: Path) -> None:
    for make_key in (p256, edwards):
        own = Order(key=make_key()).signed_by(None)
        assert holds(own, [], [own], tmp_path)
        assert not holds(own, [], [Order(key=make_key()).signed_by(None)], tmp_path)


def test_judging_says_which_issuer_is_missing(authority: Authority, site: Identity) -> None:
    anchors = Anchors([authority.root.certificate], source="ca.pem")
    assert judge(arrange(material(site, authority.intermediate)), anchors, at=NOW) == ()
    (missing,) = judge(arrange(material(site)), anchors, at=NOW)
    assert missing.code is Code.MISSING_INTERMEDIATE
    assert "Test Issuing CA" in missing.message
    strange = Anchors([Authority.new(label="Other").root.certificate], source="ca.pem")
    (stranger,) = judge(arrange(material(site, authority.intermediate, authority.root)), strange, at=NOW)
    assert stranger.code is Code.UNTRUSTED
    assert "ca.pem" in stranger.next_move


def test_without_anchors_nothing_can_be_said() -> None:
    with pytest.raises(UnknownStateError):
        Anchors([], source="nowhere")
