"""`rebox inventory`: check an inventory, print the schema editors complete it with."""

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import JsonOption, emit_json, out

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check an inventory; print its schema.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the inventory."""
    from toolkit.model.inventory import Inventory  # noqa: PLC0415  (pydantic is slow to import)

    emit_json(Inventory.model_json_schema())


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The inventory.")], as_json: JsonOption = False) -> None:
    """Check an inventory without asking any box."""
    from toolkit.wiring import load_inventory  # noqa: PLC0415  (drivers are slow to import)

    inventory = load_inventory(file)
    if as_json:
        emit_json(inventory)
    else:
        out.print(f"{file} is a valid inventory: {inventory.procedure} of {inventory.site.name}.")
