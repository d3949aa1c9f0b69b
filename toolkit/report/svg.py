"""SVG elements as escaped text; the drawings are made of nothing else."""

from dataclasses import dataclass

from markupsafe import Markup, escape

from toolkit.model.printable import printable


@dataclass(frozen=True)
class Paper:
    """What is drawn on. `width` is in the drawing's own units; one is a CSS pixel where the page is as wide.

    On stacked paper the words of a row stand above what they name, elsewhere to its left.
    """

    name: str
    width: float
    stacked: bool


WIDE = Paper("wide", 832.0, stacked=False)
NARROW = Paper("narrow", 360.0, stacked=True)
"""For a telephone: scaled down to it, the wide one could no longer be read."""

PAPERS = (WIDE, NARROW)

_CHARACTER_EM = 0.62


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """One element: `class_` is class, other underscores become hyphens, None leaves one out; all is escaped."""
    parts = [
        Markup(' {}="{}"').format(_name(key), _value(value)) for key, value in attributes.items() if value is not None
    ]
    inside = Markup("").join(escape(child if isinstance(child, Markup) else printable(child)) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup("").join(parts), inside)  # noqa: S704  # our own names


def _name(key: str) -> Markup:
    return Markup(key.rstrip("_").replace("_", "-"))  # noqa: S704  # a keyword of ours, never data


def _value(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{round(value, 2):.12g}"


def drawing(identity: str, paper: Paper, title: str, description: str, height: float, *children: str) -> Markup:
    """A whole picture with the title and description that stand for it where it cannot be seen."""
    identity = f"{identity}-{paper.name}"
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", description, id=f"{identity}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {paper.width:g} {height:g}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
        class_=f"drawing {paper.name}",
    )


def text(x: float, y: float, content: str, class_: str = "", anchor: str | None = None) -> Markup:
    """A line of text whose baseline starts (or by `anchor` ends, or is centred) at x, y."""
    return element("text", content, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def centred(x: float, y: float, content: str, class_: str, paper: Paper) -> Markup:
    """A line of text centred at x, or as near to it as the paper's edges let it be."""
    half = text_width(content) / 2
    return text(min(max(x, half), paper.width - half), y, content, class_, "middle")


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def box(x: float, y: float, width: float, height: float, class_: str, *, title: str = "") -> Markup:
    """A rectangle; `title` is shown while the pointer rests on it."""
    hover = (element("title", title),) if title else ()
    return element("rect", *hover, x=x, y=y, width=width, height=height, class_=class_)


def text_width(content: str, size: float = 12.0) -> float:
    """About how wide a line of text will be: no font is known here, so this errs on the wide side."""
    return len(content) * size * _CHARACTER_EM


def shortened(content: str, width: float, size: float = 12.0) -> str:
    """The text, cut with an ellipsis where it would be wider."""
    most = max(int(width / (size * _CHARACTER_EM)), 1)
    return content if len(content) <= most else content[: most - 1].rstrip() + "…"
