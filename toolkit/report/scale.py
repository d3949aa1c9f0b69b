"""From values to places on paper: a linear scale, and ticks that fall on round values."""

import math
from dataclasses import dataclass

from toolkit.report.quantities import MINUS

_SECOND_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True)
class Scale:
    """Maps start..end linearly onto left..right; values outside are kept at the edge."""

    start: float
    end: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        if self.end <= self.start:
            return self.left
        fraction = (value - self.start) / (self.end - self.start)
        return self.left + min(max(fraction, 0.0), 1.0) * (self.right - self.left)

    def span(self, start: float, end: float, least: float = 0.0) -> tuple[float, float]:
        """Left edge and width of a stretch, at least `least` wide so that it can be seen, and never past the edge."""
        left, right = self(start), self(end)
        width = min(max(right - left, least), self.right - self.left)
        return min(left, self.right - width), width


def tick_step(seconds: float, about: int) -> float:
    """The round step (seconds) that divides a span into about that many parts: 1-2-5, above a second as clocks do."""
    wanted = seconds / max(about, 1)
    if wanted <= 0:
        return 1.0
    if 0.5 < wanted <= _SECOND_STEPS[-1]:
        return float(next(step for step in _SECOND_STEPS if step >= wanted))
    unit = 86_400.0 if wanted > _SECOND_STEPS[-1] else 1.0
    power = 10.0 ** math.floor(math.log10(wanted / unit))
    return next(unit * power * factor for factor in (1, 2, 5, 10) if unit * power * factor >= wanted * 0.999)


def ticks(start: float, end: float, about: int = 6) -> tuple[float, ...]:
    """Round values from start to end (seconds), about that many; only `start` when there is no span."""
    if end <= start:
        return (start,)
    step = tick_step(end - start, about)
    first = math.ceil(start / step - 1e-9)
    last = math.floor(end / step + 1e-9)
    return tuple(index * step for index in range(first, min(last, first + 4 * about) + 1))


def tick_label(value: float, step: float) -> str:
    """A tick's value (seconds) in the unit its step asks for: "20 ms", "30 s", "5 min", "2 h", "3 d"."""
    for least, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if step >= least:
            return f"{value / least:.10g} {unit}".replace("-", MINUS)
    return f"{round(value * 1000, 6):.10g} ms".replace("-", MINUS)
