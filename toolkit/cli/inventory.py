"""`rebox inventory`: check an inventory, print its schema; the boxes in quarantine, and their release."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.text import Text

from toolkit.cli.output import JsonOption, emit_json, out, result_table, somebody_is_there
from toolkit.model.errors import InputError, RefusedError

if TYPE_CHECKING:
    from toolkit.appliances.quarantine import Entry

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check an inventory; print its schema; boxes in quarantine."
)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the inventory."""
    from toolkit.model.inventory import Inventory  # noqa: PLC0415  (pydantic is slow to import)

    emit_json(Inventory.model_json_schema())


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The inventory.")], as_json: JsonOption = False) -> None:
    """Check an inventory, and whether its boxes are in quarantine, without asking any box."""
    from toolkit.wiring import boxes_of, load_inventory, open_quarantine  # noqa: PLC0415  (drivers are slow to import)

    inventory, quarantine = load_inventory(file), open_quarantine()
    kept = {serial: entries for serial in boxes_of(inventory).values() if (entries := quarantine.of(serial))}
    if as_json:
        emit_json({**inventory.model_dump(mode="json"), "quarantined": _as_json(kept)})
    else:
        out.print(f"{file} is a valid inventory: {inventory.procedure} of {inventory.site.name}.")
        _show(kept)
    if kept:
        raise typer.Exit(RefusedError.exit_status)


@app.command()
def quarantined(*, as_json: JsonOption = False) -> None:
    """List the boxes in quarantine: no plan takes them until their reset has been verified or they are released."""
    from toolkit.wiring import open_quarantine  # noqa: PLC0415

    kept = open_quarantine().boxes()
    if as_json:
        emit_json(_as_json(kept))
    elif not kept:
        out.print("No box is in quarantine.")
    else:
        rows = [
            (escape(serial), entry.step, entry.run_id, entry.ended, f"{entry.since:%Y-%m-%d %H:%M}")
            for serial, entries in kept.items()
            for entry in entries
        ]
        result_table("In quarantine", ("box", "step", "run", "ended", "since (UTC)"), rows, whole=("box", "run"))


@app.command()
def release(
    serial_number: Annotated[str, typer.Argument(metavar="SERIAL", help="The serial number of the box.")],
    *,
    because: Annotated[str, typer.Option("--because", help="What you have seen; it is kept with your release.")],
    confirm_serial: Annotated[
        str | None, typer.Option("--confirm-serial", metavar="S", help="The serial number, read off the box's label.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Release a box from quarantine: you have seen yourself that nothing is left on it."""
    from toolkit.wiring import SystemClock, open_quarantine  # noqa: PLC0415

    quarantine = open_quarantine()
    if not because.strip():
        raise InputError("a release needs its reason", next_move="Say after --because what you have seen of the box.")
    if not as_json:
        _show({serial_number: quarantine.of(serial_number)})
    _same_serial(serial_number, confirm_serial)
    released = quarantine.release(serial_number, SystemClock().now(), because.strip())
    if as_json:
        emit_json(_as_json({serial_number: quarantine.history(serial_number)[-len(released) :]}))
    else:
        out.print(Text(f"The box {serial_number} is released; why is kept with its history."))


def _same_serial(serial_number: str, confirmed: str | None) -> None:
    """Typed twice, the second time off the label: raises InputError when it is another, or nobody can be asked."""
    if confirmed is None:
        if not somebody_is_there():
            raise InputError(
                "nobody can be asked for the box's serial number",
                why="there is no terminal",
                next_move="Give it once more, read off the box's label: --confirm-serial SERIAL",
            )
        confirmed = str(typer.prompt("Serial number, off the box's label", err=True)).strip()
    if confirmed != serial_number:
        raise InputError(
            "these are two serial numbers",
            why=f"to be released is {serial_number}, typed was {confirmed}",
            next_move="Look at the label of the box; nothing was released.",
        )


def _show(kept: "dict[str, tuple[Entry, ...]]") -> None:
    for serial, entries in kept.items():
        for entry in entries:
            out.print(Text(f"Box {serial} is in quarantine since {entry.since:%Y-%m-%d %H:%M} UTC."), soft_wrap=True)
            out.print(Text(f"  step  {entry.step} of run {entry.run_id}, {entry.ended}"), soft_wrap=True)
            out.print(Text(f"  why   {entry.why}"), soft_wrap=True)
            out.print(Text(f"  next  {entry.would_release}"), soft_wrap=True)


def _as_json(kept: "dict[str, tuple[Entry, ...]]") -> dict[str, list[dict[str, object]]]:
    return {serial: [entry.model_dump(mode="json") for entry in entries] for serial, entries in kept.items()}
