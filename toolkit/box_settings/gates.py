"""Nothing is carried to the new box, and nothing restored on it, while a reference would point at nothing."""

from toolkit.box_settings.looks import view_of_run
from toolkit.model.counting import counted
from toolkit.model.execution import Outcome, StepContext, witness
from toolkit.model.plan import GateReference


def no_dangling_references(context: StepContext, gate: GateReference) -> Outcome:
    """All of them are named at once, each with its place, its reason and what to do."""
    found = view_of_run(context).dangling
    summary = "Every address, route, server and certificate of the old box has its place on the new one."
    if found:
        summary = f"{counted(len(found), 'reference')} would dangle on the new box. " + " ".join(map(str, found))
    return witness(
        context,
        probe="box-settings",
        subject=f"new ({context.world.new.address})",
        summary=summary,
        passed=not found,
        data={"dangling": [{"what": one.what, "where": one.where, "why": one.why} for one in found]},
    )
