"""`rebox migrate`: a whole migration, rehearsed in a fresh lab or run on the boxes of an inventory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from toolkit.cli.output import JsonOption, emit_json, err, out, progress_bar
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.engine.history import RunHistory

app = typer.Typer(rich_markup_mode=None)

_BY = {"shared-ip": "by shared address", "dns": "by DNS"}
_ON_A_STICK = {"network": "", "media": ", its data on a USB stick"}
_REBOX = (sys.executable, "-m", "toolkit.cli.main")

RunsOption = Annotated[Path, typer.Option("--runs", help="Where runs leave their folders.")]


@dataclass(frozen=True)
class _Ended:
    """How `rebox run` ended: its status, what it said with --json, and how one goes on when it did not pass."""

    status: int
    said: str
    goes_on: str = ""
    boxes_are_there: bool = True


@app.command("migrate")
def migrate(
    *,
    inventory: Annotated[Path | None, typer.Option(help="Migrate the boxes of this inventory, not a lab's.")] = None,
    topology: Annotated[Path | None, typer.Option(help="The lab to rehearse in; default: a site of 1 MB.")] = None,
    carry: Annotated[
        Literal["network", "media"] | None,
        typer.Option(help="Rehearse with backups and certificates on a USB stick; default: as the lab says."),
    ] = None,
    keep: Annotated[bool, typer.Option(help="Leave the lab up afterwards.")] = False,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Rehearse a whole migration in a fresh lab, or run one on real boxes."""
    if inventory is not None and carry is not None:
        raise InputError("--carry is for rehearsals", next_move="Write [carry] into the inventory (docs/media.md).")
    from toolkit.evidence.run_directory import check_writable  # noqa: PLC0415  (wanted only here)

    check_writable(runs)
    before = _latest(runs)
    with _handing_on() as children:
        if inventory is not None:
            ended = _run(_REBOX, inventory, runs, children, as_json=as_json)
        else:
            ended = _rehearse(topology, carry, runs, children, keep=keep, as_json=as_json)
    run = _latest(runs)
    # a command that was refused has made no run: the latest one is somebody else's
    if run is None or run == before or (as_json and not (run / "report.json").exists()):
        sys.stdout.write(ended.said)
    elif as_json:
        emit_json(json.loads((run / "report.json").read_text(encoding="utf-8")))
    else:
        _conclude(run, ended)
    raise typer.Exit(ended.status)


def _rehearse(
    file: Path | None,
    carry: Literal["network", "media"] | None,
    runs: Path,
    children: "list[subprocess.Popen[str]]",
    *,
    keep: bool,
    as_json: bool,
) -> _Ended:
    """Runs it in a lab of its own, which is taken down afterwards."""
    # imported here: netlink and the emulator take a moment that real migrations do not need
    from toolkit.lab.lab import Lab  # noqa: PLC0415
    from toolkit.lab.topology import Topology, load_topology  # noqa: PLC0415

    topology = Topology() if file is None else load_topology(file)
    if carry is not None:
        topology = topology.model_copy(update={"carry": carry})
    with progress_bar("Building the lab") as progress:
        lab = Lab.up(topology, name=f"migrate-{os.getpid()}", progress=progress)
    try:
        machines = len(lab.description.machines)
        how = _BY[topology.swing.method] + _ON_A_STICK[topology.carry]
        err.print(f"A lab of {machines} machines is up: a migration {how}.")
        rebox, inventory = lab.command("operator", _REBOX), lab.folder.operator / "inventory.toml"
        ended = _run(rebox, inventory, runs, children, as_json=as_json)
    finally:
        if not keep:
            lab.down()
    if keep:
        err.print(f"The lab stays up: rebox lab shell operator --name {lab.folder.name}")
        resume = f"rebox lab exec --name {lab.folder.name} operator -- rebox resume latest --runs {runs.absolute()}"
        return replace(ended, goes_on=f"Go on with: {resume}")
    again = " ".join(
        ("rebox migrate", *(("--topology", str(file)) if file else ()), *(("--carry", carry) if carry else ()))
    )
    goes_on = f"The lab is gone, and its boxes with it. Start again with: {again}; --keep leaves the lab up."
    return replace(ended, goes_on=goes_on, boxes_are_there=False)


@contextmanager
def _handing_on() -> "Iterator[list[subprocess.Popen[str]]]":
    """Meanwhile a wish to end is the run's to hear, which ends cleanly, and after it the lab; yields who is told.

    Ctrl-C reaches the run by itself. With no run yet both are Ctrl-C for us: what is being built is taken down.
    """
    children: list[subprocess.Popen[str]] = []

    def hear(number: int, _: object) -> None:
        if not children:
            raise KeyboardInterrupt
        if number == signal.SIGTERM:
            children[-1].terminate()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield children
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(
    rebox: Sequence[str], inventory: Path, runs: Path, children: "list[subprocess.Popen[str]]", *, as_json: bool
) -> _Ended:
    """Runs `rebox run` beside us, so that it lives in the lab while we live outside it; its last words are ours."""
    how = "--json" if as_json else "--yes"
    command = [*rebox, "run", str(inventory.absolute()), "--runs", str(runs.absolute()), how]
    stdout = subprocess.PIPE if as_json else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=stdout, text=True) as process:
        children.append(process)
        said, _ = process.communicate()
    return _Ended(process.returncode, said or "")


def _latest(runs: Path) -> Path | None:
    latest = runs / "latest"
    return Path(os.path.realpath(latest)) if os.path.exists(latest) else None  # noqa: PTH110  (raises nothing)


def _conclude(run: Path, ended: _Ended) -> None:
    """How it ended, the outage in ms, what can be done now, and where the report is."""
    from toolkit.engine.history import read_history  # noqa: PLC0415
    from toolkit.model.run_report import RunReport  # noqa: PLC0415
    from toolkit.report.outage import watch_of  # noqa: PLC0415
    from toolkit.report.quantities import milliseconds  # noqa: PLC0415
    from toolkit.report.sentences import in_flight_words, lane_words  # noqa: PLC0415

    file = run / "report.json"
    watched = watch_of(RunReport.model_validate_json(file.read_bytes())).lanes if file.exists() else ()
    history = read_history(run)
    colour = {Verdict.PASSED: "green", Verdict.FAILED: "red"}.get(history.verdict, "yellow")
    at = f" at step {history.stopped_at}" if history.stopped_at else ""
    line = Text(history.state.value.upper(), style=f"bold {colour}")
    out.print(line.append(f"  {history.plan.site} ({history.plan.procedure}){at}", style="default"))
    if history.stopped_at:
        out.print(Text(f"  {history.stopped_why.get('summary', '')}"))
    for lane in watched:
        out.print(
            f"  outage by {lane.method}: {lane_words(lane)}, {lane.lost:,} of {lane.sent:,} lost "
            f"(one every {lane.interval_ms:g} ms; its floor {milliseconds(lane.floor_ms)}); "
            f"in flight: {in_flight_words(lane)}"
        )
    if history.verdict is not Verdict.PASSED:
        out.print(Text(f"  next  {_next_move(history, ended)}"), soft_wrap=True)
    if (run / "report.html").exists():
        out.print(Text(f"  report: {run / 'report.html'}"), soft_wrap=True)


def _next_move(history: "RunHistory", ended: _Ended) -> str:
    """What the step that stopped it advises, unless nobody can follow that any more, and how one goes on."""
    run_id = history.record.run_id
    goes_on = ended.goes_on or f"Go on with: rebox resume {run_id}, or back with: rebox back {run_id}"
    advice = history.stopped_why.get("next_move") if ended.boxes_are_there else None
    return f"{advice} {goes_on}" if advice else goes_on
