"""The runbook: what was done, in Markdown, for the change ticket; nothing that was recorded can become markup in it."""

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from toolkit.model.printable import markdown_text, one_line, shell_word
from toolkit.report.reading import Reading


def runbook(reading: Reading) -> str:
    """The runbook in Markdown."""
    return _environment().get_template("runbook.md.j2").render(reading.names)


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else markdown_text(value)


@cache
def _environment() -> jinja2.Environment:
    # HTML escaping means nothing in Markdown: here `finalize` makes every value plain text instead
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("toolkit.report"),
        autoescape=False,  # noqa: S701
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # what a fenced block or a code span shows is literal, so only its own end must not occur in it
    environment.filters["command"] = lambda text: Markup(shell_word(str(text)))  # noqa: S704
    environment.filters["code"] = lambda text: Markup("`" + one_line(str(text)).replace("`", "'") + "`")  # noqa: S704
    return environment
