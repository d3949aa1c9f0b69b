"""What people see on the terminal and what programs read from stdout, kept apart."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from toolkit.model.errors import ReboxError
from toolkit.model.verdict import Verdict

console = Console(stderr=True, highlight=False)
"""Words for people; on stderr, so that stdout stays one JSON document with `--json`."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit_json(value: Any) -> None:
    """Prints one JSON document on stdout; pydantic models are written by their own rules."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def result_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table for people; cells may hold rich markup, so what comes from strangers has to be escaped."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar with time left; yields what takes the fraction done (0 to 1) and the phase in words."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=1.0)

        def report(fraction: float, phase: str) -> None:
            description = f"{label}: {phase}" if phase else label
            progress.update(task, completed=min(max(fraction, 0.0), 1.0), description=description)

        yield report


def show_error(error: ReboxError, *, as_json: bool) -> None:
    """Says what happened, where, why and what to do next."""
    if as_json:
        emit_json(error.as_json())
        return
    place = f"[bold]{_plain(error.where)}[/bold]: " if error.where else ""
    console.print(f"[red]Error[/red]  {place}{_plain(error.what)}", soft_wrap=True)
    if error.why:
        console.print(f"  [dim]why[/dim]   {_plain(error.why)}", soft_wrap=True)
    if error.next_move:
        console.print(f"  [dim]next[/dim]  {_plain(error.next_move)}", soft_wrap=True)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def end(verdict: Verdict) -> NoReturn:
    """Ends the command with the verdict's exit status."""
    raise typer.Exit(verdict.exit_status)
