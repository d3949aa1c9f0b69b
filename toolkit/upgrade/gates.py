"""What must hold before a package may be installed (requirements U2, U10)."""

from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.model.execution import Outcome, StepContext
from toolkit.model.plan import GateReference
from toolkit.model.verdict import Verdict
from toolkit.model.version import Version


def eula_accepted(context: StepContext, gate: GateReference) -> Outcome:
    """Somebody has read and accepted the licence of the package, by name."""
    world: World = context.world
    package = world.inventory.package
    if package.eula_accepted:
        return Outcome(Verdict.PASSED, f"{package.eula_signed_by} accepted the EULA of {package.version}.")
    return Outcome(
        Verdict.FAILED,
        f"The EULA of {package.version} is not accepted.",
        next_move="Read it on the new box (Support > Updates) and set package.eula_accepted = true and "
        f"package.eula_signed_by in {world.inventory_file}, then resume.",
    )


def package_new_enough(context: StepContext, gate: GateReference) -> Outcome:
    """The new box's site package is at least the old one's: an older one refuses the backup."""
    world: World = context.world
    wanted, running = world.inventory.package.version, box(context, "old").status().site_version
    if running is None:
        return Outcome(Verdict.UNKNOWN, "The old box does not say which site package it runs.")
    if Version.parse(wanted) >= Version.parse(running):
        return Outcome(Verdict.PASSED, f"{wanted} takes a backup of {running}.")
    return Outcome(
        Verdict.FAILED,
        f"The new box is too old for the backup: {wanted} cannot restore what {running} wrote.",
        # not by resuming: the plan was made for that version
        next_move=f"Take the run back, set package.version to {running} or newer, and start a new run.",
    )
