"""Versions order as people expect, within one software layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.errors import InputError
from toolkit.model.version import Version

numbers = st.lists(st.integers(0, 99), min_size=1, max_size=4)


def test_base_and_site_versions_are_read_and_written() -> None:
    assert str(Version.parse("3.3.2")) == "3.3.2"
    assert str(Version.parse("Bomgar-12.2.0")) == "Bomgar-12.2.0"


def test_ten_comes_after_nine_and_trailing_zeros_do_not_count() -> None:
    assert Version.parse("Bomgar-9.9") < Version.parse("Bomgar-10.0")
    assert Version.parse("3.3") == Version.parse("3.3.0")
    assert hash(Version.parse("3.3")) == hash(Version.parse("3.3.0"))


@pytest.mark.parametrize("text", ["", "newest", "1.", ".1", "1..2", "Bomgar12.2", "1.2-beta"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Version.parse(text)


def test_two_layers_are_not_compared() -> None:
    with pytest.raises(InputError):
        assert Version.parse("3.3.2") < Version.parse("Bomgar-12.2.0")


@given(numbers, numbers)
def test_the_order_is_that_of_the_numbers(one: list[int], other: list[int]) -> None:
    width = max(len(one), len(other))
    first, second = Version("", tuple(one)), Version("", tuple(other))
    padded = (one + [0] * (width - len(one)), other + [0] * (width - len(other)))
    assert (first < second) == (padded[0] < padded[1])
    assert (first == second) == (padded[0] == padded[1])
