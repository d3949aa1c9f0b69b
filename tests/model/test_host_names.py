"""Host names: wildcards stand for one label, and names are compared in one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.errors import InputError
from toolkit.model.host_names import covered_by, matches, normalise


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


def test_a_name_and_an_address_never_stand_for_each_other() -> None:
    address = normalise("192.0.2.7")
    assert not isinstance(address, str)
    assert covered_by(address, (), (address,))
    assert not covered_by(address, ("192.0.2.7", "*.0.2.7"), ())
    assert covered_by("support.example.com", ("*.example.com",), ())
    assert not covered_by("support.example.com", (), (address,))
