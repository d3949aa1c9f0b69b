"""What must hold before the old box may be reset (requirement H8); none of it can be forced."""

from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.model.errors import RefusedError
from toolkit.model.execution import Outcome, StepContext
from toolkit.model.plan import GateReference
from toolkit.model.verdict import Verdict
from toolkit.traffic.interval import marks_of
from toolkit.traffic.soak import watched_since


def serial_confirmed(context: StepContext, gate: GateReference) -> Outcome:
    """The serial number typed by the operator, the plan's and the box's own are the same."""
    world: World = context.world
    typed, planned = world.confirmed_serial_number, context.plan.boxes["old"]
    if typed is None:
        return Outcome(
            Verdict.FAILED,
            f"Nobody has confirmed the reset of the old box. Read its serial number off its label or console, then "
            f"run: rebox resume {context.run_id} --confirm-serial SERIAL",
        )
    if typed != planned:
        return Outcome(
            Verdict.FAILED, f"The serial number given, {typed}, is not the old box's. Check which box you are at."
        )
    seen = box(context, "old").reset_status().serial_number
    if seen != planned:
        return Outcome(Verdict.FAILED, f"The box at the old address says it is {seen}, not {planned}.")
    return Outcome(Verdict.PASSED, f"Serial number {typed}: typed, planned, and said by the box.")


def soak_passed(context: StepContext, gate: GateReference) -> Outcome:
    """The soak lasted as long as the inventory wants, and the watch saw nothing above the limit in it or since.

    After an outage since, or a time that nobody watched, a whole soak must have passed again; a watch that has died is
    started anew for that.
    """
    world: World = context.world
    result = context.results.get("soak")
    if result is None:
        return Outcome(Verdict.UNKNOWN, "The soak has not ended.")
    served, wanted = float(str(result["seconds"])), world.inventory.reset.soak_seconds
    if result["wrong"] or served < wanted:
        return Outcome(Verdict.FAILED, f"The new box served for {served:.0f} of {wanted:.0f} s.")
    return watched_since(context, marks_of(result.get("until")), wanted)


def wipe_confirmed(context: StepContext, gate: GateReference) -> Outcome:
    """The serial number typed is the plan's, and the machine is the one that is meant, as BMC or host say."""
    world: World = context.world
    if world.old_disks is None:
        return Outcome(Verdict.FAILED, "The inventory has neither [old_bmc] nor [old_vm] any more.")
    if world.confirmed_serial_number != context.plan.boxes["old"]:
        return Outcome(
            Verdict.FAILED,
            f"Nobody has confirmed the wipe of the old machine. Run: rebox resume {context.run_id} "
            "--confirm-serial SERIAL",
        )
    try:
        world.old_disks.check_machine()
    except RefusedError as error:
        return Outcome(Verdict.FAILED, str(error))
    return Outcome(Verdict.PASSED, "The serial number is confirmed, and the machine is the one that is meant.")


def old_was_reset(context: StepContext, gate: GateReference) -> Outcome:
    """This run has reset the old box, behind all the gates of that."""
    if context.results.get("reset-old", {}).get("serial_number") != context.plan.boxes["old"]:
        return Outcome(Verdict.FAILED, "The old box has not been reset.")
    return Outcome(Verdict.PASSED, "The old box has been reset.")
