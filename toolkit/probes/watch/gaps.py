"""Losses and gaps from samples: pure, and the one place that defines them (see `MethodResult`)."""

import itertools
import statistics
from collections.abc import Mapping, Sequence

from toolkit.model.run_report import Gap
from toolkit.probes.watch.request import MethodResult

LATE_MS = 50.0
"""Later than the median round trip by this much, an answer came too late to end a gap."""


def judge(
    sends: Sequence[int],
    answers: Mapping[int, int],
    *,
    interval_ms: float,
    timeout_ms: float,
    settled: bool = False,
    cpu_percent: float | None = None,
) -> MethodResult:
    """What a method saw; times in microseconds since the watch's start, sends in order, answers by position.

    `settled` says that the watch ended itself, which it does only after the last probes were answered or timed out.
    Otherwise it may have been killed at its last sample: a probe without an answer that was sent less than the timeout
    before that is pending.
    """
    timeout_us = timeout_ms * 1000.0
    end = max([*sends[-1:], *answers.values()], default=0)
    trips = {
        number: answers[number] - sent
        for number, sent in enumerate(sends)
        if number in answers and answers[number] - sent <= timeout_us
    }
    median = statistics.median(trips.values()) if trips else None
    limit = (median or 0.0) + LATE_MS * 1000.0
    in_time = [number for number, trip in trips.items() if trip <= limit]
    pending = set() if settled else {n for n, sent in enumerate(sends) if n not in trips and end - sent < timeout_us}
    good = set(in_time)
    gaps = _gaps([(sent, n in good) for n, sent in enumerate(sends) if n not in pending], interval_ms)
    pauses = [later - earlier for earlier, later in itertools.pairwise(sends)]
    span = (sends[-1] - sends[0]) / 1000.0 if len(sends) > 1 else 0.0
    return MethodResult(
        interval_ms=interval_ms,
        sent=len(sends),
        answered=len(trips),
        lost=len(sends) - len(trips) - len(pending),
        late=len(trips) - len(in_time),
        pending=len(pending),
        gap_ms_max=max((gap.end_ms - gap.start_ms for gap in gaps), default=0.0),
        gaps=tuple(gaps),
        own_gap_ms_max=max(pauses, default=0) / 1000.0,
        rtt_ms_median=None if median is None else median / 1000.0,
        rate_percent=100.0 * (len(sends) - 1) * interval_ms / span if span else 0.0,
        cpu_percent=cpu_percent,
    )


def _gaps(judged: Sequence[tuple[int, bool]], interval_ms: float) -> list[Gap]:
    """Gaps in probes of which it is known whether they were answered in time.

    A gap's start is one interval after the last good send, so that its length is what `MethodResult` says.
    """
    gaps: list[Gap] = []
    start_ms = judged[0][0] / 1000.0 if judged else 0.0
    missed = False
    for sent, good in judged:
        if not good:
            missed = True
            continue
        if missed:
            gaps.append(_gap(start_ms, sent / 1000.0))
        start_ms = sent / 1000.0 + interval_ms
        missed = False
    if missed:
        gaps.append(_gap(start_ms, judged[-1][0] / 1000.0))
    return gaps


def _gap(start_ms: float, end_ms: float) -> Gap:
    # a send that came early, after one that came late, is no negative gap
    return Gap(start_ms=min(start_ms, end_ms), end_ms=end_ms)
