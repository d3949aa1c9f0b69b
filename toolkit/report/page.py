"""The html page: one file that needs nothing else; every text it shows is escaped."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from toolkit.model.printable import printable
from toolkit.report.outage_plot import draw_outage
from toolkit.report.outage_rows import OWNER_WORDS
from toolkit.report.patterns import patterns
from toolkit.report.reading import Reading
from toolkit.report.svg import PAPERS
from toolkit.report.timeline import draw_timeline


def html_page(reading: Reading, files: Iterable[str] = ()) -> str:
    """The whole page; `files` are names of further files in the run's folder, to link to."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            reading.names,
            files=tuple(files),
            patterns=patterns(),
            timelines=[draw_timeline(reading.report, reading.passages, reading.watch, paper) for paper in PAPERS],
            outage_plots=[draw_outage(reading.watch, reading.report.watch_started, paper) for paper in PAPERS],
            owner_words=OWNER_WORDS,
        )
    )


def _shown(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return "" if value is None else printable(str(value))


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("toolkit.report"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
