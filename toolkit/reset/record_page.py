"""The printable page of an erasure record: one sheet of paper, whose blank lines are filled in and signed by hand."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from toolkit.model.printable import one_line
from toolkit.model.verdict import Verdict
from toolkit.reset.record import Record

_SHOWN, _REASON_SHOWN = 110, 300
"""Characters of a value and of a reason that have room on the sheet; the record holds all of them."""
_ROOMY = 1400
"""Characters of all values together that have room in letters of the usual size."""

_HEADLINES = {
    Verdict.PASSED: "Certificate of sanitization",
    Verdict.FAILED: "Not sanitized: this is no certificate",
    Verdict.UNKNOWN: "Sanitization unknown: this is no certificate",
}
_METHODS = {"full": "Full", "sampled": "Quick sampling", "none": "None"}


def record_page(record: Record, file_name: str, sha256: str, signer: str) -> str:
    """The whole page; `file_name` and `sha256` are those of the record's file, `signer` is its public key."""
    names = {
        "record": record,
        "disk": record.erasure,
        "context": record.context,
        "verdict": str(record.verdict.value),
        "headline": _HEADLINES[record.verdict],
        "method": _METHODS[record.erasure.verification],
        "category": record.erasure.category,
        "file_name": file_name,
        "sha256": sha256,
        "signer": signer,
        "dense": _characters(record) > _ROOMY,
    }
    return _environment().get_template("erasure_record.html.j2").render(names)


def _characters(record: Record) -> int:
    told = (*record.erasure.model_dump(mode="json").values(), *record.context.model_dump().values())
    return sum(min(len(str(value)), _REASON_SHOWN) for value in told)


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else _cut(one_line(str(value)), _SHOWN)


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}… (the record has it all)"


def _reason(text: str) -> str:
    return Markup("{}").format(_cut(one_line(text), _REASON_SHOWN))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _grouped(text: str) -> str:
    """In groups of four, so that two can be compared by eye."""
    groups = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    return Markup("{}").format(groups)


def _size(number: int) -> str:
    value, unit = float(number), "bytes"
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007  it is what is left that is wanted
        value /= 1000
        if value < 1000:
            break
    return f"{number:,} bytes ({value:,.1f} {unit})"


def _percent(fraction: float) -> str:
    """Never rounded up: what was not read must show."""
    return f"{int(fraction * 10_000) / 100:.2f} %"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("toolkit.reset"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "grouped": _grouped,
        "size": _size,
        "reason": _reason,
        "percent": _percent,
    }
    return environment
