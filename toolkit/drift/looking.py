"""Looks at both boxes and at what was carried, and says what has changed on the old one."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from toolkit.appliances.trust import box
from toolkit.appliances.world import Role, World
from toolkit.backup.sealed import SUFFIX, seal, unsealed
from toolkit.backup.settings_backup import NOTED, Settings, read_settings
from toolkit.backup.steps import identities, settings_before
from toolkit.box_settings.captured import BoxSettings, capture, read_captured
from toolkit.box_settings.looks import CAPTURED
from toolkit.drift.comparison import Change, compare
from toolkit.drift.shown import CERTIFICATES, Shown, shown
from toolkit.model.counting import counted
from toolkit.model.execution import StepContext
from toolkit.storage.numbered import latest
from toolkit.storage.whole_file import write_whole

CHANGES = "changed-meanwhile.json"
"""What has changed on the old box, in a run's folder."""

_LAST_SHOWN = f"backup/last-shown.json{SUFFIX}"
_WORDS_MAX = 5


class Looked(NamedTuple):
    """What was carried, what the old box shows now, what the new one shows now; and the old one's own settings now.

    `noted`: how far the old box's list of changes went when that was carried.
    """

    before: Shown
    noted: int | None
    now: Shown
    new: Shown
    old_box: BoxSettings
    old_settings: Settings
    changes: tuple[Change, ...]

    @property
    def unsettled(self) -> tuple[Change, ...]:
        """The changes about which something is left to do."""
        return tuple(change for change in self.changes if not change.settled)


def look_at_both(context: StepContext, before: Shown | None = None) -> Looked:
    """Both boxes are only read. `before`: what was carried, where that is known already."""
    world: World = context.world
    settings = settings_before(context)
    carried = before if before is not None else shown(settings, read_captured(latest(context.run_directory / CAPTURED)))
    noted = noted_in(settings)
    old_settings, old_box = look_at(context, "old")
    now = shown(old_settings, old_box, passwords_since(context, noted))
    new = shown(*look_at(context, "new"))
    changes = compare(
        carried,
        now,
        new,
        leave=world.inventory.backup.leave_changes,
        hostname=world.inventory.box_settings.hostname,
    )
    return Looked(carried, noted, now, new, old_box, old_settings, changes)


def look_at(context: StepContext, role: Role) -> tuple[Settings, BoxSettings]:
    """All that a box shows of its settings now, in nine requests."""
    appliance = box(context, role)
    return read_settings(appliance), capture(appliance, context.clock.now())


def noted_in(settings: Settings) -> int | None:
    """How far the box's list of changes went when these settings were backed up; None where that was not kept."""
    return next((int(str(record["value"])) for record in settings.get(NOTED, ())), None)


def passwords_since(context: StepContext, noted: int | None) -> tuple[str, ...]:
    """Whose passwords were changed on the old box since then."""
    return () if noted is None else box(context, "old").password_changes(noted).usernames


def served_at_site(context: StepContext, records: Shown) -> str | None:
    """SHA-256 of the certificate that the old box serves at the site's addresses; None when it is not clear."""
    site = set(context.world.inventory.site.addresses)
    serving = {str(record["id"]) for record in records[CERTIFICATES] if site & {*_addresses(record["addresses"])}}
    return serving.pop() if len(serving) == 1 else None


def keep_last_shown(context: StepContext, settings: Settings) -> None:
    """Seals what the old box showed last, so that the new one can be compared with it when the old one is gone."""
    world: World = context.world
    content = json.dumps(settings, sort_keys=True).encode()
    seal([content], context.run_directory / _LAST_SHOWN, world.inventory.backup.recipients)


def last_shown(context: StepContext) -> Settings:
    """What the old box showed of its settings last: what the new one is to hold."""
    path = context.run_directory / _LAST_SHOWN
    if not path.exists():
        return settings_before(context)
    with unsealed(path, identities(context.world)) as stream:
        settings: Settings = json.load(io.TextIOWrapper(stream, encoding="utf-8"))
    return settings


def note_changes(context: StepContext, changes: Sequence[Change]) -> None:
    """Keeps what was found, and how it stood when it was looked at last, for the report."""
    known = {change.key: change for change in read_changes(context.run_directory)}
    for change in changes:
        carried = change.carried or (change.key in known and known[change.key].carried)
        known[change.key] = change.model_copy(update={"carried": carried})
    if known:
        content = [change.model_dump(mode="json") for change in known.values()]
        write_whole(context.run_directory / CHANGES, json.dumps(content, indent=1).encode(), then="resume")


def read_changes(run_directory: Path) -> tuple[Change, ...]:
    """Everything that has changed on the old box during a run, as far as the run has found it; empty for none."""
    path = run_directory / CHANGES
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return tuple(Change.model_validate(one) for one in content)


def words_of(changes: Sequence[Change]) -> str:
    """Which they are; the first few of many, each with its names."""
    told = "; ".join(change.words() for change in changes[:_WORDS_MAX])
    more = len(changes) - _WORDS_MAX
    return told + (f"; and {counted(more, 'other')}" if more > 0 else "")


def _addresses(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
