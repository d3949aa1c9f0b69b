"""Carries what has changed on the old box to a new one that nobody uses yet: settings, certificate, box settings.

Each is carried as it was the first time, and kept beside that, never over it. What is kept under its number is on the
new box: a kill in between leaves nothing that could be taken for carried.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.backup.settings_backup import KINDS as BACKED_UP
from toolkit.backup.settings_backup import create_settings_backup, restore_settings
from toolkit.backup.steps import SETTINGS, identities
from toolkit.box_settings.captured import write_captured
from toolkit.box_settings.carrying import Carried
from toolkit.box_settings.gates import NEXT_MOVE, told_dangling
from toolkit.box_settings.looks import CAPTURED, view
from toolkit.box_settings.steps import set_new_box
from toolkit.certificates.bundle import sha256
from toolkit.certificates.steps import export_from_old, exported_last, import_on_new, last_export, next_export
from toolkit.drift.comparison import Change, How, Standing, changed_on_new
from toolkit.drift.looking import Looked, served_at_site, words_of
from toolkit.drift.shown import BOX_SETTINGS, CERTIFICATES, PASSWORDS
from toolkit.model.errors import RefusedError, VerificationError
from toolkit.model.execution import StepContext
from toolkit.model.verdict import Verdict
from toolkit.storage.entries import sync_folder
from toolkit.storage.numbered import following


def carry_over(context: StepContext, looked: Looked) -> None:
    """Carries what is missing on the new box and can be carried; what was changed on both boxes keeps all from it.

    Raises RefusedError where carrying would undo what somebody did on the new box or leave a reference that points at
    nothing, and what the carrying of each kind raises.
    """
    missing = [change for change in looked.unsettled if change.standing is Standing.MISSING]
    if any(change.standing is Standing.CONFLICT for change in looked.unsettled):
        return
    if any(change.kind in (*BACKED_UP, PASSWORDS) for change in missing):
        _carry_settings(context, looked)
    leaf = served_at_site(context, looked.now)
    path = keep_certificate(context, looked)
    if path is not None and any(change.kind == CERTIFICATES and change.id == leaf for change in missing):
        import_on_new(context, path)
    if any(_is_carried(change) for change in missing):
        _carry_box_settings(context, looked, missing)


def keep_certificate(context: StepContext, looked: Looked) -> Path | None:
    """Exports what the old box serves at the site now, unless the run has it already; where the latest export lies.

    Its key may exist nowhere else. None: what the run has exported first is still what is served.
    """
    leaf = served_at_site(context, looked.now)
    if leaf is None or leaf == context.results["export-certificate"]["leaf_sha256"]:
        return None
    if sha256(exported_last(context).leaf) != leaf:
        export_from_old(context, leaf, next_export(context))
    return last_export(context)


def _carry_settings(context: StepContext, looked: Looked) -> None:
    world: World = context.world
    touched = {change.key for change in looked.changes}
    others = [change for change in changed_on_new(looked.before, looked.new) if change.key not in touched]
    if others:
        raise RefusedError(
            "the new box's settings were changed too, and a restore would undo that",
            where=f"new ({world.new.address})",
            why=words_of(others),
            next_move="Undo it there, or enter by hand on the new box what has changed on the old one: "
            + "; ".join(change.by_hand() for change in looked.unsettled),
        )
    first = context.run_directory / SETTINGS
    attempt = first.with_name(".carrying")
    if attempt.exists():
        shutil.rmtree(attempt)
    passphrase = world.secret(world.inventory.backup.passphrase, "the box's settings backup")
    context.progress(0.2, "the old box's settings have changed: backing them up again")
    old = box(context, "old")
    create_settings_backup(
        old,
        attempt,
        world.inventory.backup.recipients,
        passphrase,
        context.clock.now(),
        lambda fraction, phase: context.progress(0.2 + 0.2 * fraction, phase),
        noted=old.password_changes(looked.noted or 0).seq,
    )
    restored = restore_settings(
        box(context, "new"),
        attempt,
        identities(world),
        passphrase,
        lambda fraction, phase: context.progress(0.4 + 0.3 * fraction, phase),
    )
    if restored.verdict is not Verdict.PASSED:
        raise VerificationError(
            "the new box does not hold what was restored on it",
            where=f"new ({world.new.address})",
            why="; ".join(kind.note() for kind in restored.differences if not kind.same),
            next_move="Resume to try it again, or go back.",
        )
    attempt.rename(following(first))
    sync_folder(first.parent)


def _is_carried(change: Change) -> bool:
    """Whether it is a box setting that can be: accounts are known by name only, and addresses are each box's own."""
    return change.kind == BOX_SETTINGS and not change.id.startswith(
        ("administrator ", "API account ", "shared address ")
    )


def _carry_box_settings(context: StepContext, looked: Looked, missing: Sequence[Change]) -> None:
    world: World = context.world
    seen = view(world.inventory, world.base, looked.old_box, box(context, "new"), context.clock.now())
    if seen.dangling:
        raise RefusedError(
            "what has changed on the old box has no place on the new one",
            where=f"new ({world.new.address})",
            why=told_dangling(seen.dangling),
            next_move=NEXT_MOVE,
        )
    removed = {change.id.removeprefix("route ") for change in missing if change.how is How.REMOVED}
    routes = tuple(route for route in seen.carried.network.routes or () if route.destination not in removed)
    wanted = seen.carried.network.model_copy(update={"routes": routes})
    if any(change.id == "gateway" for change in missing):
        wanted = wanted.model_copy(update={"gateway": looked.old_box.network.gateway or ""})
    context.progress(0.8, "the old box's own settings have changed: carrying them again")
    set_new_box(context, Carried(wanted, seen.carried.tls))
    write_captured(following(context.run_directory / CAPTURED), looked.old_box, replace=False)


def disable_users(context: StepContext, looked: Looked) -> None:
    """Shuts those users out on the new box that were shut out on the old one, and are otherwise the same on both."""
    new = box(context, "new")
    numbers = {str(record["username"]): str(record["id"]) for record in looked.new["users"]}
    for change in looked.unsettled:
        if change.standing is Standing.MISSING and change.disables and change.name in numbers:
            new.disable_user(numbers[change.name])
