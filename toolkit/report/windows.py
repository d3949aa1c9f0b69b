"""Which stretches of the watch are worth drawing large: where answers were missing or the owner changed."""

from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.report.outage import Stretch, Watch

MOST = 4
"""More close-ups than this would tell nothing more; the table holds every gap."""


@dataclass(frozen=True)
class Window(Stretch):
    """A close-up of the watch; `zero_ms` is the moment its axis counts from."""

    zero_ms: float


@dataclass(frozen=True)
class CloseUps:
    """The windows drawn, in order of time, and how many more there would be."""

    windows: tuple[Window, ...]
    left_out: int


def close_ups(watch: Watch) -> CloseUps:
    """At most `MOST` close-ups, those of the longest gaps."""
    clusters = _clusters(sorted(_events(watch), key=lambda event: event.start_ms))
    chosen = sorted(clusters, key=lambda cluster: cluster.length_ms, reverse=True)[:MOST]
    in_order = sorted(chosen, key=lambda cluster: cluster.start_ms)
    return CloseUps(tuple(_around(cluster, watch) for cluster in in_order), len(clusters) - len(chosen))


def _events(watch: Watch) -> Iterable[Stretch]:
    for lane in watch.lanes:
        yield from (gap for gap in lane.gaps if lane.shows_outage(gap.length_ms))
        yield from lane.unwatched
    for reign in watch.reigns[1:]:
        yield Stretch(reign.stretch.start_ms, reign.stretch.start_ms)


def _clusters(events: list[Stretch]) -> list[Stretch]:
    clusters: list[Stretch] = []
    for event in events:
        last = clusters[-1] if clusters else None
        if last and event.start_ms - last.end_ms <= max(3 * min(last.length_ms, event.length_ms), 50.0):
            clusters[-1] = Stretch(last.start_ms, max(last.end_ms, event.end_ms))
        else:
            clusters.append(event)
    return clusters


def _around(cluster: Stretch, watch: Watch) -> Window:
    interval_ms = min((lane.interval_ms for lane in watch.lanes if lane.interval_ms > 0), default=1.0)
    margin = max(0.15 * cluster.length_ms, 4 * interval_ms, min(2 * watch.floor_ms, 50.0), 5.0)
    start = max(cluster.start_ms - margin, 0.0)
    end = min(cluster.end_ms + margin, max(watch.length_ms, cluster.end_ms))
    return Window(start, max(end, start + 1.0), cluster.start_ms)
