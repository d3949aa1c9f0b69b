"""The plot of the outage: when each method had no answer, and whose box held the address meanwhile, drawn as SVG."""

from datetime import datetime

from markupsafe import Markup

from toolkit.report.outage import Lane, Reign, Stretch, Watch
from toolkit.report.quantities import clock_text, counted, later, milliseconds
from toolkit.report.scale import Scale, tick_label, tick_step, ticks
from toolkit.report.svg import WIDTH, box, drawing, element, hatch, line, shortened, text, text_width
from toolkit.report.windows import CloseUps, Window, close_ups

_LEFT = 112.0
_RIGHT = WIDTH - 10.0
_HEAD = 34.0
_LANE = 42.0
_BAND = 22.0
_OWNER = 40.0
_AXIS = 30.0
_OVERVIEW = 90.0
_MOST_GAPS = 400
_LETTERS = "abcdefgh"

OWNER_WORDS = {"old": "old box", "new": "new box", "stranger": "a stranger", "nobody": "nobody seen"}


def draw_outage(watch: Watch, watch_started: datetime | None) -> Markup:
    """An overview of the whole watch, then a close-up, to scale, of every stretch where something happened."""
    chosen = close_ups(watch)
    drawn = [_overview(watch, chosen)]
    top = _OVERVIEW
    for letter, window in zip(_LETTERS, chosen.windows, strict=False):
        drawn.append(_close_up(watch, window, letter, watch_started, top))
        top += _HEAD + _LANE * len(watch.lanes) + _OWNER + _AXIS
    return drawing(
        "outage",
        "When nobody answered, and who owned the address",
        f"A watch of {milliseconds(watch.length_ms)} by {counted(len(watch.lanes), 'method')} with "
        f"{counted(len(chosen.windows), 'close-up')}. The tables below hold every value drawn here.",
        top,
        element(
            "defs",
            hatch("owner-old", "old"),
            hatch("owner-stranger", "stranger", crossed=True),
            hatch("gap-fill", "gap", gap=4.0),
        ),
        *drawn,
    )


def _overview(watch: Watch, chosen: CloseUps) -> Markup:
    scale = Scale(0.0, watch.length_ms or 1.0, _LEFT, _RIGHT)
    drawn = [text(0, 21, "whole watch", "label"), *_reigns(watch, scale, 8.0, 18.0)]
    for lane in watch.lanes:
        for gap in lane.gaps:
            if lane.shows_outage(gap.length_ms):
                left, width = scale.span(gap.start_ms, gap.end_ms, 1.5)
                drawn.append(
                    box(left, 28, width, 7, "gap-solid", title=f"{lane.method}: {milliseconds(gap.length_ms)}")
                )
    if chosen.left_out:
        drawn.append(text(0, 50, f"{chosen.left_out} more in table", "axis"))
    free_from = 0.0
    for letter, window in zip(_LETTERS, chosen.windows, strict=False):
        left, width = scale.span(window.start_ms, window.end_ms, 2.0)
        x = max(left + width / 2, free_from)
        drawn += [box(left, 4, width, 34, "window"), text(x, 50, letter, "label", "middle")]
        free_from = x + 11
    step = tick_step(scale.end / 1000, 6)
    drawn += [
        text(scale(value * 1000), 68, tick_label(value, step), "axis", "middle" if value else "start")
        for value in ticks(0.0, scale.end / 1000, 6)
        if scale(value * 1000) < _RIGHT - 12
    ]
    return element("g", *drawn)


def _close_up(watch: Watch, window: Window, letter: str, watch_started: datetime | None, top: float) -> Markup:
    scale = Scale(window.start_ms, window.end_ms, _LEFT, _RIGHT)
    if watch_started:
        zero = f"{clock_text(later(watch_started, window.zero_ms / 1000), fraction=True)} UTC"
    else:
        zero = f"{milliseconds(window.zero_ms)} after the watch began"
    drawn = [
        line(0, top - 6, WIDTH, top - 6, "grid"),
        text(0, top + 16, letter, "label"),
        text(_LEFT, top + 16, f"{milliseconds(window.length_ms)} of the watch; 0 is {zero}", "axis"),
    ]
    lanes_top = top + _HEAD
    bottom = lanes_top + _LANE * len(watch.lanes) + _OWNER
    drawn += _axis(scale, window, lanes_top, bottom)
    for index, lane in enumerate(watch.lanes):
        drawn += _lane(lane, window, scale, lanes_top + _LANE * index)
    owner_top = lanes_top + _LANE * len(watch.lanes) + 8
    drawn += [text(0, owner_top + 15, "address held by", "label"), *_reigns(watch, scale, owner_top, _BAND)]
    return element("g", *drawn)


def _axis(scale: Scale, window: Window, top: float, bottom: float) -> list[Markup]:
    start, end = (window.start_ms - window.zero_ms) / 1000, (window.end_ms - window.zero_ms) / 1000
    step = tick_step(end - start, 8)
    drawn: list[Markup] = []
    for value in ticks(start, end, 8):
        x = scale(window.zero_ms + value * 1000)
        drawn.append(line(x, top - 4, x, bottom - 4, "zero" if abs(value) < step / 1e6 else "grid"))
        if x < _RIGHT - 14:
            drawn.append(text(x, bottom + 12, tick_label(value, step), "axis", "middle"))
    return drawn


def _lane(lane: Lane, window: Window, scale: Scale, top: float) -> list[Markup]:
    drawn = [
        text(0, top + 14, shortened(lane.method, _LEFT - 8), "label"),
        text(0, top + 29, f"floor {milliseconds(lane.floor_ms)}" if lane.measured else "not measured", "axis"),
    ]
    if not lane.measured:
        return [*drawn, box(scale.left, top + 4, scale.right - scale.left, 16, "unwatched")]
    drawn.append(box(scale.left, top + 9, scale.right - scale.left, 6, "answered", title=f"{lane.method}: answered"))
    for stretch in _inside(lane.unwatched, scale):
        left, width = scale.span(stretch.start_ms, stretch.end_ms, 2.0)
        drawn.append(
            box(left, top + 2, width, 20, "unwatched", title=f"not watched for {milliseconds(stretch.length_ms)}")
        )
        if text_width("not watched") < width:
            drawn.append(text(left + width / 2, top + 16, "not watched", "axis", "middle"))
    return [*drawn, *_gaps(lane, scale, top), _floor(lane, window, scale, top)]


def _gaps(lane: Lane, scale: Scale, top: float) -> list[Markup]:
    """Every gap to scale; its length beside it, the longest first, as long as there is room."""
    gaps = sorted(_inside(lane.gaps, scale), key=lambda gap: gap.length_ms, reverse=True)[:_MOST_GAPS]
    places = [scale.span(gap.start_ms, gap.end_ms, 1.5) for gap in gaps]
    taken = [(left, left + width) for left, width in places]
    bars: list[Markup] = []
    labels: list[Markup] = []
    for index, (gap, (left, width)) in enumerate(zip(gaps, places, strict=True)):
        seen = lane.shows_outage(gap.length_ms)
        words = milliseconds(gap.length_ms)
        hover = f"{lane.method}: no answer for {words}"
        bars.append(box(left, top + 2, width, 20, "background"))
        bars.append(box(left, top + 2, width, 20, "gap" if seen else "gap-below-floor", title=hover))
        room = text_width(words) + 8
        if seen and room < width:
            labels.append(text(left + width / 2, top + 16, words, "label halo", "middle"))
        elif seen:
            others = taken[:index] + taken[index + 1 :]
            start = next((x for x in (left + width, left - room) if _free(x, x + room, others, scale)), None)
            if start is not None:
                labels.append(text(start + 4, top + 7, words, "label halo"))
                taken.append((start, start + room))
    return bars + labels


def _free(start: float, end: float, taken: list[tuple[float, float]], scale: Scale) -> bool:
    return scale.left <= start and end <= scale.right and not any(start < t[1] and t[0] < end for t in taken)


def _floor(lane: Lane, window: Window, scale: Scale, top: float) -> Markup:
    """The floor to scale, beneath the first gap or where the axis counts from, as a measure to hold against it."""
    gaps = _inside(lane.gaps, scale)
    start = gaps[0].start_ms if gaps else window.zero_ms
    left, width = scale.span(start, start + lane.floor_ms, 1.0)
    y = top + 29
    return element(
        "g",
        element("title", f"the floor of {lane.method}: {milliseconds(lane.floor_ms)}"),
        line(left, y, left + width, y, "floor"),
        line(left, y - 3, left, y + 3, "floor"),
        line(left + width, y - 3, left + width, y + 3, "floor"),
    )


def _reigns(watch: Watch, scale: Scale, top: float, height: float) -> list[Markup]:
    if not watch.reigns:
        return [
            box(scale.left, top, scale.right - scale.left, height, "owner-nobody"),
            text(scale.left + 8, top + height / 2 + 4, "not recorded", "axis"),
        ]
    drawn: list[Markup] = []
    for reign in watch.reigns:
        if reign.stretch.end_ms < scale.start or reign.stretch.start_ms > scale.end:
            continue
        left, width = scale.span(reign.stretch.start_ms, reign.stretch.end_ms, 1.5)
        drawn.append(box(left, top, width, height, f"owner-{reign.owner}", title=_reign_in_words(reign)))
        words = next((words for words in _names(reign) if text_width(words) + 16 < width), None)
        if words:
            drawn.append(text(left + 8, top + height / 2 + 4, words, f"label halo-{reign.owner}"))
    return drawn


def _names(reign: Reign) -> tuple[str, ...]:
    word = OWNER_WORDS[reign.owner]
    return (f"{word}  {reign.mac}", word, reign.owner) if reign.mac else (word,)


def _reign_in_words(reign: Reign) -> str:
    mac = f" ({reign.mac})" if reign.mac else ""
    return f"{OWNER_WORDS[reign.owner]}{mac} from {milliseconds(reign.stretch.start_ms)} on"


def _inside(stretches: tuple[Stretch, ...], scale: Scale) -> tuple[Stretch, ...]:
    return tuple(stretch for stretch in stretches if stretch.end_ms >= scale.start and stretch.start_ms <= scale.end)
