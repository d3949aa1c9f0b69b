"""Places on paper are in order and inside it; ticks are round and few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.report.quantities import MINUS
from toolkit.report.scale import Scale, tick_label, tick_step, ticks

values = st.floats(-1e15, 1e15)


def test_a_scale_is_linear_and_keeps_to_its_edges() -> None:
    scale = Scale(100, 200, 10, 110)
    assert (scale(100), scale(150), scale(200)) == (10, 60, 110)
    assert (scale(0), scale(999)) == (10, 110)


def test_a_stretch_too_short_to_be_seen_is_widened_within_the_edges() -> None:
    scale = Scale(0, 1000, 0, 100)
    assert scale.span(500, 500, 2) == (50, 2)
    assert scale.span(1000, 1000, 2) == (98, 2)


@given(values, values, values, values)
def test_every_stretch_lies_on_the_paper(start: float, end: float, a: float, b: float) -> None:
    left, width = Scale(start, end, 10, 800).span(min(a, b), max(a, b), 2)
    assert left >= 10 - 1e-9
    assert left + width <= 800 + 1e-9
    assert width >= 0


@pytest.mark.parametrize(
    ("start", "end", "labels"),
    [
        (-0.03, 0.04, [f"{MINUS}20 ms", "0 ms", "20 ms", "40 ms"]),
        (0, 0.004, ["0 ms", "1 ms", "2 ms", "3 ms", "4 ms"]),
        (0, 75, ["0 s", "15 s", "30 s", "45 s", "60 s", "75 s"]),
        (0, 1400, ["0 min", "5 min", "10 min", "15 min", "20 min"]),
        (0, 7 * 3600, ["0 h", "2 h", "4 h", "6 h"]),
        (0, 86_400 * 10, ["0 d", "2 d", "4 d", "6 d", "8 d", "10 d"]),
    ],
)
def test_ticks_fall_where_a_person_would_put_them(start: float, end: float, labels: list[str]) -> None:
    step = tick_step(end - start, 5)
    assert [tick_label(value, step) for value in ticks(start, end, 5)] == labels


@given(values, values)
def test_ticks_are_few_in_order_and_inside(start: float, end: float) -> None:
    placed = ticks(start, end, 6)
    assert 0 <= len(placed) <= 25
    assert list(placed) == sorted(placed)
    if end > start:
        slack = (end - start) * 1e-6 + abs(start) * 1e-9
        assert all(start - slack <= value <= end + slack for value in placed)
