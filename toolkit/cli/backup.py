"""`rebox backup`: create, verify, restore and show backups, and make the key they are encrypted to."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.markup import escape

from toolkit.backup.age import Identity
from toolkit.backup.keys import make_identity, read_identities
from toolkit.backup.manifest import Manifest, find_manifest, read_manifest
from toolkit.backup.put_back import RecordsComparison, put_back_records
from toolkit.backup.records import RecordsArchive, extract_records, open_archive
from toolkit.backup.settings_backup import RestoredSettings, create_settings_backup, restore_settings
from toolkit.backup.verification import backup_folders, verify
from toolkit.cli.backup_view import (
    show_already_there,
    show_compared,
    show_manifest,
    show_missing,
    show_sessions,
    show_verification,
)
from toolkit.cli.output import JsonOption, emit_json, end, out, progress_bar
from toolkit.model.errors import InputError, RefusedError
from toolkit.model.verdict import Verdict, combine
from toolkit.secrets import resolve, resolve_new

if TYPE_CHECKING:
    from toolkit.appliances.protocol import Appliance
    from toolkit.model.inventory import Inventory

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Backups: keygen, create, verify, restore, show (U9, H2, H6)."
)


_ASK = "prompt"


class Role(StrEnum):
    """Which box of an inventory."""

    OLD = "old"
    NEW = "new"


InventoryArgument = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory that names the box.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="What `rebox backup create` wrote.")]
SettingsOption = Annotated[bool, typer.Option("--settings/--no-settings", help="The settings backup.")]
RecordsOption = Annotated[
    bool | None, typer.Option("--records/--no-records", help="Session records and recordings [as the inventory says].")
]
IdentityOption = Annotated[
    Path | None, typer.Option("--identity", metavar="FILE", help="The identity file that opens the backup.")
]
PassphraseOption = Annotated[
    str, typer.Option("--passphrase", metavar="REF", help="What opens the identity file: prompt, env:NAME, file:PATH.")
]


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the identity goes; never overwritten.")],
    passphrase: Annotated[
        str,
        typer.Option("--passphrase", metavar="REF", help="What locks it: prompt, env:NAME, file:PATH, keyring:S/N."),
    ] = _ASK,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make an identity file, locked with a passphrase, and print its public key for the inventory."""
    recipient = make_identity(file, resolve_new(passphrase, "the new identity file"), datetime.now(UTC))
    if as_json:
        emit_json({"identity_file": str(file), "recipient": recipient})
        return
    out.print(f"[green]Made[/green]  {escape(str(file))}: mode 0600, locked. Keep it and its passphrase apart.")
    out.print(f'Its public key is {recipient}: put it into "recipients" under "backup" in the inventory.')


@app.command()
def create(
    inventory: InventoryArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where it goes: FOLDER/settings, FOLDER/records.")],
    role: Annotated[Role, typer.Option("--role", help="Which box.")] = Role.OLD,
    *,
    settings: SettingsOption = True,
    records: RecordsOption = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without-recording", metavar="LSID", help="Leave out a recording the box cannot give."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Back up a box, encrypted to the inventory's recipients; run again, it goes on where it was interrupted."""
    document: dict[str, Any] = {}
    verdicts = []
    with _working_on(inventory, role, "create") as (box, wanted):
        recipients = wanted.backup.recipients
        if settings:
            there = find_manifest(to / "settings")
            passphrase = resolve(wanted.backup.passphrase, "the box's settings backup", base=inventory.parent)
            with progress_bar("settings") as progress:
                manifest = create_settings_backup(
                    box, to / "settings", recipients, passphrase, datetime.now(UTC), progress
                )
            document["settings"] = _created(to / "settings", manifest, there, as_json=as_json)
            verdicts.append(Verdict.PASSED)
        if wanted.backup.records if records is None else records:
            there = find_manifest(to / "records")
            left_out = frozenset(without or ())
            with progress_bar("records") as progress:
                archive = extract_records(box, to / "records", recipients, 0, progress, without=left_out)
            missing = archive.missing(archive.manifest.source.records)
            document["records"] = _created(to / "records", archive.manifest, there, as_json=as_json)
            document["records"]["missing"] = missing.model_dump(mode="json")
            verdicts.append(Verdict.FAILED if missing.sessions or missing.recordings else Verdict.PASSED)
            if not as_json:
                show_missing(missing)
    _finish(document, combine(verdicts), as_json=as_json)


def _created(folder: Path, manifest: Manifest, there: Manifest | None, *, as_json: bool) -> dict[str, Any]:
    """Shows a backup that has been asked for; what was `there` before, and is the same, is not told as a new one."""
    already = manifest == there
    if not as_json:
        show_manifest(folder, manifest)
        if already:
            show_already_there(manifest)
    return manifest.model_dump(mode="json") | {"already_there": already}


@app.command("verify")
def verify_command(
    folder: FolderArgument,
    identity: IdentityOption = None,
    passphrase: PassphraseOption = _ASK,
    *,
    as_json: JsonOption = False,
) -> None:
    """Read a backup back from the disk; with an identity also open all of it."""
    identities = _identities(identity, passphrase)
    found = []
    for path in backup_folders(folder):
        with progress_bar(f"verifying {path.name}") as progress:
            found.append(verify(path, identities, progress))
    verdict = combine(verification.verdict for verification in found)
    if not as_json:
        for verification in found:
            show_verification(verification)
    _finish({"backups": [one.model_dump(mode="json") for one in found]}, verdict, as_json=as_json)


@app.command()
def restore(
    inventory: InventoryArgument,
    folder: FolderArgument,
    role: Annotated[Role, typer.Option("--role", help="Which box.")] = Role.NEW,
    *,
    settings: SettingsOption = True,
    records: Annotated[bool, typer.Option("--records/--no-records", help="Session records and recordings.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the box's settings are replaced.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup to a box, compare record by record, and count both sides."""
    base = inventory.parent
    chosen = {"settings": settings, "records": records}
    document: dict[str, Any] = {}
    verdicts = []
    result: RestoredSettings | RecordsComparison
    with _working_on(inventory, role, "restore") as (box, wanted):
        # settings first: they carry the people and teams that the records speak of
        found = {read_manifest(path).kind: path for path in backup_folders(folder)}
        folders = [(kind, found[kind]) for kind in ("settings", "records") if kind in found and chosen[kind]]
        identity_file = base / Path(wanted.backup.identity_file).expanduser()
        identities = _identities(identity_file, wanted.backup.identity_passphrase, base) or ()
        status = box.status()
        _confirm(f"{role.value} box {status.serial_number} ({status.hostname})", yes=yes)
        passphrase = (
            resolve(wanted.backup.passphrase, "the box's settings backup", base=base) if "settings" in found else ""
        )
        for kind, path in folders:
            with progress_bar(kind) as progress:
                if kind == "settings":
                    result = restore_settings(box, path, identities, passphrase, progress)
                else:
                    result = put_back_records(open_archive(path), identities, box, progress)
            document[kind] = result.model_dump(mode="json") | {"verdict": result.verdict.value}
            verdicts.append(result.verdict)
            if not as_json:
                show_compared(result.compared(), result.verdict)
    _finish(document, combine(verdicts), as_json=as_json)


@app.command()
def show(
    folder: FolderArgument,
    identity: IdentityOption = None,
    passphrase: PassphraseOption = _ASK,
    *,
    sessions: Annotated[bool, typer.Option("--sessions", help="List the archived sessions; needs --identity.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a backup holds, from which box, when and for whom; reads only manifests, and indexes on request."""
    if sessions and identity is None:
        raise InputError(
            "the sessions cannot be listed",
            why="the index of an archive is encrypted, and no identity was given",
            next_move="Give the identity file by --identity.",
        )
    identities = _identities(identity, passphrase) if sessions else ()
    document: list[dict[str, Any]] = []
    for path in backup_folders(folder):
        manifest = read_manifest(path)
        shown: dict[str, Any] = {"folder": str(path), **manifest.model_dump(mode="json")}
        entries = tuple(RecordsArchive(path, manifest).latest(identities or ()).values()) if sessions else ()
        if sessions:
            shown["sessions"] = [entry.model_dump(mode="json") for entry in entries]
        document.append(shown)
        if not as_json:
            show_manifest(path, manifest)
            show_sessions(entries)
    if as_json:
        emit_json({"backups": document})


@contextmanager
def _working_on(inventory: Path, role: Role, command: str) -> "Iterator[tuple[Appliance, Inventory]]":
    """The box, with nobody else working on it meanwhile."""
    from toolkit.wiring import hold_box  # noqa: PLC0415  (drivers are slow to import)

    with hold_box(inventory, role.value, f"rebox backup {command}") as (box, wanted):
        yield box, wanted


def _identities(file: Path | None, passphrase: str, base: Path | None = None) -> tuple[Identity, ...] | None:
    if file is None:
        return None
    return read_identities(file, lambda: resolve(passphrase, f"the identity file {file}", base=base))


def _confirm(box: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError(
            f"the settings of the {box} would be replaced",
            why="nobody is there to confirm it",
            next_move="Give --yes when that is what you want.",
        )
    if not typer.confirm(f"Replace the settings of the {box}?", err=True):
        raise RefusedError("nothing was done", why="it was not confirmed")


def _finish(document: dict[str, Any], verdict: Verdict, *, as_json: bool) -> NoReturn:
    if as_json:
        emit_json({**document, "verdict": verdict.value})
    elif verdict is Verdict.UNKNOWN:
        out.print("[yellow]Unknown[/yellow]  nothing was there to be checked")
    end(verdict)
