"""`rebox plan`: what would be done, step by step; nothing is changed and nothing is written."""

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import JsonOption, emit_json

app = typer.Typer(rich_markup_mode=None)


@app.command("plan")
def plan_command(file: Annotated[Path, typer.Argument(help="The inventory.")], as_json: JsonOption = False) -> None:
    """Print what would be done, step by step; only looks, changes nothing."""
    from toolkit.cli.plan_view import show_plan  # noqa: PLC0415  (its rooms are slow to import)
    from toolkit.wiring import make_plan  # noqa: PLC0415  (drivers are slow to import)

    plan = make_plan(file)
    if as_json:
        emit_json(plan)
    else:
        show_plan(plan)
