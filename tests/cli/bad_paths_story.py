"""Every command with a file or folder that cannot be used, in every way in which it cannot; nobody's rights help.

`python -m tests.cli.bad_paths_story FOLDER` prints what each command said, as one JSON document. Each runs in a process
of its own that was forked off when everything was imported already.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer._click as click

from toolkit.cli.main import COMMANDS, app, main

SECONDS_MAX = 40

INVENTORY = """
procedure = "hardware-migration"
[site]
hostname = "support.example.net"
"""

OTHERS: dict[str, list[str]] = {
    "resume": ["20260101"],
    "back": ["20260101", "--yes"],
    "report": ["20260101"],
    "run": ["--yes"],
    "cert inspect": ["GOOD"],
    "cert verify": ["GOOD"],
    "cert export": ["GOOD", "--to", "OUT"],
    "cert import": ["--to", "OUT"],
    "probe tls": ["127.0.0.1", "--port", "9"],
    "probe watch": ["127.0.0.1", "--for", "0.1"],
    "image build": ["no-such-image"],
    "image netboot": [],
    "reset disk": ["NO-SUCH-SERIAL"],
    "lab shell": ["operator"],
    "lab exec": ["operator", "true"],
    "lab power": ["operator", "on"],
    "lab link": ["operator", "up"],
    "lab stick": ["operator"],
    "lab snapshot": ["label"],
    "lab restore": ["label"],
}
"""What a command is given beside its paths."""

NOT_TRIED = {
    ("migrate", "runs"): "may build a lab",
    ("lab up", "folder"): "builds a lab",
    ("probe watch", "until_removed"): "a file that is not there ends the watch",
}
"""What would do its work in spite of such a path, and why."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command there is by its words."""
    root = typer.main.get_command(app)
    context = click.Context(root)

    def below(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, click.Command]]:
        if not hasattr(command, "list_commands"):
            yield " ".join(words), command
            return
        for name in command.list_commands(context):
            yield from below((*words, name), command.get_command(context, name))

    return below((), root)


def paths_of(command: click.Command) -> list[Any]:
    """The parameters of a command that take a file or a folder."""
    return [
        parameter
        for parameter in command.params
        if "Path" in str(getattr(getattr(parameter, "type_descriptor", None), "annotation", ""))
    ]


def bad_paths(folder: Path) -> dict[str, Path]:
    """A path for each way in which one cannot be used."""
    for name, mode in (("closed", 0), ("read-only", 0o555)):
        (folder / name).mkdir()
        (folder / name / "in").mkdir()
        (folder / name / "file").write_text(INVENTORY, encoding="ascii")
        (folder / name).chmod(mode)
    (folder / "unreadable").write_text(INVENTORY, encoding="ascii")
    (folder / "unreadable").chmod(0)
    (folder / "loop").symlink_to("loop")
    return {
        "unreadable": folder / "unreadable",
        "in a closed folder": folder / "closed" / "file",
        "in a read-only folder": folder / "read-only" / "new",
        "below a file": folder / "good" / "below",
        "a loop": folder / "loop",
        "too long": folder / ("x" * 300),
        "a device": Path("/dev/full"),
    }


def command_line(words: str, command: click.Command, bad: Any, path: Path, folder: Path) -> list[str]:
    """The command with one bad path; its other paths are good ones."""
    line = words.split()
    for parameter in paths_of(command):
        if parameter is not bad and not parameter.required:
            continue
        given = str(path if parameter is bad else folder / "good")
        line += [given] if parameter.param_type_name == "argument" else [parameter.opts[-1], given]
    others = OTHERS.get(words, [])
    return line + [{"GOOD": str(folder / "good"), "OUT": str(folder / "out.pem")}.get(word, word) for word in others]


def said(line: list[str]) -> dict[str, Any]:
    """What a command says, in a process of its own: its exit status and both its streams together."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(SECONDS_MAX)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        status = 99
        try:
            main(line)
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            traceback.print_exc()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        words = stream.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return {"line": line, "status": os.waitstatus_to_exitcode(status), "said": words}


def tell(folder: Path) -> dict[str, dict[str, Any]]:
    """What every command says to every bad path, by command, parameter and path."""
    for module in {module for module, _ in COMMANDS.values()} | {"toolkit.wiring"}:
        importlib.import_module(module)
    (folder / "good").write_text(INVENTORY, encoding="ascii")
    os.environ["HOME"] = str(folder / "home")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    os.environ["COLUMNS"] = "300"
    bad = bad_paths(folder)
    (folder / "runs/of-another").mkdir(parents=True)
    (folder / "runs/of-another").chmod(0)
    runs = ["--runs", str(folder / "runs")]
    others = {"runs of others": said(["runs", *runs])}
    for word in ("resume", "back", "report"):
        line = [word, "of-another", *runs, *(["--yes"] if word == "back" else [])]
        others[f"{word} of another"] = said(line)
    return others | {
        f"{words} / {parameter.name} / {how}": said(command_line(words, command, parameter, path, folder))
        for words, command in commands()
        for parameter in paths_of(command)
        if (words, parameter.name) not in NOT_TRIED
        for how, path in bad.items()
    }


if __name__ == "__main__":
    told = tell(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(told), encoding="utf-8")
