"""Lines that prove themselves: each carries its number and a hash chained to the line before; pure.

A line is a JSON object whose first key is `number` (from 1) and whose last is `chain`: the SHA-256, in lower-case hex,
of the chain value before it (64 zeros before the first) and the line's own bytes without that last key. The bytes
themselves are hashed, so that any other bit is another chain, also one that would mean the same in JSON.

A chain cannot tell that lines are missing at its end: who relies on that keeps number and chain in a second place.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

START = "0" * 64
_NUMBER, _CHAIN = "number", "chain"
_ENDING = re.compile(rb',"chain":"([0-9a-f]{64})"\}\Z')


@dataclass(frozen=True)
class Link:
    """Where a chain stands: how many lines there are, and the last one's chain value."""

    number: int = 0
    chain: str = START


BEFORE_FIRST = Link()
"""Where a chain stands that has no line yet."""


@dataclass(frozen=True)
class Break:
    """The first line that is not believed, from 1, and why it is not."""

    line: int
    why: str


@dataclass(frozen=True)
class ChainReading:
    """What a file holds: `records` without number and chain, up to where the chain holds.

    `links` says where the chain stands after each. `whole_bytes` is where the next line belongs; the `torn_bytes`
    behind it are a last line that was not written to its end. When it is `broken`, lines follow that are not believed.
    """

    records: tuple[dict[str, Any], ...]
    links: tuple[Link, ...]
    whole_bytes: int
    torn_bytes: int
    broken: Break | None

    @property
    def last(self) -> Link:
        """Where the chain stands at the end of what is believed."""
        return self.links[-1] if self.links else BEFORE_FIRST


def add_link(last: Link, record: Mapping[str, Any]) -> tuple[bytes, Link]:
    """The line for a record that follows `last`, with its newline, and where the chain stands then."""
    body = json.dumps({_NUMBER: last.number + 1, **record}, ensure_ascii=False, separators=(",", ":")).encode()
    chain = _chain(last.chain, body)
    return body[:-1] + f',"{_CHAIN}":"{chain}"}}\n'.encode(), Link(last.number + 1, chain)


def read_chain(content: bytes) -> ChainReading:
    """Reads lines as far as they prove themselves."""
    *lines, rest = content.split(b"\n")
    records: list[dict[str, Any]] = []
    links: list[Link] = []
    last, whole, torn, broken = BEFORE_FIRST, 0, len(rest), None
    for number, line in enumerate(lines, 1):
        found = _follow(last, line)
        if isinstance(found, str):
            if number == len(lines) and not rest:
                torn = len(line) + 1
            else:
                torn, broken = 0, Break(number, found)
            break
        record, last = found
        records.append(record)
        links.append(last)
        whole += len(line) + 1
    return ChainReading(tuple(records), tuple(links), whole, torn, broken)


def is_chained(content: bytes) -> bool:
    """Whether a file is one of chained lines, however damaged; one of the first format has no chain values."""
    return b'"chain":"' in content.partition(b"\n")[0]


def read_unchained(content: bytes) -> ChainReading:
    """Reads lines of the first format, which prove nothing: that they are JSON objects is all that is looked at."""
    *lines, rest = content.split(b"\n")
    records: list[dict[str, Any]] = []
    whole = 0
    for number, line in enumerate(lines, 1):
        record = _parse(line)
        if record is None:
            torn = number == len(lines) and not rest
            broken = None if torn else Break(number, "it is no JSON object")
            return ChainReading(tuple(records), (), whole, len(line) + 1 if torn else 0, broken)
        records.append(record)
        whole += len(line) + 1
    return ChainReading(tuple(records), (), whole, len(rest), None)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _follow(last: Link, line: bytes) -> tuple[dict[str, Any], Link] | str:
    """The record on a line and where the chain stands then, or why the line is not believed."""
    ending = _ENDING.search(line)
    if ending is None:
        return "it is no record with a chain value"
    body = line[: ending.start()] + b"}"
    record = _parse(body)
    if record is None:
        return "it is no JSON object"
    number = record.pop(_NUMBER, None)
    if number != last.number + 1:
        return f"it says it is number {number!r} and stands where number {last.number + 1} belongs"
    link = Link(last.number + 1, ending[1].decode())
    if _chain(last.chain, body) != link.chain:
        return "its chain value is not that of its content and of the records before it"
    return record, link


def _chain(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()
