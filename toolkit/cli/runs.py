"""`rebox run`, `runs`, `resume`, `back` and `report`: durable runs from the terminal."""

import json
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from toolkit.cli.output import (
    JsonOption,
    confirm,
    emit_json,
    err,
    out,
    refuse_unasked,
    result_table,
    show_error,
    somebody_is_there,
)
from toolkit.model.errors import PermissionDeniedError, ReboxError
from toolkit.model.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.engine import Engine, RunOutcome, RunSummary
    from toolkit.model.plan import Plan
    from toolkit.wiring import Origin

app = typer.Typer(rich_markup_mode=None)

RunsOption = Annotated[Path, typer.Option("--runs", help="Where runs leave their folders.")]
RunArgument = Annotated[str, typer.Argument(help='The run: its id, the beginning of it, or "latest".')]
AcknowledgeOption = Annotated[
    list[str] | None, typer.Option("--acknowledge", metavar="CODE", help="Go on in spite of this warning.")
]
ConfirmOption = Annotated[
    str | None, typer.Option("--confirm-serial", metavar="S", help="The serial number of the box to be reset.")
]
ChangesOption = Annotated[
    bool, typer.Option("--changes-meant", help="The run's inventory.toml was changed on purpose.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before starting.")]
RUNS = Path("runs")


@app.command("run")
def run_command(
    file: Annotated[Path, typer.Argument(help="The inventory.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: change and write nothing.")] = False,
    acknowledge: AcknowledgeOption = None,
    confirm_serial: ConfirmOption = None,
    yes: YesOption = False,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Run the procedure of an inventory; killed at any moment, it can be resumed or taken back."""
    from toolkit.cli.plan_view import show_dry_run, show_plan  # noqa: PLC0415  (wanted only here)
    from toolkit.wiring import Origin, build_engine, make_plan  # noqa: PLC0415  (drivers are slow to import)

    asks = not (dry_run or yes or as_json)
    if asks:
        refuse_unasked()
    origin = Origin.of_file(file)
    plan = make_plan(file)
    if dry_run:
        engine = build_engine(origin, runs, confirmed_serial_number=confirm_serial, read_only=True)
        show_dry_run(plan, engine.dry_run(plan), as_json=as_json)
        return
    if asks:
        show_plan(plan)
        confirm(f"Run these {len(plan.steps)} steps on box {' and box '.join(plan.boxes.values())}?")
        confirm_serial = _typed_serial(origin, confirm_serial)
    start_and_finish(origin, plan, runs, confirm_serial, acknowledge or (), as_json=as_json)


def start_and_finish(
    origin: "Origin",
    plan: "Plan",
    runs: Path,
    confirm_serial: str | None,
    acknowledge: Collection[str] = (),
    *,
    as_json: bool,
    only_old: bool = False,
) -> None:
    """Runs a plan with the live display, writes its report, and ends the command with its exit status.

    `only_old`: the plan is about the old box, and only its secrets are asked for.
    """
    with _engine(origin, runs, confirm_serial, quiet=as_json, only_old=only_old) as engine:
        run_id = engine.start(plan, acknowledge, origin.attachments())
        outcome = engine.run(run_id)
    finish(outcome, as_json=as_json)


@app.command("resume")
def resume_command(
    run: RunArgument,
    *,
    acknowledge: AcknowledgeOption = None,
    confirm_serial: ConfirmOption = None,
    changes_meant: ChangesOption = False,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run that was interrupted, blocked or failed; nothing is done twice."""
    origin = _origin(runs, run)
    if not as_json:
        changes_meant = changes_meant or _says_changes_are_meant(runs, run)
        confirm_serial = _typed_serial(origin, confirm_serial)
    with _engine(origin, runs, confirm_serial, quiet=as_json) as engine:
        outcome = engine.resume(run, acknowledge or (), changes_meant=changes_meant)
    finish(outcome, as_json=as_json)


@app.command("back")
def back_command(
    run: RunArgument,
    *,
    yes: YesOption = False,
    changes_meant: ChangesOption = False,
    new_is_off: Annotated[
        str | None,
        typer.Option("--new-is-off", metavar="S", help="You have pulled the plug of the new box, serial number S."),
    ] = None,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Go back to the old box: have it serve users again, then take back what the run did, and prove who serves.

    The service comes first, with whatever box is left. What a dead box keeps from being tidied is listed and tried
    again by the next rebox back: exit status 4.
    """
    from toolkit.engine import summarise  # noqa: PLC0415
    from toolkit.evidence.run_directory import find_run_directory  # noqa: PLC0415

    asks = not (yes or as_json)
    if asks:
        refuse_unasked()
    origin = _origin(runs, run)
    summary = summarise(find_run_directory(runs, run))
    if asks:
        changes_meant = changes_meant or _says_changes_are_meant(runs, run)
    # what cannot be done now is refused by the engine, with its reason
    if summary.way_back.available_now and not summary.alive:
        if not as_json:
            steps = ", ".join(summary.way_back.steps) or "nothing to take back"
            err.print(Text(f"Going back takes about {summary.way_back.seconds_estimated:.0f} s: {steps}."))
        if asks:
            confirm("Go back?")
    with _engine(origin, runs, None, quiet=as_json, new_is_off=new_is_off) as engine:
        outcome = engine.back(run, changes_meant=changes_meant)
    finish(outcome, as_json=as_json)


@app.command("runs")
def runs_command(*, runs: RunsOption = RUNS, as_json: JsonOption = False) -> None:
    """List the runs: where each stands, and how long going back would take."""
    from toolkit.engine import list_runs  # noqa: PLC0415

    found = list_runs(runs)
    if as_json:
        emit_json([_summary_json(summary) for summary in found])
    elif not found:
        out.print(f"There are no runs in {runs}.")
    else:
        columns = ("run", "site", "state", "at step", "way back")
        result_table(
            "Runs", columns, [_summary_row(each) for each in found], whole=("run", "state", "at step", "way back")
        )
        for damage in (each.damage for each in found if each.damage is not None):
            show_error(damage, as_json=False)


@app.command("report")
def report_command(run: RunArgument, *, runs: RunsOption = RUNS, as_json: JsonOption = False) -> None:
    """Write the report of a run again and say where it is; of a damaged run, what is known of it."""
    from toolkit.engine import summarise  # noqa: PLC0415
    from toolkit.evidence.run_directory import find_run_directory  # noqa: PLC0415

    run_directory = find_run_directory(runs, run)
    damage = summarise(run_directory).damage
    if isinstance(damage, PermissionDeniedError):
        raise damage
    _write_report(run_directory)
    if as_json:
        emit_json(json.loads((run_directory / "report.json").read_text(encoding="utf-8")))
    else:
        out.print(Text(str(run_directory / "report.html")), soft_wrap=True)
        if damage is not None:
            show_error(damage, as_json=False)
    if damage is not None:
        raise typer.Exit(damage.exit_status)


@contextmanager
def _engine(
    origin: "Origin",
    runs: Path,
    confirm_serial: str | None,
    *,
    quiet: bool,
    only_old: bool = False,
    new_is_off: str | None = None,
) -> "Iterator[Engine]":
    """The engine with the live display; being told to terminate is taken like Ctrl-C: clean, and resumable."""
    from toolkit.cli.run_display import RunDisplay, TerminalOperator  # noqa: PLC0415
    from toolkit.wiring import build_engine  # noqa: PLC0415

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        display = RunDisplay(err, quiet=quiet)
        # before the display: a prompt must not come in the middle of it
        engine = build_engine(
            origin,
            runs,
            observer=display,
            operator=TerminalOperator(),
            confirmed_serial_number=confirm_serial,
            fetch_secrets=True,
            only_old=only_old,
            new_is_off=new_is_off,
        )
        with display:
            yield engine
    finally:
        signal.signal(signal.SIGTERM, before)


def _origin(runs: Path, run: str) -> "Origin":
    """What the run is resumed from; raises DamagedRecordError before anything of a damaged run is read."""
    from toolkit.engine import summarise  # noqa: PLC0415
    from toolkit.evidence.run_directory import find_run_directory  # noqa: PLC0415
    from toolkit.wiring import Origin  # noqa: PLC0415

    run_directory = find_run_directory(runs, run)
    if (damage := summarise(run_directory).damage) is not None:
        raise damage
    return Origin.of_run(run_directory)


def _says_changes_are_meant(runs: Path, run: str) -> bool:
    """Asks whether a change of the run's attachments is meant, where somebody can be asked; the engine refuses else."""
    from toolkit.engine import changed_files  # noqa: PLC0415
    from toolkit.evidence.run_directory import find_run_directory  # noqa: PLC0415

    changed = changed_files(find_run_directory(runs, run))
    if not changed or not somebody_is_there():
        return False
    confirm(f"{' and '.join(changed)} of the run changed since it was last worked on. Is that change meant?")
    return True


def _typed_serial(origin: "Origin", given: str | None) -> str | None:
    """The old box's serial number, typed once more by whoever wants it reset; without it the run stops before that."""
    if given or not somebody_is_there() or origin.inventory().reset.confirm_serial_number:
        return given
    question = "Serial number of the old box, off its label, to allow its reset (Enter: stop before the reset)"
    typed: str = typer.prompt(question, default="", show_default=False, err=True)
    return typed.strip() or None


def _write_report(run_directory: Path) -> None:
    from toolkit.wiring import write_run_report  # noqa: PLC0415

    write_run_report(run_directory)


def finish(outcome: "RunOutcome", *, as_json: bool) -> None:
    """Writes the report, says how it ended and what can be done now, and ends the command."""
    try:
        _write_report(outcome.run_directory)
    except ReboxError as error:
        # the run's own end is what counts; its report can be written again
        if not as_json:
            show_error(error, as_json=False)
    report = outcome.run_directory / "report.html"
    if as_json:
        emit_json(
            {
                "run_id": outcome.run_id,
                "state": outcome.state.value,
                "verdict": outcome.verdict.value,
                "step": outcome.step,
                "summary": outcome.summary,
                "next_move": outcome.next_move,
                "run_directory": str(outcome.run_directory),
                "to_do": [one.model_dump(mode="json") for one in outcome.to_do],
                "report": str(report) if report.is_file() else None,
            }
        )
    else:
        _say_end(outcome, report)
    raise typer.Exit(outcome.exit_status)


def _say_end(outcome: "RunOutcome", report: Path) -> None:
    style = {Verdict.PASSED: "bold green", Verdict.FAILED: "bold red"}.get(outcome.verdict, "bold yellow")
    line = Text(outcome.state.value.upper(), style=style)
    line.append(f"  run {outcome.run_id}" + (f" at step {outcome.step}" if outcome.step else ""), style="default")
    out.print(line)
    out.print(Text(f"  {outcome.summary}"))
    for one in outcome.to_do:
        out.print(Text(f"  to do  {one.step}: {one.what}" + (f" ({one.why})" if one.why else "")))
    if outcome.next_move:
        out.print(Text(f"  next  {outcome.next_move}", style="dim"))
    if report.is_file():
        out.print(Text(f"  report: {report}"), soft_wrap=True)


def _summary_json(summary: "RunSummary") -> dict[str, object]:
    return {
        "run_id": summary.run_id,
        "procedure": summary.procedure,
        "site": summary.site,
        "boxes": summary.boxes,
        "state": _state_in_words(summary),
        "alive": summary.alive,
        "created": summary.created.isoformat(),
        "verdict": summary.verdict.value,
        "step": summary.step,
        "way_back": summary.way_back.model_dump(mode="json"),
        "damage": summary.damage.as_json() if summary.damage else None,
    }


def _summary_row(summary: "RunSummary") -> tuple[object, ...]:
    back = f"{summary.way_back.seconds_estimated:.0f} s" if summary.way_back.available_now else "closed"
    if summary.damage is not None:
        back = "not known"
    state = _state_in_words(summary) + (" (at work)" if summary.alive else "")
    return (summary.run_id, summary.site, state, summary.step or "", back)


def _state_in_words(summary: "RunSummary") -> str:
    """A run that this user may not read is not damaged by that."""
    return "unreadable" if isinstance(summary.damage, PermissionDeniedError) else summary.state.value
