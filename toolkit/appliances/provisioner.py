"""Where a new box comes from: one small protocol, whatever makes it."""

from typing import Protocol


class Provisioner(Protocol):
    """Has a new box running. Both calls look first: done twice they are harmless."""

    def is_provided(self) -> bool:
        """Whether the box is there and running now; changes nothing."""
        ...

    def provide(self) -> None:
        """Has the box running: makes it or switches it on, unless it is running already."""
        ...

    def withdraw(self) -> None:
        """Takes back what `provide` did; a box that was there before is never touched."""
        ...


class ExistingBox:
    """The box is there and running, made by somebody else; it is only checked."""

    def is_provided(self) -> bool:
        """It was there before."""
        return True

    def provide(self) -> None:
        """Nothing is made."""

    def withdraw(self) -> None:
        """Nothing was made, nothing is taken away."""
