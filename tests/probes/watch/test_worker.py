"""The pace of a worker: on the grid, making up for little, leaving out much."""

import pytest

from toolkit.probes.watch.worker import Pace

MS = 1_000_000


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def test_ticks_stay_on_the_grid_however_long_each_takes() -> None:
    clock = Clock()
    pace = Pace(1.0, clock)
    for number in range(1, 100):
        clock.ns = (number - 1) * MS + 300_000
        pace.advance()
        assert pace.left_s() == pytest.approx(0.0007)


def test_a_short_stall_is_made_up_for_and_a_long_one_is_left_out() -> None:
    for stalled_ms, due_at_once in ((5, 5), (10, 10), (500, 10)):
        clock = Clock()
        pace = Pace(1.0, clock)
        clock.ns += stalled_ms * MS
        made_up = 0
        pace.advance()
        while pace.left_s() <= 0:
            made_up += 1
            pace.advance()
        assert made_up == due_at_once
        assert pace.left_s() == pytest.approx(0.001)


def test_a_slow_method_never_bursts() -> None:
    clock = Clock()
    pace = Pace(100.0, clock)
    clock.ns += 5_000 * MS
    pace.advance()
    if pace.left_s() <= 0:
        pace.advance()
    assert pace.left_s() > 0
