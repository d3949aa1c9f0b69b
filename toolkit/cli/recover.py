"""`rebox recover`: what a run with a damaged record has done, found out from the boxes and confirmed by a person."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.text import Text

from toolkit.cli.output import JsonOption, emit_json, err, out, result_table, somebody_is_there
from toolkit.cli.runs import RunArgument, RunsOption
from toolkit.model.errors import InputError

if TYPE_CHECKING:
    from toolkit.engine.recovering import Recovery
    from toolkit.traffic.around import Sight

app = typer.Typer(rich_markup_mode=None)
_RUNS = Path("runs")


@app.command("recover")
def recover_command(
    run: RunArgument,
    *,
    confirm_run: Annotated[
        str | None, typer.Option("--confirm-run", metavar="RUN", help="The run's whole id: what is shown is right.")
    ] = None,
    confirm_serial: Annotated[
        str | None,
        typer.Option(
            "--confirm-serial", metavar="S", help="The old box's serial number: asked where its reset is unknown."
        ),
    ] = None,
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
) -> None:
    """Find out from the boxes what a run with a damaged record has done, and have its journal written anew.

    Changes nothing on a box. Going on and going back are possible again once a person has confirmed what was found;
    going back only where the old box was certainly not reset. What was damaged is kept beside under another name.
    """
    from toolkit.engine.recovering import restore_files  # noqa: PLC0415
    from toolkit.evidence.run_directory import find_run_directory  # noqa: PLC0415
    from toolkit.traffic.around import look_around  # noqa: PLC0415
    from toolkit.wiring import Origin, build_engine, has_begun, operator_name  # noqa: PLC0415  (drivers are slow to import)

    run_directory = find_run_directory(runs, run)
    restore_files(run_directory)
    engine = build_engine(Origin.of_run(run_directory), runs, read_only=True, fetch_secrets=True)
    with engine.recovering(run, has_begun) as recovery:
        sights = look_around(recovery.context)
        if not as_json:
            _show(recovery, sights)
        _confirm(recovery, confirm_run, confirm_serial, asks=not as_json)
        recovery.write(operator_name())
    if as_json:
        emit_json(_as_json(recovery, sights))
    else:
        out.print(Text(f"The journal was written anew; what was damaged is kept as {', '.join(recovery.kept_as)}."))
        out.print(Text(f"  next  {_next_move(recovery)}", style="dim"), soft_wrap=True)


def _show(recovery: "Recovery", sights: "tuple[Sight, ...]") -> None:
    out.print(Text(f"Run {recovery.believed.record.run_id}: its record is damaged.", style="bold"))
    out.print(Text(f"  {recovery.damage}"), soft_wrap=True)
    seen = [(escape(each.subject), escape(each.words if each.known else f"unknown: {each.words}")) for each in sights]
    result_table("What can be seen now", ("what", "seen"), seen)
    rows = []
    for one in recovery.findings.steps:
        world = f"{one.seen.effect.value}: {one.seen.words}" if one.seen.words else one.seen.effect.value
        rows.append((one.step.name, one.journal.value, escape(world), one.stands.value))
    columns = ("step", "journal", "world", "stands as")
    result_table("What the journal, as far as it is believed, and the world say", columns, rows, whole=("step",))
    for one in recovery.findings.irreversible_begun:
        what = "may have begun" if one in recovery.findings.irreversible_unknown else "has begun"
        out.print(Text(f"{one.step.name} {what}: there is no way back any more.", style="bold red"))


def _confirm(recovery: "Recovery", run_id: str | None, serial: str | None, *, asks: bool) -> None:
    """Raises InputError unless the run's id was typed, and the old box's serial number where it may have been reset."""
    known = recovery.believed.record.run_id
    unknown = [one.step.name for one in recovery.findings.irreversible_unknown]
    there = asks and somebody_is_there()
    if run_id is None and there:
        question = "Type the run's id when this is right (Enter: change nothing)"
        run_id = typer.prompt(question, default="", show_default=False, err=True)
    _same("run", run_id, known, "--confirm-run")
    if unknown:
        box = recovery.believed.plan.boxes.get("old", "")
        if serial is None and there:
            err.print(Text(f"Nobody can tell whether {', '.join(unknown)} has begun."), soft_wrap=True)
            question = "Type the old box's serial number, off its label, to go on without a way back"
            serial = typer.prompt(question, default="", show_default=False, err=True)
        _same("serial number of the old box", serial, box, "--confirm-serial")


def _same(what: str, given: str | None, wanted: str, option: str) -> None:
    if (given or "").strip() != wanted:
        raise InputError(
            f"the {what} was not confirmed",
            why="nothing was typed" if not given else f"{given!r} was typed",
            next_move=f"Look at what was found; when it is right, give {option} {wanted}. Nothing was changed.",
        )


def _next_move(recovery: "Recovery") -> str:
    run_id = recovery.believed.record.run_id
    if recovery.findings.irreversible_begun:
        return f"Go on with: rebox resume {run_id}. There is no way back."
    return f"Go on with: rebox resume {run_id}, or back with: rebox back {run_id}"


def _as_json(recovery: "Recovery", sights: "tuple[Sight, ...]") -> dict[str, object]:
    return {
        "run_id": recovery.believed.record.run_id,
        "damage": recovery.damage,
        "kept_as": recovery.kept_as,
        "seen": [{"subject": each.subject, "words": each.words, "known": each.known} for each in sights],
        "steps": [
            {
                "name": one.step.name,
                "journal": one.journal.value,
                "world": one.seen.effect.value,
                "words": one.seen.words,
                "stands": one.stands.value,
            }
            for one in recovery.findings.steps
        ],
        "way_back": not recovery.findings.irreversible_begun,
        "next_move": _next_move(recovery),
    }
