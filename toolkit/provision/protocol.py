"""Where a new box comes from: one small protocol, whatever makes it."""

from typing import Protocol


class Provisioner(Protocol):
    """Has a new box running. Both calls look first: done twice they are harmless."""

    def provide(self) -> bool:
        """Has the box running; True when it was made or switched on here, False when it was running already."""
        ...

    def withdraw(self) -> None:
        """Takes back what `provide` did; a box that was there before is never touched."""
        ...


class ExistingBox:
    """The box is there and running, made by somebody else; it is only checked."""

    def provide(self) -> bool:
        """Nothing is made."""
        return False

    def withdraw(self) -> None:
        """Nothing was made, nothing is taken away."""
