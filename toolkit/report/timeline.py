"""The timeline: every step as a bar over the run's time, drawn as SVG."""

from collections.abc import Sequence

from markupsafe import Markup

from toolkit.model.run_report import RunReport, StepReport
from toolkit.model.verdict import Verdict
from toolkit.report.course import Passage, seconds_taken
from toolkit.report.outage import Watch
from toolkit.report.quantities import bounded, counted, duration, milliseconds, seconds_between
from toolkit.report.scale import Scale, tick_label, tick_step, ticks
from toolkit.report.svg import WIDTH, box, drawing, element, hatch, line, shortened, text, text_width

_ROW = 24.0
_TOP = 34.0
_BARS_FROM = 262.0
_BARS_TO = WIDTH - 92.0
_BAR = 12.0


def draw_timeline(report: RunReport, passages: Sequence[Passage], watch: Watch) -> Markup:
    """The run's Gantt chart; its text alternative is the list of steps that follows it."""
    total = seconds_taken(report)
    scale = Scale(0.0, total or 1.0, _BARS_FROM, _BARS_TO)
    bottom = _TOP + _ROW * len(passages)
    marks = _outage_marks(report, watch, scale, bottom)
    rows = [_row(passage, scale, _TOP + _ROW * index) for index, passage in enumerate(passages)]
    return drawing(
        "timeline",
        "Timeline of the steps",
        f"{counted(len(report.steps), 'step')} over {duration(total)}, one bar each, to scale. "
        "The list of steps below says the same in words.",
        bottom + (30.0 if marks else 8.0),
        element("defs", hatch("timeline-operator", "operator")),
        *marks,
        *_axis(scale, bottom),
        *rows,
    )


def _axis(scale: Scale, bottom: float) -> list[Markup]:
    step = tick_step(scale.end - scale.start, 6)
    drawn: list[Markup] = []
    for value in ticks(scale.start, scale.end, 6):
        x = scale(value)
        drawn.append(line(x, _TOP - 6, x, bottom, "grid"))
        drawn.append(text(x, _TOP - 12, tick_label(value, step), "axis", "middle"))
    return drawn


def _row(passage: Passage, scale: Scale, top: float) -> Markup:
    middle = top + _ROW / 2
    number = text(22, middle + 4, str(passage.number), "axis", "end")
    name = text(32, middle + 4, shortened(passage.name, _BARS_FROM - 46), "label" if passage.went else "axis")
    bar = _bar(passage, passage.went, scale, middle) if passage.went else [_not_reached(middle)]
    hover = element("title", _in_words(passage))
    # a transparent ground, so that resting anywhere on the row shows what the step is
    return element("g", hover, box(0, top, WIDTH, _ROW, "row"), number, name, *bar)


def _bar(passage: Passage, went: StepReport, scale: Scale, middle: float) -> list[Markup]:
    start = bounded(went.offset_seconds)
    left, width = scale.span(start, start + max(bounded(went.seconds), 0.0), 2.5)
    drawn = [box(left, middle - _BAR / 2, width, _BAR, f"bar bar-{went.verdict}")]
    if passage.by_operator:
        pattern = "url(#timeline-operator)"
        drawn.append(element("rect", x=left, y=middle - _BAR / 2, width=width, height=_BAR, fill=pattern))
    if passage.interrupts_service:
        drawn.append(line(left, middle + _BAR / 2 + 2.5, left + width, middle + _BAR / 2 + 2.5, "interrupts"))
    return [*drawn, _beside(left, width, middle + 4, went)]


def _beside(left: float, width: float, y: float, went: StepReport) -> Markup:
    """What came of the step, where there is room: after the bar, before it, else on it."""
    label = _label(went)
    kind = "label" if went.verdict in {Verdict.FAILED, Verdict.UNKNOWN} or went.taken_back else "axis"
    room = text_width(label) + 8
    if left + width + room <= WIDTH:
        return text(left + width + 7, y, label, kind)
    if left - room >= _BARS_FROM:
        return text(left - 7, y, label, kind, "end")
    return text(left + width - 7, y, label, f"inside inside-{went.verdict}", "end")


def _label(went: StepReport) -> str:
    words = {
        Verdict.PASSED: "",
        Verdict.FAILED: "✗ failed, ",
        Verdict.UNKNOWN: "? unknown, ",
        Verdict.SKIPPED: "skipped, ",
    }
    return words[went.verdict] + duration(went.seconds) + (", taken back" if went.taken_back else "")


def _not_reached(middle: float) -> Markup:
    return text(_BARS_FROM, middle + 4, "not reached", "axis")


def _in_words(passage: Passage) -> str:
    who = "operator" if passage.by_operator else "automatic"
    if passage.went is None:
        return f"{passage.number}. {passage.title} ({who}): not reached"
    return f"{passage.number}. {passage.title} ({who}): {passage.went.verdict} in {duration(passage.went.seconds)}"


def _outage_marks(report: RunReport, watch: Watch, scale: Scale, bottom: float) -> list[Markup]:
    """The longest outage that was seen, on the run's own time; nothing when that cannot be placed."""
    worst = watch.worst
    if worst is None or report.watch_started is None or not worst.gaps:
        return []
    gap = max(worst.gaps, key=lambda gap: gap.length_ms)
    offset = seconds_between(report.started, report.watch_started)
    left, width = scale.span(offset + gap.start_ms / 1000, offset + gap.end_ms / 1000, 1.5)
    words = f"no answer for {milliseconds(worst.longest_ms)} ({worst.method})"
    half = text_width(words) / 2
    x = min(max(left + width / 2, half), WIDTH - half)
    return [
        box(left, _TOP - 6, width, bottom - _TOP + 6, "outage-mark"),
        box(left, bottom, width, 6, "outage-edge"),
        text(x, bottom + 22, words, "label", "middle"),
    ]
