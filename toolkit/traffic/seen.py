"""What a run's watches saw, as its report wants it: one axis of time, joined over restarts, the worst place first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit.model.run_report import Gap, Hang, HeldConnection, Outage, OwnerChange, VantagePointReport
from toolkit.probes.watch import Watch, WatchResult
from toolkit.traffic.watches import folders

_HANGS_LISTED = 500
_JOINED_MS = 50.0
"""Two watches that follow each other this closely left nothing unwatched."""


@dataclass(frozen=True)
class Seen:
    """All watches of one address from one place, in order of time; several where one had ended and was started anew."""

    vantage_point: str
    address: str
    watches: tuple[WatchResult, ...]


def read_watches(run_directory: Path) -> tuple[Seen, ...]:
    """What the run's watches saw; the first is of the address users are sent to, from this machine."""
    found: dict[tuple[str, str], list[WatchResult]] = {}
    for folder in folders(run_directory):
        result = Watch.adopt(folder).result()
        found.setdefault((result.request.vantage_point, result.request.address), []).append(result)
    return tuple(Seen(place, address, tuple(watches)) for (place, address), watches in found.items())


def watch_started(seen: Sequence[Seen]) -> datetime | None:
    """The zero of every `_ms` of the report: when the first watch began."""
    return _zero(seen).started if seen else None


def _zero(seen: Sequence[Seen]) -> WatchResult:
    return min((one.watches[0] for one in seen), key=lambda watch: watch.started)


def _later_ms(watch: WatchResult, zero: WatchResult) -> float:
    """How long after `zero` a watch began: by the machine's own clock, or after a restart by the time of day."""
    if watch.boot_id == zero.boot_id:
        return (watch.start_ns - zero.start_ns) / 1e6
    return (watch.started - zero.started).total_seconds() * 1000.0


def outages(seen: Sequence[Seen], until: datetime | None = None) -> dict[str, Outage]:
    """By method, of the main address, from the place where it was worst; those of further addresses carry the address.

    `until` is when the run ended: from the end of a watch that died before it, nobody watched.
    """
    found: dict[str, Outage] = {}
    several = len({one.vantage_point for one in seen}) > 1
    for one in seen:
        for method, outage in _joined(one, _zero(seen), until).items():
            name = method if one.address == seen[0].address or one.vantage_point else f"{method} {one.address}"
            named = outage.model_copy(update={"vantage_point": (one.vantage_point or "here") if several else ""})
            if name not in found or _shown_ms(named) > _shown_ms(found[name]):
                found[name] = named
    return found


def vantage_points(seen: Sequence[Seen], until: datetime | None = None) -> tuple[VantagePointReport, ...]:
    """Each place by itself, the worst first; none where there is only one."""
    here = [one for one in seen if one.address == seen[0].address or one.vantage_point] if seen else []
    if len(here) < 2:
        return ()
    reports = [
        VantagePointReport(
            name=one.vantage_point or "here",
            outage=_joined(one, _zero(seen), until),
            held=_held(one, _zero(seen)),
            clock_error_ms=max((watch.clock_error_ms for watch in one.watches if watch.clock_error_ms), default=None),
            problems=tuple(problem for watch in one.watches for problem in watch.problems),
        )
        for one in here
    ]
    return tuple(sorted(reports, key=lambda report: max(map(_shown_ms, report.outage.values())), reverse=True))


def _shown_ms(outage: Outage) -> float:
    """The longest gap, less the watch's own pause in it: a slow pace is no outage."""
    return max((gap.end_ms - gap.start_ms - gap.own_gap_ms for gap in outage.gaps), default=0.0)


def held_connections(seen: Sequence[Seen]) -> tuple[HeldConnection, ...]:
    """The connections that were held open from this machine."""
    return _held(seen[0], _zero(seen)) if seen else ()


def owner_changes(seen: Sequence[Seen], boxes: dict[str, str]) -> tuple[OwnerChange, ...]:
    """Who answered for the main address; `boxes` maps MACs to "old" and "new"."""
    changes: list[OwnerChange] = []
    for watch in seen[0].watches if seen else ():
        later_ms = _later_ms(watch, _zero(seen))
        for change in watch.owner_changes(boxes):
            if not changes or changes[-1].mac != change.mac:
                changes.append(change.model_copy(update={"at_ms": change.at_ms + later_ms}))
    return tuple(changes)


def _held(one: Seen, zero: WatchResult) -> tuple[HeldConnection, ...]:
    return tuple(
        HeldConnection(
            opened_ms=held.opened_ms + later_ms,
            answered_ms=held.answered_ms + later_ms,
            ended_ms=None if held.ended_ms is None else held.ended_ms + later_ms,
            how=held.how,
        )
        for watch in one.watches
        for later_ms in (_later_ms(watch, zero),)
        for held in watch.held
    )


def _joined(one: Seen, zero: WatchResult, until: datetime | None) -> dict[str, Outage]:
    """The outages of several watches that followed each other; between them nobody watched."""
    joined: dict[str, Outage] = {}
    end_ms = 0.0
    for watch in one.watches:
        start_ms = _later_ms(watch, zero)
        for method, outage in watch.outages().items():
            later = _shifted(outage, start_ms)
            before = joined.get(method)
            joined[method] = later if before is None else _after(before, later, end_ms, start_ms)
        end_ms = start_ms + watch.seconds * 1000.0
    last = one.watches[-1]
    if last.ended not in {"killed", "limit"}:
        return joined
    run_ended_ms = end_ms if until is None else max(end_ms, (until - zero.started).total_seconds() * 1000.0)
    rest = Gap(start_ms=end_ms, end_ms=run_ended_ms, ended=False)
    return {
        method: outage.model_copy(update={"unwatched": (*outage.unwatched, rest), "watched_ms": run_ended_ms})
        for method, outage in joined.items()
    }


def _after(before: Outage, later: Outage, end_ms: float, start_ms: float) -> Outage:
    """One outage from two; a gap that was open when the first watch ended stays open: nobody saw its end."""
    between = (Gap(start_ms=end_ms, end_ms=start_ms),) if start_ms - end_ms > _JOINED_MS else ()
    hangs = sorted((*before.hangs, *later.hangs), key=lambda hang: hang.end_ms - hang.start_ms)[-_HANGS_LISTED:]
    return later.model_copy(
        update={
            "gap_ms_max": max(before.gap_ms_max, later.gap_ms_max),
            "lost": before.lost + later.lost,
            "sent": before.sent + later.sent,
            "own_gap_ms_max": max(before.own_gap_ms_max, later.own_gap_ms_max),
            "gaps": (*before.gaps, *later.gaps),
            "gaps_left_out": before.gaps_left_out + later.gaps_left_out,
            "unwatched": (*before.unwatched, *between, *later.unwatched),
            "delayed": before.delayed + later.delayed,
            "cut": before.cut + later.cut,
            "hung_ms_max": max(before.hung_ms_max, later.hung_ms_max),
            "hangs": tuple(sorted(hangs, key=lambda hang: hang.start_ms)),
        }
    )


def _shifted(outage: Outage, by_ms: float) -> Outage:
    return outage.model_copy(
        update={
            "gaps": _gaps(outage.gaps, by_ms),
            "unwatched": _gaps(outage.unwatched, by_ms),
            "hangs": tuple(
                Hang(start_ms=hang.start_ms + by_ms, end_ms=hang.end_ms + by_ms, cut=hang.cut) for hang in outage.hangs
            ),
            "watched_ms": None if outage.watched_ms is None else outage.watched_ms + by_ms,
        }
    )


def _gaps(gaps: Iterable[Gap], by_ms: float) -> tuple[Gap, ...]:
    return tuple(
        gap.model_copy(update={"start_ms": gap.start_ms + by_ms, "end_ms": gap.end_ms + by_ms}) for gap in gaps
    )
