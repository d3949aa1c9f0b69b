"""How sticks and what they carry are shown."""

import json
import sys
from collections.abc import Sequence

from rich.markup import escape

from toolkit.cli.output import out, result_table
from toolkit.disks.ejecting import Ejected
from toolkit.disks.plugged import Stick
from toolkit.media.cargo import Manifest
from toolkit.media.sticks import Event


def show_sticks(found: Sequence[Stick]) -> None:
    """A table, or that there is none."""
    if not found:
        out.print("No stick is plugged in.")
        return
    columns = ("device", "maker, model", "serial number", "size", "file system", "label", "UUID", "plugged in at")
    result_table("Sticks", columns, [_row(stick) for stick in found], whole=("device", "serial number", "UUID"))


def _row(stick: Stick) -> tuple[str, ...]:
    held = stick.file_system
    words = (
        str(stick.path),
        " ".join(word for word in (stick.vendor, stick.model) if word),
        stick.serial,
        f"{stick.size_bytes / 1e9:.1f} GB{', read-only' if stick.read_only else ''}",
        held.kind if held else "unknown" if stick.trouble else "none",
        held.label if held else "",
        held.uuid if held else "",
        f"{stick.bus} {stick.port}".strip(),
    )
    return tuple(escape(word) for word in words)


def show_event(event: Event, *, as_line: bool) -> None:
    """One line: for people, or a JSON document."""
    if as_line:
        sys.stdout.write(json.dumps({"event": event.what, "stick": event.stick.as_json()}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    device, *words = _row(event.stick)
    out.print(f"{event.what:<10} {device}  {', '.join(word for word in words if word)}", soft_wrap=True)


def show_checked(done: str, stick: str, manifest: Manifest, signer: str) -> None:
    """What is on a stick, now that every byte of it was proven."""
    out.print(f"[green]{done}[/green]  {escape(stick)}", soft_wrap=True)
    count = f"{len(manifest.files)} file{'s' if len(manifest.files) > 1 else ''}"
    out.print(f"  {manifest.kind.value}: {count}, {manifest.size_bytes:,} bytes, {manifest.created:%Y-%m-%d %H:%M} UTC")
    out.print(f"  from {escape(manifest.source)}, by {escape(manifest.made_by)}", soft_wrap=True)
    out.print(f"  signed by {signer}", soft_wrap=True)


def show_ejected(stick: str, ejected: Ejected) -> None:
    """What could be done, and what not."""
    colour = "green" if ejected.gone or not ejected.not_done else "yellow"
    out.print(f"[{colour}]Can be unplugged[/{colour}]  {escape(stick)}", soft_wrap=True)
    for what in ejected.done:
        out.print(f"  {escape(what)}", soft_wrap=True)
    for what in ejected.not_done:
        out.print(f"  [yellow]not done[/yellow]  {escape(what)}", soft_wrap=True)
