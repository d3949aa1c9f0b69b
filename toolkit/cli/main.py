"""The `rebox` command: mounts one noun per concern and turns errors into words and exit statuses."""

import importlib
import importlib.metadata
import sys
from typing import Annotated, Any

import typer
import typer._click as click  # typer carries its own click since 0.26; its exceptions are public nowhere else
from typer.core import TyperGroup

from toolkit.model.errors import InputError, ReboxError

# imported only when used, so that the command answers at once
COMMANDS = {
    "migrate": ("toolkit.cli.migrate", "Rehearse a whole migration in a fresh lab, or run one on real boxes."),
    "plan": ("toolkit.cli.plan", "Print what would be done, step by step; changes nothing."),
    "run": ("toolkit.cli.runs", "Run the procedure of an inventory."),
    "runs": ("toolkit.cli.runs", "List the runs."),
    "resume": ("toolkit.cli.runs", "Go on with an interrupted run."),
    "back": ("toolkit.cli.runs", "Go back to the old box."),
    "abandon": ("toolkit.cli.abandon", "End by hand a run that can be neither resumed nor taken back."),
    "recover": ("toolkit.cli.recover", "Find out from the boxes how a run with a damaged record stands."),
    "report": ("toolkit.cli.runs", "Write the report of a run again and say where it is."),
    "inventory": ("toolkit.cli.inventory", "Check an inventory; print its schema."),
    "cert": ("toolkit.cli.cert", "Certificates: inspect, export, import, verify."),
    "backup": ("toolkit.cli.backup", "Backups: create, verify, restore, show."),
    "box-settings": ("toolkit.cli.box_settings", "What no backup holds: capture, map, check, compare, apply."),
    "probe": ("toolkit.cli.probe", "Packets: who answers, how fast, with what."),
    "image": ("toolkit.cli.image", "Disk images for new boxes: build, list, verify."),
    "provision": ("toolkit.cli.provision", "The new box: a virtual machine, or a physical one behind a BMC."),
    "media": ("toolkit.cli.media", "Sticks: list, watch, write, verify, read, format, eject."),
    "signer": ("toolkit.cli.signer", "Whose signature counts: show, trust, list."),
    "reset": ("toolkit.cli.reset", "The end of a box: its settings, its disks, and the records of both."),
    "lab": ("toolkit.cli.lab", "A lab in network namespaces: up, status, shell, down."),
}


class _LazyGroup(TyperGroup):
    """A group whose commands live in modules that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = typer.main.get_command(module.app)
        # a module for several top-level commands holds them by name; a noun's module is the group itself
        found = command
        if isinstance(command, TyperGroup):
            found = command.commands.get(cmd_name, command)
        found.name = cmd_name
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


app = typer.Typer(
    cls=_LazyGroup, rich_markup_mode=None, no_args_is_help=True, context_settings={"max_content_width": 110}
)


def _say_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"rebox {importlib.metadata.version('rebox')}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Replaces and upgrades network appliances, proves every step by packets, and keeps a way back."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point; exit statuses: 0 passed, 1 failed, 2 wrong use or input, 3 refused by a gate, 4 unknown."""
    words = sys.argv[1:] if arguments is None else arguments
    # what comes after -- is another program's
    as_json = "--json" in words[: words.index("--") if "--" in words else None]
    command = typer.main.get_command(app)
    try:
        status: Any = command.main(words, prog_name="rebox", standalone_mode=False)
    except ReboxError as error:
        from toolkit.cli.output import show_error  # noqa: PLC0415  (rich is slow to import)

        show_error(error, as_json=as_json)
        status = error.exit_status
    except click.ClickException as error:
        if as_json:
            from toolkit.cli.output import show_error  # noqa: PLC0415

            show_error(_wrong_use(error), as_json=True)
        else:
            error.show()
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("Interrupted.\n")
        status = 130
    except Exception as error:  # whatever it is, people are told in words
        from toolkit.cli.last_resort import in_words  # noqa: PLC0415
        from toolkit.cli.output import show_error  # noqa: PLC0415

        told = in_words(error)
        show_error(told, as_json=as_json)
        status = told.exit_status
    sys.exit(status if isinstance(status, int) else 0)


def _wrong_use(error: click.ClickException) -> InputError:
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "rebox"
    what = error.format_message().rstrip(".")
    return InputError(what, where=where, next_move=f"See how it is used: {where} --help")


if __name__ == "__main__":
    main()
