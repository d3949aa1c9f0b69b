"""One way in which a disk can erase itself, and what its commands may end with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from toolkit.disks.device import Progress

Category = Literal["clear", "purge"]
Sleep = Callable[[float], None]
HOURS_12_MS = 12 * 3600 * 1000
"""How long the kernel waits for a command that ends only when all is erased; afterwards nobody can say."""
POLL_SECONDS = 2.0


class CommandFailed(Exception):  # noqa: N818 (an answer, not an error)
    """The disk refuses a command, or does not know it."""


@dataclass(frozen=True)
class Technique:
    """`name` is what people choose it by, `words` what a record says; `category` is NIST SP 800-88's.

    `run` does it and returns once the disk says that it is done; it raises CommandFailed while nothing was done yet,
    Failed afterwards.
    """

    name: str
    words: str
    category: Category
    run: Callable[[Progress, Sleep], None]


@dataclass(frozen=True)
class Offer:
    """What a disk offers, the best first, and in words why something else is not offered."""

    techniques: tuple[Technique, ...] = ()
    missing: str = ""
