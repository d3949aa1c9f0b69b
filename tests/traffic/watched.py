"""Watches that need no packets: folders as a watch leaves them, with a history that is told in milliseconds."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from toolkit.probes.watch import WatchRequest
from toolkit.probes.watch import folder as watch_folder
from toolkit.probes.watch.samples import ANSWER, SAMPLE
from toolkit.probes.watch.settings import boot_time_ns

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


class PretendWatch:
    """A watch by ICMP, every 10 ms, that began so long ago; it is running until it is told to die."""

    def __init__(
        self,
        run_directory: Path,
        name: str = "00",
        *,
        seconds: float,
        out: Iterable[tuple[float, float]] = (),
        unwatched: Iterable[tuple[float, float]] = (),
        seconds_ago: float = 0.0,
        address: str = "10.77.0.20",
        vantage_point: str = "",
    ) -> None:
        """`out` and `unwatched` are stretches in seconds from its start, which was `seconds + seconds_ago` ago."""
        self.folder = run_directory / "watch" / name
        self.folder.mkdir(parents=True)
        request = WatchRequest(address=address, icmp_interval_ms=10.0, vantage_point=vantage_point)
        (self.folder / "request.json").write_text(request.model_dump_json())
        self.start_ns = boot_time_ns() - int((seconds + seconds_ago) * 1e9)
        told = {"started": STARTED.isoformat(), "pid": os.getpid(), "start_ns": self.start_ns}
        (self.folder / "started.json").write_text(json.dumps({**told, "boot_id": watch_folder.boot_id()}))
        (self.folder / "icmp.000000.samples").write_bytes(_samples(seconds, [*out], [*unwatched]))
        self._lock = watch_folder.try_lock(self.folder)

    @property
    def now_ms(self) -> float:
        return (boot_time_ns() - self.start_ns) / 1e6

    def die(self) -> None:
        """As after `kill -9`."""
        assert self._lock is not None
        os.close(self._lock)
        self._lock = None


def _samples(seconds: float, out: list[tuple[float, float]], unwatched: list[tuple[float, float]]) -> bytes:
    data, number = bytearray(), 0
    for tick in range(int(seconds * 100)):
        at = tick / 100
        if any(start < at < end for start, end in unwatched):
            continue
        at_us = tick * 10_000
        data += SAMPLE.pack(number, at_us)
        if not any(start <= at < end for start, end in out):
            data += SAMPLE.pack(number | ANSWER, at_us + 200)
        number += 1
    return bytes(data)
