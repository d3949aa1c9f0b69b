"""Sweep of 4096 hosts by ICMP: ours against fping and nmap, each on the same addresses in turn."""

import sys
from functools import partial

from benchmarks.arena import Arena, Host, Row, compare, judged, timed_ms
from toolkit.probes.sweep import hosts_of, sweep_hosts

NETWORK = "10.78.0.0/20"
_FIRST, _LAST = "10.78.0.1", "10.78.15.254"
_WORK = "sweep of 4096 hosts (ICMP)"


def run(arena: Arena) -> list[Row]:
    """Rows against fping and nmap; every round checks that all hosts were found."""
    prober = crowd(arena)
    hosts = hosts_of([NETWORK])
    ours = partial(prober.call, lambda: _ours(hosts))
    note = "ours in process, without the interpreter's start; the peer with its own start"
    rows = [
        compare(_WORK, ours, partial(_fping, prober, len(hosts)), peer_name="fping", goal=1.1, unit="ms", note=note),
        compare(_WORK, ours, partial(_nmap, prober, len(hosts)), peer_name="nmap", goal=5.0, unit="ms", note=note),
    ]
    whole = timed_ms(partial(prober.run, sys.executable, "-m", "toolkit.cli.main", "probe", "sweep", "--json", NETWORK))
    rows.append(
        judged(
            "rebox probe sweep, as a command",
            whole,
            rows[0].peer or 0.0,
            "fping",
            goal=0.0,
            unit="ms",
            note="with Python's start and 4096 lines of JSON; for information",
        )
    )
    return rows


def crowd(arena: Arena) -> Host:
    """A prober and, behind a cable, one host that answers for a whole network."""
    prober, answering = arena.host("prober"), arena.host("crowd")
    arena.wire(prober, "eth0", answering, "eth0")
    prober.ip("addr add 10.77.0.1/24 dev eth0", f"route add {NETWORK} via 10.77.0.2")
    answering.ip("addr add 10.77.0.2/24 dev eth0", f"route add local {NETWORK} dev lo")
    return prober


def _ours(hosts: list[str]) -> float:
    seen = sweep_hosts(hosts)
    if len(seen.answered) != len(hosts):
        raise RuntimeError(seen.summary)
    return seen.seconds * 1000.0


def _fping(prober: Host, count: int) -> float:
    found: list[str] = []
    took = timed_ms(
        lambda: found.extend(
            prober.run("fping", "-q", "-a", "-i", "0", "-r", "1", "-g", _FIRST, _LAST, check=False).stdout.split()
        )
    )
    if len(found) != count:
        raise RuntimeError(f"fping found {len(found)} of {count}")
    return took - _entering(prober)


def _nmap(prober: Host, count: int) -> float:
    said: list[str] = []
    took = timed_ms(lambda: said.append(prober.run("nmap", "-n", "-sn", "-T5", NETWORK).stdout))
    if f"({count + 2} hosts up)" not in said[0]:  # nmap takes the network's first and last address too
        raise RuntimeError(said[0][-200:])
    return took - _entering(prober)


def _entering(prober: Host) -> float:
    """What entering the namespace alone takes: no part of anybody's work."""
    return timed_ms(partial(prober.run, "true"))
