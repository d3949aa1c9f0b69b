"""The old box's own factory reset (requirement H8)."""

from toolkit.appliances.trust import box, trust
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.reset.final import Final, must_be_the_one


class ResetOld(Final):
    """*Status > Basics > Reset Appliance to Factory Defaults*, followed until the box says complete."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the box itself says so."""
        old = box(context, "old")
        status = old.reset_status()
        must_be_the_one(context, status.serial_number)
        return {"serial_number": status.serial_number} if status.state == "complete" else None

    def act(self, context: StepContext) -> Result:
        """Learns the certificate the box will have afterwards, then resets it; one under way is followed."""
        old = box(context, "old")
        status = old.reset_status()
        must_be_the_one(context, status.serial_number)
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
