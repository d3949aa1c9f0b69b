"""The old box off, so that it can be packed, labelled and returned (requirement H8)."""

from toolkit.appliances.connection import wait_until
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.trust import box
from toolkit.model.errors import ApplianceError, UnreachableError
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.reset.final import Final, must_be_the_one


class ShutDownOld(Final):
    """*Shut Down This Appliance*."""

    def look(self, context: StepContext) -> Result | None:
        """Done when nothing answers; that it is off and not merely unreachable is what `verify` sees to."""
        return None if _answers(box(context, "old")) else {"found_off": True}

    def act(self, context: StepContext) -> Result:
        """Switches the box off, as the factory box it now is."""
        old = box(context, "old")
        must_be_the_one(context, old.reset_status().serial_number)
        old.shut_down()
        return {"found_off": False}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Nothing answers at its address for a while."""
        old = box(context, "old")
        gone = wait_until(
            lambda: not _answers(old), seconds=30, sleep=context.clock.sleep, monotonic=context.clock.monotonic
        )
        return witness(
            context,
            probe="tcp",
            subject=f"old ({old.address})",
            summary="The old box no longer answers." if gone else "The old box still answers.",
            passed=gone,
        )


def _answers(old: Appliance) -> bool:
    try:
        old.health()
    except UnreachableError:
        return False
    except ApplianceError:
        return True
    return True
