"""The TLS certificates a run has learnt to accept on each box, kept on disk so that a resumed run knows them too."""

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from toolkit.appliances.protocol import Appliance
from toolkit.appliances.world import Role, World
from toolkit.model.errors import StorageError
from toolkit.model.execution import StepContext
from toolkit.model.fields import Fingerprint
from toolkit.storage.whole_file import write_whole

_FILE = "trusted-certificates.json"
_KNOWN: TypeAdapter[dict[Role, list[Fingerprint]]] = TypeAdapter(dict[Role, list[Fingerprint]])


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
    for certificate_sha256 in learnt(context.run_directory, role):
        appliance.trust(certificate_sha256)
    return appliance


def learnt(run_directory: Path, role: Role) -> tuple[str, ...]:
    """The certificates a run has learnt to accept on the box of that role; raises StorageError for a damaged file."""
    return tuple(_read(run_directory).get(role, ()))


def _read(folder: Path) -> dict[Role, list[str]]:
    path = folder / _FILE
    try:
        return _KNOWN.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise StorageError(
            "it cannot be read which certificates the run has learnt to accept",
            where=str(path),
            why=(error.strerror or "it cannot be opened") if isinstance(error, OSError) else "its content is damaged",
            next_move="Restore the file from a copy, then resume; the boxes are as they were.",
        ) from None


def _write(folder: Path, known: dict[Role, list[str]]) -> None:
    write_whole(
        folder / _FILE,
        json.dumps(known, indent=2).encode(),
        what="the certificate a box is going to serve cannot be written down",
        then="resume; the box is as it was",
    )
