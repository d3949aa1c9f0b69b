"""What can be said about the outage: which methods watched, what they can tell, and where they were blind."""

from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.model.run_report import Gap, HeldConnection, Outage, OwnerChange, RunReport
from toolkit.report.quantities import bounded

EXPECTED_METHODS = ("icmp", "tcp", "https")


@dataclass(frozen=True)
class Stretch:
    """A stretch of the watch, in milliseconds from its start; it never ends before it starts.

    `ended` False: its end was not seen, it may go on.
    """

    start_ms: float
    end_ms: float
    ended: bool = True

    @property
    def length_ms(self) -> float:
        """How long it is."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True)
class Lane:
    """One method of the watch, from one place.

    `hung_ms` is the longest of those `delayed` and `cut`; `floor_ms` is the shortest outage it can tell from its own
    pauses between two sends.
    """

    method: str
    gaps: tuple[Stretch, ...]
    unwatched: tuple[Stretch, ...]
    longest_ms: float
    floor_ms: float
    lost: int
    sent: int
    interval_ms: float
    delayed: int = 0
    cut: int = 0
    hung_ms: float = 0.0
    in_flight_recorded: bool = True

    @property
    def label(self) -> str:
        """The method and its place, where there is little room."""
        return self.method.replace(" from ", " ")

    @property
    def measured(self) -> bool:
        """False: nothing was sent, so nothing is known."""
        return self.sent > 0

    @property
    def outage_seen(self) -> bool:
        """The longest gap shows an outage."""
        return self.measured and self.shows_outage(self.longest_ms)

    def shows_outage(self, gap_ms: float) -> bool:
        """Whether a gap is more than the watch's own pauses explain, or several probes in a row were lost in it.

        One lost probe alone shows no more than a moment, whatever the interval around it.
        """
        return gap_ms > self.floor_ms or (self.lost > 1 and gap_ms > 1.5 * self.interval_ms)


@dataclass(frozen=True)
class Reign:
    """Who answered for the address over a stretch; `owner` is "old", "new", "stranger" or "nobody"."""

    stretch: Stretch
    owner: str
    mac: str


@dataclass(frozen=True)
class Watch:
    """The continuous watch of a run, in one place."""

    lanes: tuple[Lane, ...]
    missing: tuple[str, ...]
    reigns: tuple[Reign, ...]
    length_ms: float
    held: tuple[tuple[str, HeldConnection], ...] = ()

    @property
    def hung_longest(self) -> Lane | None:
        """The lane with the attempt that hung longest; None when none did."""
        return max((lane for lane in self.lanes if lane.hung_ms > 0), key=lambda lane: lane.hung_ms, default=None)

    @property
    def worst(self) -> Lane | None:
        """The lane with the longest outage that was really seen; None when none was."""
        return max((lane for lane in self.lanes if lane.outage_seen), key=lambda lane: lane.longest_ms, default=None)

    @property
    def measured(self) -> bool:
        """Something was sent by at least one method."""
        return any(lane.measured for lane in self.lanes)

    @property
    def floor_ms(self) -> float:
        """The shortest outage every measuring method could have seen."""
        return max((lane.floor_ms for lane in self.lanes if lane.measured), default=0.0)

    @property
    def last_owner(self) -> str | None:
        """Who answered at the end; None when that was not watched."""
        return self.reigns[-1].owner if self.reigns else None

    @property
    def unwatched(self) -> tuple[tuple[Stretch, tuple[str, ...]], ...]:
        """Every stretch nobody watched, with the methods that were blind, in order."""
        methods: dict[Stretch, list[str]] = {}
        for lane in self.lanes:
            for stretch in lane.unwatched:
                methods.setdefault(stretch, []).append(lane.method)
        return tuple((stretch, tuple(methods[stretch])) for stretch in sorted(methods, key=lambda s: s.start_ms))


def watch_of(report: RunReport) -> Watch:
    """The report's outage and owners, in order and bounded."""
    lanes = _lanes(report)
    owners = sorted(report.owners, key=lambda owner: bounded(owner.at_ms))
    outages = [*report.outage.values(), *(o for place in report.vantage_points for o in place.outage.values())]
    ends = [lane.sent * bounded(lane.interval_ms) for lane in lanes]
    if any(outage.watched_ms is not None for outage in outages):
        ends = [bounded(outage.watched_ms) for outage in outages if outage.watched_ms is not None]
    ends += [stretch.end_ms for lane in lanes for stretch in (*lane.gaps, *lane.unwatched)]
    ends += [bounded(owner.at_ms) for owner in owners]
    length_ms = bounded(max(ends, default=0.0))
    missing = tuple(name for name in EXPECTED_METHODS if name not in report.outage) if lanes else ()
    return Watch(lanes, missing, tuple(_reigns(owners, length_ms)), length_ms, _held(report))


def _lanes(report: RunReport) -> tuple[Lane, ...]:
    """Every method: of each place, the worst place first, where there are several; then further addresses."""
    places = [(f" from {place.name}", place.outage) for place in report.vantage_points] or [("", report.outage)]
    lanes = [
        _lane(name + place, outage[name]) for place, outage in places for name in EXPECTED_METHODS if name in outage
    ]
    further = sorted(set(report.outage) - set(EXPECTED_METHODS))
    return (*lanes, *(_lane(name, report.outage[name]) for name in further))


def _held(report: RunReport) -> tuple[tuple[str, HeldConnection], ...]:
    """Every connection that was held, with the place it was held from; none named where there is only one."""
    if not report.vantage_points:
        return tuple(("", held) for held in report.held)
    return tuple((place.name, held) for place in report.vantage_points for held in place.held)


def _lane(method: str, outage: Outage) -> Lane:
    gaps = _stretches(outage.gaps)
    return Lane(
        method=method,
        gaps=gaps,
        unwatched=_stretches(outage.unwatched),
        longest_ms=max([bounded(outage.gap_ms_max), *(gap.length_ms for gap in gaps)]),
        floor_ms=max(bounded(outage.own_gap_ms_max), bounded(outage.interval_ms), 0.0),
        lost=outage.lost,
        sent=outage.sent,
        interval_ms=max(bounded(outage.interval_ms), 0.0),
        delayed=outage.delayed,
        cut=outage.cut,
        hung_ms=max(bounded(outage.hung_ms_max), 0.0),
        # reports of earlier versions know nothing of it
        in_flight_recorded=outage.watched_ms is not None,
    )


def _stretches(gaps: Iterable[Gap]) -> tuple[Stretch, ...]:
    stretches: list[Stretch] = []
    for gap in gaps:
        start, end = sorted((bounded(gap.start_ms), bounded(gap.end_ms)))
        stretches.append(Stretch(max(start, 0.0), max(end, 0.0), gap.ended))
    return tuple(sorted(stretches, key=lambda stretch: (stretch.start_ms, stretch.end_ms)))


def _reigns(owners: list[OwnerChange], length_ms: float) -> Iterable[Reign]:
    starts = [min(max(bounded(owner.at_ms), 0.0), length_ms) for owner in owners]
    if starts and starts[0] > 0:
        yield Reign(Stretch(0.0, starts[0]), "nobody", "")
    for owner, start, end in zip(owners, starts, [*starts, length_ms][1:], strict=True):
        yield Reign(Stretch(start, end), _owner(owner), owner.mac)


def _owner(change: OwnerChange) -> str:
    if not change.mac:
        return "nobody"
    return change.box if change.box in {"old", "new"} else "stranger"
