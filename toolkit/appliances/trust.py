"""The TLS certificates a run has learnt to accept on each box, kept on disk so that a resumed run knows them too."""

import json
from pathlib import Path

from toolkit.appliances.protocol import Appliance
from toolkit.appliances.world import Role, World
from toolkit.model.execution import StepContext
from toolkit.storage.whole_file import write_whole

_FILE = "trusted-certificates.json"


def trust(context: StepContext, role: Role, certificate_sha256: str) -> None:
    """Accepts a certificate on a box's own address from now on, in this process and after a resume.

    Called before the box starts to serve it: a kill in between must not leave us locked out.
    """
    world: World = context.world
    known = _read(context.run_directory)
    if certificate_sha256 not in known.setdefault(role, []):
        known[role].append(certificate_sha256)
        _write(context.run_directory, known)
    world.box(role).trust(certificate_sha256)


def box(context: StepContext, role: Role) -> Appliance:
    """The box of that role, with every certificate this run has learnt to accept on it."""
    world: World = context.world
    appliance = world.box(role)
    for certificate_sha256 in _read(context.run_directory).get(role, []):
        appliance.trust(certificate_sha256)
    return appliance


def _read(folder: Path) -> dict[str, list[str]]:
    try:
        content: dict[str, list[str]] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def _write(folder: Path, known: dict[str, list[str]]) -> None:
    write_whole(
        folder / _FILE,
        json.dumps(known, indent=2).encode(),
        what="the certificate a box is going to serve cannot be written down",
        then="resume; the box is as it was",
    )
