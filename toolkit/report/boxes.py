"""The facts of both boxes as a table: one row per fact, one column per box."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from toolkit.report.quantities import count, decimal, size


@dataclass(frozen=True)
class FactRow:
    """One fact on every box that has it; empty text where it was not seen."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """The boxes do not agree on it."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class FactTable:
    """Columns are boxes ("old", "new"); facts that belong to no box stand in `other`."""

    boxes: tuple[str, ...]
    rows: tuple[FactRow, ...]
    other: tuple[FactRow, ...]


def fact_table(facts: Mapping[str, JsonValue]) -> FactTable:
    """Flattens what was seen of each box, with "old" and "new" first and the facts in the order they were recorded."""
    columns = {
        # a new box tells under "in_use" what the old one tells at the top: the same fact belongs into the same row
        name: {path.removeprefix("in_use."): text for path, text in _flattened(value, "")}
        for name, value in facts.items()
        if isinstance(value, dict)
    }
    boxes = sorted(columns, key=lambda name: ({"old": 0, "new": 1}.get(name, 2), name))
    names = dict.fromkeys(name for box in boxes for name in columns[box])
    rows = tuple(FactRow(name, tuple(columns[box].get(name, "") for box in boxes)) for name in names)
    other = tuple(
        FactRow(name, (text,))
        for key, value in facts.items()
        if not isinstance(value, dict)
        for name, text in _flattened(value, key)
    )
    return FactTable(tuple(boxes), rows, other)


def _flattened(value: JsonValue, path: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        plain = [item for item in value if not isinstance(item, dict | list)]
        if plain or not value:
            yield path, ", ".join(fact_text(path, item) for item in plain) or "none"
        for index, item in enumerate(value, start=1):
            if isinstance(item, dict | list):
                yield from _flattened(item, f"{path}[{index}]")
    else:
        yield path, fact_text(path, value)


def fact_text(name: str, value: JsonValue) -> str:
    """A single value for people; a name that ends in `_bytes` makes it a size."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if name.endswith("_bytes"):
            return size(value)
        return str(value) if name.endswith("port") else count(value)
    if isinstance(value, float):
        return decimal(value)
    return str(value)
