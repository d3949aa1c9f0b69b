"""How files travel between boxes that do not reach each other: one small protocol, wherever the stick is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from toolkit.model.execution import Progress, Result

Side = Literal["old", "new"]


class Courier(Protocol):
    """One stick, and the two places where it is plugged in. Every call looks first whether it is there.

    Raises RefusedError when it is not there, VerificationError when it does not hold what was written; ReboxError.
    """

    def seen(self, side: Side, *, opened: bool = False) -> Result | None:
        """The stick as it is plugged in there: what identifies it, and in words `where`; None while it is not.

        `opened`: also `manifest_sha256`, of the signed manifest on it; None when it holds none of ours that is whole.
        """
        ...

    def bring(self, side: Side) -> Result:
        """Has it moved to that side, where somebody moves it for us, and returns it as it is then seen there.

        Raises RefusedError where a person has to.
        """
        ...

    def release(self, side: Side) -> Result | None:
        """Lets go of it before it is pulled: everything is on it, its port is switched off where that can be done.

        What was done and what could not be is in `done` and `not_done`; None when it is not there any more.
        """
        ...

    def write(self, side: Side, run_id: str, files: Mapping[str, Path], progress: Progress) -> Result:
        """Writes the files, by the paths they get, and reads all of them back from the device.

        Returns `manifest_sha256`, `files` (name to SHA-256) and `size_bytes`. Done twice it writes once.
        """
        ...

    def read(self, side: Side, target: Path, progress: Progress) -> Result:
        """Checks signature, manifest and every hash, and only then leaves the files in the folder `target`.

        Returns the same as `write`.
        """
        ...
