"""Nothing is carried to the new box, and nothing restored on it, while a reference would point at nothing."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from toolkit.box_settings.dangling import Dangling
from toolkit.box_settings.looks import view_of_run
from toolkit.model.counting import counted
from toolkit.model.execution import Outcome, StepContext, witness
from toolkit.model.plan import GateReference

NEXT_MOVE = (
    "Edit the table of interfaces (box_settings.interface_map; rebox box-settings map makes one): give each interface "
    "its counterpart and an address, or name in leave what is meant to stay behind; then resume."
)


def no_dangling_references(context: StepContext, gate: GateReference) -> Outcome:
    """All of them are named at once, each with its place and its reason."""
    found = view_of_run(context).dangling
    outcome = witness(
        context,
        probe="box-settings",
        subject=f"new ({context.world.new.address})",
        summary=told_dangling(found)
        or "Every address, route, server and certificate of the old box has its place on the new.",
        passed=not found,
        data={"dangling": [asdict(one) for one in found]},
    )
    return replace(outcome, next_move=NEXT_MOVE) if found else outcome


def told_dangling(found: Sequence[Dangling]) -> str:
    """The reasons, each with what dangles for it: a missing interface takes many things along."""
    if not found:
        return ""
    reasons: dict[str, list[str]] = {}
    for one in found:
        reasons.setdefault(one.why, []).append(f"{one.what} ({one.where})")
    told = "; ".join(f"{why}: {', '.join(things)}" for why, things in reasons.items())
    return f"{counted(len(found), 'reference')} would dangle on the new box: {told}."
