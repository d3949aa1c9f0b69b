"""`rebox plan`: what would be done, step by step; nothing is changed and nothing is written."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from toolkit.cli.output import JsonOption, emit_json, out
from toolkit.model.plan import Plan

app = typer.Typer(rich_markup_mode=None)


@app.command("plan")
def plan_command(file: Annotated[Path, typer.Argument(help="The inventory.")], as_json: JsonOption = False) -> None:
    """Print what would be done, step by step; only looks, changes nothing."""
    from toolkit.wiring import make_plan  # noqa: PLC0415  (drivers are slow to import)

    plan = make_plan(file)
    if as_json:
        emit_json(plan)
    else:
        show_plan(plan)


def show_plan(plan: Plan) -> None:
    """Prints a plan for people: each step with its reason, mode, gates and way back."""
    out.print(f"[bold]{plan.procedure}[/bold] of {plan.site}: old {plan.boxes['old']}, new {plan.boxes['new']}")
    table = Table(show_lines=True, header_style="bold")
    for column in ("", "step", "why", "mode", "way back"):
        table.add_column(column, overflow="fold")
    for number, step in enumerate(plan.steps, start=1):
        gates = "".join(f"\n[dim]gate {gate.code} ({gate.severity})[/dim]" for gate in step.gates)
        back = step.way_back or ("[bold red]none: final[/bold red]" if step.irreversible else "nothing to take back")
        name = f"[bold]{step.name}[/bold]\n{step.title}{gates}"
        why = f"{step.why} [dim]{' '.join(step.requirements)}[/dim]"
        table.add_row(str(number), name, why, step.mode.value, back)
    out.print(table)
    for note in plan.notes:
        out.print(f"[yellow]note[/yellow] {note}")
    back_seconds = sum(step.back_seconds for step in plan.steps if not step.irreversible)
    out.print(
        f"About {sum(step.expected_seconds for step in plan.steps):.0f} s. `rebox back` returns to the old box in "
        f"about {back_seconds:.0f} s, until {plan.last_step_with_way_back} has ended."
    )
