"""Settings, session records and recordings on their way from the old box to the new one (requirements U9, H2, H6)."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolkit.appliances.protocol import Progress
from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.backup.age import Identity
from toolkit.backup.compare import RecordDifferences
from toolkit.backup.keys import read_identities
from toolkit.backup.manifest import find_manifest
from toolkit.backup.put_back import put_back_records
from toolkit.backup.records import RecordsArchive, extract_records, open_archive, outdated, sessions_of
from toolkit.backup.settings_backup import (
    Settings,
    backed_up_settings,
    compare_settings,
    create_settings_backup,
    read_settings,
    restore_settings,
    verdict_of,
)
from toolkit.backup.verification import Verification, verify
from toolkit.model.box import RecordCounts
from toolkit.model.counting import counted
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.verdict import Verdict
from toolkit.storage.numbered import latest
from toolkit.storage.whole_file import write_whole

SETTINGS, RECORDS = "backup/settings", "backup/records"
"""Where a run keeps what it backed up first; settings backed up again lie beside it, with a number."""

_RESTORE = "restore.json"


class BackUpSettings(ReadOnlyStep):
    """Downloads, encrypts and reads back the settings backup of the old box."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the folder holds a backup; `verify` reads every byte of it anyway."""
        return _manifest_result(context, SETTINGS) if find_manifest(context.run_directory / SETTINGS) else None

    def act(self, context: StepContext) -> Result:
        """The box is only read."""
        world: World = context.world
        old = box(context, "old")
        create_settings_backup(
            old,
            context.run_directory / SETTINGS,
            world.inventory.backup.recipients,
            world.secret(world.inventory.backup.passphrase, "the box's settings backup"),
            context.clock.now(),
            context.progress,
            noted=old.password_changes(0).seq,
        )
        return _manifest_result(context, SETTINGS)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Opens it with the identity: a backup nobody can open is none."""
        return witness_backup(context, SETTINGS, "settings backup")


class ExtractRecords(ReadOnlyStep):
    """Extracts session records and recordings; goes on where an interruption left it."""

    def act(self, context: StepContext) -> Result:
        """Fetches what the archive does not hold yet; the box is only read."""
        archive = _extract(context, context.progress)
        return {"folder": RECORDS, "last_seq": archive.last_seq, **_counted(archive.counts)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Reads it back, and compares its counts with the box's own."""
        return together(witness_backup(context, RECORDS, "records archive"), witness_records(context))


class VerifyBackups(ReadOnlyStep):
    """Reads every byte of the run's backups once more, before anything is moved: what takes long is done in time."""

    def act(self, context: StepContext) -> Result:
        """Notes how each file stands before it is read, so that one that is touched meanwhile is read again."""
        stand = standing(context)
        outcome = read_through(context)
        return {"files": stand, "verdict": outcome.verdict.value, "summary": outcome.summary}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What was read, and that nobody has touched it since."""
        return witness_backups_intact(context, known=result)


class RestoreSettings(ReadOnlyStep):
    """Restores the settings backup on the new box and compares record by record."""

    def look(self, context: StepContext) -> Result | None:
        """Done when this run restored this backup and the box still holds the same.

        Equal settings alone would not do: no page shows passwords, which the backup carries too. They prove it only
        when they differed before this run began to restore, because the box takes all of a backup or nothing.
        """
        path = context.run_directory / _RESTORE
        if not path.exists() or not json.loads(path.read_text(encoding="utf-8"))["equal_settings_prove_it"]:
            return None
        differences = compare_settings(settings_before(context), read_settings(box(context, "new")))
        return _compared(differences) if verdict_of(differences) is Verdict.PASSED else None

    def act(self, context: StepContext) -> Result:
        """The box takes all of it or nothing."""
        world: World = context.world
        new, path = box(context, "new"), context.run_directory / _RESTORE
        before = compare_settings(settings_before(context), read_settings(new))
        write_whole(path, json.dumps({"equal_settings_prove_it": verdict_of(before) is Verdict.FAILED}).encode())
        restored = restore_settings(
            new,
            context.taken_from / SETTINGS,
            identities(world),
            world.secret(world.inventory.backup.passphrase, "the box's settings backup"),
            context.progress,
        )
        write_whole(path, json.dumps({"equal_settings_prove_it": True}).encode())
        return _compared(restored.differences)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What the old box showed when it was backed up, and what the new one shows now."""
        return witness_settings(context)


class PutBackRecords(ReadOnlyStep):
    """Puts session records and recordings back on the new box, as far as it takes them."""

    def act(self, context: StepContext) -> Result:
        """The box itself leaves out what it has already, so that doing it twice doubles nothing."""
        return _put_back(context, context.progress)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What the new box holds now, against the archive; what it does not take is counted and explained."""
        return _witness_put_back(context, result)


class CollectLateRecords(ReadOnlyStep):
    """Sessions that ended on the old box after the extraction, or were changed: fetched, archived, put back."""

    def act(self, context: StepContext) -> Result:
        """The same two movements again; both go on where they stopped."""
        before = open_archive(context.run_directory / RECORDS).counts
        archive = _extract(context, lambda fraction, phase: context.progress(fraction / 2, phase))
        result = _put_back(context, lambda fraction, phase: context.progress(0.5 + fraction / 2, phase))
        return {
            **result,
            "late_sessions": archive.counts.sessions - before.sessions,
            "late_recordings": archive.counts.recordings - before.recordings,
            "changed_sessions": sum(segment.sessions for segment in archive.segments if segment.again),
        }

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The archive is whole again, and nothing of the old box is missing in it."""
        return together(
            witness_backup(context, RECORDS, "records archive"),
            witness_records(context),
            _witness_put_back(context, result),
        )


def witness_settings(context: StepContext) -> Outcome:
    """Compares the new box with the backup, record by record."""
    new = box(context, "new")
    differences = compare_settings(settings_before(context), read_settings(new))
    verdict = verdict_of(differences)
    total = sum(kind.before for kind in differences)
    return witness(
        context,
        probe="api",
        subject=f"new ({new.address})",
        summary=f"All {total:,} records of the backup are on the new box, field by field."
        if verdict is Verdict.PASSED
        else "; ".join(kind.note() for kind in differences if not kind.same) or "There was nothing to compare.",
        passed=None if verdict is Verdict.UNKNOWN else verdict is Verdict.PASSED,
        data={"compared": [kind.compared().model_dump(mode="json") for kind in differences]},
    )


def witness_records(context: StepContext) -> Outcome:
    """Compares the archive with every session and recording the old box lists now, by digest, and both counts."""
    old = box(context, "old")
    archive = open_archive(context.run_directory / RECORDS)
    held = old.status().records
    lacking = outdated(archive.latest(identities(context.world)), sessions_of(old, 0))
    missing = archive.missing(held)
    passed = lacking.none and not (missing.sessions or missing.recordings)
    counts = archive.counts
    return witness(
        context,
        probe="api",
        subject=f"old ({old.address})",
        summary=f"The archive holds {_records(counts)}, all that the old box has, each as it is there."
        if passed
        else f"The archive does not hold all of the old box: {lacking.words() or _records(missing)}.",
        passed=passed,
        data={"archive": _counted(counts), "box": _counted(held)},
    )


def read_through(context: StepContext) -> Outcome:
    """Reads every stored byte of what this run has backed up, and opens it."""
    return together(*(witness_backup(context, name, words) for name, words in _backups(context)))


def witness_backups_intact(context: StepContext, *, known: Result | None = None) -> Outcome:
    """Whether the backups are as they were when this run read them through; read through now where that is not known.

    Takes no longer for large backups, unless somebody has touched them: the same file, size, time of content and time
    of change (stat(2)) as when it was read.
    """
    before = known or context.results.get("verify-backups", {})
    now = standing(context)
    if before.get("verdict") != Verdict.PASSED.value or before.get("files") != now:
        return read_through(context)
    return witness(
        context,
        probe="file",
        subject="backup",
        summary=f"The backups are as this run read them through: {counted(len(now), 'file')} untouched since.",
        passed=True,
        data={"files": len(now)},
    )


def standing(context: StepContext) -> Result:
    """Inode, size, and times of content and change of every file of the run's backups, by its path."""
    stand: Result = {}
    for name, _ in _backups(context):
        folder = context.run_directory / name
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.is_file() and path.name[0] != ".":
                seen = path.stat()
                stand[f"{name}/{path.name}"] = f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"
    return stand


def _backups(context: StepContext) -> Iterator[tuple[str, str]]:
    yield SETTINGS, "settings backup"
    last = latest(context.run_directory / SETTINGS).name
    if last != Path(SETTINGS).name:
        yield str(Path(SETTINGS).with_name(last)), "latest settings backup"
    if context.world.inventory.backup.records:
        yield RECORDS, "records archive"


def witness_backup(context: StepContext, name: str, words: str) -> Outcome:
    """Reads one of the run's backups back and opens it."""
    folder = context.run_directory / name
    checked: Verification = verify(folder, identities(context.world), context.progress)
    size_bytes = sum(file.size_bytes for file in checked.files)
    return witness(
        context,
        probe="file",
        subject=name,
        summary=f"The {words} was read back and opened: {counted(len(checked.files), 'file')}, "
        f"{counted(size_bytes, 'byte')}."
        if checked.verdict is Verdict.PASSED
        else f"The {words} is not whole.",
        passed=None if checked.verdict is Verdict.UNKNOWN else checked.verdict is Verdict.PASSED,
        data={"files": len(checked.files), "size_bytes": size_bytes, "complete": checked.complete},
    )


def identities(world: World) -> tuple[Identity, ...]:
    """The identities that open the run's backups; opened once, because it costs seconds on purpose (scrypt)."""
    settings = world.inventory.backup
    return world.once(
        "backup identities",
        lambda: read_identities(
            world.path(settings.identity_file),
            lambda: world.secret(settings.identity_passphrase, "the identity that opens backups"),
        ),
    )


def settings_before(context: StepContext) -> Settings:
    """What the old box was set to when what was restored on the new one last was backed up."""
    first = context.run_directory / SETTINGS
    last = latest(first)
    folder = context.taken_from / SETTINGS if last == first else last
    return backed_up_settings(folder, identities(context.world))


def _extract(context: StepContext, progress: Progress) -> RecordsArchive:
    world: World = context.world
    return extract_records(
        box(context, "old"),
        context.run_directory / RECORDS,
        world.inventory.backup.recipients,
        0,
        progress,
        now=context.clock.now(),
        renew=identities(world),
    )


def _put_back(context: StepContext, progress: Progress) -> Result:
    archive = open_archive(context.taken_from / RECORDS)
    comparison = put_back_records(archive, identities(context.world), box(context, "new"), progress)
    return comparison.model_dump(mode="json") | {
        "compared": [line.model_dump(mode="json") for line in comparison.compared()]
    }


def _witness_put_back(context: StepContext, result: Result) -> Outcome:
    """What the put-back itself found by listing the box, and the box's own counts beside it."""
    new = box(context, "new")
    held, archived = new.status().records, open_archive(context.taken_from / RECORDS).counts
    sessions, recordings = Verdict(str(result["sessions_verdict"])), Verdict(str(result["recordings_verdict"]))
    # what the box cannot take stays in the archive: explained, and no failure, while no session is missing
    whole = result["sessions_after"] == result["sessions_before"]
    passed = (sessions is Verdict.PASSED or (sessions is Verdict.SKIPPED and whole)) and recordings in (
        Verdict.PASSED,
        Verdict.SKIPPED,
    )
    reasons = result["reasons"]
    why = f" ({'; '.join(str(reason) for reason in reasons)})" if isinstance(reasons, list) and reasons else ""
    return witness(
        context,
        probe="api",
        subject=f"new ({new.address})",
        summary=f"{held.sessions:,} of {counted(archived.sessions, 'session')} and {held.recordings:,} of "
        f"{counted(archived.recordings, 'recording')} are on the new box{why}.",
        passed=passed and held.sessions >= archived.sessions,
        data={"archive": _counted(archived), "box": _counted(held), "reasons": reasons},
    )


def _manifest_result(context: StepContext, name: str) -> Result:
    manifest = find_manifest(context.run_directory / name)
    files = manifest.files if manifest else ()
    return {"folder": name, "files": [{"name": file.name, "sha256": file.sha256} for file in files]}


def _compared(differences: Iterable[RecordDifferences]) -> Result:
    return {"compared": [kind.compared().model_dump(mode="json") for kind in differences]}


def _records(counts: RecordCounts) -> str:
    return f"{counted(counts.sessions, 'session')} and {counted(counts.recordings, 'recording')}"


def _counted(counts: RecordCounts) -> Result:
    return {
        "sessions": counts.sessions,
        "recordings": counts.recordings,
        "recording_bytes": counts.recording_bytes,
    }
