"""Old and new box beside each other: what is the same, what differs because it is meant to, and what just differs."""

from enum import StrEnum
from typing import NamedTuple, cast

from pydantic import BaseModel, JsonValue

from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.carrying import Carried, as_wanted
from toolkit.box_settings.interface_map import InterfaceMap, described, own_addresses

CLOCK_SECONDS_MAX = 5.0
"""How far two clocks may be apart: certificates and tokens bear more, records of one moment do not."""


class Likeness(StrEnum):
    """How a setting of the two boxes compares."""

    SAME = "same"
    MEANT = "differs as meant"
    DIFFERENT = "different"


class Row(NamedTuple):
    """One setting; `why` says why it differs."""

    setting: str
    old: JsonValue
    new: JsonValue
    likeness: Likeness
    why: str = ""


def compare(old: BoxSettings, new: BoxSettings, table: InterfaceMap, carried: Carried) -> tuple[Row, ...]:
    """Every captured setting; DIFFERENT is what the new box is not, although it is meant to be."""
    before, after = as_wanted(old).network, as_wanted(new).network
    meant = carried.network.model_dump(mode="json")
    rows = [*_ports(old, new, table)]
    for name, why in (
        ("hostname", "each box has its own name"),
        ("gateway", "the new box has its own"),
        ("routes", "as the table says"),
        ("dns_servers", "as the table says"),
        ("ntp_servers", "as the table says"),
        ("addresses", "each box has its own"),
    ):
        left, right = (side.model_dump(mode="json")[name] for side in (before, after))
        rows.append(_row(name, left, right, meant[name], why))
    rows.append(_row("tls", _json(old.tls), _json(new.tls), _json(carried.tls), ""))
    return (*rows, _clock(old, new), *_accounts(old, new))


def _json(noun: BaseModel) -> JsonValue:
    return cast(JsonValue, noun.model_dump(mode="json"))


def _row(name: str, old: JsonValue, new: JsonValue, meant: JsonValue, why: str) -> Row:
    if old == new == meant:
        return Row(name, old, new, Likeness.SAME)
    if new == meant:
        return Row(name, old, new, Likeness.MEANT, why)
    return Row(name, old, new, Likeness.DIFFERENT, f"it is to be {meant}")


def _ports(old: BoxSettings, new: BoxSettings, table: InterfaceMap) -> list[Row]:
    rows = []
    there = {port.name: port for port in new.network.interfaces}
    for port in old.network.interfaces:
        row = table.counterpart(port.name)
        now = there.get(row.new or "") if row else None
        left = f"{described(port)}: {', '.join(own_addresses(old, port.name))}"
        right = f"{described(now)}: {', '.join(own_addresses(new, now.name))}" if now else None
        down = now is not None and port.link and not now.link
        why = f"{now.name} has no link" if down and now else "as the table says"
        rows.append(Row(f"interface {port.name}", left, right, Likeness.DIFFERENT if down else Likeness.MEANT, why))
    return rows


def _clock(old: BoxSettings, new: BoxSettings) -> Row:
    offsets = old.clock_offset_seconds, new.clock_offset_seconds
    if abs(offsets[1]) > CLOCK_SECONDS_MAX:
        return Row("clock_offset_seconds", *offsets, Likeness.DIFFERENT, "the new box's clock is wrong: set it, or NTP")
    wrong_before = abs(offsets[0]) > CLOCK_SECONDS_MAX
    likeness = Likeness.MEANT if wrong_before else Likeness.SAME
    return Row("clock_offset_seconds", *offsets, likeness, "a wrong clock is not carried" if wrong_before else "")


def _accounts(old: BoxSettings, new: BoxSettings) -> list[Row]:
    """By name only: passwords are not captured, so an account that is missing has to be made by hand."""
    pairs = (
        ("admins", [one.username for one in old.accounts.admins], [one.username for one in new.accounts.admins]),
        ("api_accounts", [*old.accounts.api_accounts], [*new.accounts.api_accounts]),
    )
    rows = []
    for name, before, after in pairs:
        missing = sorted(set(before) - set(after))
        why = (
            f"make {', '.join(missing)} on the new box: what signs in by that name is refused there" if missing else ""
        )
        likeness = Likeness.DIFFERENT if missing else Likeness.SAME if before == after else Likeness.MEANT
        rows.append(Row(name, list[JsonValue](before), list[JsonValue](after), likeness, why))
    return rows
