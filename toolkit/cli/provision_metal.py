"""`rebox provision metal` and `rebox provision bmc`: the new box on a physical machine behind a BMC."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import JsonOption, confirm, emit_json, out, progress_bar, refuse_unasked
from toolkit.wiring import open_metal, refuse_quarantined

InventoryFile = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory (TOML).")]


def install_metal(
    inventory: InventoryFile,
    again: Annotated[
        bool, typer.Option("--again", help="Write the disk anew over the box that was installed here.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Have the new box running on its machine: installed over Redfish, unless that was done before."""
    refuse_quarantined(inventory)
    machine, read = open_metal(inventory, again=again)
    provided = machine.is_provided()
    if not provided and not yes:
        refuse_unasked()
        confirm(f"Write the machine {machine.boot.meant.serial_number} (box {read.new.serial_number})?")
    with progress_bar(read.new.serial_number) as progress:
        machine.provide(progress)
    said = {
        "machine_serial": machine.boot.meant.serial_number,
        "address": read.new.address,
        "serial_number": read.new.serial_number,
        "tls_sha256": machine.announced_tls_sha256() or read.new.tls_sha256,
        "was_there": provided,
    }
    if json:
        emit_json(said)
        return
    out.print(f"The machine {said['machine_serial']} is on{'' if provided else ', its disk written'}.")
    out.print(f"  address      {said['address']}")
    out.print(f"  certificate  {said['tls_sha256']}  (SHA-256)")


def show_bmc(inventory: InventoryFile, json: JsonOption = False) -> None:
    """Show what the BMC says about its machine, and whether it is the one that is meant; changes nothing."""
    machine, _ = open_metal(inventory)
    bmc = machine.boot.bmc
    facts, disks, override, medium = bmc.facts(), bmc.disks(), bmc.boot_override(), bmc.medium()
    if json:
        emit_json(
            {
                **asdict(facts),
                "disks": [asdict(disk) for disk in disks],
                "boot_override": asdict(override),
                "medium": {"inserted": medium.inserted},
            }
        )
    else:
        rows = {
            "system": facts.system,
            "machine": " ".join(word for word in (facts.maker, facts.model) if word) or None,
            "serial number": facts.serial_number,
            "UUID": facts.uuid,
            "MACs": ", ".join(facts.macs) or None,
            "disks": ", ".join(f"{disk.name} ({disk.serial_number or 'no serial number'})" for disk in disks) or None,
            "power": facts.power,
            "boots from": "its own order" if override.off else f"{override.target}, {override.enabled}",
            "virtual drive": "something is inserted" if medium.inserted else "empty",
        }
        for name, value in rows.items():
            out.print(f"{name:<14} {value or 'not told'}", markup=False, soft_wrap=True)
    machine.boot.check_machine()
