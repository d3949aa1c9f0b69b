"""`python -m benchmarks [NAME...] [--json]`: runs the comparisons and writes `docs/benchmarks.md`."""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from rich.console import Console

from benchmarks import report
from benchmarks.arena import Row, arena, not_measured

PEERS = {
    "sweep": ("fping", "nmap"),
    "syn": ("nmap",),
    "watch": ("ping", "fping"),
    "swing": ("keepalived",),
    "resume": ("ip",),
    "backup": ("tar", "zstd", "age"),
    "chain_validation": ("openssl",),
    "wipe": ("losetup", "dd", "cmp", "nwipe"),
    "media": ("losetup", "mkfs.ext4", "cp", "cmp"),
    "memory": (),
    "machines": ("qemu-system-x86_64", "qemu-img", "mmdebstrap"),
}
"""Every comparison, in the order of the page, and the commands without which it cannot be made."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 0 when everything ran, whether or not the goals were met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(PEERS)}; none: all of them")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in PEERS]
    if unknown:
        parser.error(f"no such comparison: {', '.join(unknown)}")
    # ended from outside, it still ends what it started and clears its folders
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    console = Console(stderr=True)
    load_before = os.getloadavg()[0]
    results: dict[str, Sequence[Row]] = {}
    failed = []
    for name in options.names or PEERS:
        started = time.monotonic()
        console.print(f"{name} …")
        try:
            results[name] = measure(name)
        except Exception:  # one that fails must not lose what the others found
            console.print_exception()
            failed.append(name)
            results[name] = [not_measured(name.replace("_", " "), "the peer", "this comparison failed", unit="")]
        console.print(f"{name}: {time.monotonic() - started:.0f} s")
    rows = [row for found in results.values() for row in found]
    if options.names:
        console.print("only some were run: docs/benchmarks.md stays as it is")
    else:
        report.write(results, "python -m benchmarks", load_before)
    if options.json:
        json.dump(report.document(rows), sys.stdout, indent=2)
        print()
    else:
        Console().print(report.table(rows))
    return 1 if failed else 0


def measure(name: str) -> Sequence[Row]:
    """The rows of one comparison, in an arena of its own; what cannot be compared is said in rows as well."""
    missing = [peer for peer in PEERS[name] if shutil.which(peer) is None]
    if missing:
        return [not_measured(name.replace("_", " "), peer, f"{peer} is not installed", unit="") for peer in missing]
    module = import_module(f"benchmarks.{name}")
    with arena() as made:
        rows: Sequence[Row] = module.run(made)
        return rows


if __name__ == "__main__":
    sys.exit(main())
