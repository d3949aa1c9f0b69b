"""Service after a kill -9 in the middle of a swing: from the start of `rebox resume` until a client is served again.

The site is with nobody then: disabled on the old box, not yet enabled on the new one. The peer is `rebox back` from the
same state. With a small site and one a thousand times as large: what is asked before serving must not grow with it.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arena import Arena, Row, judged
from toolkit.lab import operator
from toolkit.lab.lab import Lab
from toolkit.lab.topology import Site, Swing, Topology

SIZES_MB = (1, 1000)
ROUNDS = 3
SECONDS_MAX = 4.0
_STEP = "swing-traffic"
_MIGRATION_SECONDS_MAX = 900.0
_SERVED_SECONDS_MAX = 120.0
_ROOT = Path(__file__).resolve().parents[1]
_NOTE = (
    "the command's own start included; a client on another machine connects to the site's address again and again; "
    "{0} MB of recordings; {1:.1f} to {2:.1f} s in {3} rounds"
)

_CLIENT = """
import socket, sys, time
while True:
    try:
        socket.create_connection((sys.argv[1], 443), timeout=0.05).close()
    except OSError:
        time.sleep(0.005)
    else:
        print(time.time())
        break
"""
_DISABLE = """
import httpx, pathlib, sys
for address, secret in zip(sys.argv[2::2], sys.argv[3::2]):
    with httpx.Client(base_url=f"https://{address}", verify=False, timeout=30) as box:
        account = (sys.argv[1], pathlib.Path(secret).read_text().strip())
        answer = box.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=account)
        box.headers["Authorization"] = "Bearer " + answer.raise_for_status().json()["access_token"]
        for entry in box.get("/api/v1/network").raise_for_status().json()["addresses"]:
            if entry["shared"] and entry["enabled"]:
                place = f"/api/v1/network/addresses/{entry['id']}"
                box.patch(place, json={"enabled": False}).raise_for_status()
"""


def run(_: Arena) -> list[Row]:
    """One row for each size."""
    return [_row(size_mb) for size_mb in SIZES_MB]


def _row(size_mb: int) -> Row:
    # it is never reset: a soak that outlasts the benchmark
    topology = Topology(site=Site(size_mb=size_mb), swing=Swing(soak_seconds=3600))
    with TemporaryDirectory(prefix="rebox-bench-") as name, Lab.up(topology, state=Path(name) / "state") as lab:
        swing = HalfDone(lab, Path(name))
        swing.reach()
        resumed = [swing.served_after("resume", "latest") for _ in range(ROUNDS)]
        went_back = [swing.served_after("back", "latest", "--yes") for _ in range(ROUNDS)]
    return judged(
        f"killed in the swing, resumed until served, {size_mb} MB",
        statistics.median(resumed),
        statistics.median(went_back),
        "rebox back from the same state",
        limit=SECONDS_MAX,
        unit="s",
        note=_NOTE.format(size_mb, min(resumed), max(resumed), ROUNDS),
    )


@dataclass
class HalfDone:
    """A migration in a lab, killed in its swing; and that state again, as often as wanted."""

    lab: Lab
    folder: Path

    def reach(self) -> None:
        """Runs the migration until its swing has begun to act, and kills it there."""
        inventory = self.lab.folder.operator / "inventory.toml"
        process = self._rebox("run", str(inventory), "--yes")
        deadline = time.monotonic() + _MIGRATION_SECONDS_MAX
        while not self._acts():
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "said").read_text(encoding="utf-8")[-2000:]
                raise RuntimeError(f"the migration did not reach its swing: {said}")
            time.sleep(0.002)
        _kill(process)

    def served_after(self, *command: str) -> float:
        """Seconds from the start of a command to the first connection; the command is killed then."""
        self._disable()
        address = self.lab.description.site.addresses[0] if self.lab.description.site else ""
        client = self.lab.popen(
            "client1", [sys.executable, "-c", _CLIENT, address], stdout=subprocess.PIPE, text=True, cwd=_ROOT
        )
        time.sleep(1.0)  # the client has begun, and finds nobody
        if client.poll() is not None:
            raise RuntimeError("the site is served although nobody has its address")
        started = time.time()
        process = self._rebox(*command)
        try:
            said, _ = client.communicate(timeout=_SERVED_SECONDS_MAX)
        finally:
            client.kill()
            _kill(process)
        return float(said) - started

    def _disable(self) -> None:
        """What the killed process had done: no box has the site's address."""
        addresses = self.lab.description.topology.addresses
        boxes = [("old", operator.OLD_API_SECRET), ("new", operator.NEW_API_SECRET)]
        places = [text for box, name in boxes for text in (addresses(box)[0], str(self.lab.folder.operator / name))]
        done = self.lab.run("operator", [sys.executable, "-c", _DISABLE, operator.CLIENT_ID, *places])
        if done.returncode:
            raise RuntimeError(f"the addresses cannot be disabled: {done.stderr!r}")

    def _rebox(self, *arguments: str) -> "subprocess.Popen[str]":
        with (self.folder / "said").open("ab") as said:
            process: subprocess.Popen[str] = self.lab.popen(
                "operator",
                [sys.executable, "-m", "toolkit.cli.main", *arguments, "--runs", str(self.folder / "runs")],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                text=True,
                cwd=_ROOT,
                start_new_session=True,
                env={**os.environ, "REBOX_STATE": str(self.folder / "state")},
            )
        return process

    def _acts(self) -> bool:
        journal = self.folder / "runs" / "latest" / "journal.jsonl"
        if not journal.exists():
            return False
        last = journal.read_text(encoding="utf-8").splitlines()[-3:]
        lines = [json.loads(line) for line in last if line.endswith("}")]
        return any(line.get("event") == "acting" and line.get("step") == _STEP for line in lines)


def _kill(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
