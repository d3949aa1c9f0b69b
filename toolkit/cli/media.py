"""`rebox media`: what is plugged in; data onto a stick and off it; an empty stick; a stick let go."""

import socket
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from toolkit.cli.media_view import show_checked, show_ejected, show_event, show_sticks
from toolkit.cli.output import JsonOption, confirm, emit_json, out, progress_bar, somebody_is_there
from toolkit.disks.plugged import Stick
from toolkit.disks.volumes import KINDS
from toolkit.lab.folder import state_folder
from toolkit.media.cargo import Kind
from toolkit.media.choice import choices, choose
from toolkit.media.eject import eject
from toolkit.media.formatting import format_stick
from toolkit.media.local import described, held
from toolkit.media.read import read, verify
from toolkit.media.sources import sources
from toolkit.media.sticks import sticks, watch
from toolkit.media.write import Purpose, write
from toolkit.model.errors import InputError
from toolkit.signing import own_key, trusted_signers

app = typer.Typer(
    help="Sticks: list, watch, write, verify, read, format, eject.", rich_markup_mode=None, no_args_is_help=True
)

StickOption = Annotated[
    str | None,
    typer.Option(
        "--stick",
        metavar="WHICH",
        help="serial=…, label=…, uuid=…, model=…, vendor=…, port=…, a device, or an image file; else you are asked.",
    ),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-fixed", metavar="DRIVE", help="The serial number or device of a drive that is not removable."
    ),
]
CopiedOption = Annotated[bool, typer.Option("--copied", help="It was copied here from another stick on purpose.")]


@app.command("list")
def list_sticks(json: JsonOption = False) -> None:
    """List removable drives: maker, model, serial number, size, file system, and where they are plugged in."""
    found = sticks()
    if json:
        emit_json({"sticks": [stick.as_json() for stick in found]})
        return
    show_sticks(found)


@app.command("watch")
def watch_sticks(
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="End when nothing has happened for so long.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell what is plugged in and what comes and goes; with --json one document a line."""
    for event in watch(seconds=seconds):
        show_event(event, as_line=json)


@app.command("write")
def write_stick(
    given: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Files and folders to be carried.")],
    which: StickOption = None,
    kind: Annotated[Kind, typer.Option("--kind", help="What it is carried for.")] = Kind.FREE,
    source: Annotated[str, typer.Option("--describe", metavar="TEXT", help="Where it comes from, in words.")] = "",
    *,
    replace: Annotated[bool, typer.Option("--replace", help="In place of what is complete on the stick.")] = False,
    allow: AllowOption = None,
    json: JsonOption = False,
) -> None:
    """Write to a stick, read every byte back from the stick itself, and only then say that it is there."""
    carried = sources(given)
    key = own_key(state_folder())
    described_as = source or ", ".join(str(path.absolute()) for path in given)
    purpose = Purpose(
        kind, described_as[:500], f"rebox {version('rebox')} on {socket.gethostname()}", datetime.now(UTC)
    )
    with held(_chosen(which), allow or (), writing=True) as carrier, progress_bar("stick") as progress:
        manifest = write(carrier, carried, purpose, key, progress, replace=replace)
        if json:
            emit_json({"stick": carrier.stick.as_json(), "manifest": manifest.model_dump(mode="json")})
            return
        show_checked("Written and read back", carrier.name, manifest, key.public)


@app.command("verify")
def verify_stick(
    which: StickOption = None, *, copied: CopiedOption = False, allow: AllowOption = None, json: JsonOption = False
) -> None:
    """Read all that a stick carries, and compare it with what was signed when it was written."""
    with held(_chosen(which), allow or ()) as carrier, progress_bar("stick") as progress:
        checked = verify(carrier, trusted_signers(state_folder()), progress, copied=copied)
        if json:
            emit_json(_document(carrier.stick, checked.manifest.model_dump(mode="json"), checked.signer))
            return
        show_checked("Verified", carrier.name, checked.manifest, checked.signer)


@app.command("read")
def read_stick(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder; there is nothing or all of it.")],
    which: StickOption = None,
    *,
    copied: CopiedOption = False,
    allow: AllowOption = None,
    json: JsonOption = False,
) -> None:
    """Take what a stick carries off it, into a new folder, once all of it is verified."""
    with held(_chosen(which), allow or ()) as carrier, progress_bar("stick") as progress:
        checked = read(carrier, target.absolute(), trusted_signers(state_folder()), progress, copied=copied)
        if json:
            document = _document(carrier.stick, checked.manifest.model_dump(mode="json"), checked.signer)
            emit_json({**document, "folder": str(target)})
            return
        show_checked("Verified and read", carrier.name, checked.manifest, checked.signer)
    out.print(f"  It lies in {escape(str(target))}.", soft_wrap=True)


@app.command("format")
def format_command(
    which: StickOption = None,
    file_system: Annotated[str, typer.Option("--fs", metavar="|".join(KINDS), help="The file system.")] = "exfat",
    label: Annotated[
        str, typer.Option("--label", metavar="NAME", help="Up to 11 capital letters and digits.")
    ] = "REBOX",
    serial: Annotated[
        str | None, typer.Option("--serial", metavar="S", help="The stick's serial number; of one without, its path.")
    ] = None,
    *,
    allow: AllowOption = None,
    json: JsonOption = False,
) -> None:
    """Put an empty file system on a stick; all that is on it is gone. Its serial number has to be typed."""
    stick = _chosen(which)
    made = format_stick(stick, file_system, label, _typed(stick, serial), allow or ())
    if json:
        emit_json({"stick": stick.as_json(), "file_system": {**asdict(made), "path": str(made.path)}})
        return
    out.print(
        f"[green]Formatted[/green]  {escape(described(stick))}: {made.kind}, {made.label}, {made.uuid}", soft_wrap=True
    )


@app.command("eject")
def eject_stick(which: StickOption = None, json: JsonOption = False) -> None:
    """Bring everything to a stick, look that nobody uses it, and switch its port off where that can be done."""
    stick = _chosen(which)
    ejected = eject(stick)
    if json:
        emit_json({"stick": stick.as_json(), **asdict(ejected)})
        return
    show_ejected(described(stick), ejected)


def _chosen(which: str | None) -> Stick:
    """The stick that was named; one that was not is shown and confirmed, also when it is the only one."""
    there = sticks()
    if which is not None:
        return choose(which, there)
    if not somebody_is_there():
        raise InputError("it was not said which stick", next_move=f"Give --stick. {choices(there)}")
    if not there:
        raise InputError("no stick is plugged in", next_move="Plug one in, or name an image file by --stick.")
    show_sticks(there)
    if len(there) > 1:
        return choose(typer.prompt("Which stick (its device, or serial=…)", err=True), there)
    confirm(f"Is it {described(there[0])}?")
    return there[0]


def _typed(stick: Stick, serial: str | None) -> str:
    if serial is not None:
        return serial
    if not sys.stdin.isatty():
        raise InputError(
            "the stick's serial number was not given",
            where=described(stick),
            why="all that is on it would be gone",
            next_move="Read it off the stick, and give it by --serial.",
        )
    what = "its serial number" if stick.serial else "its path, since it has no serial number,"
    return str(typer.prompt(f"All on {described(stick)} will be gone. Type {what} to go on", err=True))


def _document(stick: Stick, manifest: dict[str, Any], signer: str) -> dict[str, Any]:
    return {"stick": stick.as_json(), "verdict": "passed", "signer": signer, "manifest": manifest}
