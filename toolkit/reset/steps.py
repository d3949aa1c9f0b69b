"""The end of the old box: factory reset, then off (requirement H8). Both need every gate of `reset.gates`."""

from toolkit.appliances.connection import wait_until
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.trust import box, trust
from toolkit.model.errors import ApplianceError, UnreachableError, VerificationError
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.model.verdict import Verdict


class _Final:
    """Steps from which no way leads back."""

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """The engine never asks for this; if it did, nothing must pretend to have worked."""
        return Outcome(Verdict.FAILED, "A factory reset cannot be taken back.")


class ResetOld(_Final):
    """*Status > Basics > Reset Appliance to Factory Defaults*, followed until the box says complete."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the box itself says so."""
        old = box(context, "old")
        status = old.reset_status()
        _must_be_the_one(context, status.serial_number)
        return {"serial_number": status.serial_number} if status.state == "complete" else None

    def act(self, context: StepContext) -> Result:
        """Learns the certificate the box will have afterwards, then resets it; one under way is followed."""
        old = box(context, "old")
        status = old.reset_status()
        _must_be_the_one(context, status.serial_number)
        if status.next_tls_sha256:
            trust(context, "old", status.next_tls_sha256)
        done = old.reset(status.serial_number, context.progress)
        return {"serial_number": done.serial_number}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """A factory box: it says complete, and our account is unknown there."""
        old = box(context, "old")
        status = old.reset_status()
        forgotten = not old.can_sign_in()
        passed = status.state == "complete" and forgotten and status.serial_number == context.plan.boxes["old"]
        return witness(
            context,
            probe="api",
            subject=f"old ({old.address})",
            summary=f"The old box says its reset is {status.state}; our account is "
            + ("unknown to it." if forgotten else "still known to it."),
            passed=passed,
            data={"state": status.state, "account_forgotten": forgotten, "serial_number": status.serial_number},
        )


class ShutDownOld(_Final):
    """*Shut Down This Appliance*."""

    def look(self, context: StepContext) -> Result | None:
        """Done when nothing answers; that it is off and not merely unreachable is what `verify` sees to."""
        return None if _answers(box(context, "old")) else {"found_off": True}

    def act(self, context: StepContext) -> Result:
        """Switches the box off, as the factory box it now is."""
        old = box(context, "old")
        _must_be_the_one(context, old.reset_status().serial_number)
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


def _must_be_the_one(context: StepContext, seen: str) -> None:
    expected = context.plan.boxes["old"]
    if seen != expected:
        raise VerificationError(
            "another box answers at the old box's address",
            where=f"old ({context.world.old.address})",
            why=f"expected serial number {expected}, found {seen}",
            next_move="Check the cabling and the address; nothing was done to that box.",
        )


def _answers(old: Appliance) -> bool:
    try:
        old.health()
    except UnreachableError:
        return False
    except ApplianceError:
        return True
    return True
