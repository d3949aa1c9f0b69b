"""Which stretches of the watch are worth drawing large: where the address changed hands or answers were missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from toolkit.report.outage import Reign, Stretch, Watch

MOST = 4
"""More close-ups than this would tell nothing more; the table holds every gap."""


@dataclass(frozen=True)
class Window(Stretch):
    """A close-up of the watch; `zero_ms` is the moment its axis counts from, `what` says what it shows."""

    zero_ms: float = 0.0
    what: str = ""


@dataclass(frozen=True)
class CloseUps:
    """The windows drawn, in order of time, and how many more there would be."""

    windows: tuple[Window, ...]
    left_out: int


def close_ups(watch: Watch) -> CloseUps:
    """At most `MOST`: of the longest gap, then of where the address changed hands, then of what took longest."""
    changes, silences = _changes(watch), tuple(_silences(watch))
    events = [Stretch(new.stretch.start_ms, new.stretch.start_ms) for _, new in changes]
    events += [*silences, *(stretch for stretch, _ in watch.unwatched)]
    clusters = _clusters(sorted(events, key=lambda event: event.start_ms))
    longest = max(silences, key=lambda gap: gap.length_ms, default=None)

    def weight(cluster: Stretch) -> tuple[bool, bool, float]:
        changed = any(_holds(cluster, new.stretch.start_ms) for _, new in changes)
        return longest is not None and _holds(cluster, longest.start_ms), changed, cluster.length_ms

    chosen = sorted(clusters, key=weight, reverse=True)[:MOST]
    in_order = sorted(chosen, key=lambda cluster: cluster.start_ms)
    windows = tuple(_around(cluster, watch, _what(cluster, changes, silences)) for cluster in in_order)
    return CloseUps(windows, len(clusters) - len(chosen))


def _changes(watch: Watch) -> tuple[tuple[Reign, Reign], ...]:
    """Whenever the address changed hands; that it was seen for the first time is no change."""
    pairs = tuple(pairwise(watch.reigns))
    return pairs[1:] if pairs and pairs[0][0].owner == "nobody" else pairs


def _silences(watch: Watch) -> Iterable[Stretch]:
    for lane in watch.lanes:
        yield from (gap for gap in lane.gaps if lane.shows_outage(gap.length_ms))


def _holds(cluster: Stretch, at_ms: float) -> bool:
    return cluster.start_ms <= at_ms <= cluster.end_ms


def _what(cluster: Stretch, changes: Iterable[tuple[Reign, Reign]], silences: Iterable[Stretch]) -> str:
    handed_over = [(old.owner, new.owner) for old, new in changes if _holds(cluster, new.stretch.start_ms)]
    if any("stranger" in owners for owners in handed_over):
        return "a stranger"
    if handed_over:
        return {("old", "new"): "the swing", ("new", "old"): "the way back"}.get(
            (handed_over[0][0], handed_over[-1][1]), "change of owner"
        )
    return "no answer" if any(_holds(cluster, gap.start_ms) for gap in silences) else "not watched"


def _clusters(events: list[Stretch]) -> list[Stretch]:
    clusters: list[Stretch] = []
    for event in events:
        last = clusters[-1] if clusters else None
        if last and event.start_ms - last.end_ms <= max(3 * min(last.length_ms, event.length_ms), 50.0):
            clusters[-1] = Stretch(last.start_ms, max(last.end_ms, event.end_ms))
        else:
            clusters.append(event)
    return clusters


def _around(cluster: Stretch, watch: Watch, what: str) -> Window:
    interval_ms = min((lane.interval_ms for lane in watch.lanes if lane.interval_ms > 0), default=1.0)
    margin = max(0.15 * cluster.length_ms, 4 * interval_ms, min(2 * watch.floor_ms, 50.0), 5.0)
    start = max(cluster.start_ms - margin, 0.0)
    end = min(cluster.end_ms + margin, max(watch.length_ms, cluster.end_ms))
    return Window(start, max(end, start + 1.0), zero_ms=cluster.start_ms, what=what)
