"""`rebox abandon`: ends by hand a run that can be neither resumed nor taken back, and gives its boxes free."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from toolkit.cli.output import JsonOption, emit_json, err, out, somebody_is_there
from toolkit.cli.runs import RUNS, RunArgument, RunsOption, finish
from toolkit.model.errors import InputError, RefusedError, StorageError, UnknownStateError

if TYPE_CHECKING:
    from toolkit.engine.history import RunHistory

app = typer.Typer(rich_markup_mode=None)

SerialOption = Annotated[
    list[str] | None,
    typer.Option("--serial", metavar="S", help="A serial number of the run's boxes, off its label; once for each."),
]


@app.command("abandon")
def abandon_command(
    run: RunArgument, *, serial: SerialOption = None, runs: RunsOption = RUNS, as_json: JsonOption = False
) -> None:
    """End a run that can be neither resumed nor taken back, and give its boxes free; changes nothing on them.

    Says what stands where and what is left to do by hand, and wants the serial numbers of its boxes. A box in
    quarantine stays there.
    """
    from toolkit.engine.history import read_history  # noqa: PLC0415  (wanted only here)
    from toolkit.engine.states import RunEvent, follow  # noqa: PLC0415
    from toolkit.evidence.run_directory import find_run_directory  # noqa: PLC0415
    from toolkit.wiring import abandon, box_locks, look_around  # noqa: PLC0415

    try:
        run_directory = find_run_directory(runs, run)
        history = read_history(run_directory)
    except (InputError, StorageError, UnknownStateError) as error:
        # the folder is gone, or its journal cannot be read: what it still holds are the boxes
        claims = box_locks().claims_of(run if isinstance(error, InputError) else run_directory.name)
        if not claims:
            raise
        _release_only(next(iter(claims.values())).run_id, claims, serial, str(error.what), as_json=as_json)
        return
    run_id = history.record.run_id
    follow(history.state, RunEvent.ABANDON, run_id)
    seen = look_around(run_directory, history.plan)
    if not as_json:
        _show(history, seen)
    _have_typed({f"the {role} box": number for role, number in history.plan.boxes.items()}, serial, as_json=as_json)
    finish(abandon(run_id, runs, seen), as_json=as_json)


def _show(history: "RunHistory", seen: Collection[str]) -> None:
    """What stands where, and what stays undone when the run ends like this."""
    err.print(Text(f"Run {history.record.run_id} is {history.state.value}. What stands where:"))
    for sentence in seen:
        err.print(Text(f"  {sentence}"))
    err.print(Text("Left to do by hand:" if history.left_by_hand else "Nothing is left to do by hand."))
    for sentence in history.left_by_hand:
        err.print(Text(f"  {sentence}"))


def _release_only(
    run_id: str, claims: Mapping[str, object], given: Collection[str] | None, why: str, *, as_json: bool
) -> None:
    """Gives the boxes free of a run of which nothing else can be read."""
    from toolkit.wiring import box_locks  # noqa: PLC0415

    if not as_json:
        err.print(Text(f"Nothing is known of run {run_id} ({why}), but that it holds {' and '.join(claims)}."))
        err.print(Text("Look at these boxes yourself: nobody can say how far it was with them."))
    _have_typed({f"box {number}": serial for number, serial in enumerate(claims, 1)}, given, as_json=as_json)
    released = box_locks().release_claims_of(run_id)
    if as_json:
        emit_json({"run_id": run_id, "state": "abandoned", "released": [*released]})
    else:
        out.print(Text(f"ABANDONED  run {run_id}; free for other runs: {', '.join(released)}"))


def _have_typed(boxes: Mapping[str, str], given: Collection[str] | None, *, as_json: bool) -> None:
    """Raises unless the serial number of every box was given or typed; nothing was changed then."""
    wanted = set(boxes.values())
    typed = {one.strip() for one in given or ()}
    if not typed:
        if as_json or not somebody_is_there():
            raise RefusedError(
                "nobody is there to type the serial numbers",
                why="a run is ended by hand only by somebody who has the boxes in front of them",
                next_move="Give them, off the labels: --serial S for each of the run's boxes.",
            )
        typed = {str(typer.prompt(f"Serial number of {name}, off its label", err=True)).strip() for name in boxes}
    if typed != wanted:
        wrong = ", ".join(sorted(typed - wanted)) or "one is missing"
        raise InputError(
            "these are not the serial numbers of the run's boxes",
            where=wrong,
            why=f"the run has {len(wanted)} boxes",
            next_move="Read them off the labels; nothing was changed.",
        )
