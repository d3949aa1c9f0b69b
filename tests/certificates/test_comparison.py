"""Comparison: the same identity is the same in every container, and any other leaf, chain or key is told."""

from tests.certificates.authority import Authority, Identity, Order, ec_key, material
from toolkit.certificates.chain import arrange
from toolkit.certificates.comparison import Comparison, compare_served, same_identity
from toolkit.certificates.findings import Code
from toolkit.model.verdict import Verdict


def messages(comparison: Comparison) -> str:
    return " ".join(finding.message for finding in comparison.differences)


def test_roots_and_the_order_of_the_file_do_not_count(authority: Authority, site: Identity) -> None:
    exported = arrange(material(site, authority.intermediate, authority.root, key=site.key))
    imported = arrange(material(authority.intermediate, site, key=site.key))
    compared = same_identity(exported, imported)
    assert compared.verdict is Verdict.PASSED
    assert compared.expected_sha256 == compared.seen_sha256


def test_every_difference_is_told(authority: Authority, site: Identity) -> None:
    exported = arrange(material(site, authority.intermediate, key=site.key))
    renewed = authority.issue(Order(key=site.key))
    other_leaf = same_identity(exported, arrange(material(renewed, authority.intermediate, key=site.key)))
    assert other_leaf.verdict is Verdict.FAILED
    assert other_leaf.seen_sha256 != other_leaf.expected_sha256
    assert other_leaf.seen_sha256 is not None
    assert other_leaf.seen_sha256 in messages(other_leaf)
    no_chain = same_identity(exported, arrange(material(site, key=site.key)))
    assert "Test Issuing CA is missing" in messages(no_chain)
    no_key = same_identity(exported, arrange(material(site, authority.intermediate)))
    assert "one side only" in messages(no_key)
    other_key = same_identity(exported, arrange(material(site, authority.intermediate, key=ec_key())))
    assert "another private key" in messages(other_key)
    for compared in (no_chain, no_key, other_key):
        assert compared.verdict is Verdict.FAILED
        assert {finding.code for finding in compared.differences} == {Code.NOT_AS_EXPORTED}


def test_what_is_served_is_compared_as_sent(authority: Authority, site: Identity) -> None:
    exported = arrange(material(site, authority.intermediate, authority.root, key=site.key))
    leaf, middle, root = site.der, authority.intermediate.der, authority.root.der
    for good in ([leaf, middle], [leaf, middle, root]):
        assert compare_served(exported, good).verdict is Verdict.PASSED
    assert "is missing" in messages(compare_served(exported, [leaf]))
    assert "repeats itself" in messages(compare_served(exported, [leaf, middle, middle]))
    assert "another certificate" in messages(compare_served(exported, [authority.issue().der, middle]))
    assert "no certificate" in messages(compare_served(exported, []))
    stranger = Authority.new(label="Other").intermediate
    assert "should not be" in messages(compare_served(exported, [leaf, middle, stranger.der]))
