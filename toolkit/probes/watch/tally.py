"""What one method has seen so far, counted as its samples come, in bounded memory.

This is the one place that defines losses, gaps, delays and pauses (see `MethodResult`). All times are microseconds
since the watch's start. Python's own library only.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from toolkit.probes.watch.samples import ANSWER, FAILED, SEQUENCE_MAX, STOOD, TIME, read_samples

LATE_US = 50_000
"""Later than the median round trip by this much, an answer came too late to end a gap."""

PAUSE_US = 1_000_000
"""A pause of ours as long as this (and three intervals) is time that nobody watched."""

_KEPT = 500
_SLACK_US = 100_000
_MEDIAN_EVERY = 256
_PRECISE_BITS = 8
_NOT = -1


class Silence(NamedTuple):
    """A gap; `pause_us` is our own largest pause between two sends in it, `ended` False: its end was not seen."""

    start_us: int
    end_us: int
    pause_us: int
    ended: bool = True


class Hang(NamedTuple):
    """An attempt that took too long; `cut` says that it came to nothing in the end."""

    start_us: int
    end_us: int
    cut: bool


@dataclass
class Longest:
    """The longest of many stretches, and how many shorter ones were left out."""

    kept: list[Any] = field(default_factory=list)
    left_out: int = 0

    def add(self, stretch: Silence | Hang | tuple[int, int]) -> None:
        """Takes one more."""
        self.kept.append(stretch)
        if len(self.kept) >= 2 * _KEPT:
            self.kept.sort(key=lambda one: one[1] - one[0], reverse=True)
            self.left_out += len(self.kept) - _KEPT
            del self.kept[_KEPT:]
            self.kept.sort()


@dataclass
class Trips:
    """A histogram of round trips, to 1 part in 128."""

    counts: dict[int, int] = field(default_factory=dict)
    total: int = 0
    median_us: int | None = None

    def add(self, trip_us: int) -> None:
        """Takes one round trip."""
        cut = max(0, trip_us.bit_length() - _PRECISE_BITS)
        bucket = trip_us >> cut << cut
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1
        if self.total <= _MEDIAN_EVERY or self.total % _MEDIAN_EVERY == 0:
            self.median_us = self._median()

    def _median(self) -> int:
        passed = 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            if 2 * passed >= self.total:
                return bucket
        raise AssertionError("there is one")


@dataclass
class Tally:
    """Counts the samples of one method; settled in the order of sending, each once it was answered or timed out."""

    interval_us: int
    timeout_us: int
    # for so long an attempt may hang after it was sent; 0: after the timeout nothing is heard of it any more
    patience_us: int = 0
    sent: int = 0
    answered: int = 0
    lost: int = 0
    late: int = 0
    delayed: int = 0
    cut: int = 0
    hung_us_max: int = 0
    pause_us_max: int = 0
    first_us: int | None = None
    last_us: int = 0
    latest_us: int = 0
    trips: Trips = field(default_factory=Trips)
    gaps: Longest = field(default_factory=Longest)
    hangs: Longest = field(default_factory=Longest)
    pauses: Longest = field(default_factory=Longest)
    # sent and not settled: when sent, answered, failed; the first of them has the number `settled`
    waiting: deque[list[int]] = field(default_factory=deque)
    settled: int = 0
    # settled as lost, but still under way: number to moment of sending
    hanging: dict[int, int] = field(default_factory=dict)
    gap_from_us: int | None = None
    gap_pause_us: int = 0
    missed: bool = False
    judged_us: int = 0
    blind: tuple[int, int] | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Takes whole samples as they were written; what is out of order is left out."""
        for number, at in read_samples(data):
            if not number & ANSWER:
                if number == self.sent:
                    self._send(at & TIME)
            else:
                self._end(number & SEQUENCE_MAX, at)
        self._settle(self.latest_us - self.timeout_us - _SLACK_US)

    def _send(self, at_us: int) -> None:
        if self.first_us is None:
            self.first_us = self.gap_from_us = at_us
        else:
            pause = at_us - self.last_us
            self.pause_us_max = max(self.pause_us_max, pause)
            if pause >= max(PAUSE_US, 3 * self.interval_us):
                self.pauses.add((self.last_us, at_us))
                # what was under way when we fell silent cannot be told
                self._settle(self.last_us - self.timeout_us)
                self.blind = (self.last_us, at_us)
        self.waiting.append([at_us, _NOT, _NOT])
        self.sent += 1
        self.last_us = at_us
        self.latest_us = max(self.latest_us, at_us)

    def _end(self, number: int, at: int) -> None:
        at_us, failed = at & TIME, bool(at & FAILED)
        self.latest_us = max(self.latest_us, at_us)
        place = number - self.settled
        if 0 <= place < len(self.waiting):
            probe = self.waiting[place]
            if probe[1] == probe[2] == _NOT:
                probe[2 if failed else 1] = at & (TIME | STOOD)
        elif number in self.hanging:
            self._hung(self.hanging.pop(number), at_us, cut=failed)

    def _hung(self, start_us: int, end_us: int, *, cut: bool) -> None:
        self.hangs.add(Hang(start_us, end_us, cut))
        self.hung_us_max = max(self.hung_us_max, end_us - start_us)
        if cut:
            self.cut += 1
        else:
            self.delayed += 1

    def _settle(self, before_us: int) -> None:
        """Judges probes in order, up to the first that may still be answered: it was sent after `before_us`."""
        while self.waiting:
            sent, answer, failure = self.waiting[0]
            if answer == failure == _NOT and sent > before_us:
                break
            self.waiting.popleft()
            number = self.settled
            self.settled += 1
            self._judge(number, sent, answer, failure)
        while self.hanging and self.latest_us - next(iter(self.hanging.values())) > self.patience_us + PAUSE_US:
            del self.hanging[next(iter(self.hanging))]

    def _judge(self, number: int, sent: int, answer: int, failure: int) -> None:
        if answer == failure == _NOT and self._unseen(sent):
            return  # neither lost nor answered: we were away while it was under way
        self.gap_pause_us = max(self.gap_pause_us, sent - self.judged_us) if number else 0
        self.judged_us = sent
        trip = None if answer == _NOT else answer - sent
        if trip is None or trip > self.timeout_us:
            self.lost += 1
            if trip is not None:
                self._hung(sent, sent + trip, cut=False)
            elif failure != _NOT:
                self._failed(sent, failure)
            elif self.patience_us:
                self.hanging[number] = sent
            self.missed = True
            return
        self.answered += 1
        self.trips.add(max(trip, 0))
        if trip > (self.trips.median_us or 0) + LATE_US:
            self.late += 1
            self._hung(sent, sent + trip, cut=False)
            self.missed = True
            return
        if self.missed:
            self.gaps.add(self._gap(sent))
        self.gap_from_us = sent + self.interval_us
        self.gap_pause_us, self.missed = 0, False

    def _unseen(self, sent: int) -> bool:
        return self.blind is not None and self.blind[0] - self.timeout_us < sent <= self.blind[0]

    def _failed(self, sent: int, failure: int) -> None:
        """One that was refused at once has not hung and was not under way: it is a loss and no more."""
        at_us = failure & TIME
        if failure & STOOD or at_us - sent > (self.trips.median_us or 0) + LATE_US:
            self._hung(sent, at_us, cut=True)

    def _gap(self, end_us: int, *, ended: bool = True) -> Silence:
        # a send that came early, after one that came late, is no negative gap
        start_us = min(self.gap_from_us or 0, end_us)
        return Silence(start_us, end_us, min(self.gap_pause_us, end_us - start_us), ended)

    def close(self, *, settled: bool) -> int:
        """Judges what is left, and returns how many probes cannot be told any more.

        `settled` says that the method ended itself, which it does only after its last probes were answered or timed
        out. Otherwise it may have been killed at its last sample: a probe without an answer that was sent less than the
        timeout before that is pending.
        """
        self._settle(self.latest_us if settled else self.latest_us - self.timeout_us)
        for number, (sent, answer, failure) in enumerate(self.waiting, start=self.settled):
            if not answer == failure == _NOT:
                self._judge(number, sent, answer, failure)
        self.settled += len(self.waiting)
        self.waiting.clear()
        return self.sent - self.answered - self.lost

    def all_gaps(self) -> Iterator[Silence]:
        """The longest gaps in order of time; last one that is still open, if there is one."""
        yield from sorted(self.gaps.kept)
        if self.missed:
            yield self._gap(self.judged_us, ended=False)

    def as_json(self) -> dict[str, Any]:
        """All of it, to go on from."""
        counted = {name: vars(getattr(self, name)) for name in ("trips", "gaps", "hangs", "pauses")}
        return {**vars(self), **counted, "waiting": list(self.waiting)}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Tally":
        """What `as_json` gave."""
        trips = state["trips"]

        def longest(name: str, kind: Callable[[list[Any]], Any]) -> Longest:
            return Longest([kind(one) for one in state[name]["kept"]], state[name]["left_out"])

        return cls(
            **{
                **state,
                "trips": Trips(**{**trips, "counts": {int(key): count for key, count in trips["counts"].items()}}),
                "gaps": longest("gaps", Silence._make),
                "hangs": longest("hangs", Hang._make),
                "pauses": longest("pauses", tuple),
                "waiting": deque(state["waiting"]),
                "hanging": {int(number): sent for number, sent in state["hanging"].items()},
                "blind": state["blind"] and tuple(state["blind"]),
            }
        )
