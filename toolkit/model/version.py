"""Versions of the two software layers: Base ("3.3.2") and the site package ("Bomgar-12.2.0") (requirement A2)."""

import functools
import re
from dataclasses import dataclass

from toolkit.model.errors import InputError

_PATTERN = re.compile(r"(?:(?P<prefix>[A-Za-z]+)-)?(?P<numbers>\d+(?:\.\d+)*)")


@functools.total_ordering
@dataclass(frozen=True)
class Version:
    """A dotted version with an optional product prefix; trailing zeros do not count, so 3.3 equals 3.3.0."""

    prefix: str
    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Reads "3.3.2" or "Bomgar-12.2.0"; raises InputError for anything else."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise InputError(
                f"{text!r} is not a version",
                why="a version is numbers with dots, with an optional product name before them",
                next_move='Write it like "3.3.2" or "Bomgar-12.2.0".',
            )
        return cls(match["prefix"] or "", tuple(int(number) for number in match["numbers"].split(".")))

    @property
    def _significant(self) -> tuple[int, ...]:
        numbers = self.numbers
        while numbers and numbers[-1] == 0:
            numbers = numbers[:-1]
        return numbers

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self.prefix == other.prefix and self._significant == other._significant

    def __hash__(self) -> int:
        return hash((self.prefix, self._significant))

    def __lt__(self, other: "Version") -> bool:
        if self.prefix != other.prefix:
            raise InputError(
                f"{self} and {other} cannot be compared",
                why="they belong to different software layers",
                next_move="Compare a Base version with a Base version, a site version with a site version.",
            )
        return self._significant < other._significant

    def __str__(self) -> str:
        numbers = ".".join(str(number) for number in self.numbers)
        return f"{self.prefix}-{numbers}" if self.prefix else numbers
