"""A planned swing of a shared address: the boxes' API through the real driver, and keepalived's own two ways."""

import contextlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from benchmarks.arena import Arena, Host, Row, judged
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.emulator.appliance.factory import Factory, manufacture
from toolkit.probes.watch import MethodResult, Watch, WatchRequest
from toolkit.traffic.shared_address import move

OURS, THEIRS = "10.77.0.10", "10.77.0.20"
BOXES = {"old": "10.77.0.11", "new": "10.77.0.12"}
MACS = {"old": "02:00:00:00:00:11", "new": "02:00:00:00:00:12"}
CLIENT, OPERATOR = "10.77.0.30", "10.77.0.40"
CLIENT_ID, CLIENT_SECRET = "benchmark", "of no use after this benchmark"
ROUNDS = 3
GAP_MS_MAX = 2.0
BREAK_FIRST, OVERLAP = "planned swing, break first: gap", "planned swing with overlap: probes lost"
NOTE = "a 1 ms watch on a third host; ours: both boxes' API over TLS, through the driver, as a migration does it"
_WAIT_S_MAX = 30.0
_SETTLE_S, _AFTERWARDS_S = 0.3, 0.4
_CONFIGURATION = """
global_defs {{
    vrrp_version 3
    max_auto_priority 99
}}
vrrp_instance swing {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert_s:g}
    virtual_ipaddress {{
        {address}/24
    }}
}}
"""


@dataclass(frozen=True)
class Peer:
    """One way of keepalived's: the master is ended in good order, or told of a priority below the backup's."""

    advert_s: float
    backup_priority: int
    stop: bool

    @property
    def name(self) -> str:
        how = f"master stopped, backup of priority {self.backup_priority}" if self.stop else "master's priority lowered"
        return f"keepalived, {self.advert_s:g} s adverts, {how}"


# a backup waits (256 - priority) / 256 of an advert after the master's goodbye: 254 is the best it can do
PEERS = (Peer(1.0, 100, True), Peer(0.1, 100, True), Peer(0.1, 254, True), Peer(1.0, 100, False), Peer(0.1, 100, False))


def run(arena: Arena) -> list[Row]:
    """The gap where nobody has the address for a moment, and what is lost where two have it for a moment."""
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        street = Street(arena, Path(name))
        ours: dict[bool, list[MethodResult]] = {True: [], False: []}
        theirs: dict[Peer, list[MethodResult]] = {peer: [] for peer in PEERS}
        with _boxes(street) as boxes:
            for _ in range(ROUNDS):
                for peer in PEERS:
                    ours[peer.stop].append(boxes.swing(overlap=not peer.stop))
                    theirs[peer].append(Keepalived(street, peer).swing())
    return [_row(peer, ours[peer.stop], theirs[peer]) for peer in PEERS]


def _row(peer: Peer, ours: list[MethodResult], theirs: list[MethodResult]) -> Row:
    if peer.stop:
        mine, other = ([seen.gap_ms_max for seen in side] for side in (ours, theirs))
        pause = statistics.median(seen.own_gap_ms_max for seen in ours)
        note = f"{NOTE}; {min(mine):.1f} to {max(mine):.1f} ms in {len(mine)} swings; the watch paused {pause:.1f} ms"
        return _judged(BREAK_FIRST, mine, other, peer.name, limit=GAP_MS_MAX, unit="ms", note=note)
    mine, other = ([float(seen.lost) for seen in side] for side in (ours, theirs))
    note = f"{NOTE}; at most {max(mine):.0f} lost in {len(mine)} swings"
    return _judged(OVERLAP, mine, other, peer.name, limit=0.0, unit="probes", note=note)


def _judged(
    work: str, ours: list[float], theirs: list[float], peer_name: str, *, limit: float, unit: str, note: str
) -> Row:
    mine, other = statistics.median(ours), statistics.median(theirs)
    return judged(work, mine, other, peer_name, limit=limit, unit=unit, note=note)


class Street:
    """Two servers, a client and an operator on one bridge."""

    def __init__(self, arena: Arena, folder: Path) -> None:
        self.folder = folder
        self._watches = 0
        bridge = arena.host("bridge")
        bridge.run("ip", "link", "add", "br0", "type", "bridge")
        bridge.run("ip", "link", "set", "br0", "up")
        self.hosts: dict[str, Host] = {}
        for name in (*BOXES, "client", "operator"):
            host = self.hosts[name] = arena.host(f"street-{name}")
            arena.wire(host, "eth0", bridge, name)
            bridge.run("ip", "link", "set", name, "master", "br0")
        for name, mac in MACS.items():
            self.hosts[name].run("ip", "link", "set", "eth0", "address", mac)
        for name, address in {"client": CLIENT, "operator": OPERATOR}.items():
            self.hosts[name].run("ip", "address", "add", f"{address}/24", "dev", "eth0")

    def watch(self, address: str, swing: Callable[[], object]) -> MethodResult:
        """What the client's watch, with probes 1 ms apart, sees of a swing."""
        self._watches += 1
        watch = Watch.start(
            WatchRequest(address=address, capture=False),
            self.folder / f"watch-{self._watches}",
            prefix=self.hosts["client"].prefix,
        )
        try:
            time.sleep(_SETTLE_S)
            swing()
            time.sleep(_AFTERWARDS_S)
        finally:
            seen = watch.stop()
        return seen.methods["icmp"]

    def has(self, name: str, address: str) -> bool:
        """Whether that host's kernel has the address."""
        return f" {address}/" in self.hosts[name].run("ip", "-br", "address", "show", "dev", "eth0").stdout


class Boxes:
    """Two emulated boxes in processes of their own; each swing goes the other way."""

    def __init__(self, street: Street, pins: Mapping[str, str]) -> None:
        self._street = street
        self._pins = pins
        self._giver, self._taker = "old", "new"

    def swing(self, *, overlap: bool) -> MethodResult:
        """What the client sees of one; the driver runs on the operator's host, in a process of its own."""
        giver, taker = self._giver, self._taker

        def drive() -> None:
            move([OURS], self._driver(giver), self._driver(taker), overlap=overlap)

        seen = self._street.watch(OURS, lambda: self._street.hosts["operator"].call(drive))
        self._giver, self._taker = taker, giver
        return seen

    def _driver(self, role: str) -> EmulatedAppliance:
        def secret() -> str:
            return CLIENT_SECRET

        pins = {self._pins[role]}
        connection = BoxConnection(role, BOXES[role], 443, pins, client_id=CLIENT_ID, client_secret=secret)
        return EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=secret)


@contextlib.contextmanager
def _boxes(street: Street) -> Iterator[Boxes]:
    pins = {}
    with contextlib.ExitStack() as running:
        for role, address in BOXES.items():
            folder = street.folder / role
            order = Factory.model_validate(
                {
                    "serial_number": role.upper(),
                    "mac": MACS[role],
                    "profile": "in-use",
                    "site": "support.example.net",
                    "site_version": "Bomgar-12.2.0",
                    "size_mb": 1,
                    "addresses": [f"{address}/24"],
                    "shared_addresses": [{"address": f"{OURS}/24", "enabled": role == "old"}],
                    "admin_password": SecretStr(CLIENT_SECRET),
                    "api_accounts": {CLIENT_ID: SecretStr(CLIENT_SECRET)},
                }
            )
            pins[role] = manufacture(folder / "disk", order).served[address]
            console = folder / "console"
            command = [sys.executable, "-m", "toolkit.emulator.appliance", "run"]
            box = street.hosts[role].start(*command, "--disk", str(folder / "disk"), "--console", str(console))
            running.callback(_end, box)
            _wait(partial(_ready, console), f"the {role} box")
        yield Boxes(street, pins)


class Keepalived:
    """keepalived on the same two hosts, for another address; started anew for each swing, old as the master."""

    def __init__(self, street: Street, peer: Peer) -> None:
        self._street = street
        self._peer = peer
        self._running: dict[str, subprocess.Popen[str]] = {}

    def swing(self) -> MethodResult:
        """What the client sees when the old one gives the address up."""
        try:
            self._start("old", self._peer.backup_priority + 1)
            _wait(lambda: self._street.has("old", THEIRS), "keepalived to become master")
            self._start("new", self._peer.backup_priority)
            time.sleep(2 * self._peer.advert_s + _SETTLE_S)  # so that the backup has heard the master
            return self._street.watch(THEIRS, self._give)
        finally:
            for process in self._running.values():
                _end(process)
            self._running.clear()

    def _give(self) -> None:
        if self._peer.stop:
            self._running["old"].terminate()
        else:
            self._configure("old", self._peer.backup_priority // 2)
            self._running["old"].send_signal(signal.SIGHUP)
        _wait(lambda: self._street.has("new", THEIRS) and not self._street.has("old", THEIRS), "the other to take it")

    def _start(self, name: str, priority: int) -> None:
        path = self._configure(name, priority)
        pids = ["--pid", f"{path}.pid", "--vrrp_pid", f"{path}.vrrp.pid"]
        self._running[name] = self._street.hosts[name].start(
            "keepalived", "--dont-fork", "--vrrp", "--no-syslog", "--use-file", str(path), *pids
        )

    def _configure(self, name: str, priority: int) -> Path:
        path = self._street.folder / f"keepalived-{name}.conf"
        values = {"priority": priority, "advert_s": self._peer.advert_s, "address": THEIRS}
        path.write_text(_CONFIGURATION.format(**values), encoding="ascii")
        return path


def _ready(console: Path) -> bool:
    return console.exists() and "ready" in console.read_text(encoding="utf-8").splitlines()


def _wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WAIT_S_MAX
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {_WAIT_S_MAX:.0f} s for {what}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
