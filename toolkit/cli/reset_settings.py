"""`rebox reset settings`: the factory reset of an inventory's old box by itself, proved as in a migration."""

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import JsonOption, confirm, refuse_unasked, somebody_is_there
from toolkit.cli.runs import RunsOption, start_and_finish
from toolkit.model.errors import InputError


def reset_settings(
    inventory: Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory (TOML) with the old box.")],
    *,
    confirm_serial: Annotated[
        str | None, typer.Option("--confirm-serial", metavar="S", help="The serial number, read off the box's label.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needs --confirm-serial.")] = False,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Reset the old box to factory defaults, and prove that it answers as a factory box; it cannot be taken back."""
    from toolkit.cli.plan_view import show_plan  # noqa: PLC0415  (its rooms are slow to import)
    from toolkit.wiring import Origin, make_settings_reset_plan  # noqa: PLC0415  (drivers are slow to import)

    asks = not (yes or as_json)
    if asks:
        refuse_unasked()
    plan = make_settings_reset_plan(inventory)
    if asks:
        show_plan(plan)
        confirm(f"Reset the box {plan.boxes['old']} to factory defaults?")
    start_and_finish(Origin.of_file(inventory), plan, runs, confirm_serial or _typed(), as_json=as_json, only_old=True)


def _typed() -> str:
    """Raises InputError where nobody can type it."""
    if not somebody_is_there():
        raise InputError(
            "the serial number of the box to be reset is not confirmed",
            next_move="Read it off the box's label and give it: --confirm-serial SERIAL",
        )
    return str(typer.prompt("Serial number, off the box's label", err=True)).strip()
