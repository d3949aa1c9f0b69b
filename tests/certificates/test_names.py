"""Names: wildcards stand for one label, addresses are compared as addresses, and common names no longer count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.certificates.authority import Authority, Order
from toolkit.certificates.names import covered_by_common_name, covers, matches, normalise
from toolkit.model.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("support.example.com", "support.example.com", True),
        ("SUPPORT.Example.COM.", "support.example.com", True),
        ("support.example.com", "www.support.example.com", False),
        ("*.example.com", "support.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.com", "example.com", False),
        ("*", "localhost", False),
        ("s*.example.com", "support.example.com", False),
        ("*port.example.com", "support.example.com", False),
        ("support.*.com", "support.example.com", False),
        ("*.*.com", "support.example.com", False),
        ("", "", False),
        (".example.com", "support.example.com", False),
        ("*.xn--mnchen-3ya.example", "hilfe.xn--mnchen-3ya.example", True),
    ],
)
def test_a_pattern_covers_just_the_names_the_rfc_says(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


@given(st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), min_size=3, max_size=5))
def test_a_wildcard_covers_siblings_and_never_deeper_names(labels: list[str]) -> None:
    wildcard = ".".join(["*", *labels[1:]])
    assert matches(wildcard, ".".join(labels))
    assert not matches(wildcard, ".".join(["deeper", *labels]))


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


def test_names_are_normalised_before_they_are_compared() -> None:
    assert normalise("Support.Example.COM.") == "support.example.com"
    assert normalise("hilfe.münchen.example") == "hilfe.xn--mnchen-3ya.example"
    assert str(normalise("2001:DB8::0007")) == "2001:db8::7"


@pytest.mark.parametrize(
    "name", ["", "a b", "-a.example", "a..b", "a/b", "*.example.com", "straße.example", "1.2.3", "x" * 64]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        normalise(name)
