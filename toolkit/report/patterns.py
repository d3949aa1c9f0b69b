"""The hatchings that tell things apart without colour: defined once in the page, for every drawing."""

from markupsafe import Markup

from toolkit.report.svg import box, element, line


def patterns() -> Markup:
    """A picture of nothing that holds them; hidden by its size, since what is not rendered lends no pattern either."""
    return element(
        "svg",
        element(
            "defs",
            _hatch("operator-fill", "operator"),
            _hatch("owner-old", "old"),
            _hatch("owner-stranger", "stranger", crossed=True),
            _hatch("gap-fill", "gap", gap=4.0),
        ),
        xmlns="http://www.w3.org/2000/svg",
        width=0.0,
        height=0.0,
        aria_hidden="true",
        focusable="false",
        class_="patterns",
    )


def _hatch(identity: str, class_: str, *, crossed: bool = False, gap: float = 6.0) -> Markup:
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
