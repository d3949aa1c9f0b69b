"""The printable page of an erasure record: one sheet of paper, whose blank lines are filled in and signed by hand."""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from unicodedata import east_asian_width

import jinja2
from markupsafe import Markup

from toolkit.model.printable import one_line
from toolkit.model.verdict import Verdict
from toolkit.reset.record import Record

_SHOWN, _REASON_SHOWN = 110, 300
"""Columns of a value and of a reason that have room on the sheet; the record holds all of them."""
_LETTERS = ((500, ""), (1300, "small"), (1800, "smaller"))
"""Up to how many columns of all values together have room in which size of letters; tried with the widest."""

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
        "letters": _letters(record),
    }
    return _environment().get_template("erasure_record.html.j2").render(names)


def _letters(record: Record) -> str:
    told = [*record.erasure.model_dump(mode="json", exclude={"layers", "kept_beside"}).values()]
    told += [*record.context.model_dump().values(), *record.erasure.kept_beside]
    for layer in record.erasure.layers:
        # a row of its own: its name and what it says
        told += [layer.place, layer.reason, layer.technique, layer.size_bytes, layer.bytes_read, "Image below it"]
    columns = sum(min(_columns(str(value)), _REASON_SHOWN) for value in told)
    return next((size for most, size in _LETTERS if columns <= most), "smallest")


def _columns(text: str) -> int:
    """How wide a text is: letters of Chinese, Japanese and Korean take two columns."""
    return sum(2 if east_asian_width(letter) in {"W", "F"} else 1 for letter in text)


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else _cut(one_line(str(value)), _SHOWN)


def _cut(text: str, columns: int) -> str:
    if _columns(text) <= columns:
        return text
    kept = text[:columns]
    while _columns(kept) > columns:
        kept = kept[:-1]
    return f"{kept}… (the record has it all)"


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
    return f"{int(fraction * 10_000) / 100:.2f}\N{NO-BREAK SPACE}%"


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
