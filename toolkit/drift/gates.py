"""That nothing of the old box is passed over: asked when the traffic is to move, and when the box is to be reset."""

from dataclasses import replace

from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.backup.settings_backup import KINDS as BACKED_UP
from toolkit.backup.settings_backup import read_settings
from toolkit.drift.comparison import changed_on_new
from toolkit.drift.looking import last_shown, look_at, look_at_both, passwords_since, words_of
from toolkit.drift.shown import KINDS, Shown, digests, shown
from toolkit.drift.steps import next_moves
from toolkit.model.counting import counted
from toolkit.model.execution import Outcome, StepContext, witness
from toolkit.model.plan import GateReference

_STEP = "carry-changes"


def old_unchanged(context: StepContext, gate: GateReference) -> Outcome:
    """The old box shows what it showed when its changes were carried over: compared by digest, in ten requests."""
    world: World = context.world
    compared = context.results[_STEP]
    before, noted = compared["digests"], compared["noted"]
    passwords = passwords_since(context, noted if isinstance(noted, int) else None)
    now = digests(shown(*look_at(context, "old"), passwords))
    changed = [kind for kind in KINDS if not isinstance(before, dict) or before.get(kind) != now[kind]]
    outcome = witness(
        context,
        probe="api",
        subject=f"old ({world.old.address})",
        summary=f"The old box's {', '.join(changed)} have changed since they were compared."
        if changed
        else "The old box shows what it showed when it was compared.",
        passed=not changed,
        data={"changed": [*changed]},
    )
    return replace(outcome, next_move=f"Compare it again: rebox resume {context.run_id}") if changed else outcome


def changes_settled(context: StepContext, gate: GateReference) -> Outcome:
    """Whatever has changed on the old box is on the new one, or is meant to stay behind."""
    world: World = context.world
    looked = look_at_both(context)
    left = looked.unsettled
    outcome = witness(
        context,
        probe="api",
        subject=f"old ({world.old.address})",
        summary=f"{counted(len(left), 'change')} of the old box not on the new one: {words_of(left)}."
        if left
        else "Nothing has changed on the old box that the new one has not.",
        passed=not left,
        data={"changes": [change.key for change in left]},
    )
    return replace(outcome, next_move=f"{next_moves(context, left)} Then resume.") if left else outcome


def settings_compared(context: StepContext, gate: GateReference) -> Outcome:
    """The new box holds all that the old one showed last, record by record; what users made there since is its own."""
    world: World = context.world
    new = box(context, "new")
    expected = last_shown(context)
    total = sum(len(expected.get(kind, ())) for kind in BACKED_UP)
    wrong = changed_on_new(_only(expected), _only(read_settings(new)), leave=world.inventory.backup.leave_changes)
    outcome = witness(
        context,
        probe="api",
        subject=f"new ({new.address})",
        summary="There was nothing to compare."
        if not total
        else f"The new box does not hold what the old one showed: {words_of(wrong)}."
        if wrong
        else f"All {total:,} records of the old box are on the new box, field by field.",
        passed=None if not total else not wrong,
        data={"compared": total, "different": [change.key for change in wrong]},
    )
    keys = ", ".join(f'"{change.key}"' for change in wrong)
    meant = f"Restore it on the new box; or, if it is meant so, add {keys} to leave_changes in [backup] of "
    return replace(outcome, next_move=f"{meant}{world.inventory_file}, then resume.") if wrong else outcome


def _only(settings: Shown) -> Shown:
    return {kind: settings.get(kind, ()) for kind in KINDS}
