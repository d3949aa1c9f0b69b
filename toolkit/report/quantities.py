"""Numbers as people read them: durations, counts, sizes, moments and fingerprints, formatted here only."""

import math
from datetime import UTC, datetime, timedelta

from toolkit.model import counting

UNKNOWN = "unknown"
MINUS = "\N{MINUS SIGN}"
NB = "\N{NO-BREAK SPACE}"
"""Keeps a number and its unit on one line; Markdown gets a plain space instead."""
counted = counting.counted

LARGEST = 1e15
"""No duration in seconds or milliseconds is taken for longer than this."""

_CLOCKWORK = ((86_400, "d", "h", 3600), (3600, "h", "min", 60), (60, "min", "s", 1), (1, "s", "s", 1))
"""Seconds of a unit, the unit, the next smaller unit and its seconds."""


def bounded(value: float) -> float:
    """The value kept where arithmetic on it stays finite; what is not a number becomes 0."""
    return 0.0 if math.isnan(value) else min(max(value, -LARGEST), LARGEST)


def milliseconds(value: float) -> str:
    """A stretch given in milliseconds, in the unit people would choose: "1.4 ms", "41 ms", "4.21 s", "3 min 20 s"."""
    if not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size < 9.95:
        return f"{_short(value, 1)}{NB}ms"
    if size < 999.5:
        return f"{value:z.0f}{NB}ms"
    if size < 9_995:
        return f"{value / 1000:.2f}{NB}s"
    return duration(value / 1000)


def duration(seconds: float) -> str:
    """A stretch given in seconds: "12 ms", "4.2 s", "3 min 20 s", "1 h 05 min", "2 d 03 h"."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 0:
        text = duration(-seconds)
        return text if text.startswith(f"0{NB}") else f"{MINUS}{text}"
    if seconds < 59.95:
        small = 0 < seconds < 0.9995
        return milliseconds(seconds * 1000) if small else f"{_short(seconds, 1)}{NB}s"
    whole = round(bounded(seconds))
    large, large_unit, small_unit, part = next(row for row in _CLOCKWORK if whole >= row[0])
    rest = whole % large // part
    return f"{whole // large:,}{NB}{large_unit}" + (f"{NB}{rest:02d}{NB}{small_unit}" if rest else "")


def _short(value: float, digits: int) -> str:
    text = f"{value:z.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(number: int) -> str:
    """A number with thousands: "12,345"."""
    return f"{number:,}"


def decimal(value: float) -> str:
    """A measured number to thousandths, one too small for that to three digits: "1,234.568", "0.5", "1.2e-05"."""
    if not math.isfinite(value):
        return UNKNOWN
    if value < 0:
        return MINUS + decimal(-value)
    if 0 < value < 0.0005 or value > LARGEST:
        return f"{value:.3g}"
    text = f"{value:z,.3f}"
    return text.rstrip("0").rstrip(".")


def size(number: int) -> str:
    """Bytes in decimal units: "512 bytes", "104.9 MB"."""
    if abs(number) < 1000:
        return counted(number, "byte")
    value = float(number) if abs(number) < 10**30 else math.copysign(1e30, number)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if abs(value) < 999.95 or unit == "TB":
            break
    return f"{value:,.1f}{NB}{unit}"


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within a day of the calendar's ends, where no offset can be applied
        return moment.replace(tzinfo=UTC)


def moment_text(moment: datetime) -> str:
    """A day and time to the second: "2025-03-01 22:14:05 UTC"."""
    return f"{_utc(moment).isoformat(sep=' ', timespec='seconds').removesuffix('+00:00')} UTC"


def clock_text(moment: datetime, *, fraction: bool = False) -> str:
    """The time of day (UTC): "22:14:05", with fraction "22:14:05.123"."""
    return _utc(moment).strftime("%H:%M:%S") + (f".{_utc(moment).microsecond // 1000:03d}" if fraction else "")


def day_text(moment: datetime) -> str:
    """The day (UTC): "2025-03-01"."""
    return _utc(moment).date().isoformat()


def span_text(start: datetime, end: datetime) -> str:
    """From one moment to another, the day said once when it is the same."""
    same = day_text(start) == day_text(end)
    return f"{moment_text(start).removesuffix(' UTC')} to {clock_text(end) + ' UTC' if same else moment_text(end)}"


def later(moment: datetime, seconds: float) -> datetime:
    """The moment that many seconds later; the moment itself when the calendar does not reach that far."""
    try:
        return _utc(moment) + timedelta(seconds=bounded(seconds))
    except OverflowError:
        return _utc(moment)


def seconds_between(start: datetime, end: datetime) -> float:
    """Seconds from start to end; naive moments are taken for UTC."""
    return (_utc(end) - _utc(start)).total_seconds()


def fingerprint(sha256: str) -> str:
    """A hex fingerprint in groups of four, so that two can be compared by eye."""
    return " ".join(sha256[i : i + 4] for i in range(0, len(sha256), 4))
