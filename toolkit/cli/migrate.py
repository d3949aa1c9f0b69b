"""`rebox migrate`: a whole migration, rehearsed in a fresh lab or run on the boxes of an inventory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import JsonOption, emit_json, err, out, progress_bar
from toolkit.model.verdict import Verdict

app = typer.Typer(rich_markup_mode=None)

_BY = {"shared-ip": "by shared address", "dns": "by DNS"}

RunsOption = Annotated[Path, typer.Option("--runs", help="Where runs leave their folders.")]


@app.command("migrate")
def migrate(
    *,
    inventory: Annotated[Path | None, typer.Option(help="Migrate the boxes of this inventory, not a lab's.")] = None,
    topology: Annotated[Path | None, typer.Option(help="The lab to rehearse in; default: a site of 1 MB.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the lab up afterwards.")] = False,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Rehearse a whole migration in a fresh lab, or run one on real boxes."""
    before = _latest(runs)
    if inventory is not None:
        status = _run([sys.executable, "-m", "toolkit.cli.main"], inventory, runs, as_json)
    else:
        status = _rehearse(topology, runs, keep=keep, as_json=as_json)
    run = _latest(runs)
    # a command that was refused has made no run: the latest one is somebody else's
    if run is not None and run != before:
        _conclude(run, as_json)
    raise typer.Exit(status)


def _rehearse(file: Path | None, runs: Path, *, keep: bool, as_json: bool) -> int:
    # imported here: netlink and the emulator take a moment that real migrations do not need
    from toolkit.lab.lab import Lab  # noqa: PLC0415
    from toolkit.lab.topology import Topology, load_topology  # noqa: PLC0415

    topology = Topology() if file is None else load_topology(file)
    with progress_bar("Building the lab") as progress:
        lab = Lab.up(topology, name=f"migrate-{os.getpid()}", progress=progress)
    try:
        machines = len(lab.description.machines)
        err.print(f"A lab of {machines} machines is up: a migration {_BY[topology.swing.method]}.")
        return _run(
            lab.command("operator", [sys.executable, "-m", "toolkit.cli.main"]),
            lab.folder.operator / "inventory.toml",
            runs,
            as_json,
        )
    finally:
        if keep:
            err.print(f"The lab stays up: rebox lab shell operator --name {lab.folder.name}")
        else:
            lab.down()


def _run(command: list[str], inventory: Path, runs: Path, as_json: bool) -> int:
    """Runs `rebox run` beside us, so that it lives in the lab while we live outside it."""
    run = [*command, "run", str(inventory.resolve()), "--runs", str(runs.resolve()), "--yes"]
    return subprocess.run(run, check=False, stdout=subprocess.DEVNULL if as_json else None).returncode


def _latest(runs: Path) -> Path | None:
    latest = runs / "latest"
    return latest.resolve() if latest.exists() else None


def _conclude(run: Path, as_json: bool) -> None:
    """The verdict, the outage in ms, and where the report is."""
    report = run / "report.json"
    if not report.exists():
        return
    content = json.loads(report.read_text(encoding="utf-8"))
    if as_json:
        emit_json(content)
        return
    verdict = Verdict(content["verdict"])
    colour = {"passed": "green", "failed": "red"}.get(verdict.value, "yellow")
    out.print(f"\n[bold {colour}]{verdict.value.upper()}[/]  {content['site']} ({content['procedure']})")
    for method, outage in content["outage"].items():
        out.print(
            f"  outage by {method}: {outage['gap_ms_max']:.1f} ms, {outage['lost']} of {outage['sent']} lost "
            f"(one every {outage['interval_ms']:g} ms; the watch's own largest pause {outage['own_gap_ms_max']:.1f} ms)"
        )
    out.print(f"  report: {run / 'report.html'}")
