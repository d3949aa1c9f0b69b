"""A watch whose workers are on another machine: this process here keeps what they measure, by our own clock.

A connection that ends is made anew; meanwhile nobody watched from there, which the samples themselves show. The
clocks are compared by questions and answers (as NTP does, RFC 5905): the far side then counts from our zero, and how
wrong that may be is written down.
"""

import gc
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from toolkit.media.ssh import watch_at
from toolkit.model.errors import PermissionDeniedError, ReboxError
from toolkit.model.vantage import SshVantagePoint
from toolkit.probes.watch import Watch, WatchRequest
from toolkit.probes.watch.jobs import ADDRESSES, CERTIFICATES, CLOCK, HELD, Job
from toolkit.probes.watch.parcels import GoneError, receive, tell, words_of
from toolkit.probes.watch.process import launch
from toolkit.probes.watch.samples import ANSWER, read_samples
from toolkit.probes.watch.settings import boot_time_ns
from toolkit.probes.watch.worker import Worker

_QUESTIONS = 8
_COMPARED_EVERY_S = 30.0
_AGAIN_S = 2.0
_END_S_MAX = 8.0


@dataclass(frozen=True)
class FarVantagePoint:
    """Another machine, by SSH; a `VantagePoint`. `key_file` is the file itself."""

    settings: SshVantagePoint
    key_file: Path

    @property
    def name(self) -> str:
        """As the inventory calls it."""
        return self.settings.name

    def start(self, request: WatchRequest, directory: Path) -> Watch:
        """Starts the watch there; raises as `watch_at` where the machine cannot be reached or does not let us in."""
        host = self.settings.model_copy(update={"key_file": str(self.key_file)})
        return Watch.start(request, directory, program=("toolkit.traffic.far_watch", host.model_dump_json()))


def _jobs(host: SshVantagePoint, request: WatchRequest) -> list[Job]:
    """One worker that brings in what all workers there measure. It is tried first: what speaks against it is told."""
    with watch_at(host, host.name, Path(host.key_file)) as (reader, writer):
        _compare_clocks(reader, writer)
        begun = _begin(request, reader, writer, boot_time_ns(), {})
    if begun.get("left_out") and len(request.intervals_ms) == 1:
        raise PermissionDeniedError(
            f"the vantage point {host.name} may not send echoes",
            where=host.address,
            why=str(begun["left_out"]),
            next_move="Allow it there: sysctl net.ipv4.ping_group_range='0 2147483647'.",
        )
    files = (*(f"{method}.samples" for method in request.intervals_ms), CERTIFICATES, HELD, ADDRESSES, CLOCK)
    return [Job("vantage point", None, None, partial(_bring_in, host, request), further=files)]


def _begin(
    request: WatchRequest, reader: IO[bytes], writer: IO[bytes], start_ns: int, first: dict[str, int]
) -> dict[str, Any]:
    tell(
        writer,
        {"do": "watch", "settings": asdict(request.settings), "start_ns": start_ns, "first_sequence": first},
    )
    words = words_of(receive(reader)[1])
    if "error" in words:
        raise ReboxError("the watch does not start there", why=str(words["error"]), next_move="Mend that, then resume.")
    return words


def _compare_clocks(reader: IO[bytes], writer: IO[bytes]) -> tuple[int, int]:
    """How far its clock is ahead of ours (ns), and by how much that may be wrong: half of the fastest round trip."""
    best: tuple[int, int] | None = None
    for _ in range(_QUESTIONS):
        asked_ns = boot_time_ns()
        tell(writer, {"do": "clock"})
        far_ns = int(words_of(receive(reader)[1])["now_ns"])
        trip_ns = boot_time_ns() - asked_ns
        if best is None or trip_ns < 2 * best[1]:
            best = far_ns - asked_ns - trip_ns // 2, trip_ns // 2
    assert best is not None  # noqa: S101  it was asked
    return best


def _bring_in(host: SshVantagePoint, request: WatchRequest, worker: Worker) -> None:
    """Until stopped: what comes from there goes to our files; a lost connection is made anew."""
    gc.enable()  # the connection's own objects need it, and nothing here is measured
    first: dict[str, int] = {}
    while not worker.stopping:
        with (
            suppress(GoneError, ReboxError, OSError, ValueError, EOFError),
            watch_at(host, host.name, Path(host.key_file)) as (reader, writer),
        ):
            _Talk(request, worker, reader, writer, first).follow()
        until = time.monotonic() + _AGAIN_S
        while not worker.stopping and time.monotonic() < until:
            time.sleep(0.1)


class _Talk:
    """One connection, from its clocks' comparison to its end."""

    def __init__(
        self, request: WatchRequest, worker: Worker, reader: IO[bytes], writer: IO[bytes], first: dict[str, int]
    ) -> None:
        self._worker, self._reader, self._writer, self._first = worker, reader, writer, first
        self._ahead_ns, self._error_ns = _compare_clocks(reader, writer)
        self._note(0)
        _begin(request, reader, writer, worker.start_ns + self._ahead_ns, first)
        self._asked: tuple[float, int] = (time.monotonic(), 0)
        self._stop_by: float | None = None

    def follow(self) -> None:
        while self._stop_by is None or time.monotonic() < self._stop_by:
            name, content = receive(self._reader)
            if name:
                self._keep(name, content)
            elif not self._hear(words_of(content)):
                return
            self._say()

    def _keep(self, name: str, content: bytes) -> None:
        channel = self._worker.channels.get(name)
        if channel is None:
            raise GoneError("it measures what nobody asked for")
        method = name.removesuffix(".samples")
        if method != name:
            sends = [number for number, _ in read_samples(content) if not number & ANSWER]
            self._first[method] = max([self._first.get(method, 0), *(number + 1 for number in sends)])
        channel.add(content)
        channel.flush()

    def _hear(self, words: dict[str, Any]) -> bool:
        if "now_ns" in words:
            asked_ns = self._asked[1]
            trip_ns = boot_time_ns() - asked_ns
            self._note(abs(int(words["now_ns"]) - asked_ns - trip_ns // 2 - self._ahead_ns), trip_ns // 2)
        return "ended" not in words

    def _say(self) -> None:
        """What is due: the end, or another look at the clocks."""
        now = time.monotonic()
        if self._worker.stopping and self._stop_by is None:
            self._stop_by = now + _END_S_MAX
            tell(self._writer, {"do": "stop"})
        elif now - self._asked[0] > _COMPARED_EVERY_S:
            self._asked = (now, boot_time_ns())
            tell(self._writer, {"do": "clock"})

    def _note(self, drift_ns: int, error_ns: int | None = None) -> None:
        """How wrong the times from there may be: what the comparison leaves open, and what the clocks have drifted."""
        error = (self._error_ns if error_ns is None else error_ns) + drift_ns
        self._worker.channels[CLOCK].add_line({"error_ms": round(error / 1e6, 3)})


if __name__ == "__main__":
    place = SshVantagePoint.model_validate_json(sys.argv[2])
    sys.exit(launch(Path(sys.argv[1]), partial(_jobs, place)))
