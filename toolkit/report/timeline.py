"""The timeline: every step as a bar over the run's time, drawn as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from toolkit.model.run_report import RunReport, StepReport
from toolkit.model.verdict import Verdict
from toolkit.report.course import Passage, seconds_taken
from toolkit.report.outage import Watch
from toolkit.report.quantities import bounded, counted, duration, milliseconds, seconds_between
from toolkit.report.scale import Scale, tick_label, tick_step, ticks
from toolkit.report.svg import WIDE, Paper, box, centred, drawing, element, line, shortened, text, text_width

_TOP = 34.0
_BAR = 12.0
_SIGNS = {
    Verdict.PASSED: ("", ""),
    Verdict.FAILED: ("✗ ", "failed, "),
    Verdict.UNKNOWN: ("? ", "unknown, "),
    Verdict.SKIPPED: ("– ", "skipped, "),
}


@dataclass(frozen=True)
class _Layout:
    """Where a row's name, bar and outcome go: side by side, or on stacked paper name and outcome above the bar."""

    paper: Paper
    row: float
    words: float
    bar: float
    number_to: float
    bars_from: float
    bars_to: float

    @property
    def name_from(self) -> float:
        return self.number_to + (10 if not self.paper.stacked else 6)


def _layout(paper: Paper) -> _Layout:
    if paper.stacked:
        return _Layout(paper, row=38, words=14, bar=25, number_to=18, bars_from=1, bars_to=paper.width - 1)
    return _Layout(paper, row=24, words=16, bar=12, number_to=22, bars_from=262, bars_to=paper.width - 92)


def draw_timeline(report: RunReport, passages: Sequence[Passage], watch: Watch, paper: Paper = WIDE) -> Markup:
    """The run's Gantt chart; its text alternative is the list of steps that follows it."""
    layout = _layout(paper)
    total = seconds_taken(report)
    scale = Scale(0.0, total or 1.0, layout.bars_from, layout.bars_to)
    bottom = _TOP + layout.row * len(passages)
    marks = _outage_marks(report, watch, scale, bottom, paper)
    rows = [_row(passage, scale, _TOP + layout.row * index, layout) for index, passage in enumerate(passages)]
    return drawing(
        "timeline",
        paper,
        "Timeline of the steps",
        f"{counted(len(report.steps), 'step')} over {duration(total)}, one bar each, to scale. "
        "The list of steps below says the same in words.",
        bottom + (30.0 if marks else 8.0),
        *marks,
        *_axis(scale, bottom, paper),
        *rows,
    )


def _axis(scale: Scale, bottom: float, paper: Paper) -> list[Markup]:
    about = 4 if paper.stacked else 6
    step = tick_step(scale.end - scale.start, about)
    drawn: list[Markup] = []
    for value in ticks(scale.start, scale.end, about):
        x = scale(value)
        drawn.append(line(x, _TOP - 6, x, bottom, "grid"))
        drawn.append(centred(x, _TOP - 12, tick_label(value, step), "axis", paper))
    return drawn


def _row(passage: Passage, scale: Scale, top: float, layout: _Layout) -> Markup:
    went = passage.went
    outcome = _outcome(went, brief=layout.paper.stacked) if went else "not reached"
    kind = "label" if went and (went.taken_back or went.verdict in {Verdict.FAILED, Verdict.UNKNOWN}) else "axis"
    until = layout.paper.width - text_width(outcome) - 8 if layout.paper.stacked else layout.bars_from - 14
    name = shortened(passage.name, until - layout.name_from)
    words = top + layout.words
    bar = _bar(passage, went, scale, top + layout.bar) if went else []
    if layout.paper.stacked:
        said = text(layout.paper.width, words, outcome, f"{kind} halo", "end")
    elif went:
        said = _beside(went, kind, words, scale, layout)
    else:
        said = text(layout.bars_from, words, outcome, kind)
    return element(
        "g",
        element("title", _in_words(passage)),
        # a transparent ground, so that resting anywhere on the row shows what the step is
        box(0, top, layout.paper.width, layout.row, "row"),
        *bar,
        text(layout.number_to, words, str(passage.number), "axis halo", "end"),
        text(layout.name_from, words, name, "label halo" if went else "axis halo"),
        said,
    )


def _extent(went: StepReport, scale: Scale) -> tuple[float, float]:
    start = bounded(went.offset_seconds)
    return scale.span(start, start + max(bounded(went.seconds), 0.0), 2.5)


def _bar(passage: Passage, went: StepReport, scale: Scale, middle: float) -> list[Markup]:
    left, width = _extent(went, scale)
    drawn = [box(left, middle - _BAR / 2, width, _BAR, f"bar bar-{went.verdict}")]
    if passage.by_operator:
        drawn.append(box(left, middle - _BAR / 2, width, _BAR, "operator"))
    if passage.interrupts_service:
        drawn.append(line(left, middle + _BAR / 2 + 2.5, left + width, middle + _BAR / 2 + 2.5, "interrupts"))
    return drawn


def _beside(went: StepReport, kind: str, y: float, scale: Scale, layout: _Layout) -> Markup:
    """What came of the step, where there is room: after the bar, before it, else on it."""
    outcome, (left, width) = _outcome(went), _extent(went, scale)
    room = text_width(outcome) + 8
    if left + width + room <= layout.paper.width:
        return text(left + width + 7, y, outcome, f"{kind} halo")
    if left - room >= layout.bars_from:
        return text(left - 7, y, outcome, f"{kind} halo", "end")
    return text(left + width - 7, y, outcome, f"inside inside-{went.verdict}", "end")


def _outcome(went: StepReport, *, brief: bool = False) -> str:
    """What came of a step; brief, the sign stands for the word, which leaves room for the step's name."""
    sign, word = _SIGNS[went.verdict]
    verdict = sign if brief else sign + word
    return verdict + duration(went.seconds) + (", taken back" if went.taken_back else "")


def _in_words(passage: Passage) -> str:
    who = "operator" if passage.by_operator else "automatic"
    if passage.went is None:
        return f"{passage.number}. {passage.title} ({who}): not reached"
    return f"{passage.number}. {passage.title} ({who}): {passage.went.verdict} in {duration(passage.went.seconds)}"


def _outage_marks(report: RunReport, watch: Watch, scale: Scale, bottom: float, paper: Paper) -> list[Markup]:
    """The longest outage that was seen, on the run's own time; nothing when that cannot be placed."""
    worst = watch.worst
    if worst is None or report.watch_started is None or not worst.gaps:
        return []
    gap = max(worst.gaps, key=lambda gap: gap.length_ms)
    offset = seconds_between(report.started, report.watch_started)
    left, width = scale.span(offset + gap.start_ms / 1000, offset + gap.end_ms / 1000, 1.5)
    words = f"no answer for {milliseconds(worst.longest_ms)} ({worst.method})"
    return [
        box(left, _TOP - 6, width, bottom - _TOP + 6, "outage-mark"),
        box(left, bottom, width, 6, "outage-edge"),
        centred(left + width / 2, bottom + 22, words, "label", paper),
    ]
