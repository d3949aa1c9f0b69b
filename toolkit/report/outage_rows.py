"""The rows of the outage's plot: one method's answers and gaps, and who held the address."""

from markupsafe import Markup

from toolkit.report.outage import Lane, Reign, Stretch, Watch
from toolkit.report.quantities import milliseconds
from toolkit.report.scale import Scale
from toolkit.report.svg import box, element, line, text, text_width
from toolkit.report.windows import Window

_MOST_GAPS = 400

OWNER_WORDS = {"old": "old box", "new": "new box", "stranger": "a stranger", "nobody": "nobody seen"}


def lane_row(lane: Lane, window: Window, scale: Scale, top: float) -> list[Markup]:
    """When one method was answered in a window and when it was not, or that it measured nothing."""
    if not lane.measured:
        return [box(scale.left, top + 4, scale.right - scale.left, 16, "unwatched")]
    answered = f"{lane.method}: answered"
    drawn = [box(scale.left, top + 9, scale.right - scale.left, 6, "answered", title=answered)]
    for stretch in _inside(lane.unwatched, scale):
        left, width = scale.span(stretch.start_ms, stretch.end_ms, 2.0)
        drawn.append(
            box(left, top + 2, width, 20, "unwatched", title=f"not watched for {milliseconds(stretch.length_ms)}")
        )
        if text_width("not watched") < width:
            drawn.append(text(left + width / 2, top + 16, "not watched", "axis", "middle"))
    return [*drawn, *_gaps(lane, scale, top), _floor(lane, window, scale, top)]


def _gaps(lane: Lane, scale: Scale, top: float) -> list[Markup]:
    """Every gap to scale; its length on it or beside it, the longest first, as long as there is room."""
    gaps = sorted(_inside(lane.gaps, scale), key=lambda gap: gap.length_ms, reverse=True)[:_MOST_GAPS]
    places = [scale.span(gap.start_ms, gap.end_ms, 1.5) for gap in gaps]
    taken = [(left, left + width) for left, width in places]
    bars: list[Markup] = []
    labels: list[Markup] = []
    for index, (gap, (left, width)) in enumerate(zip(gaps, places, strict=True)):
        seen = lane.shows_outage(gap.length_ms)
        words = milliseconds(gap.length_ms) + ("" if gap.ended else ", not ended")
        hover = f"{lane.method}: no answer for {words}"
        bars.append(box(left, top + 2, width, 20, "background"))
        bars.append(box(left, top + 2, width, 20, "gap" if seen else "gap-below-floor", title=hover))
        room = text_width(words) + 8
        if seen and room + 16 < width:
            middle = left + width / 2
            labels.append(box(middle - room / 2, top + 5, room, 14, "background"))
            labels.append(text(middle, top + 16, words, "label", "middle"))
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
    """The floor to scale, beneath the first gap or where the axis counts from, as a measure to hold against it.

    One that is longer than the close-up runs out of it, without an end.
    """
    gaps = _inside(lane.gaps, scale)
    start = gaps[0].start_ms if gaps else window.zero_ms
    left, width = scale.span(start, start + lane.floor_ms, 1.0)
    y = top + 29
    whole = start + lane.floor_ms <= scale.end
    return element(
        "g",
        element("title", f"the floor of {lane.method}: {milliseconds(lane.floor_ms)}"),
        line(left, y, left + width, y, "floor"),
        line(left, y - 3, left, y + 3, "floor"),
        *([line(left + width, y - 3, left + width, y + 3, "floor")] if whole else []),
    )


def reigns_row(watch: Watch, scale: Scale, top: float, height: float) -> list[Markup]:
    """Who held the address, named as fully as there is room."""
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
