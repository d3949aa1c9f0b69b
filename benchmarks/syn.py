"""SYN to 1000 ports of 16 hosts: ours against nmap, with the recall of both."""

import subprocess
import sys
from functools import partial

from benchmarks.arena import Arena, Host, Row, compare, judged, timed_ms
from benchmarks.sweep import crowd
from toolkit.probes.ports import sweep_ports

_HOSTS = [f"10.78.0.{number}" for number in range(1, 17)]
_PORTS = range(1000, 2000)
_OPEN = tuple(range(1000, 2000, 37))
_WORK = "SYN, 16 hosts x 1000 ports"
_SERVER = (
    "import socket, sys\n"
    "kept = [socket.create_server(('', int(port)), backlog=64) for port in sys.argv[1:]]\n"
    "print('ready', flush=True)\n"
    "sys.stdin.read()\n"
)


def run(arena: Arena) -> list[Row]:
    """Rows against nmap: time, and the share of the open ports that were found."""
    prober = crowd(arena)
    found = {"ours": [0, 0], "nmap": [0, 0]}
    with subprocess.Popen(
        [*arena.hosts["crowd"].prefix, sys.executable, "-c", _SERVER, *map(str, _OPEN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        if server.stdout is None or server.stdout.readline() != "ready\n":
            raise RuntimeError("nobody listens")
        row = compare(
            _WORK,
            partial(_ours, prober, found["ours"]),
            partial(_nmap, prober, found["nmap"]),
            peer_name="nmap",
            goal=1.3,
            unit="ms",
            note="ours in process, without the interpreter's start; nmap -sS -T5 with its own start",
        )
        server.communicate()
    note = f"{found['ours'][1]} false positives; nmap {found['nmap'][1]}"
    recall, peer_recall = (100.0 * found[name][0] / (5 * len(_HOSTS) * len(_OPEN)) for name in ("ours", "nmap"))
    return [
        row,
        judged(f"{_WORK}: recall", recall, peer_recall, "nmap", goal=1.0, unit="%", better="more", note=note),
    ]


def _ours(prober: Host, found: list[int]) -> float:
    seen = prober.call(lambda: sweep_ports(_HOSTS, _PORTS))
    for host in seen.hosts:
        found[0] += len(set(host.open) & set(_OPEN))
        found[1] += len(set(host.open) - set(_OPEN))
    return seen.seconds * 1000.0


def _nmap(prober: Host, found: list[int]) -> float:
    said: list[str] = []
    command = ["nmap", "-n", "-Pn", "-sS", "-T5", "-p", f"{_PORTS[0]}-{_PORTS[-1]}", "--open", "10.78.0.1-16"]
    took = timed_ms(lambda: said.append(prober.run(*command).stdout))
    ports = [int(line.partition("/")[0]) for line in said[0].splitlines() if "/tcp" in line and " open " in line]
    found[0] += sum(port in _OPEN for port in ports)
    found[1] += sum(port not in _OPEN for port in ports)
    return took - timed_ms(partial(prober.run, "true"))
