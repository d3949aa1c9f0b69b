"""How `rebox backup` shows manifests, what was read back and what was compared, to people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.filesize import decimal
from rich.markup import escape

from toolkit.backup.manifest import Manifest
from toolkit.backup.records import RecordsArchive
from toolkit.backup.segments import IndexEntry
from toolkit.backup.verification import Verification
from toolkit.cli.output import out, result_table
from toolkit.model.box import RecordCounts
from toolkit.model.counting import counted
from toolkit.model.run_report import Compared
from toolkit.model.verdict import Verdict

_COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.SKIPPED: "dim", Verdict.UNKNOWN: "yellow"}


def show_manifest(folder: Path, manifest: Manifest) -> None:
    """What a backup folder holds, from which box, when and for whom."""
    source = manifest.source
    state = "" if manifest.complete else "  [red]interrupted: run create again, it goes on[/red]"
    out.print(f"[bold]{manifest.kind}[/bold]  {escape(str(folder))}{state}")
    rows = [
        (
            "box",
            f"{source.serial_number}  {source.hostname}  Base {source.base_version}  {source.site_version or ''}",
        ),
        ("written", f"{manifest.updated:%Y-%m-%d %H:%M:%S %Z} by {manifest.made_by}"),
        ("opened by", ", ".join(manifest.recipients)),
    ]
    if manifest.kind == "records":
        counts = RecordsArchive(folder, manifest).counts
        held = f"{_sessions_and_recordings(counts, ', ')}, {decimal(counts.recording_bytes)}"
        rows.append(("holds", held))
    for name, value in rows:
        out.print(f"  [dim]{name:<10}[/dim] {escape(value)}")
    files = (
        (file.name, decimal(file.size_bytes), decimal(file.plain_size_bytes), file.sha256) for file in manifest.files
    )
    result_table("", ("file", "stored", "opened", "SHA-256 as stored"), files)


def show_already_there(manifest: Manifest) -> None:
    """That nothing new was made."""
    told = {
        "settings": "It was read back from the disk and is whole; a newer one belongs into another folder.",
        "records": "The box holds nothing that is not in it.",
    }
    when = f"{manifest.updated:%Y-%m-%d %H:%M:%S %Z}"
    out.print(f"[yellow]Already complete[/yellow]  since {when}: nothing was fetched. {told[manifest.kind]}")


def show_missing(missing: RecordCounts) -> None:
    """What the box held when the extraction ended, and the archive does not."""
    if missing.sessions or missing.recordings:
        out.print(
            f"[red]Missing[/red]  {_sessions_and_recordings(missing, ' and ')} that came meanwhile: "
            "run it again to add them."
        )


def _sessions_and_recordings(counts: RecordCounts, between: str) -> str:
    return f"{counted(counts.sessions, 'session')}{between}{counted(counts.recordings, 'recording')}"


def show_sessions(entries: Sequence[IndexEntry]) -> None:
    """The lines of an archive's indexes."""
    if entries:
        rows = ((entry.seq, entry.lsid, _recording(entry)) for entry in entries)
        result_table("", ("number", "session", "recording"), rows)


def _recording(entry: IndexEntry) -> str:
    if entry.left_out:
        return "left out"
    return decimal(entry.recording.size_bytes) if entry.recording else ""


def show_verification(found: Verification) -> None:
    """File by file, what was read back and what was opened."""
    rows = ((file.name, decimal(file.size_bytes), _mark(file.stored), _mark(file.content)) for file in found.files)
    result_table(f"{found.kind}  {found.folder}", ("file", "size", "as stored", "opened"), rows)
    for note in found.notes:
        out.print(f"[yellow]Note[/yellow]  {escape(note)}")


def show_compared(lines: Iterable[Compared], verdict: Verdict) -> None:
    """Both sides of a restore."""
    rows = ((line.kind, line.before, line.after, line.different, escape(line.note)) for line in lines)
    result_table("", ("", "backup", "box", "different", ""), rows)
    out.print(_mark(verdict))


def _mark(verdict: Verdict) -> str:
    return f"[{_COLOURS[verdict]}]{verdict.value}[/{_COLOURS[verdict]}]"
