"""A method's result from its tally: microseconds become milliseconds, and what is still open is judged."""

from toolkit.model.run_report import Gap, Hang
from toolkit.probes.watch.request import MethodResult
from toolkit.probes.watch.tally import Tally


def judge(tally: Tally, *, settled: bool = False, cpu_percent: float | None = None) -> MethodResult:
    """What a method saw; `settled` as `Tally.close` says. The tally is used up by it."""
    pending = tally.close(settled=settled)
    interval_ms = tally.interval_us / 1000.0
    gaps = tuple(
        Gap(
            start_ms=gap.start_us / 1000.0,
            end_ms=gap.end_us / 1000.0,
            ended=gap.ended,
            own_gap_ms=gap.pause_us / 1000.0,
        )
        for gap in tally.all_gaps()
    )
    span_ms = (tally.last_us - (tally.first_us or 0)) / 1000.0 if tally.sent > 1 else 0.0
    median_us = tally.trips.median_us
    return MethodResult(
        interval_ms=interval_ms,
        sent=tally.sent,
        answered=tally.answered,
        lost=tally.lost,
        late=tally.late,
        pending=pending,
        gap_ms_max=max((gap.end_ms - gap.start_ms for gap in gaps), default=0.0),
        gaps=gaps,
        gaps_left_out=tally.gaps.left_out,
        own_gap_ms_max=tally.pause_us_max / 1000.0,
        unwatched=tuple(Gap(start_ms=start / 1000.0, end_ms=end / 1000.0) for start, end in sorted(tally.pauses.kept)),
        delayed=tally.delayed,
        cut=tally.cut,
        hung_ms_max=tally.hung_us_max / 1000.0,
        hangs=tuple(
            Hang(start_ms=hang.start_us / 1000.0, end_ms=hang.end_us / 1000.0, cut=hang.cut)
            for hang in sorted(tally.hangs.kept)
        ),
        rtt_ms_median=None if median_us is None else median_us / 1000.0,
        rate_percent=100.0 * (tally.sent - 1) * interval_ms / span_ms if span_ms else 0.0,
        cpu_percent=cpu_percent,
        last_ms=tally.last_us / 1000.0,
    )
