"""Compares what a box held before with what one holds after, record by record; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from toolkit.model.errors import VerificationError
from toolkit.model.run_report import Compared

Record = Mapping[str, JsonValue]

VOLATILE = frozenset(
    {"last_login", "last_seen", "last_check_in", "last_sync", "online", "status_time", "uptime_seconds"}
)
"""Fields that change by themselves, at any depth: no difference worth reporting."""

NOT_SHOWN = "(not shown)"
_SECRET = re.compile(
    r"pass(word|phrase|wd|code)|secret|token|credential|private|(key|hash|salt|psk)s?$|(^|_)(pass|key|hash|salt|pin)s?(_|$)",
    re.IGNORECASE,
)
_ABSENT = object()
_TEXT_MAX = 200


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldDifference(_Frozen):
    """One field that differs; `path` like `permissions.roles[2]`, None for a field that is not there."""

    path: str
    before: JsonValue
    after: JsonValue


class Difference(_Frozen):
    """One record that is on both sides, and not the same."""

    id: str
    fields: tuple[FieldDifference, ...]


class RecordDifferences(_Frozen):
    """One kind of record on both sides."""

    kind: str
    before: int
    after: int
    equal: int
    only_before: tuple[str, ...] = Field(default=(), description="Ids of records that are lost.")
    only_after: tuple[str, ...] = Field(default=(), description="Ids of records that were not there before.")
    different: tuple[Difference, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing is lost, new or different."""
        return not (self.only_before or self.only_after or self.different)

    def compared(self) -> Compared:
        """The line of the run's report."""
        return Compared(
            kind=self.kind,
            before=self.before,
            after=self.after,
            different=len(self.different) + len(self.only_before) + len(self.only_after),
            note=self.note(),
        )

    def note(self) -> str:
        """What is not the same, in words; empty when everything is."""
        parts = []
        if self.only_before:
            parts.append(f"lost: {_some(self.only_before)}")
        if self.only_after:
            parts.append(f"new: {_some(self.only_after)}")
        if self.different:
            parts.append(
                "different: " + _some([f"{one.id} ({_some([f.path for f in one.fields])})" for one in self.different])
            )
        return "; ".join(parts)


def compare_records(
    kind: str,
    before: Iterable[Record],
    after: Iterable[Record],
    *,
    id_field: str = "id",
    volatile: frozenset[str] = VOLATILE,
) -> RecordDifferences:
    """Both sides matched by `id_field`; raises VerificationError when a record has no id or shares it with another."""
    old, new = _by_id(kind, before, id_field), _by_id(kind, after, id_field)
    different = tuple(
        Difference(id=key, fields=fields)
        for key in old
        if key in new and (fields := tuple(_fields(old[key], new[key], volatile)))
    )
    only_before = tuple(key for key in old if key not in new)
    return RecordDifferences(
        kind=kind,
        before=len(old),
        after=len(new),
        equal=len(old) - len(only_before) - len(different),
        only_before=only_before,
        only_after=tuple(key for key in new if key not in old),
        different=different,
    )


def _by_id(kind: str, records: Iterable[Record], id_field: str) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in records:
        identifier = record.get(id_field)
        if identifier is None:
            raise VerificationError(f"a record of {kind} has no {id_field!r}", why="records are matched by it")
        key = identifier if isinstance(identifier, str) else repr(identifier)
        if key in found:
            raise VerificationError(f"two records of {kind} have the same {id_field!r}: {key}")
        found[key] = record
    return found


def compare_fields(before: Record, after: Record) -> tuple[FieldDifference, ...]:
    """Field by field, without what changes by itself; what a secret may be is not shown."""
    return tuple(_fields(before, after, VOLATILE))


def _fields(before: Record, after: Record, volatile: frozenset[str]) -> Iterator[FieldDifference]:
    for path, old, new, secret in _walk(before, after, volatile, "", secret=False):
        yield FieldDifference(path=path, before=_shown(old, secret=secret), after=_shown(new, secret=secret))


def _walk(
    before: object, after: object, volatile: frozenset[str], path: str, *, secret: bool
) -> Iterator[tuple[str, object, object, bool]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after} - volatile):
            inner = f"{path}.{name}" if path else name
            yield from _walk(
                before.get(name, _ABSENT), after.get(name, _ABSENT), volatile, inner, secret=secret or is_secret(name)
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _walk(old, new, volatile, f"{path}[{number}]", secret=secret)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):  # True == 1 in Python, not in JSON
        yield path, before, after, secret


def is_secret(name: str) -> bool:
    """Whether a field of that name looks as if it held a secret."""
    return _SECRET.search(name) is not None


def _shown(value: object, *, secret: bool) -> JsonValue:
    if value is _ABSENT or value is None:
        return None
    if secret:
        return NOT_SHOWN
    if isinstance(value, Mapping):
        return {str(name): _shown(inner, secret=is_secret(str(name))) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner, secret=False) for inner in value]
    if isinstance(value, str) and len(value) > _TEXT_MAX:
        return f"{value[:_TEXT_MAX]}…"
    return value if isinstance(value, str | int | float) else str(value)


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
