"""What goes to stdout and what to stderr, and what it looks like; no other module decides it."""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Annotated, Any, NoReturn

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from toolkit.model.errors import InputError, ReboxError
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

_WIDE_ENOUGH, _THINNEST = 100, 10

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


def is_narrow() -> bool:
    """Whether columns of text side by side would be too thin to be read."""
    return out.width < _WIDE_ENOUGH


def result_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Collection[str] = ()
) -> None:
    """Prints a table for people; cells may hold rich markup, so what comes from strangers has to be escaped.

    The columns named in `whole` are never broken: names that people copy. Where they do not fit side by side, each row
    is printed as lines.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widest = [max(Text.from_markup(text).cell_len for text in column) for column in zip(columns, *cells, strict=True)]
    needed = (width if name in whole else min(width, _THINNEST) for name, width in zip(columns, widest, strict=True))
    if whole and sum(needed) + 3 * len(columns) + 1 > out.width:
        _as_lines(title, columns, cells)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in cells:
        table.add_row(*row)
    out.print(table)


def _as_lines(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    out.print(title)
    for first, *others in rows:
        out.print(f"[bold]{first}[/bold]", soft_wrap=True)
        lines = Table.grid(padding=(0, 1))
        for name, cell in zip(columns[1:], others, strict=True):
            if cell:
                lines.add_row(f"  [dim]{name}[/dim]", cell)
        out.print(lines)


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
    # elsewhere than on a terminal rich would leave an empty line
    with Progress(*columns, console=err, transient=True, disable=not err.is_interactive) as progress:
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


def somebody_is_there() -> bool:
    """Whether a person can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def refuse_unasked() -> None:
    """Raises InputError where nobody can be asked; called first, so that nothing is looked at in vain."""
    if not somebody_is_there():
        raise InputError(
            "nobody can be asked whether to go on",
            why="there is no terminal",
            next_move="When that is what you want, give --yes.",
        )


def confirm(question: str) -> None:
    """Asks a person; ends the command when the answer is no. Raises InputError as `refuse_unasked` does."""
    refuse_unasked()
    if not typer.confirm(question, err=True):
        err.print("Nothing was changed.")
        raise typer.Exit(1)


def end(verdict: Verdict) -> NoReturn:
    """Ends the command with the verdict's exit status."""
    raise typer.Exit(verdict.exit_status)
