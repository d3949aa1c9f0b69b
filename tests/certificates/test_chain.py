"""Order: whatever the order of the file, the leaf comes first and each next certificate certifies what is before it."""

import random
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.certificates.authority import NOW, Authority, Identity, Order, ec_key, material, openssl
from toolkit.certificates.bundle import Material
from toolkit.certificates.chain import arrange, in_order, issued, with_key
from toolkit.certificates.parsing import parse
from toolkit.model.errors import CertificateError

LONG = [Order(f"CA {depth}", authority=True) for depth in range(6)]


def long_chain() -> list[Identity]:
    """Root, five intermediates, leaf."""
    chain = [LONG[0].signed_by(None)]
    for order in LONG[1:]:
        chain.append(order.signed_by(chain[-1]))
    return [*chain, Order().signed_by(chain[-1])]


CHAIN = long_chain()


@given(st.permutations(range(len(CHAIN))))
def test_any_order_is_put_right(order: list[int]) -> None:
    bundle = arrange(material(*(CHAIN[position] for position in order)))
    expected = [identity.certificate for identity in reversed(CHAIN)]
    assert [*bundle.chain, *bundle.roots] == expected
    assert bundle.strays == bundle.other_leaves == ()


@given(st.sets(st.integers(1, 5), min_size=1, max_size=1), st.randoms())
def test_what_is_above_a_hole_is_stray(missing: set[int], shuffle: random.Random) -> None:
    kept = [identity for depth, identity in enumerate(CHAIN) if depth not in missing]
    shuffle.shuffle(kept)
    bundle = arrange(material(*kept))
    hole = min(missing)
    assert list(bundle.intermediates) == [identity.certificate for identity in reversed(CHAIN[hole + 1 : -1])]
    assert set(bundle.strays) == {identity.certificate for identity in CHAIN[:hole]}


def test_the_key_says_which_certificate_is_the_servers(authority: Authority) -> None:
    ours, other = authority.issue(), authority.issue(Order("other.example.com", names=("other.example.com",)))
    bundle = arrange(material(other, ours, authority.intermediate, key=ours.key))
    assert bundle.leaf == ours.certificate
    assert bundle.other_leaves == (other.certificate,)
    assert bundle.key_matches


def test_of_two_certificates_of_one_key_the_later_one_is_taken(authority: Authority) -> None:
    key = ec_key()
    old = authority.issue(Order(key=key, end=NOW + timedelta(days=5)))
    renewed = authority.issue(Order(key=key, end=NOW + timedelta(days=300)))
    assert arrange(material(old, renewed, key=key)).leaf == renewed.certificate


def test_an_authoritys_key_does_not_make_the_authority_the_server(authority: Authority, site: Identity) -> None:
    bundle = arrange(material(site, authority.intermediate, key=authority.intermediate.key))
    assert bundle.leaf == site.certificate
    assert bundle.key_matches is False


def test_a_chain_file_alone_gives_the_authority_that_issued_nothing(authority: Authority) -> None:
    bundle = arrange(material(authority.root, authority.intermediate))
    assert bundle.leaf == authority.intermediate.certificate
    assert bundle.roots == (authority.root.certificate,)


def test_cross_signed_authorities_are_all_kept(authority: Authority) -> None:
    elder = Order("Elder Root", authority=True).signed_by(None)
    crossed = Order("Test Root", authority=True, key=authority.root.key).signed_by(elder)
    leaf = authority.issue()
    bundle = arrange(material(authority.root, crossed, leaf, authority.intermediate, elder))
    assert bundle.intermediates == (authority.intermediate.certificate, crossed.certificate)
    assert set(bundle.roots) == {authority.root.certificate, elder.certificate}


def test_two_authorities_that_certify_each_other_do_not_go_on_for_ever() -> None:
    first, second = ec_key(), ec_key()
    a = Order("A", authority=True, key=first).signed_by(None)
    b_by_a = Order("B", authority=True, key=second).signed_by(a)
    a_by_b = Order("A", authority=True, key=first).signed_by(b_by_a)
    leaf = Order().signed_by(b_by_a)
    bundle = arrange(material(leaf, a_by_b, b_by_a))
    assert bundle.intermediates == (b_by_a.certificate, a_by_b.certificate)


def test_the_same_name_without_the_signature_is_no_issuer(authority: Authority, site: Identity) -> None:
    impostor = Order("Test Issuing CA", authority=True).signed_by(authority.root)
    assert issued(site.certificate, authority.intermediate.certificate)
    assert not issued(site.certificate, impostor.certificate)


def test_signatures_too_weak_to_check_are_judged_by_key_identifiers() -> None:
    words = ("req", "-x509", "-newkey", "rsa:2048", "-sha1", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=old")
    old = parse(openssl(*words)).certificates[0]
    other = parse(openssl(*words)).certificates[0]
    assert issued(old, old)
    assert not issued(old, other)


def test_in_order_means_leaf_first_and_each_certifying_one_before(authority: Authority, site: Identity) -> None:
    leaf, middle, root = site.certificate, authority.intermediate.certificate, authority.root.certificate
    assert in_order((leaf, middle, root), leaf)
    assert in_order((leaf,), leaf)
    assert not in_order((leaf, root, middle), leaf)
    assert not in_order((middle, leaf), leaf)
    assert not in_order((), leaf)


def test_a_key_from_another_file_joins(authority: Authority, site: Identity) -> None:
    bundle = arrange(material(site, authority.intermediate))
    assert with_key(bundle, Material(keys=(site.key,))).key_matches is True
    stranger = rsa.generate_private_key(65537, 2048)
    assert with_key(bundle, Material(keys=(stranger,))).key_matches is False


def test_a_key_alone_is_no_identity(site: Identity) -> None:
    with pytest.raises(CertificateError, match="no certificate"):
        arrange(Material(keys=(site.key,)))
