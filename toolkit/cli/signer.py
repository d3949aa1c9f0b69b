"""`rebox signer`: the public half of the toolkit's own key, and the signers whose documents are opened."""

from typing import Annotated

import typer
from rich.text import Text

from toolkit.cli.output import JsonOption, emit_json, out
from toolkit.lab.folder import state_folder
from toolkit.signing import own_key, trust, trusted_signers

app = typer.Typer(
    help="Whose signature counts on sticks and records: show, trust, list.", rich_markup_mode=None, no_args_is_help=True
)


@app.command()
def show(json: JsonOption = False) -> None:
    """Print the public key that this machine signs with; made when there is none."""
    public = own_key(state_folder()).public
    if json:
        emit_json({"public_key": public})
        return
    out.print(Text(public), soft_wrap=True)


@app.command("trust")
def trust_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="What `rebox signer show` prints where it was signed.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Whose it is, for whoever reads the list.")] = "",
    *,
    json: JsonOption = False,
) -> None:
    """Open what this signer has signed, from now on."""
    added = trust(state_folder(), key.strip(), note)
    if json:
        emit_json({"public_key": key.strip(), "added": added})
        return
    out.print(Text(f"{'Trusted from now on' if added else 'Trusted already'}: {key.strip()}"), soft_wrap=True)


@app.command("list")
def list_signers(json: JsonOption = False) -> None:
    """List the signers whose documents are opened, this machine's own among them."""
    state = state_folder()
    own = own_key(state).public
    found = sorted(trusted_signers(state))
    if json:
        emit_json({"signers": [{"public_key": public, "own": public == own} for public in found]})
        return
    for public in found:
        out.print(Text(f"{public}{'  this machine' if public == own else ''}"), soft_wrap=True)
