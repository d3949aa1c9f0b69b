"""`rebox lab`: bring a lab up, look at it, work in it, break it on purpose, take it down."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from toolkit.cli.output import JsonOption, emit_json, out, progress_bar, result_table
from toolkit.lab.folder import LabFolder, labs
from toolkit.lab.lab import Lab, take_down
from toolkit.lab.topology import Topology, load_topology
from toolkit.model.errors import InputError, ReboxError, UnreachableError, words_of

app = typer.Typer(
    help="A lab on one bridge: boxes as programs or virtual machines, clients, DNS and an update server.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

Name = Annotated[str | None, typer.Option("--name", help="The lab's name; without it the only lab there is.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", envvar="REBOX_STATE", help="Where rebox keeps its state, labs included.")
]
Machine = Annotated[str, typer.Argument(metavar="HOST", help="A machine of the lab, e.g. operator.")]

Label = Annotated[str, typer.Argument(help="The snapshot's name: letters, digits and hyphens.")]


@app.command()
def up(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Topology; without it a small world.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The lab's name; without it the topology's.")] = None,
    folder: Folder = None,
    json: JsonOption = False,
) -> None:
    """Build a lab; one that is up already with the same topology is left as it is."""
    topology = Topology() if file is None else load_topology(file)
    with progress_bar("lab") as progress:
        lab = Lab.up(topology, name=name, state=folder, progress=progress)
    if json:
        emit_json({"was_up": lab.was_up, **lab.description.model_dump(mode="json")})
        return
    if lab.was_up:
        out.print(f"Lab {lab.folder.name} was up already.")
    else:
        out.print(f"Lab {lab.folder.name} is up after {lab.description.seconds:.1f} s.")
    out.print(f"  folder     {lab.folder.path}", soft_wrap=True)
    inventory = lab.description.operator.get("inventory.toml")
    if inventory:
        out.print(f"  inventory  {inventory}")
    out.print(f"  work in it with: rebox lab shell {next(iter(_entrances(lab)))} --name {lab.folder.name}")


@app.command()
def status(name: Name = None, folder: Folder = None, json: JsonOption = False) -> None:
    """Show the machines of a lab."""
    lab = _lab(name, folder)
    now = lab.status()
    described = lab.description.machines
    if json:
        machines = {
            machine: {**state.model_dump(mode="json"), "addresses": described[machine].addresses}
            for machine, state in now.machines.items()
        }
        emit_json({**now.model_dump(mode="json"), "machines": machines})
        return
    result_table(
        f"Lab {now.name} ({lab.folder.path})",
        ("host", "role", "power", "link", "addresses", "process", "ended with"),
        (
            (
                machine,
                state.role,
                state.power,
                state.link,
                " ".join(address.partition("/")[0] for address in described[machine].addresses),
                state.process_id,
                state.exit_status,
            )
            for machine, state in now.machines.items()
        ),
        whole=("host", "role"),
    )


@app.command("list")
def list_labs(folder: Folder = None, json: JsonOption = False) -> None:
    """List the labs there are, half-built and crashed ones too."""
    found = [(lab.name, "up" if lab.supervisor() is not None else "down", str(lab.path)) for lab in labs(folder)]
    if json:
        emit_json([dict(zip(("name", "state", "folder"), row, strict=True)) for row in found])
        return
    if not found:
        out.print("There is no lab. Bring one up: rebox lab up")
        return
    result_table("Labs", ("name", "state", "folder"), found, whole=("name", "state"))


@app.command()
def shell(host: Machine, name: Name = None, folder: Folder = None) -> None:
    """Open a shell on a machine of the lab."""
    _become(_lab(name, folder), host, [os.environ.get("SHELL") or "/bin/sh"])


@app.command("exec")
def execute(
    host: Machine,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    name: Name = None,
    folder: Folder = None,
) -> None:
    """Run a command on a machine of the lab; input, output, signals and exit status pass through."""
    _become(_lab(name, folder), host, command)


@app.command()
def power(
    host: Machine,
    state: Annotated[Literal["on", "off"], typer.Argument(metavar="on|off")],
    name: Name = None,
    folder: Folder = None,
    crash: Annotated[bool, typer.Option("--crash", help="Pull the plug instead of shutting down.")] = False,
) -> None:
    """Switch a machine on or off."""
    lab = _lab(name, folder)
    if crash and state == "on":
        raise InputError("--crash goes with off", next_move=f"Write: rebox lab power {host} off --crash")
    if state == "on":
        lab.power_on(host)
    elif crash:
        lab.kill(host)
    else:
        lab.power_off(host)
    out.print(f"{host} is {lab.status().machines[host].power}.")


@app.command()
def link(
    host: Machine,
    state: Annotated[Literal["up", "down"], typer.Argument(metavar="up|down")],
    name: Name = None,
    folder: Folder = None,
) -> None:
    """Pull a machine's network cable, or put it back."""
    lab = _lab(name, folder)
    lab.link(host, up=state == "up")
    out.print(f"The link of {host} is {lab.status().machines[host].link}.")


@app.command()
def stick(
    host: Annotated[str, typer.Argument(metavar="HOST|out", help="The box it is plugged into; out: pull it out.")],
    name: Name = None,
    folder: Folder = None,
) -> None:
    """Move the lab's USB stick to a box, or pull it out, whatever is going on."""
    lab = _lab(name, folder)
    if host == "out":
        lab.pull_stick()
        out.print("The stick is pulled out.")
        return
    lab.plug_stick(host)
    out.print(f"The stick is plugged in at {host}.")


@app.command()
def snapshot(label: Label, name: Name = None, folder: Folder = None) -> None:
    """Keep memory and disks of a lab's virtual machines under a label; they go on afterwards."""
    lab = _lab(name, folder)
    lab.snapshot(label)
    out.print(f"Lab {lab.folder.name} is kept as {label}; come back to it: rebox lab restore {label}")


@app.command()
def restore(label: Label, name: Name = None, folder: Folder = None) -> None:
    """Have a lab's virtual machines as they were kept under a label."""
    lab = _lab(name, folder)
    lab.restore(label)
    out.print(f"Lab {lab.folder.name} is as it was when {label} was kept.")


@app.command()
def down(
    name: Name = None,
    folder: Folder = None,
    everything: Annotated[bool, typer.Option("--all", help="Every lab there is.")] = False,
) -> None:
    """Take a lab down, whole, half-built or crashed; nothing of it is left."""
    if everything:
        doomed = labs(folder)
    elif name:
        doomed = [LabFolder.of(name, folder)]
    else:
        doomed = [_only(labs(folder))]
    for lab in doomed:
        was_there = lab.path.exists()
        take_down(lab)
        out.print(f"Lab {lab.name} is down." if was_there else f"There is no lab {lab.name}.")
    if not doomed:
        out.print("There is no lab.")


def _lab(name: str | None, state: Path | None) -> Lab:
    """The lab that is meant: the one named, the one we are in, or the only one that is up."""
    if name is None and state is None and "REBOX_LAB" in os.environ:
        inside = Path(os.environ["REBOX_LAB"])
        return Lab.find(inside.name, state=inside.parent.parent)
    if name is None:
        name = _only([lab for lab in labs(state) if lab.supervisor() is not None]).name
    return Lab.find(name, state=state)


def _only(found: Sequence[LabFolder]) -> LabFolder:
    if not found:
        raise UnreachableError("no lab is up", next_move="Bring one up: rebox lab up")
    if len(found) > 1:
        names = ", ".join(lab.name for lab in found)
        raise InputError("there are several labs", why=names, next_move="Say which: --name NAME")
    return found[0]


def _entrances(lab: Lab) -> list[str]:
    machines = lab.description.machines
    return sorted(machines, key=lambda machine: machines[machine].role != "operator")


def _become(lab: Lab, host: str, program: Sequence[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    command = lab.command(host, program)
    try:
        os.execv(command[0], command)  # noqa: S606  the program is to be in this process's place
    except OSError as error:
        raise ReboxError("the lab cannot be entered", why=words_of(error)) from None
