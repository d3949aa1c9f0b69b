"""What belonged to the swing, what to the soak, and what came after: by the times of the run's steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.model.run_report import RunReport
from toolkit.report.course import Passage
from toolkit.report.outage import Lane, Stretch, Watch
from toolkit.report.quantities import bounded, seconds_between

SWING, SOAK, LATER = "in the swing", "in the soak", "after the soak"


@dataclass(frozen=True)
class Phase:
    """A part of the watched time, in milliseconds from the watch's start."""

    name: str
    start_ms: float
    end_ms: float

    def worst(self, watch: Watch) -> tuple[Lane, Stretch] | None:
        """The longest outage that began or went on in it, and who saw it."""
        found = [
            (lane, gap)
            for lane in watch.lanes
            for gap in lane.gaps
            if lane.shows_outage(gap.length_ms) and gap.end_ms > self.start_ms and gap.start_ms < self.end_ms
        ]
        return max(found, key=lambda pair: pair[1].length_ms, default=None)


def phases(report: RunReport, passages: Sequence[Passage], watch: Watch) -> tuple[Phase, ...]:
    """The swing to the soak's beginning, the soak, and the time after it; none where the steps do not tell."""
    starts = {
        passage.name: bounded(passage.went.offset_seconds)
        for passage in passages
        if passage.went is not None and (passage.went.seconds or passage.went.offset_seconds)
    }
    swing = next((passage.name for passage in passages if passage.interrupts_service), None)
    if report.watch_started is None or swing not in starts:
        return ()
    zero = seconds_between(report.started, report.watch_started)

    def at_ms(name: str, *, end: bool = False) -> float:
        went = next(passage.went for passage in passages if passage.name == name)
        seconds = bounded(went.seconds) if went is not None and end else 0.0
        return (starts[name] + seconds - zero) * 1000.0

    last_ms = max(watch.length_ms, at_ms(swing))
    if "soak" not in starts:
        return (Phase(SWING, at_ms(swing), last_ms),)
    soak_ms, soaked_ms = at_ms("soak"), at_ms("soak", end=True)
    return (
        Phase(SWING, at_ms(swing), soak_ms),
        Phase(SOAK, soak_ms, soaked_ms),
        *((Phase(LATER, soaked_ms, last_ms),) if last_ms > soaked_ms else ()),
    )
