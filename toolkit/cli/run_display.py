"""How a run looks on the terminal: its steps, progress and time left, and what the operator has to do."""

import select
import sys
import time
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from toolkit.engine.events import (
    Event,
    GateChecked,
    OperatorAsked,
    RecordDamaged,
    RecordRepaired,
    RunStarted,
    StepEnded,
    StepProgress,
    StepStarted,
    UndoEnded,
    UndoStarted,
)
from toolkit.model.plan import Step
from toolkit.model.verdict import Verdict

_SIGNS = {
    Verdict.PASSED: ("✓", "green"),
    Verdict.SKIPPED: ("-", "dim"),
    Verdict.FAILED: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
}

_BAR_WIDTH, _CLOCK_WIDTH = 12, 12
_ROOM_FOR_WORDS = 30


@dataclass
class _Row:
    step: Step
    verdict: Verdict | None = None
    running: bool = False
    started: float = 0.0
    seconds: float | None = None
    fraction: float = 0.0
    note: str = ""


class RunDisplay:
    """The engine's observer: a live list of steps on a terminal, a line per event elsewhere."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._rows: dict[str, _Row] = {}
        self._going_back = False
        self._instructions = ""
        self._live = Live(
            console=console, get_renderable=self.rendered, auto_refresh=console.is_terminal, refresh_per_second=8
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Takes an event of the engine."""
        match event:
            case RunStarted():
                self._begin(event)
            case StepStarted(step=step, done_before=True):
                self._settle(step, Verdict.PASSED, "done before")
            case StepStarted(step=step) | UndoStarted(step=step):
                self._row(step).running = True
                self._row(step).started = time.monotonic()
                self._say(f"{step.name}: {'taking it back' if isinstance(event, UndoStarted) else step.title}")
            case StepProgress(step=step):
                self._row(step).fraction = event.fraction
                self._row(step).note = event.phase
            case GateChecked():
                self._gate(event)
            case OperatorAsked():
                self._ask(event)
            case StepEnded(step=step) | UndoEnded(step=step):
                self._settle(step, event.verdict, event.summary, event.seconds)
            case RecordRepaired():
                self._note(f"{event.file_name}: a torn last line was cut off ({event.bytes_cut} bytes)")
            case RecordDamaged():
                self._note(f"The evidence was damaged; it is kept as {event.file_name}, and begun anew.")

    def _begin(self, event: RunStarted) -> None:
        self._going_back = event.going_back
        self._rows = {name: _Row(event.plan.step(name)) for name in event.steps}
        word = "goes back" if event.going_back else "goes on" if event.resumed else "begins"
        self._note(f"Run {event.run_id} {word}.")

    def _row(self, step: Step) -> _Row:
        return self._rows.setdefault(step.name, _Row(step))

    def _settle(self, step: Step, verdict: Verdict, note: str, seconds: float | None = None) -> None:
        row = self._row(step)
        row.verdict, row.note, row.seconds, row.running = verdict, note, seconds, False
        self._instructions = ""
        self._say(f"{step.name}: {verdict.value}" + (f", {note}" if note else ""))

    def _gate(self, event: GateChecked) -> None:
        if event.outcome.verdict is not Verdict.PASSED:
            how = "acknowledged" if event.acknowledged else "noted" if event.holds else "does not hold"
            self._note(f"{event.step.name}: gate {event.gate.code} {how}: {event.outcome.summary}")

    def _ask(self, event: OperatorAsked) -> None:
        self._instructions = event.instructions
        if not self._live.is_started:
            # also when quiet: without the instructions the run could not go on
            self._console.print(Text(f"{event.step.name}: for the operator: {event.instructions}"))

    def _note(self, text: str) -> None:
        """A line that stays, above the live list if there is one."""
        if not self._quiet:
            self._console.print(Text(text, style="dim"))

    def _say(self, text: str) -> None:
        """A line only where there is no live list that shows the same."""
        if not self._quiet and not self._live.is_started:
            self._console.print(Text(text))

    def rendered(self) -> RenderableType:
        """The live list as it stands."""
        # fixed widths but for the last column: what does not fit is cut there, never a sign or a time
        names = max((len(name) for name in self._rows), default=1)
        room = self._console.width - names - _CLOCK_WIDTH - 4
        with_bar, with_words = room >= _BAR_WIDTH + 1 + _ROOM_FOR_WORDS, room >= _ROOM_FOR_WORDS
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(width=names, no_wrap=True)
        if with_bar:
            table.add_column(width=_BAR_WIDTH)
        table.add_column(width=_CLOCK_WIDTH, justify="right", no_wrap=True)
        if with_words:
            table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
        for row in self._rows.values():
            sign, name, bar, clock, words = _cells(row, going_back=self._going_back)
            table.add_row(sign, name, *([bar] if with_bar else []), clock, *([words] if with_words else []))
        parts: list[RenderableType] = [table]
        if not with_words:
            # below the list, in full, only that of the step at work
            parts += [Text(row.note or row.step.title) for row in self._rows.values() if row.running]
        if self._instructions:
            parts.append(Padding(Text(f"For you: {self._instructions}", style="bold yellow"), (1, 0, 0, 0)))
            parts.append(Text("It is looked at again and again; type s and Enter to stop here.", style="dim"))
        elif any(row.verdict is None for row in self._rows.values()):
            parts.append(Text(f"about {_clock(self._seconds_left())} left", style="dim"))
        return Group(*parts)

    def _seconds_left(self) -> float:
        return sum(_left(row, going_back=self._going_back) for row in self._rows.values())


class TerminalOperator:
    """The person at this terminal, if there is one: `s` and Enter says stop."""

    @property
    def present(self) -> bool:
        """Whether somebody can read and type here."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def stops_within(self, seconds: float) -> bool:
        """Waits up to `seconds` for a line; one that starts with s, or the end of input, says stop."""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return False
        line = sys.stdin.readline()
        return not line or line.strip().lower().startswith("s")


def _cells(row: _Row, *, going_back: bool) -> tuple[RenderableType, ...]:
    note = Text(row.note, style="dim")
    if row.running:
        elapsed = time.monotonic() - row.started
        bar = ProgressBar(total=1.0, completed=row.fraction, width=_BAR_WIDTH, pulse=row.fraction <= 0)
        doing = Text(row.note or row.step.title)
        return Spinner("dots"), Text(row.step.name, style="bold"), bar, Text(_clock(elapsed)), doing
    if row.verdict is None:
        expected = row.step.back_seconds if going_back else row.step.expected_seconds
        waiting = (Text("·", style="dim"), Text(row.step.name, style="dim"), "")
        return *waiting, Text(f"~{_clock(expected)}", style="dim"), Text(row.step.title, style="dim")
    sign, style = _SIGNS[row.verdict]
    took = "" if row.seconds is None else _clock(row.seconds)
    return Text(sign, style=style), Text(row.step.name), "", Text(took), note


def _left(row: _Row, *, going_back: bool) -> float:
    expected = row.step.back_seconds if going_back else row.step.expected_seconds
    if row.verdict is not None:
        return 0.0
    if not row.running:
        return expected
    elapsed = time.monotonic() - row.started
    if row.fraction > 0.05:
        return elapsed * (1 - row.fraction) / row.fraction
    return max(expected - elapsed, 0.0)


def _clock(seconds: float) -> str:
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
