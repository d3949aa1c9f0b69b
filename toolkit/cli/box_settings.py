"""`rebox box-settings`: what no backup holds, captured, mapped, checked, compared and carried by hand."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from toolkit.box_settings.captured import BoxSettings, capture, read_captured, write_captured
from toolkit.box_settings.comparison import Likeness, Row, compare
from toolkit.box_settings.guarded import change_network
from toolkit.box_settings.looks import View, view
from toolkit.box_settings.proposal import propose, write_map
from toolkit.cli.output import JsonOption, confirm, emit_json, end, out, refuse_unasked, result_table
from toolkit.model.counting import counted
from toolkit.model.errors import RefusedError
from toolkit.model.verdict import Verdict
from toolkit.storage.whole_file import write_whole

if TYPE_CHECKING:
    from toolkit.appliances.protocol import Appliance

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What a box itself is set to and no backup holds: capture, map, check, compare, apply.",
)


class Role(StrEnum):
    """Which box of an inventory."""

    OLD = "old"
    NEW = "new"


InventoryArgument = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory that names the boxes.")]
OldOption = Annotated[
    Path | None,
    typer.Option("--old", metavar="FILE", help="What `capture` wrote of the old box [the old box is asked]."),
]


@app.command("capture")
def capture_command(
    inventory: InventoryArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where it goes; never overwritten.")],
    role: Annotated[Role, typer.Option("--role", help="Which box.")] = Role.OLD,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write down a box's network, clock, TLS and accounts by name; the box is only read, and no secret is asked for."""
    captured = _captured(inventory, role)
    write_captured(to, captured, replace=False)
    if as_json:
        emit_json(captured)
        return
    network = captured.network
    things = (
        counted(len(network.interfaces), "interface"),
        counted(len(network.addresses), "address", "addresses"),
        counted(len(network.routes), "route"),
    )
    out.print(f"[green]Captured[/green]  {role.value} box {captured.serial_number}: {', '.join(things)}.")
    out.print(f"It is in {escape(str(to))}.", soft_wrap=True)


@app.command("map")
def map_command(
    inventory: InventoryArgument,
    old: OldOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where it goes; never overwritten [stdout].")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Propose which interface of the old box becomes which of the new, as a table to be edited."""
    before, after = _old(inventory, old), _captured(inventory, Role.NEW)
    table = propose(before, after)
    text = write_map(table, before, after)
    if to is not None:
        write_whole(to, text.encode(), mode=0o644, replace=False)
    if as_json:
        emit_json(table)
        return
    if to is None:
        out.print(text, markup=False, soft_wrap=True, end="")
        return
    left = [row.old for row in table.interface if row.new is None]
    out.print(f"[green]Written[/green]  {escape(str(to))}: name it as box_settings.interface_map in the inventory.")
    if left:
        out.print(f"[yellow]Open[/yellow]  nothing tells what becomes of {', '.join(left)}: edit the table.")


@app.command()
def check(inventory: InventoryArgument, old: OldOption = None, *, as_json: JsonOption = False) -> None:
    """Find every reference that would point at nothing on the new box; nothing is changed."""
    seen = _seen(inventory, old)
    verdict = Verdict.FAILED if seen.dangling else Verdict.PASSED
    if as_json:
        emit_json({"dangling": _dangling(seen), "verdict": verdict.value})
        end(verdict)
    if seen.dangling:
        _show_dangling(seen)
    else:
        out.print("[green]Passed[/green]  every address, route, server and certificate has its place on the new box.")
    end(verdict)


@app.command("compare")
def compare_command(inventory: InventoryArgument, old: OldOption = None, *, as_json: JsonOption = False) -> None:
    """Compare old and new box setting by setting, and say what is not as it is meant to be."""
    _finish_compared(_seen(inventory, old), as_json=as_json)


@app.command()
def apply(
    inventory: InventoryArgument,
    old: OldOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the new box is changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry the old box's own settings to the new one; refused while a reference would dangle.

    The new box undoes a change of its network unless it is reached anew in time.
    """
    from toolkit.wiring import SystemClock, hold_box  # noqa: PLC0415  (drivers are slow to import)

    if not yes:
        refuse_unasked()
    with hold_box(inventory, Role.NEW.value, "rebox box-settings apply") as (box, wanted), closing(box):
        seen = _view(inventory, old, box)
        if seen.dangling:
            raise RefusedError(
                f"{counted(len(seen.dangling), 'reference')} would dangle on the new box",
                where=f"new ({box.address})",
                why=" ".join(map(str, seen.dangling)),
                next_move="Nothing was changed.",
            )
        if not yes:
            confirm(f"Change the network and TLS settings of the new box {seen.new.serial_number}?")
        with tempfile.TemporaryDirectory() as folder:
            seconds = wanted.box_settings.confirm_within_seconds
            note = Path(folder) / "network-change.json"
            change_network(box, seen.carried.network, seconds, SystemClock(), note=note)
        if box.tls_settings() != seen.carried.tls:
            box.set_tls_settings(seen.carried.tls)
        seen = _view(inventory, old, box)
    _finish_compared(seen, as_json=as_json)


def _captured(inventory: Path, role: Role) -> BoxSettings:
    with _box(inventory, role) as box:
        return capture(box, datetime.now(UTC))


@contextmanager
def _box(inventory: Path, role: Role) -> "Iterator[Appliance]":
    from toolkit.wiring import look_at_box  # noqa: PLC0415  (drivers are slow to import)

    with closing(look_at_box(inventory, role.value)) as box:
        yield box


def _old(inventory: Path, file: Path | None) -> BoxSettings:
    return _captured(inventory, Role.OLD) if file is None else read_captured(file)


def _seen(inventory: Path, old: Path | None) -> View:
    with _box(inventory, Role.NEW) as new:
        return _view(inventory, old, new)


def _view(inventory: Path, old: Path | None, new: "Appliance") -> View:
    from toolkit.wiring import load_inventory  # noqa: PLC0415  (drivers are slow to import)

    return view(load_inventory(inventory), inventory.parent, _old(inventory, old), new, datetime.now(UTC))


def _dangling(seen: View) -> list[dict[str, str]]:
    return [vars(one) for one in seen.dangling]


def _show_dangling(seen: View) -> None:
    result_table(
        f"{counted(len(seen.dangling), 'reference')} would dangle on the new box",
        ("reference", "on the old box", "why", "what to do"),
        [[escape(text) for text in (one.what, one.where, one.why, one.next_move)] for one in seen.dangling],
    )


_COLOURS = {Likeness.SAME: "green", Likeness.MEANT: "cyan", Likeness.DIFFERENT: "red"}


def _finish_compared(seen: View, *, as_json: bool) -> None:
    rows = compare(seen.old, seen.new, seen.table, seen.carried)
    verdict = Verdict.FAILED if any(row.likeness is Likeness.DIFFERENT for row in rows) else Verdict.PASSED
    if as_json:
        emit_json({"comparison": [row._asdict() for row in rows], "verdict": verdict.value})
        end(verdict)
    result_table(
        f"Old box {seen.old.serial_number} and new box {seen.new.serial_number}",
        ("setting", "old", "new", "", "why"),
        [_cells(row) for row in rows],
    )
    end(verdict)


def _cells(row: Row) -> list[str]:
    likeness = f"[{_COLOURS[row.likeness]}]{row.likeness.value}[/{_COLOURS[row.likeness]}]"
    return [row.setting, escape(_spoken(row.old)), escape(_spoken(row.new)), likeness, escape(row.why)]


def _spoken(value: Any) -> str:
    """A setting as people read it: "10.0.0.0/8 by 10.77.0.1", "eth0 10.77.0.12/24"."""
    if isinstance(value, list):
        return ", ".join(map(_spoken, value)) or "none"
    if not isinstance(value, dict):
        return "none" if value in (None, "") else str(value)
    if "destination" in value:
        return f"{value['destination']} by {value['gateway']}"
    if "prefix" in value:
        return f"{value['interface']} {value['address']}/{value['prefix']}"
    return ", ".join(f"{name}: {_spoken(one)}" for name, one in value.items())
