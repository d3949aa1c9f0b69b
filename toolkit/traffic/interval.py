"""What the watches hold against a stretch of a run, as the soak is: a gap too long, or a time that nobody watched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from toolkit.model.run_report import Gap
from toolkit.probes.watch import MethodResult, WatchResult
from toolkit.probes.watch.settings import boot_time_ns
from toolkit.traffic.watches import running, watch_in

_BEHIND_MS = 2500.0
"""What is known of a running watch may lie so far behind: not handed over yet, or still to be answered."""

Marks = dict[str, float]
"""Where each watch stands: the name of its folder to milliseconds from its start."""


@dataclass(frozen=True)
class Trouble:
    """Something that speaks against a stretch; `until_ms` is when it was over, by the watch of `folder`."""

    words: str
    known: bool
    """True: nobody got through. False: it cannot be told."""
    folder: str
    until_ms: float


def marks_now(run_directory: Path) -> Marks:
    """Where every running watch stands at this moment."""
    return {watch.directory.name: _now_ms(watch.result()) for watch in running(run_directory)}


def marks_of(value: JsonValue) -> Marks:
    """Marks as a step's result kept them; none when it kept none."""
    return {name: float(str(at_ms)) for name, at_ms in value.items()} if isinstance(value, Mapping) else {}


def troubles(run_directory: Path, since: Marks, until: Marks | None, limit_ms: float) -> tuple[Trouble, ...]:
    """What speaks against the stretch from `since` to `until` (None: to this moment), in the watches' order."""
    if not since:
        return (Trouble("Nobody watched.", known=False, folder="", until_ms=0.0),)
    found: list[Trouble] = []
    for name, start_ms in since.items():
        watch = watch_in(run_directory, name)
        is_running, result = watch.running, watch.result()
        end_ms = (until or {}).get(name, _now_ms(result))
        found += _Stretch(name, result, start_ms, end_ms, limit_ms, is_running=is_running).troubles()
    return tuple(found)


@dataclass(frozen=True)
class _Stretch:
    """A stretch of one watch, from its own start, in milliseconds."""

    folder: str
    result: WatchResult
    start_ms: float
    end_ms: float
    limit_ms: float
    is_running: bool

    def troubles(self) -> Iterator[Trouble]:
        seen_until_ms = self.result.seconds * 1000.0
        if not self.is_running and seen_until_ms < self.end_ms - self.limit_ms:
            since = max(seen_until_ms, 0.0)
            yield self._unknown(
                f"Nobody watched {self._where} from {self._moment(since)} on: {_why(self.result)}.", self.end_ms
            )
        for method, seen in self.result.methods.items():
            yield from self._gaps(method, seen)
            yield from self._blind(method, seen)

    @property
    def _where(self) -> str:
        request = self.result.request
        return f"{request.address} from {request.vantage_point}" if request.vantage_point else request.address

    def _gaps(self, method: str, seen: MethodResult) -> Iterator[Trouble]:
        for gap in seen.gaps:
            # as much of it as lies in the stretch and is not a pause of the watch itself
            length_ms = min(gap.end_ms, self.end_ms) - max(gap.start_ms, self.start_ms) - gap.own_gap_ms
            if length_ms > self.limit_ms:
                end = "" if gap.ended else ", and that has not ended"
                yield Trouble(
                    f"Nobody new got through to {self._where} by {method} for {_seconds(length_ms)} from "
                    f"{self._moment(gap.start_ms)} on{end}; the limit is {_seconds(self.limit_ms)}.",
                    known=True,
                    folder=self.folder,
                    until_ms=gap.end_ms if gap.ended else self.end_ms,
                )

    def _blind(self, method: str, seen: MethodResult) -> Iterator[Trouble]:
        blind = list(seen.unwatched)
        if self.is_running and self.end_ms - seen.last_ms > max(_BEHIND_MS, 3 * seen.interval_ms):
            blind.append(Gap(start_ms=seen.last_ms, end_ms=self.end_ms))
        for gap in blind:
            if min(gap.end_ms, self.end_ms) - max(gap.start_ms, self.start_ms) > self.limit_ms:
                span = f"{self._moment(gap.start_ms)} to {self._moment(gap.end_ms)}"
                yield self._unknown(f"Nobody watched {self._where} by {method} from {span}.", gap.end_ms)

    def _unknown(self, words: str, until_ms: float) -> Trouble:
        return Trouble(words, known=False, folder=self.folder, until_ms=until_ms)

    def _moment(self, at_ms: float) -> str:
        at = self.result.started + timedelta(milliseconds=at_ms)
        return at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d} UTC"


def _why(result: WatchResult) -> str:
    return {
        "limit": "the watch reached its limit of time ([watch] seconds_max)",
        "stopped": "the watch was ended",
        "removed": "the watch was ended",
    }.get(result.ended, "the watch died")


def _now_ms(result: WatchResult) -> float:
    return (boot_time_ns() - result.start_ns) / 1e6


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.0f} ms"
