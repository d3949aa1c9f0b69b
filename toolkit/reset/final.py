"""What the steps have in common from which no way leads back."""

from toolkit.model.errors import VerificationError
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.verdict import Verdict


class Final:
    """Steps from which no way leads back."""

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """The engine never asks for this; if it did, nothing must pretend to have worked."""
        return Outcome(Verdict.FAILED, "A factory reset cannot be taken back.")


def must_be_the_one(context: StepContext, seen: str) -> None:
    """Raises VerificationError when the serial number seen at the old box's address is not the old box's."""
    expected = context.plan.boxes["old"]
    if seen != expected:
        raise VerificationError(
            "another box answers at the old box's address",
            where=f"old ({context.world.old.address})",
            why=f"expected serial number {expected}, found {seen}",
            next_move="Check the cabling and the address; nothing was done to that box.",
        )
