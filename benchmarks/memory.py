"""How much memory a whole run takes on the operator's machine, for a small site and for one many times its size."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arena import Arena, Row, judged
from toolkit.lab.lab import Lab
from toolkit.lab.topology import Site, Topology, load_topology

TOPOLOGY = Path(__file__).resolve().parents[1] / "fixtures/labs/small.toml"
SMALL_MB, LARGE_MB = 5, 250
LIMIT_MB = 300.0
_LOOK_SECONDS = 0.05
_RUN_SECONDS_MAX = 900.0


@dataclass
class Peak:
    """The most that was seen, in MB: of the run's own process, and of all of a run's processes at one moment."""

    process: float = 0.0
    together: float = 0.0
    at: str = ""
    """What the run was doing when its processes took the most together, and how many there were."""


def run(_: Arena) -> list[Row]:
    """The same run twice."""
    small, large = measured(SMALL_MB), measured(LARGE_MB)
    note = f"a whole run in a lab, its watch included; {SMALL_MB} MB and {LARGE_MB} MB of recordings"
    return [
        judged(
            f"a run's processes together, {LARGE_MB} MB site", large.together, small.together,
            f"the same, {SMALL_MB} MB site", limit=LIMIT_MB, goal=0.9, unit="MB", note=note,
        ),
        judged(
            f"a run's own process, {LARGE_MB} MB site", large.process, small.process,
            f"the same, {SMALL_MB} MB site", limit=LIMIT_MB, goal=0.9, unit="MB", note="its VmHWM",
        ),
    ]  # fmt: skip


def measured(size_mb: int) -> Peak:
    """The peaks of one run; raises RuntimeError when it does not pass."""
    topology: Topology = load_topology(TOPOLOGY)
    site: Site = topology.site.model_copy(update={"size_mb": size_mb})
    topology = topology.model_copy(update={"site": site})
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        runs = Path(name) / "runs"
        with Lab.up(topology, name=f"memory-{os.getpid()}", state=Path(name) / "state") as lab:
            inventory = lab.folder.operator / "inventory.toml"
            command = [sys.executable, "-m", "toolkit.cli.main", "run", str(inventory), "--runs", str(runs), "--json"]
            ended = threading.Event()
            peak = Peak()
            watching = threading.Thread(target=_watch, args=(runs, peak, ended))
            watching.start()
            try:
                told = lab.run("operator", command, timeout=_RUN_SECONDS_MAX)
            finally:
                ended.set()
                watching.join()
        if told.returncode:
            raise RuntimeError(f"the run ended with {told.returncode}: {told.stdout[-600:]} {told.stderr[-600:]}")
    return peak


def _watch(runs: Path, peak: Peak, ended: threading.Event) -> None:
    while not ended.is_set():
        together, processes = 0.0, 0
        for process, words in _of_the_run(str(runs)):
            together += _megabytes(process / "smaps_rollup", "Pss")
            processes += 1
            if "run" in words:
                peak.process = max(peak.process, _megabytes(process / "status", "VmHWM"))
        if together > peak.together:
            peak.together, peak.at = together, f"{_at_work(runs)}, {processes} processes"
        time.sleep(_LOOK_SECONDS)


def _of_the_run(runs: str) -> Iterator[tuple[Path, list[str]]]:
    """The processes that work in that folder, but for what enters the lab; no operator's machine has that."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            continue
        if any(word.startswith(runs) for word in words) and not any(word.endswith("enter.py") for word in words):
            yield process, words


def _megabytes(file: Path, name: str) -> float:
    """A line of a process's status or smaps_rollup (proc(5)); 0 when the process has ended."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:")), 0.0)


def _at_work(runs: Path) -> str:
    try:
        last = (runs / "latest" / "journal.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    except (OSError, IndexError):
        return "before the first step"
    return str(json.loads(last).get("step", ""))


if __name__ == "__main__":
    for megabytes in map(int, sys.argv[1:]):
        print(megabytes, measured(megabytes))
