"""What has changed on the old box is carried over: before the swing all of it, before its reset what can be."""

from toolkit.appliances.world import World
from toolkit.certificates.steps import served_certificate
from toolkit.drift.carrying import carry_over, disable_users, keep_certificate
from toolkit.drift.comparison import Change, Standing
from toolkit.drift.looking import (
    Looked,
    keep_last_shown,
    look_at_both,
    note_changes,
    read_changes,
    served_at_site,
    words_of,
)
from toolkit.drift.shown import CERTIFICATES, PASSWORDS, digests
from toolkit.model.counting import counted
from toolkit.model.errors import RefusedError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, witness


class CarryChanges(ReadOnlyStep):
    """Compares the old box with what was carried, right before the swing, and carries over what has changed."""

    def act(self, context: StepContext) -> Result:
        """The old box is only read. Raises RefusedError while something is left to do that is not carried."""
        looked = look_at_both(context)
        note_changes(context, looked.changes)
        if looked.unsettled and _carries(context):
            carry_over(context, looked)
            looked = _look_again(context, looked)
        _refuse_unsettled(context, looked)
        keep_certificate(context, looked)
        keep_last_shown(context, looked.old_settings)
        return _result(context, looked)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Both boxes once more: the old one shows what was compared, and the new one has it."""
        return _witness(context, look_at_both(context), result)


class CarryLateChanges(ReadOnlyStep):
    """The same once more before the reset, when users work on the new box: only what harms none of them is carried."""

    def act(self, context: StepContext) -> Result:
        """Users that were disabled are disabled; all else is entered by hand. Raises RefusedError as above."""
        looked = look_at_both(context)
        note_changes(context, looked.changes)
        if looked.unsettled and _carries(context):
            disable_users(context, looked)
            looked = _look_again(context, looked)
        _refuse_unsettled(context, looked)
        keep_last_shown(context, looked.old_settings)
        return _result(context, looked)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Both boxes once more."""
        return _witness(context, look_at_both(context), result)


def _look_again(context: StepContext, before: Looked) -> Looked:
    """After carrying: what is on the new box now and was not before has been carried."""
    looked = look_at_both(context, before.before)
    missing = {change.key for change in before.unsettled}
    there = [
        change.model_copy(update={"carried": change.key in missing and change.standing is Standing.THERE})
        for change in looked.changes
    ]
    # a password that a restore has carried along is none that was changed since
    along = [change for change in before.unsettled if change.kind == PASSWORDS and looked.noted != before.noted]
    along = [change.model_copy(update={"carried": True, "standing": Standing.THERE}) for change in along]
    looked = looked._replace(changes=(*there, *(one for one in along if one.key not in {two.key for two in there})))
    note_changes(context, looked.changes)
    return looked


def _carries(context: StepContext) -> bool:
    """Where data travels on a stick, a fresh backup would have to as well: then it is for people to decide."""
    world: World = context.world
    return world.inventory.backup.changed_meanwhile == "carry" and world.inventory.carry is None


def _refuse_unsettled(context: StepContext, looked: Looked) -> None:
    if looked.unsettled:
        raise refusal(context, looked.unsettled)


def refusal(context: StepContext, changes: tuple[Change, ...]) -> RefusedError:
    """What has changed, and for each what to enter by hand."""
    world: World = context.world
    return RefusedError(
        f"{counted(len(changes), 'change')} of the old box {'is' if len(changes) == 1 else 'are'} not on the new one",
        where=f"old ({world.old.address})",
        why=words_of(changes),
        next_move=f"{next_moves(context, changes)} Then: rebox resume {context.run_id}",
    )


def next_moves(context: StepContext, changes: tuple[Change, ...]) -> str:
    """What to do about each, and where it is said that a change is meant to stay behind."""
    world: World = context.world
    moves = "; ".join(change.by_hand() for change in changes)
    keys = ", ".join(f'"{change.key}"' for change in changes)
    return (
        f"{moves[:1].upper()}{moves[1:]}. What is meant to stay behind is named in leave_changes in [backup] of "
        f"{world.inventory_file}: {keys}."
    )


def _result(context: StepContext, looked: Looked) -> Result:
    leaf = served_at_site(context, looked.now)
    carried = leaf is not None and any(one["id"] == leaf and one["addresses"] for one in looked.new[CERTIFICATES])
    return {
        "changes": [change.key for change in looked.changes],
        "digests": {**digests(looked.now)},
        "noted": looked.noted,
        "leaf_sha256": leaf if carried else served_certificate(context.results),
    }


def _witness(context: StepContext, looked: Looked, result: Result) -> Outcome:
    world: World = context.world
    steady = digests(looked.now) == result["digests"]
    changes = [change for change in read_changes(context.run_directory) if change.key in _keys(result)]
    if not steady:
        summary = "The old box's settings are being changed at this moment."
    elif looked.unsettled:
        summary = f"Not on the new box: {words_of(looked.unsettled)}."
    elif changes:
        summary = f"{counted(len(changes), 'change')} since the backup, seen to: {words_of(changes)}."
    else:
        summary = "The old box shows what was carried: nothing has changed since."
    return witness(
        context,
        probe="api",
        subject=f"old ({world.old.address})",
        summary=summary,
        passed=steady and not looked.unsettled,
        data={"changes": [change.key for change in changes]},
    )


def _keys(result: Result) -> list[str]:
    keys = result["changes"]
    return [str(key) for key in keys] if isinstance(keys, list) else []
