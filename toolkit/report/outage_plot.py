"""The plot of the outage: when each method had no answer, and whose box held the address meanwhile, drawn as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from toolkit.report.outage import Watch
from toolkit.report.outage_rows import lane_row, reigns_row
from toolkit.report.quantities import clock_text, counted, later, milliseconds
from toolkit.report.scale import Scale, tick_label, tick_step, ticks
from toolkit.report.svg import WIDE, Paper, box, centred, drawing, element, line, shortened, text, text_width
from toolkit.report.windows import CloseUps, Window, close_ups

_MARGIN = 120.0
_HEAD = 34.0
_LANE = 42.0
_BAND = 22.0
_OWNER = 40.0
_AXIS = 30.0
_OVERVIEW = 82.0
_LETTER = 11.0
_LETTERS = "abcdefgh"


@dataclass(frozen=True)
class _Place:
    """Where things go on a paper: `rise` is how much higher a row is where its words stand above it."""

    paper: Paper

    @property
    def rise(self) -> float:
        return 15.0 if self.paper.stacked else 0.0

    def scale(self, start_ms: float, end_ms: float) -> Scale:
        """What is drawn to scale reaches from the words, or from the left edge, nearly to the right one."""
        return Scale(start_ms, end_ms, 1.0 if self.paper.stacked else _MARGIN, self.paper.width - 1.0)

    def words(self, top: float, name: str, note: str = "") -> list[Markup]:
        """What a row is, and something about it."""
        if self.paper.stacked:
            room = self.paper.width - text_width(note) - 8
            return [
                text(0, top + 11, shortened(name, room), "label halo"),
                text(self.paper.width, top + 11, note, "axis halo", "end"),
            ]
        return [text(0, top + 14, shortened(name, _MARGIN - 8), "label"), text(0, top + 29, note, "axis")]

    def close_up_height(self, lanes: int) -> float:
        return _HEAD + (_LANE + self.rise) * lanes + _OWNER + self.rise + _AXIS


def draw_outage(watch: Watch, watch_started: datetime | None, paper: Paper = WIDE) -> Markup:
    """An overview of the whole watch, then a close-up, to scale, of every stretch where something happened."""
    chosen = close_ups(watch)
    place = _Place(paper)
    drawn = [_overview(watch, chosen, place)]
    top = _OVERVIEW + place.rise
    for letter, window in zip(_LETTERS, chosen.windows, strict=False):
        title = _title(window, letter, watch_started, top, place)
        drawn.append(element("g", *title, *_close_up(watch, window, top, place)))
        top += place.close_up_height(len(watch.lanes))
    return drawing(
        "outage",
        paper,
        "When nobody answered, and who owned the address",
        f"A watch of {milliseconds(watch.length_ms)} by {counted(len(watch.lanes), 'method')} with "
        f"{counted(len(chosen.windows), 'close-up')}. The tables below hold every value drawn here.",
        top,
        *drawn,
    )


def _overview(watch: Watch, chosen: CloseUps, place: _Place) -> Markup:
    """Who held the address over the whole watch; beneath it, every outage, in a frame with its close-up's letter."""
    scale = place.scale(0.0, watch.length_ms or 1.0)
    top = place.rise
    drawn = place.words(0.0 if place.paper.stacked else 18.0, "whole watch")
    step = tick_step(scale.end / 1000, 4 if place.paper.stacked else 6)
    for value in ticks(0.0, scale.end / 1000, 4 if place.paper.stacked else 6):
        x = scale(value * 1000)
        drawn.append(centred(x, top + 12, tick_label(value, step), "axis", place.paper))
        drawn.append(line(x, top + 16, x, top + 20, "tick"))
    drawn += reigns_row(watch, scale, top + 20, 18.0)
    for lane in watch.lanes:
        for stretch in lane.unwatched:
            left, width = scale.span(stretch.start_ms, stretch.end_ms, 2.0)
            drawn.append(box(left, top + 43, width, 7, "unwatched", title=f"{lane.method}: not watched"))
        for gap in lane.gaps:
            if lane.shows_outage(gap.length_ms):
                left, width = scale.span(gap.start_ms, gap.end_ms, 1.5)
                words = f"{lane.method}: {milliseconds(gap.length_ms)}"
                drawn.append(box(left, top + 43, width, 7, "gap-solid", title=words))
    frames = [scale.span(window.start_ms, window.end_ms, 5.0) for window in chosen.windows]
    drawn += [box(left, top + 41, width, 11, "window") for left, width in frames]
    centres = _apart([left + width / 2 for left, width in frames], scale)
    drawn += [text(x, top + 65, letter, "label", "middle") for x, letter in zip(centres, _LETTERS, strict=False)]
    if chosen.left_out:
        drawn.append(text(0, top + 65, f"{chosen.left_out} more in table", "axis"))
    return element("g", *drawn)


def _apart(centres: Sequence[float], scale: Scale) -> list[float]:
    """The places in order and on the paper, with a letter's room between every two."""
    apart: list[float] = []
    for centre in centres:
        apart.append(max(centre, apart[-1] + _LETTER) if apart else centre)
    last = scale.right - _LETTER / 2
    return [min(x, last - _LETTER * (len(apart) - 1 - index)) for index, x in enumerate(apart)]


def _title(window: Window, letter: str, watch_started: datetime | None, top: float, place: _Place) -> list[Markup]:
    if watch_started:
        zero = f"{clock_text(later(watch_started, window.zero_ms / 1000), fraction=True)} UTC"
    else:
        zero = f"{milliseconds(window.zero_ms)} after the watch began"
    left = _LETTER + 4 if place.paper.stacked else _MARGIN
    words = shortened(f"{window.what}: {milliseconds(window.length_ms)}; 0 is {zero}", place.paper.width - left)
    return [
        line(0, top - 6, place.paper.width, top - 6, "grid"),
        text(0, top + 16, letter, "label"),
        text(left, top + 16, words, "axis"),
    ]


def _close_up(watch: Watch, window: Window, top: float, place: _Place) -> list[Markup]:
    scale = place.scale(window.start_ms, window.end_ms)
    lanes_top = top + _HEAD
    owner_top = lanes_top + (_LANE + place.rise) * len(watch.lanes)
    drawn = _axis(scale, window, lanes_top, owner_top + _OWNER + place.rise, place)
    for index, lane in enumerate(watch.lanes):
        lane_top = lanes_top + (_LANE + place.rise) * index
        note = f"floor {milliseconds(lane.floor_ms)}" if lane.measured else "not measured"
        drawn += place.words(lane_top, lane.label, note)
        drawn += lane_row(lane, window, scale, lane_top + place.rise)
    drawn += place.words(owner_top + 8, "address held by")
    drawn += reigns_row(watch, scale, owner_top + 8 + place.rise, _BAND)
    return drawn


def _axis(scale: Scale, window: Window, top: float, bottom: float, place: _Place) -> list[Markup]:
    start, end = (window.start_ms - window.zero_ms) / 1000, (window.end_ms - window.zero_ms) / 1000
    about = 4 if place.paper.stacked else 8
    step = tick_step(end - start, about)
    drawn: list[Markup] = []
    for value in ticks(start, end, about):
        x = scale(window.zero_ms + value * 1000)
        drawn.append(line(x, top - 4, x, bottom - 4, "zero" if abs(value) < step / 1e6 else "grid"))
        drawn.append(centred(x, bottom + 12, tick_label(value, step), "axis", place.paper))
    return drawn
