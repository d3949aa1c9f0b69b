"""Names of certificates: addresses are compared as addresses, and common names no longer count."""

from tests.certificates.authority import Authority, Order
from toolkit.certificates.names import covered_by_common_name, covers
from toolkit.model.host_names import normalise


def test_addresses_match_address_entries_only(authority: Authority) -> None:
    by_address = authority.issue(Order(names=("192.0.2.7", "2001:db8::7"))).certificate
    assert covers(by_address, normalise("192.0.2.7"))
    assert covers(by_address, normalise("[2001:DB8:0::7]"))
    assert not covers(by_address, normalise("192.0.2.8"))
    by_name = authority.issue(Order(names=("*.0.2.7", "support.example.com"))).certificate
    assert not covers(by_name, normalise("192.0.2.7"))


def test_a_common_name_counts_only_where_there_is_nothing_else(authority: Authority) -> None:
    old_style = authority.issue(Order(names=())).certificate
    name = normalise("support.example.com")
    assert not covers(old_style, name)
    assert covered_by_common_name(old_style, name)
    modern = authority.issue(Order(names=("other.example.com",))).certificate
    assert not covered_by_common_name(modern, name)
