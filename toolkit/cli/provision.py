"""`rebox provision`: the new box as a virtual machine (check its host, make it, remove it), or on metal."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import JsonOption, confirm, emit_json, end, out, progress_bar, refuse_unasked
from toolkit.cli.provision_metal import install_metal, show_bmc
from toolkit.model.verdict import Verdict
from toolkit.wiring import open_virtual_machine, refuse_quarantined

app = typer.Typer(
    help="The new box: a virtual machine made, checked, removed; a physical one installed through its BMC.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

app.command("metal")(install_metal)
app.command("bmc")(show_bmc)

InventoryFile = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory (TOML).")]


@app.command("virtual")
def make_virtual_machine(inventory: InventoryFile, json: JsonOption = False) -> None:
    """Have the new box running as a virtual machine: made unless it is there, adopted if it is the same."""
    refuse_quarantined(inventory)
    machine, read = open_virtual_machine(inventory, fetch_secrets=True)
    with progress_bar(machine.name) as progress:
        machine.provide(progress)
    said = {
        "name": machine.name,
        "address": read.new.address,
        "serial_number": read.new.serial_number,
        "tls_sha256": machine.announced_tls_sha256(),
        "acceleration": "kvm" if machine.acceleration == "kvm" else "software",
    }
    if json:
        emit_json(said)
        return
    out.print(f"The virtual machine {machine.name} is running.")
    out.print(f"  address      {said['address']}")
    out.print(f"  certificate  {said['tls_sha256']}  (SHA-256, as its console says)")
    out.print(f"  {machine.how()}", markup=False)


@app.command("check")
def check_host(inventory: InventoryFile, json: JsonOption = False) -> None:
    """Say whether the host can take the virtual machine; changes nothing."""
    machine, _ = open_virtual_machine(inventory)
    findings = machine.check()
    verdict = Verdict.PASSED if all(finding.passed for finding in findings) else Verdict.FAILED
    if json:
        emit_json({"verdict": verdict.value, "findings": [asdict(finding) for finding in findings]})
        end(verdict)
    for finding in findings:
        out.print(f"{'passed' if finding.passed else 'failed'}  {finding.subject}: {finding.summary}", markup=False)
    end(verdict)


@app.command("remove")
def remove_virtual_machine(
    inventory: InventoryFile,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete the virtual machine that rebox made for the new box, with its disks."""
    machine, read = open_virtual_machine(inventory)
    if not yes:
        refuse_unasked()
        confirm(f"Delete the virtual machine {machine.name} (box {read.new.serial_number}) with all its data?")
    removed = machine.remove()
    if json:
        emit_json({"name": machine.name, "removed": removed})
        return
    said = "is removed" if removed else "was not there"
    out.print(f"The virtual machine {machine.name} {said}.")
