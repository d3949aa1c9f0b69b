"""Three moments beside each other: what was carried, what the old box shows now, what the new one shows now; pure.

A difference between the first two is a change that nobody has carried yet. The new box tells how it stands with it:
there already, missing, or changed on both boxes. Whoever makes a record by hand on the new box gets another number for
it, so records are matched by the name people know them by, and numbers of users inside of others are read as names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.backup.compare import FieldDifference, Record, compare_fields
from toolkit.drift.shown import BOX_SETTINGS, CERTIFICATES, KINDS, PASSWORDS, Shown, steady

_NAMED_BY = {"users": "username", "teams": "code_name", "jump-clients": "hostname"}
_SINGULAR = {
    "users": "user",
    "teams": "team",
    "jump-clients": "Jump Client",
    "options": "option",
    PASSWORDS: "password of user",
    CERTIFICATES: "certificate",
    BOX_SETTINGS: "box setting",
}
_OWN_LISTS = ("dns_servers", "ntp_servers")


class How(StrEnum):
    """What has become of a record on the old box."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Standing(StrEnum):
    """How the new box stands to a change of the old one."""

    THERE = "on the new box"
    MISSING = "not on the new box"
    CONFLICT = "changed on both boxes"
    NOT_COMPARABLE = "cannot be compared with the new box"
    OWN = "each box has its own"
    LEFT = "left behind, as the inventory says"


SETTLED = frozenset({Standing.THERE, Standing.OWN, Standing.LEFT})
"""Nothing is left to do about these."""


class Change(BaseModel):
    """One record that is not as it was carried, on the old box or (`on`) on the new one.

    `on_new`: how the new box differs from the old one, where both have changed it. `carried`: by the run itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    id: str
    name: str
    how: How
    fields: tuple[FieldDifference, ...] = ()
    on: Literal["old", "new"] = "old"
    standing: Standing
    carried: bool = False
    on_new: tuple[FieldDifference, ...] = ()

    @property
    def key(self) -> str:
        """What the inventory's `leave_changes` calls it."""
        return f"{self.kind}/{self.id}"

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do about it."""
        return self.standing in SETTLED

    def words(self) -> str:
        """Which record it is, what has become of it, and how it stands; no secret."""
        told = f"{_SINGULAR[self.kind]} {self.name}" + (f" ({self.id})" if self.id != self.name else "")
        told += f" was {self.how.value} on the {self.on} box"
        if said := self.fields_told():
            told += f" ({said})"
        if self.standing is Standing.CONFLICT:
            return f"{told}, and on the new one too ({_told(self.on_new, 'old', 'new')})"
        return told if self.on == "new" else f"{told}: {self.outcome()}"

    def fields_told(self) -> str:
        """What a changed record was and is; empty for one that is new or gone."""
        return _told(self.fields, "was", "is") if self.how is How.CHANGED else ""

    def outcome(self) -> str:
        """What has become of it on the new box."""
        return "carried over" if self.carried and self.standing is Standing.THERE else self.standing.value

    def by_hand(self) -> str:
        """What a person does about it on the new box, or says in the inventory."""
        thing = f"{_SINGULAR[self.kind]} {self.name}"
        leave = f'add "{self.key}" to leave_changes'
        if self.standing is Standing.CONFLICT:
            return f"make {thing} what it is meant to be on both boxes, or {leave}"
        if self.standing is Standing.NOT_COMPARABLE or self.kind == PASSWORDS:
            see_to = f"give user {self.name} another first password" if self.kind == PASSWORDS else f"see to {thing}"
            return f"{see_to} on the new box, then {leave}"
        if self.how is How.REMOVED:
            return f"remove {thing} from the new box"
        if self.kind == CERTIFICATES:
            return f"import {thing} (SHA-256 {self.id}) with its key on the new box, and assign it as on the old one"
        if self.disables:
            return f"disable {thing} on the new box"
        do = "make on the new box" if self.how is How.ADDED else "set on the new box"
        return f"{do} {thing}: {_values(self.fields)}"

    @property
    def disables(self) -> bool:
        """Whether all that has changed is that a user is shut out."""
        return self.kind == "users" and [(one.path, one.after) for one in self.fields] == [("enabled", False)]


def compare(
    before: Shown, now: Shown, new: Shown, *, leave: Iterable[str] = (), hostname: bool = False
) -> tuple[Change, ...]:
    """Every change of the old box since `before`, and how the new box stands to it; none for a box left alone.

    `leave` has the keys of changes that stay behind; `hostname`: the new box gets the old one's host name too.
    """
    own = () if hostname else ("hostname",)
    return tuple(
        change.model_copy(update={"standing": Standing.OWN}) if change.id in own else change
        for change in _changes(before, now, new, frozenset(leave))
    )


def changed_on_new(expected: Shown, new: Shown, *, leave: Iterable[str] = ()) -> tuple[Change, ...]:
    """What of `expected` the new box shows otherwise, or not at all; what it has besides is its own.

    `how` is then about the new box; the standing is always MISSING.
    """
    left = frozenset(leave)
    there = _Side(new)
    found = []
    for kind in KINDS:
        if kind in (PASSWORDS, CERTIFICATES, BOX_SETTINGS):
            continue
        side = _Side(expected)
        for record in expected[kind]:
            change = Change(
                kind=kind,
                id=str(record["id"]),
                name=name_of(kind, record),
                how=How.CHANGED,
                on="new",
                standing=Standing.MISSING,
            )
            counterpart = there.counterpart(kind, record)
            wanted = side.content(kind, record)
            has = there.content(kind, counterpart) if counterpart else None
            if change.key not in left and wanted != has:
                fields = compare_fields(wanted, has or {}) if has is not None else ()
                found.append(change.model_copy(update={"how": How.CHANGED if has else How.REMOVED, "fields": fields}))
    return tuple(found)


def name_of(kind: str, record: Record) -> str:
    """What people call a record."""
    named = record.get(_NAMED_BY.get(kind, "name")) or record.get("name") or record["id"]
    return str(named)


class _Moment(NamedTuple):
    before: "_Side"
    now: "_Side"
    new: "_Side"


def _changes(before: Shown, now: Shown, new: Shown, leave: frozenset[str]) -> Iterator[Change]:
    moment = _Moment(_Side(before), _Side(now), _Side(new))
    for kind in KINDS:
        was = {str(record["id"]): record for record in before[kind]}
        is_now = {str(record["id"]): record for record in now[kind]}
        for key in [*was, *(key for key in is_now if key not in was)]:
            old, current = was.get(key), is_now.get(key)
            if old is not None and current is not None and steady(old) == steady(current):
                continue
            change = Change(
                kind=kind,
                id=key,
                name=name_of(kind, current or old or {}),
                how=How.CHANGED
                if kind == PASSWORDS
                else How.ADDED
                if old is None
                else How.REMOVED
                if current is None
                else How.CHANGED,
                fields=() if kind == PASSWORDS else compare_fields(steady(old or {}), steady(current or {})),
                standing=Standing.LEFT if f"{kind}/{key}" in leave else Standing.MISSING,
            )
            yield change if change.standing is Standing.LEFT else _stands(change, old, current, moment)


def _how(kind: str, old: Record | None, current: Record | None) -> How:
    if old is None:
        return How.CHANGED if kind == PASSWORDS else How.ADDED
    return How.REMOVED if current is None else How.CHANGED


def _stands(change: Change, old: Record | None, current: Record | None, moment: _Moment) -> Change:
    kind = change.kind
    wanted = moment.now.content(kind, current) if current is not None else None
    was = moment.before.content(kind, old) if old is not None else None
    if special := _special(change, wanted, was):
        return change.model_copy(update={"standing": special})
    counterpart = next(
        (found for one in (current, old) if one is not None and (found := moment.new.counterpart(kind, one))), None
    )
    has = moment.new.content(kind, counterpart) if counterpart is not None else None
    if kind == CERTIFICATES and wanted is None and has is not None and not has["serves"]:
        has = None  # kept, and served nowhere
    if has == wanted:
        return change.model_copy(update={"standing": Standing.THERE})
    if change.id == "gateway" and has != was:
        return change.model_copy(update={"standing": Standing.OWN})
    if has == was or kind in (CERTIFICATES, BOX_SETTINGS):
        return change
    on_new = compare_fields(wanted or {}, has or {})
    return change.model_copy(update={"standing": Standing.CONFLICT, "on_new": on_new})


def _special(change: Change, wanted: Mapping[str, JsonValue] | None, was: object) -> Standing | None:
    """What the new box cannot show, or need not have."""
    if change.kind == BOX_SETTINGS and change.id.startswith("address "):
        return Standing.NOT_COMPARABLE  # each box has its own addresses: the table of interfaces says what is theirs
    if wanted is not None and wanted == was:
        return Standing.NOT_COMPARABLE  # what changed is not compared between two boxes
    if change.id in _OWN_LISTS and wanted is not None and not wanted["value"]:
        return Standing.OWN  # the new box keeps its own where the old one has none
    return None


class _Side:
    """One box's records, to be found by number or name; numbers of users inside of records are read as their names."""

    def __init__(self, records: Shown) -> None:
        self._by_id = {(kind, str(record["id"])): record for kind in KINDS for record in records[kind]}
        self._by_name = {(kind, name_of(kind, record)): record for kind in _NAMED_BY for record in records[kind]}
        self._users = {str(record["id"]): f"user {name_of('users', record)}" for record in records["users"]}

    def counterpart(self, kind: str, record: Record) -> Record | None:
        """The record of that name; where there is none, that of the same number, if it may have been renamed."""
        if kind in _NAMED_BY and (named := self._by_name.get((kind, name_of(kind, record)))):
            return named
        return None if kind in _NAMED_BY else self._by_id.get((kind, str(record["id"])))

    def content(self, kind: str, record: Record) -> dict[str, JsonValue]:
        """What must be the same on two boxes."""
        if kind == CERTIFICATES:
            return {"serves": bool(record["addresses"])}
        named = {name: self._named(value) for name, value in steady(record).items() if name != "id"}
        if kind == BOX_SETTINGS:
            named.pop("interface", None)  # each box has its own names for its ports
        return named

    def _named(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self._users.get(value, value)
        if isinstance(value, list):
            named = [self._named(inner) for inner in value]
            return sorted(named, key=str) if any(one in self._users for one in value if isinstance(one, str)) else named
        if isinstance(value, Mapping):
            return {name: self._named(inner) for name, inner in value.items()}
        return value


def _told(fields: Sequence[FieldDifference], left: str, right: str, most: int = 3) -> str:
    told = [f"{one.path}: {left} {_text(one.before)}, {right} {_text(one.after)}" for one in fields[:most]]
    return "; ".join(told) + (f"; and {len(fields) - most} more" if len(fields) > most else "")


def _values(fields: Sequence[FieldDifference]) -> str:
    return ", ".join(f"{one.path} {_text(one.after)}" for one in fields if one.path != "id") or "as on the old box"


def _text(value: JsonValue) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value) or "nothing"
    return str(value)
