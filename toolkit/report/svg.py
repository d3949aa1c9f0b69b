"""SVG elements as escaped text; the drawings are made of nothing else."""

from markupsafe import Markup, escape

from toolkit.report.printable import printable

WIDTH = 832.0
"""Every drawing's width in its own units; one unit is one CSS pixel on a wide screen."""

_CHARACTER_EM = 0.58


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


def drawing(identity: str, title: str, description: str, height: float, *children: str) -> Markup:
    """A whole picture with the title and description that stand for it where it cannot be seen."""
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", description, id=f"{identity}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
        class_="drawing",
    )


def text(x: float, y: float, content: str, class_: str = "", anchor: str | None = None) -> Markup:
    """A line of text whose baseline starts (or by `anchor` ends, or is centred) at x, y."""
    return element("text", content, x=x, y=y, class_=class_ or None, text_anchor=anchor)


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


def hatch(identity: str, class_: str, *, crossed: bool = False, gap: float = 6.0) -> Markup:
    """A pattern of diagonal lines on a ground, for telling things apart without colour."""
    lines = [line(0, 0, 0, gap, f"{class_}-line")]
    if crossed:
        lines.append(line(0, 0, gap, 0, f"{class_}-line"))
    return element(
        "pattern",
        box(0, 0, gap, gap, f"{class_}-ground"),
        *lines,
        id=identity,
        width=gap,
        height=gap,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
