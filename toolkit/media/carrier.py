"""A stick that can be opened, here or on another machine; and what its troubles are called for people."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import Full, Gone, Volume
from toolkit.model.errors import MediaError, ReboxError, RefusedError, words_of


class Carrier(Protocol):
    """One stick, the same from its choice to the end: open() raises Gone when another is in its place."""

    @property
    def name(self) -> str:
        """What people know it by."""

    @property
    def volume_uuid(self) -> str:
        """Of its file system."""

    @property
    def volume_kind(self) -> str:
        """Of its file system."""

    def open(self, *, writing: bool) -> AbstractContextManager[Volume]:
        """Opened anew; for reading, so that all that is read comes from the device. Raises Refused, Failed."""


@dataclass(frozen=True)
class Then:
    """How to go on after a trouble, by what was being done."""

    next_move: str


WRITING = Then("What is on it does not count. Plug it in again or take another one, and run the same command again.")
READING = Then("Nothing of it was used. Plug it in again, or take another copy.")


@contextmanager
def told(where: str, then: Then) -> Iterator[None]:
    """Turns what a disk refuses into an error for people."""
    try:
        yield
    except (Refused, Failed) as error:
        raise media_error(error, where, then) from None


def media_error(error: Refused | Failed, where: str, then: Then) -> ReboxError:
    """The same trouble as one error of the tree."""
    if isinstance(error, Refused):
        return RefusedError(
            "this stick cannot be used so",
            where=where,
            why=words_of(error),
            next_move="Put that right, or take another stick.",
        )
    if isinstance(error, Gone):
        return MediaError("the stick is not there any more", where=where, why=words_of(error), next_move=then.next_move)
    if isinstance(error, Full):
        return MediaError(
            "it does not fit on the stick",
            where=where,
            why=words_of(error),
            next_move="What is on it does not count. Take a larger one, or format this one.",
        )
    return MediaError(
        "the stick does not do what it should", where=where, why=words_of(error), next_move=then.next_move
    )
