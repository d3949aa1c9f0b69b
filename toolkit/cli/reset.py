"""`rebox reset`: the disks of this machine, what speaks against wiping each, and wiping those that are named."""

import importlib.metadata
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import toolkit
from toolkit.cli.output import JsonOption, emit_json, end, err, out, progress_bar, refuse_unasked
from toolkit.cli.reset_records import verify_record
from toolkit.cli.reset_settings import reset_settings
from toolkit.disks.erase import Order
from toolkit.disks.facts import Disk
from toolkit.disks.in_use import Rules
from toolkit.disks.method import AUTO, OVERWRITE_WORDS
from toolkit.lab.folder import state_folder
from toolkit.model.errors import RefusedError
from toolkit.model.verdict import Verdict, combine
from toolkit.reset import local_disks
from toolkit.reset.erasure import Erasure
from toolkit.reset.record import RecordContext
from toolkit.reset.record_files import RECORDS_FOLDER, write_records
from toolkit.signing import SigningKey, own_key
from toolkit.storage.errors import storage_error
from toolkit.wiring import operator_name

app = typer.Typer(
    help="The end of a box and of its disks. What speaks against wiping one is looked at anew each time.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.command("settings")(reset_settings)
app.command("verify")(verify_record)


class Verify(StrEnum):
    """How a wiped disk is read back."""

    full = "full"
    sample = "sample"


Serials = Annotated[
    list[str],
    typer.Argument(metavar="SERIAL...", help="Serial numbers, or /dev/NAME=SERIAL; of a loop device its file."),
]


@app.command("list")
def list_disks(json: JsonOption = False) -> None:
    """Show every disk and each reason why it may not be wiped; changes nothing."""
    found = local_disks.survey(_own())
    if json:
        emit_json([
            {
                **asdict(one.disk),
                "identity": one.disk.identity,
                "media_type": one.disk.media_type,
                "may_be_wiped": not one.objections,
                "objections": [asdict(objection) for objection in one.objections],
                "techniques": [technique.name for technique in one.offer.techniques],
                "not_offered": one.offer.missing,
            }
            for one in found
        ])  # fmt: skip
        return
    for one in found:
        _show(one.disk)
        _line("may be wiped", "yes" if not one.objections else "no")
        for objection in one.objections:
            _line("", objection.why)
        if names := local_disks.lifted_by(one.objections):
            _line("", f"to have it wiped all the same: {names}")


@app.command("disk")
def wipe_disks(  # noqa: PLR0917  (typer hands all of them by name)
    serials: Serials,
    method: Annotated[
        str, typer.Option("--method", help="auto, overwrite, or a technique that rebox reset list --json names.")
    ] = AUTO,
    verify: Annotated[Verify, typer.Option("--verify", help="Read all of it back, or samples (NIST SP 800-88).")] = (
        Verify.full
    ),
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FOLDER", help="Where the signed records go; default: rebox's state folder."),
    ] = None,
    signature: Annotated[
        list[str] | None,
        typer.Option("--signature", metavar="NAME", help="May be lost though others may need it; reset list names it."),
    ] = None,
    medium: Annotated[
        list[str] | None,
        typer.Option("--medium", metavar="SERIAL", help="A removable medium that is needed: never wiped."),
    ] = None,
    operator: Annotated[str | None, typer.Option("--operator", help="Who wipes; default: your user name.")] = None,
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="SERIAL", help="Do not ask for this serial number; once for every disk."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Wipe disks and read them back. Everything on them is lost; shows what will be done, and asks for each."""
    local_disks.must_be_root()
    wanted = local_disks.planned(serials)
    _check_yes(wanted, yes or ())
    records = state_folder() / RECORDS_FOLDER if record is None else record
    own = (*_own(), records)
    rules = Rules(planned=wanted, own=own, signatures=signature or (), media=medium or ())
    order = Order(method, verify.value)
    chosen = local_disks.choose(serials, rules, order)
    key = _prepare(records)
    _show_plan(chosen, verify)
    if not yes:
        _ask(chosen)

    kept: dict[str, Erasure] = {}
    written: list[str] = []

    def keep(erasure: Erasure) -> None:
        kept[erasure.identity] = erasure
        written.extend(map(str, write_records(records, [erasure], RecordContext(), key)))

    wiping = local_disks.Wiping(
        rules=rules,
        order=order,
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
        tool_version=importlib.metadata.version("rebox"),
        operator=operator or operator_name(),
        keep=keep,
    )
    try:
        with progress_bar("wiping") as progress:
            ended = wiping.wipe(chosen, progress)
    except BaseException:
        # interrupted, or a record that cannot be written: what was done to which disk is told all the same
        for one in kept.values():
            err.print(_in_words(one), markup=False, soft_wrap=True)
        raise
    _tell(ended, written, as_json=json)


def _own() -> tuple[Path, ...]:
    """What this system and the toolkit need: their disks are never wiped."""
    return (Path("/"), Path("/boot"), state_folder(), Path(toolkit.__file__).parent, Path(sys.prefix), Path.cwd())


def _check_yes(wanted: Sequence[str], yes: Sequence[str]) -> None:
    """Raises RefusedError for a --yes that is not the disks', InputError where nobody can be asked instead."""
    if not yes:
        refuse_unasked()
    elif sorted(yes) != sorted(wanted):
        raise RefusedError(
            "--yes does not name the disks that are to be wiped",
            why=f"it names {', '.join(yes)}, the command {', '.join(wanted)}",
            next_move="Give --yes SERIAL once for every disk, or leave it out and be asked.",
        )


def _show_plan(chosen: Sequence[local_disks.Chosen], verify: Verify) -> None:
    how = "all of it is read back" if verify is Verify.full else "at least a tenth of it, at random, is read back"
    for one in chosen:
        _show(one.disk, err)
        way = f"{' or else '.join(one.techniques)}, then {OVERWRITE_WORDS}" if one.techniques else OVERWRITE_WORDS
        _line("how", f"discard where it can, {way}; then {how}", err)
        if one.why_no_more:
            _line("not offered", one.why_no_more, err)


def _show(disk: Disk, where: Console = out) -> None:
    """What people recognise it by; nothing of it is ever cut off."""
    words = ", ".join(filter(None, (disk.vendor, disk.model, disk.media_type, _size(disk.size_bytes))))
    where.print(f"[bold]/dev/{disk.name}[/bold]  {escape(words)}", soft_wrap=True)
    _line("file" if disk.backing_file else "serial number", disk.identity or "none", where)


def _line(name: str, words: str, where: Console = out) -> None:
    where.print(f"  [dim]{name:<13}[/dim]  {escape(words)}", soft_wrap=True)


def _ask(chosen: Sequence[local_disks.Chosen]) -> None:
    """Each serial number has to be typed; ends the command when one is another."""
    err.print("Everything on what is listed above is lost.")
    for one in chosen:
        typed = typer.prompt(f"Type the serial number of /dev/{one.disk.name} to wipe it", err=True)
        if typed.strip() != one.meant.identity:
            err.print("That is not its serial number. Nothing was changed.")
            raise typer.Exit(1)


def _prepare(folder: Path) -> SigningKey:
    """The records' folder and the key that signs them: what is wrong with these is told while the disks are whole."""
    key = own_key(state_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error, what="there is no place for the records") from None
    return key


def _tell(ended: Sequence[Erasure], written: Sequence[str], *, as_json: bool) -> None:
    verdict = combine(Verdict(one.result) for one in ended)
    if as_json:
        emit_json(
            {
                "verdict": verdict.value,
                "disks": [one.model_dump(mode="json") for one in ended],
                "records": [*written],
            }
        )
        end(verdict)
    for one in ended:
        out.print(_in_words(one), markup=False, soft_wrap=True)
    for record in written:
        out.print(f"  record  {record}", markup=False, soft_wrap=True)
    end(verdict)


def _in_words(one: Erasure) -> str:
    again = "; an earlier wipe had been cut off, this one began again" if one.again else ""
    read = f"{one.verified_bytes:,} bytes read back ({one.verification}, {one.verified_fraction:.1%})"
    return f"{one.result}  {one.identity}: {one.reason or f'{one.technique}; {read}'}{again}"


def _size(size_bytes: int) -> str:
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"
