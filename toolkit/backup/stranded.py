"""Sessions that were made on the new box while it served: on the way back they are collected and put back on the old.

They are on no other box and in no backup. Collected they are into an archive of their own, so that whatever the old box
does not take of them is still somewhere when the new one is wiped.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.backup.compare import RecordDifferences
from toolkit.backup.manifest import find_manifest
from toolkit.backup.put_back import RecordsComparison, put_back_records
from toolkit.backup.records import extract_records, open_archive, sessions_of
from toolkit.backup.settings_backup import compare_settings, read_settings
from toolkit.backup.steps import RECORDS, identities, settings_before, witness_backup
from toolkit.model.counting import counted
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.verdict import Verdict

FROM_NEW = "backup/records-from-new"
_NAMED = 5
"""Sessions named in a sentence; all of them are in the archive's index."""


class CollectFromNew(ReadOnlyStep):
    """Extracts what was made on the new box into an archive of the run, and puts it back on the old box."""

    def act(self, context: StepContext) -> Result:
        """The new box is only read, the old one leaves out what it has already: done twice, nothing is doubled."""
        # counted before the list is read: what ends in between is asked for again, and not missed
        active = box(context, "new").status().active_sessions
        _extract(context)
        result: Result = {"active": active, "made": 0, "lsids": [], "settings_changed": _settings_changed(context)}
        folder = context.run_directory / FROM_NEW
        if find_manifest(folder) is None:
            return result
        archive, opened = open_archive(folder), identities(context.world)
        comparison = put_back_records(
            archive, opened, box(context, "old"), lambda fraction, phase: context.progress(0.5 + fraction / 2, phase)
        )
        before = _lsids_of_old(context)
        made = [entry.lsid for entry in archive.entries(opened) if entry.lsid not in before]
        lsids: list[JsonValue] = [*made[:_NAMED]]
        return {**result, **_told(comparison), "folder": FROM_NEW, "made": len(made), "lsids": lsids}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The archive opens, and the old box holds what it takes; a session that is still going on is waited for."""
        outcomes = [_witness_put_back(context, result)]
        if result["made"]:
            outcomes.append(witness_backup(context, FROM_NEW, "archive of what was made on the new box"))
        if int(str(result["active"])):
            outcomes.append(_witness_active(context, int(str(result["active"]))))
        outcome = together(*outcomes)
        if outcome.verdict is Verdict.PASSED:
            return Outcome(Verdict.PASSED, outcomes[0].summary, outcome.evidence)
        return outcome


def _extract(context: StepContext) -> None:
    """Fetches every session that the old box does not have; one that is in the archive already is not fetched again."""
    world: World = context.world
    new, folder = box(context, "new"), context.run_directory / FROM_NEW
    known = {session.lsid for session in sessions_of(box(context, "old"), after=0)}
    first = next((session for session in sessions_of(new, after=0) if session.lsid not in known), None)
    if first is None:
        return
    after = first.seq - 1
    if find_manifest(folder) is not None:
        after = min(after, open_archive(folder).last_seq)
    extract_records(
        new,
        folder,
        world.inventory.backup.recipients,
        after,
        lambda fraction, phase: context.progress(fraction / 2, phase),
        now=context.clock.now(),
    )


def _lsids_of_old(context: StepContext) -> set[str]:
    """What was carried to the new box: it came from the old one."""
    folder = context.run_directory / RECORDS
    if find_manifest(folder) is None:
        return set()
    return {entry.lsid for entry in open_archive(folder).entries(identities(context.world))}


def _settings_changed(context: StepContext) -> list[JsonValue]:
    """What somebody changed on the new box while it served: named, because it is not carried back."""
    if "restore-settings" not in context.results:
        return []
    try:
        found: Sequence[RecordDifferences] = compare_settings(
            settings_before(context), read_settings(box(context, "new"))
        )
    except ReboxError as error:
        return [f"the settings could not be compared: {error.what}"]
    return [kind.note() for kind in found if not kind.same]


def _told(comparison: RecordsComparison) -> Result:
    rows: list[JsonValue] = [
        line.model_copy(update={"kind": f"{line.kind} made on the new box"}).model_dump(mode="json")
        for line in comparison.compared()
        if line.before
    ]
    return {
        "compared": rows,
        "back": comparison.sessions_after,
        "archived": comparison.sessions_before,
        "reasons": [*comparison.reasons],
        "verdict": comparison.sessions_verdict.value,
    }


def _witness_put_back(context: StepContext, result: Result) -> Outcome:
    made = int(str(result["made"]))
    changed = _list(result["settings_changed"])
    also = f" Changed on the new box since, and not carried back: {'; '.join(changed)}." if changed else ""
    subject = f"new ({context.world.new.address})"
    if not made:
        summary = f"No session was made on the new box since the swing.{also}"
        return witness(context, probe="api", subject=subject, summary=summary, passed=True)
    named = _list(result["lsids"])
    which = ", ".join(named) + (f" and {made - len(named)} more" if made > len(named) else "")
    lost = int(str(result["archived"])) - int(str(result["back"]))
    reasons = _list(result["reasons"])
    why = f" ({'; '.join(reasons)})" if reasons else ""
    there = "all of them are on the old box now" if not lost else f"{lost} of them are not on the old box{why}"
    return witness(
        context,
        probe="api",
        subject=subject,
        summary=f"{counted(made, 'session was', 'sessions were')} made on the new box since the swing ({which}); "
        f"{there}, and they are kept in {FROM_NEW}.{also}",
        # a box that takes no records leaves them in the archive: explained, and nothing is lost
        passed=Verdict(str(result["verdict"])) in (Verdict.PASSED, Verdict.SKIPPED),
        data={"made": made, "lsids": [*named], "reasons": [*reasons]},
    )


def _witness_active(context: StepContext, active: int) -> Outcome:
    are = counted(active, "support session is", "support sessions are")
    summary = f"{are} still going on at the new box: collected once ended, by rebox back {context.run_id}."
    return witness(context, probe="api", subject=f"new ({context.world.new.address})", summary=summary, passed=None)


def _list(value: JsonValue) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
