"""Numbers must read at a glance and never lie by their unit."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.report import quantities as q


def plain(text: str) -> str:
    return text.replace(q.NB, " ").replace(q.MINUS, "-")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 ms"),
        (1.42, "1.4 ms"),
        (9.949, "9.9 ms"),
        (9.96, "10 ms"),
        (41.3, "41 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (4213, "4.21 s"),
        (12_340, "12.3 s"),
        (183_400, "3 min 03 s"),
        (-6, "-6 ms"),
        (-0.00001, "0 ms"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
    ],
)
def test_milliseconds_choose_the_unit_people_would(value: float, words: str) -> None:
    assert plain(q.milliseconds(value)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 s"),
        (0.012, "12 ms"),
        (0.9996, "1 s"),
        (4.2, "4.2 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (3599.6, "1 h"),
        (3900, "1 h 05 min"),
        (183_600, "2 d 03 h"),
        (-2, "-2 s"),
        (-0.0, "0 s"),
        (-0.00001, "0 ms"),
    ],
)
def test_durations_never_show_sixty_of_anything(value: float, words: str) -> None:
    assert plain(q.duration(value)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (104_857_600, "104.9 MB")],
)
def test_sizes_are_decimal(value: int, words: str) -> None:
    assert plain(q.size(value)) == words


@given(st.floats())
def test_no_number_is_too_odd_to_be_said(value: float) -> None:
    assert q.milliseconds(value)
    assert q.duration(value)
    assert q.decimal(value)
    assert math.isfinite(q.bounded(value))


@given(st.integers())
def test_no_size_is_too_large_to_be_said(value: int) -> None:
    assert q.size(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (45.574044000204594, "45.574"),
        (3.0, "3"),
        (1_234_567.0, "1,234,567"),
        (-0.004239, "-0.004"),
        (0.0000123, "1.23e-05"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (math.nan, "unknown"),
    ],
)
def test_measured_numbers_have_no_more_digits_than_they_are_worth(value: float, words: str) -> None:
    assert plain(q.decimal(value)) == words


def test_moments_are_told_in_utc_whatever_zone_they_come_in() -> None:
    lisbon_summer = datetime(2025, 7, 1, 0, 30, 5, 123_000, tzinfo=timezone(timedelta(hours=1)))
    assert q.moment_text(lisbon_summer) == "2025-06-30 23:30:05 UTC"
    assert q.clock_text(lisbon_summer, fraction=True) == "23:30:05.123"


def test_a_span_over_midnight_says_both_days() -> None:
    start = datetime(2025, 3, 1, 23, 59, 50, tzinfo=UTC)
    assert q.span_text(start, start + timedelta(seconds=5)) == "2025-03-01 23:59:50 to 23:59:55 UTC"
    assert q.span_text(start, start + timedelta(seconds=15)) == "2025-03-01 23:59:50 to 2025-03-02 00:00:05 UTC"


def test_the_ends_of_the_calendar_are_no_obstacle() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5)))
    assert q.moment_text(last).startswith("9999-12-31")
    assert q.later(last, 1e12) == last.replace(tzinfo=UTC)


def test_fingerprints_stand_in_groups_of_four() -> None:
    assert q.fingerprint("3f0c9be2a7") == "3f0c 9be2 a7"
