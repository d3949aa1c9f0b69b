"""What goes to stdout and what to stderr, and what it looks like; no other module decides it."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Annotated, Any, NoReturn

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from toolkit.model.errors import ReboxError
from toolkit.model.verdict import Verdict


class _Terminal(Console):
    """A console whose reader may go away (`rebox … | head`): a run at work goes on, and ends with its own status."""

    def on_broken_pipe(self) -> None:
        """Says nothing more."""
        _fall_silent(self.file)


out = _Terminal(highlight=False)
"""Results for people: tables, plans, summaries, verdicts. On stdout, where `--json` puts its one document instead."""

err = _Terminal(stderr=True, highlight=False)
"""Progress, questions and errors for people; on stderr, so that a result can be piped and kept without them."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit_json(value: Any) -> None:
    """Prints one JSON document on stdout; pydantic models are written by their own rules."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    try:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _fall_silent(sys.stdout)


def _fall_silent(stream: IO[str]) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, stream.fileno())
    os.close(silence)


def result_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table for people; cells may hold rich markup, so what comes from strangers has to be escaped."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


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
    with Progress(*columns, console=err, transient=True) as progress:
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
    err.print(f"[red]Error[/red]  {place}{_plain(error.what)}", soft_wrap=True)
    if error.why:
        err.print(f"  [dim]why[/dim]   {_plain(error.why)}", soft_wrap=True)
    if error.next_move:
        err.print(f"  [dim]next[/dim]  {_plain(error.next_move)}", soft_wrap=True)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def end(verdict: Verdict) -> NoReturn:
    """Ends the command with the verdict's exit status."""
    raise typer.Exit(verdict.exit_status)
