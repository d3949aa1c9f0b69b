"""The continuous probe at 1 ms: how much of the asked rate is kept, against ping and fping."""

import re
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.arena import Arena, Host, Row, judged
from toolkit.probes.watch import MethodResult, Watch, WatchRequest

_ADDRESS = "10.77.0.2"
_SECONDS = 1.0
_ROUNDS = 5
_WORK = "1 ms continuous probe"


def run(arena: Arena) -> list[Row]:
    """Rows for the rate asked, and against ping and fping; taken in turn, medians of five rounds."""
    prober, answering = arena.host("prober"), arena.host("answering")
    arena.wire(prober, "eth0", answering, "eth0")
    prober.ip("addr add 10.77.0.1/24 dev eth0")
    answering.ip(f"addr add {_ADDRESS}/24 dev eth0")
    ours: list[MethodResult] = []
    ping: list[float] = []
    fping: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_ROUNDS):
            turns = [
                partial(_ours, prober, Path(folder) / str(number), ours),
                partial(_rate, prober, ["ping", "-q", "-i", "0.001", "-w", "1", _ADDRESS], r"(\d+) packets", ping),
                partial(
                    _rate,
                    prober,
                    ["fping", "-q", "-i", "1", "-p", "1", "-c", "1000", "-t", "500", _ADDRESS],
                    r"= (\d+)/",
                    fping,
                ),
            ]
            for turn in turns if number % 2 == 0 else reversed(turns):
                turn()
    rate = statistics.median(seen.rate_percent * 10.0 for seen in ours)
    own = max(seen.own_gap_ms_max for seen in ours)
    cpu = statistics.median(seen.cpu_percent or 0.0 for seen in ours)
    note = f"{cpu:.0f} % of a core; own largest send gap {own:.1f} ms; sends per second on a shared machine"
    row = partial(judged, _WORK, rate, unit="/s", better="more", note=note)
    return [
        row(1000.0, "the rate asked", goal=0.99),
        row(statistics.median(ping), "ping", goal=1.0),
        row(statistics.median(fping), "fping", goal=1.0),
    ]


def _ours(prober: Host, folder: Path, results: list[MethodResult]) -> None:
    watch = Watch.start(
        WatchRequest(address=_ADDRESS, capture=False, max_seconds=_SECONDS), folder, prefix=prober.prefix
    )
    while watch.running:
        time.sleep(0.05)
    results.append(watch.result().methods["icmp"])


def _rate(prober: Host, command: list[str], sent: str, results: list[float]) -> None:
    started = time.monotonic()
    done = prober.run(*command, check=False)
    seconds = time.monotonic() - started
    found = re.search(sent, done.stdout + done.stderr)
    if found is None:
        raise RuntimeError(done.stdout + done.stderr)
    results.append(int(found[1]) / seconds)
