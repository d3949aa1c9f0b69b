"""The `Range` header: every answer is a part of the file, whatever a BMC writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.provision.metal.byte_range import UnsatisfiableRangeError, read_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-200", (90, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
    ],
)
def test_one_range_is_understood_and_everything_else_is_the_whole_file(
    header: str | None, part: tuple[int, int] | None
) -> None:
    assert read_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        read_range(header, 100)


@given(st.text() | st.from_regex(r"\Abytes=\d*-\d*\Z"), st.integers(0, 10**12))
def test_no_header_reaches_beyond_the_file(header: str, size: int) -> None:
    try:
        part = read_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert part is None or 0 <= part[0] < part[1] <= size
